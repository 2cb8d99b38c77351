"""What stands around a command: warnings told once, and Ctrl-C before there is any work."""

from __future__ import annotations

import warnings

import pytest

import gensdk
from gensdk.cli import app, main
from gensdk.cli.session import open_client
from gensdk.cli.terminal import Flags, Terminal


async def test_a_model_that_ends_is_told_by_the_notes_alone() -> None:
    async with open_client(Terminal(Flags())):
        warnings.warn("told in the answer, too", gensdk.ModelRetiring, stacklevel=1)


def test_interrupt_before_the_command_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "run", interrupted)
    assert main(["doctor"]) == 130
