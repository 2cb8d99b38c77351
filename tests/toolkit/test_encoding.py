from __future__ import annotations

import base64
import builtins
import struct
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gensdk.errors import InvalidResponseError
from gensdk.toolkit import decode_base64, encoding, floats_from_base64


@pytest.fixture(params=["pybase64", "stdlib"], autouse=True)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both decoders must behave alike."""
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "pybase64":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    if request.param == "stdlib":
        monkeypatch.setattr(builtins, "__import__", refuse)
    else:
        pytest.importorskip("pybase64")
    encoding._decoder.cache_clear()
    encoding._decoder()
    monkeypatch.undo()
    yield
    encoding._decoder.cache_clear()


def test_decodes_text_and_bytes() -> None:
    data = bytes(range(256))
    text = base64.b64encode(data)
    assert decode_base64(text) == decode_base64(text.decode()) == data
    assert decode_base64("") == b""


@pytest.mark.parametrize(
    "text",
    ["a", "ab", "abc", "ab=c", "=", "====", "YQ==YQ==", "YQ\n==", "Y Q=", "YQ-_", "YQé=", "*"],
)
def test_anything_else_is_an_invalid_response(text: str) -> None:
    with pytest.raises(InvalidResponseError):
        decode_base64(text)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_floats_come_back_exactly(values: list[float]) -> None:
    text = base64.b64encode(struct.pack(f"<{len(values)}f", *values))
    assert floats_from_base64(text) == array("f", values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_and_infinity_are_refused(bad: float, place: int) -> None:
    values = [0.5, -3e38, 1.0]
    values[place] = bad
    with pytest.raises(InvalidResponseError, match="NaN"):
        floats_from_base64(base64.b64encode(struct.pack("<3f", *values)))


def test_part_of_a_float_is_refused() -> None:
    with pytest.raises(InvalidResponseError, match="whole number"):
        floats_from_base64(base64.b64encode(b"12345"))


def test_big_endian_machines_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.byteorder", "big")
    found = floats_from_base64(base64.b64encode(struct.pack("<f", 1.5)))
    found.byteswap()
    assert found[0] == 1.5
