"""Some servers stream Responses although nobody asked (``transformers serve`` does)."""

from __future__ import annotations

import pytest

from gensdk.errors import StreamInterruptedError
from gensdk.types import TextRequest
from tests.support import openai_responses as responses
from tests.support.server import LoopbackServer, answer_sse


async def test_a_stream_in_place_of_a_plain_answer_is_read_as_one() -> None:
    told = responses.events(responses.message("A whale sings."))
    async with LoopbackServer() as server:
        server.on("POST", responses.PATH, answer_sse(told, done=False))
        backend = responses.backend(server)
        reply = await backend.text(TextRequest(prompt="hi"), responses.context())
        await backend.aclose()
    assert reply.text == "A whale sings."
    assert reply.usage.output_tokens == 9
    assert "stream" not in server.requests[0].json()


async def test_a_cut_one_is_no_answer() -> None:
    told = responses.events(responses.message("A whale sings."))[:-1]
    async with LoopbackServer() as server:
        server.on("POST", responses.PATH, answer_sse(told, done=False))
        backend = responses.backend(server)
        with pytest.raises(StreamInterruptedError):
            await backend.text(TextRequest(prompt="hi"), responses.context())
        await backend.aclose()
