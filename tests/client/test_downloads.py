"""The downloads of a client, by themselves."""

from __future__ import annotations

import math

import pytest

from gensdk import Retry
from gensdk._downloads import Downloads
from gensdk.errors import ClientClosedError, UnsafeURLError
from gensdk.types import URL

METADATA = URL(url="http://169.254.169.254/latest/meta-data")


async def test_an_unsafe_input_is_no_providers_fault_and_a_closed_client_fetches_nothing() -> None:
    downloads = Downloads(None)
    with pytest.raises(UnsafeURLError) as unsafe:
        await downloads.fetch(Retry(), math.inf, METADATA)
    assert unsafe.value.provider == ""
    assert not unsafe.value.model
    await downloads.aclose()
    with pytest.raises(ClientClosedError):
        await downloads.fetch(Retry(), math.inf, METADATA)


async def test_closing_before_the_first_download() -> None:
    await Downloads(None).aclose()
