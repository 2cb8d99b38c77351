"""A real peer: ``transformers serve`` with a tiny model, where its packages are installed."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.types import Finished, TextDelta, TextRequest

NEEDED = ("torch", "transformers", "fastapi", "uvicorn")
START_S = 120.0

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"
)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[OpenAICompatibleBackend, Context]]:
    from tests.support.tiny_models import save_model

    folder = save_model(tmp_path / "tiny", chat=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from transformers.cli.transformers import main; main()"),
        *("serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    drain = None
    try:
        async with asyncio.timeout(START_S):
            while b"Uvicorn running" not in (line := await process.stderr.readline()):
                assert line, "the server ended before it began"
        drain = asyncio.create_task(process.stderr.read())
        backend = OpenAICompatibleBackend(
            f"http://127.0.0.1:{port}/v1", dialect="transformers-serve"
        )
        yield backend, Context(str(folder))
        await backend.aclose()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if drain is not None:
            await drain


async def test_text_over_both_protocols(served: tuple[OpenAICompatibleBackend, Context]) -> None:
    backend, context = served
    request = TextRequest(prompt="Hello", max_tokens=8, temperature=0, top_k=5)
    plain = await backend.text(request, context)
    assert plain.text
    assert plain.finish_reason in {"length", "stop"}
    assert plain.model == f"{context.model}@main"
    assert plain.usage.output_tokens == 8
    assert [warning.parameter for warning in plain.warnings] == ["top_k"]
    events = [event async for event in backend.stream_text(request, context)]
    last = events.pop()
    assert isinstance(last, Finished)
    assert last.response.text == plain.text
    assert all(isinstance(event, TextDelta) for event in events)
    assert last.response.usage == plain.usage

    backend.protocol = "completions"
    assert (await backend.text(request, context)).usage.output_tokens == 8

    unknown = TextRequest(prompt="Hello", extra={"nonsense": 1})
    with pytest.raises(InvalidRequestError, match="nonsense") as caught:
        await backend.text(unknown, context)
    assert caught.value.status == 422
