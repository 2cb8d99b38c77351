"""A schema that strict mode cannot express goes out loosely, and both protocols say so."""

from __future__ import annotations

import pytest

import gensdk
from gensdk.backends.openai import OpenAIBackend
from tests.support import openai_responses as responses
from tests.support.openai_chat import CHAT, choice, completion
from tests.support.server import LoopbackServer, answer_json


@pytest.mark.parametrize("protocol", ["responses", "chat"])
async def test_it_is_noted(protocol: str) -> None:
    async with LoopbackServer() as server:
        server.on(
            "POST", responses.PATH, answer_json(responses.body(responses.message('{"value": []}')))
        )
        server.on("POST", CHAT, answer_json(completion(choice(content='{"value": []}'))))
        account = OpenAIBackend(
            api_key="sk-test",
            base_url=f"{server.url}/v1",
            protocol=protocol,  # type: ignore[arg-type]  # one of the two
        )
        async with gensdk.Client(backends={"openai": account}) as client:
            reply = await client.text("hi", model="openai:gpt-6-luna", output=list[dict[str, int]])
        await account.aclose()
    assert [one.kind for one in reply.warnings if one.parameter == "output"] == ["adapted"]
