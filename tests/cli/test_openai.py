"""The installed command against a loopback server that speaks OpenAI's wire format."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gensdk.cli import main
from tests.cli.launch import LIMIT_S, OnTerminal, environment, start
from tests.support import openai_responses as responses
from tests.support.fake_openai import MP3, fake_openai
from tests.support.openai_media import PNG
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_error

KEY = "sk-cli-test-1234567890"
MODEL = "openai:gpt-6-luna"
STORY = "A robot went out to see the sea."


def env_for(server: LoopbackServer, **more: str) -> dict[str, str]:
    return environment(None, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{server.url}/v1", **more)


async def ran(
    server: LoopbackServer, cwd: Path, *arguments: str, stdin: bytes = b"", **more: str
) -> tuple[int, bytes, str]:
    """Run the command and return its exit code, stdout and stderr; the key is never in them."""
    process = await start(
        *arguments, env=env_for(server, **more), cwd=cwd, stdin=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate(stdin)
    assert KEY.encode() not in out + err
    assert process.returncode is not None
    return process.returncode, out, err.decode()


async def test_text_streams(in_folder: Path) -> None:
    async with fake_openai() as server:
        code, out, err = await ran(
            server, in_folder, "text", "a story", "-m", MODEL, "--max-tokens", "40"
        )
        assert (code, out.decode(), err) == (0, f"{STORY}\n", "")
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", "/v1/responses")
        assert request.headers["authorization"] == f"Bearer {KEY}"
        sent = request.json()
        assert (sent["model"], sent["stream"], sent["max_output_tokens"]) == (
            "gpt-6-luna",
            True,
            40,
        )


async def test_the_default_model_and_the_facts(in_folder: Path) -> None:
    async with fake_openai() as server:
        code, out, err = await ran(server, in_folder, "text", "-v", stdin=b"a story")
        assert (code, out.decode()) == (0, f"{STORY}\n")
        assert "openai:gpt-4.1-2025-04-14 | 12 tokens in, 4 of them cached, 9 tokens out" in err
        assert " USD at list price | " in err
        assert "first output after" in err
        assert server.requests[0].json()["model"] == "gpt-6-luna"


async def test_text_with_a_schema_and_a_picture(in_folder: Path) -> None:
    schema = {
        "title": "recipe", "type": "object", "additionalProperties": False,
        "required": ["title", "minutes", "steps"],
        "properties": {
            "title": {"type": "string"}, "minutes": {"type": "integer"},
            "steps": {"type": "array", "items": {"type": "string"}},
        },
    }  # fmt: skip
    (in_folder / "recipe.json").write_text(json.dumps(schema), encoding="utf-8")
    (in_folder / "cat.png").write_bytes(PNG)
    async with fake_openai() as server:
        code, out, err = await ran(
            server, in_folder, "text", "Pancakes", "-m", MODEL,
            "--schema", "recipe.json", "-i", "cat.png",
        )  # fmt: skip
        assert (code, err) == (0, "")
        assert json.loads(out)["title"] == "Pancakes"
        sent = server.requests[0].json()
        assert sent["text"]["format"]["schema"]["required"] == schema["required"]
        assert "data:image/png;base64," in json.dumps(sent["input"])


async def test_image(in_folder: Path) -> None:
    async with fake_openai() as server:
        code, out, err = await ran(
            server, in_folder, "image", "a cat", "-o", "cat.png", "--quality", "low",
            "-m", "openai:gpt-image-9",
        )  # fmt: skip
        assert (code, out.decode(), err) == (0, "cat.png\n", "")
        assert (in_folder / "cat.png").read_bytes() == PNG
        assert server.requests[0].json()["quality"] == "low"


async def test_speech(in_folder: Path) -> None:
    async with fake_openai() as server:
        code, out, _ = await ran(
            server, in_folder, "speech", "hi", "-o", "-", "-m", "openai:gpt-9-tts",
            "--voice", "coral", "--format", "mp3",
        )  # fmt: skip
        assert (code, out) == (0, MP3)
        sent = server.requests[0].json()
        assert (sent["input"], sent["voice"], sent["response_format"]) == ("hi", "coral", "mp3")


async def test_transcribe(in_folder: Path) -> None:
    (in_folder / "a.mp3").write_bytes(MP3)
    async with fake_openai() as server:
        code, out, err = await ran(
            server, in_folder, "transcribe", "a.mp3", "-m", "openai:gpt-transcribe"
        )
        assert (code, out.decode(), err) == (0, "Hello there.\n", "")
        parts = {part.name: part for part in server.requests[0].form()}
        assert parts["file"].content == MP3
        assert parts["model"].text == "gpt-transcribe"
        code, out, err = await ran(
            server, in_folder, "transcribe", "a.mp3", "-m", "openai:gpt-transcribe",
            "--format", "srt",
        )  # fmt: skip
        assert (code, out) == (3, b"")
        assert "whisper-1" in err
        assert len(server.requests) == 1


async def test_embed_and_moderate(in_folder: Path) -> None:
    async with fake_openai() as server:
        code, out, _ = await ran(server, in_folder, "embed", stdin=b"one\ntwo\n")
        assert code == 0
        assert [json.loads(line)["vector"] for line in out.splitlines()] == [
            [1.0, 0.0, 0.5],
            [1.0, 1.0, 0.5],
        ]
        assert server.requests[0].json()["input"] == ["one", "two"]
        code, out, _ = await ran(server, in_folder, "moderate", "kind", "hateful", "--check")
        assert (code, out.decode()) == (7, "ok\nflagged\thate\n")


@pytest.mark.parametrize(
    ("status", "problem", "code", "words"),
    [
        (401, {"code": "invalid_api_key", "message": "bad key"}, 4, "check the provider's key"),
        (403, {"message": "not you"}, 4, "ask for access"),
        (404, {"code": "model_not_found", "message": "no model"}, 8, "check the name after -m"),
        (400, {"message": "wrong \x1b[2J field"}, 3, r"error: wrong \x1b[2J field"),
        (429, {"code": "insufficient_quota", "message": "pay"}, 5, "add credit"),
        (400, {"code": "content_policy_violation", "message": "no"}, 7, "change the input"),
    ],
)
async def test_exit_codes(
    in_folder: Path, status: int, problem: dict[str, Any], code: int, words: str
) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", answer_error(status, {"error": problem}))
        found, out, err = await ran(server, in_folder, "text", "hi", "-m", MODEL)
        assert (found, out) == (code, b"")
        assert err.startswith("error: ")
        assert words in err
        assert f"status {status}" in err
        assert "Traceback" not in err


async def test_a_route_falls_back(in_folder: Path) -> None:
    async def handler(request: RecordedRequest, reply: Reply) -> None:
        if request.json()["model"] == "gpt-a":
            await reply.error(404, {"error": {"code": "model_not_found", "message": "gone"}})
        else:
            await reply.sse(responses.events(responses.message("second")), done=False)

    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", handler)
        code, out, err = await ran(
            server, in_folder, "text", "hi", "-m", "openai:gpt-a", "-m", "openai:gpt-b"
        )
        assert (code, out) == (0, b"second\n")
        assert err == "warning: openai:gpt-a failed (model_not_found); trying openai:gpt-b\n"


async def test_interrupt_closes_the_connection(in_folder: Path) -> None:
    told = responses.events(responses.message("half of it and the rest"))
    forever = asyncio.Event()

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        for name, data in told[:5]:
            await reply.event(data, name)
        await forever.wait()

    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", handler)
        env = env_for(server)
        with OnTerminal("text", "hi", "-m", MODEL, env=env, cwd=in_folder) as shown:
            await asyncio.to_thread(shown.until, "half o")
            shown.interrupt()
            code = await asyncio.to_thread(shown.end)
            await server.closed_by_client()
        assert code == 130
        assert shown.screen.endswith("half o\ninterrupted\n")


@pytest.mark.parametrize(
    ("whole", "code", "advice"),
    [(True, 9, "running it again may be paid again"), (False, 6, "check the network")],
)
async def test_a_stream_that_breaks_keeps_its_text(
    in_folder: Path, whole: bool, code: int, advice: str
) -> None:
    told = responses.events(responses.message("half of it and the rest"))

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        for name, data in told[:5]:
            await reply.event(data, name)
        if not whole:
            reply.close()

    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", handler)
        found, out, err = await ran(server, in_folder, "text", "hi", "-m", MODEL)
        assert (found, out) == (code, b"half o")
        assert advice in err


def test_without_a_key(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["text", "hi", "-m", MODEL]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
