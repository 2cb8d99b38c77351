"""Short ways to ask a ``LocalBackend``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gensdk.backends.local import LocalBackend
from gensdk.spec import Context
from gensdk.types import Finished, TextDelta, TextRequest, TextResponse


def context(model: object, **facts: Any) -> Context:
    """The pipeline's part of a call."""
    return Context(model=str(model), **facts)


async def ask(
    backend: LocalBackend, model: Path | str, prompt: Any, **fields: Any
) -> TextResponse[Any]:
    """One whole answer."""
    return await backend.text(TextRequest(prompt=prompt, **fields), context(model))


async def stream(
    backend: LocalBackend, model: Path | str, prompt: Any, **fields: Any
) -> tuple[list[TextDelta], TextResponse[Any]]:
    """The pieces and the answer of a stream."""
    deltas: list[TextDelta] = []
    responses: list[TextResponse[Any]] = []
    async for event in backend.stream_text(TextRequest(prompt=prompt, **fields), context(model)):
        if isinstance(event, Finished):
            responses.append(event.response)
        else:
            assert isinstance(event, TextDelta)
            assert not responses, "nothing comes after the end"
            deltas.append(event)
    assert len(responses) == 1
    return deltas, responses[0]


def joined(deltas: Sequence[TextDelta], index: int = 0) -> str:
    """Text of one candidate of a stream."""
    return "".join(delta.text for delta in deltas if delta.index == index)
