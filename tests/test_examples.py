"""Every example runs, as a user would run it, against a loopback server or the built-in model."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.fake_openai import MP3, fake_openai
from tests.support.openai_media import PNG

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

HOSTED = {
    "text.py": "A robot went out to see the sea.",
    "stream_text.py": "A robot went out to see the sea.",
    "conversation.py": "A robot went out to see the sea.",
    "structured_output.py": "Pancakes (20 min)\n1. Mix.\n2. Fry.",
    "stream_object.py": "Pancakes: Mix. Fry.",
    "tools.py": '"sunny","sunny"',
    "look_at_picture.py picture.png": "A robot",
    "image.py": "cat-1.png",
    "edit_image.py picture.png": "cat-with-hat.png",
    "stream_image.py": "preview",
    "speech.py": "hello.mp3",
    "transcribe.py sound.mp3": "Hello there.",
    "embed.py": "a cat ~ a kitten: 1.250",
    "moderate.py": "flagged ('hate',)",
    "fallback.py": "answered by openai",
    "sync.py": "A robot went out to see the sea.",
    "many_requests.py": "- A robot",
    "hooks.py": "bedtime openai",
    "cache.py": "kept 0 A robot",
    "own_backend.py": "Polly wants a cracker. Polly wants a cracker.",
}
"""What each prints when a (loopback) provider answers."""

LOCAL = {
    "text.py": "by local storyteller",
    "stream_text.py": "[storyteller",
    "conversation.py": "",
    "sync.py": "",
    "many_requests.py": "- ",
    "hooks.py": "bedtime local",
    "cache.py": "kept 0 ",
    "continued_stream.py": "there was a brave cat who lived in a green",
    "demo.py": "demo.png",
    "image.py": "cat-1.png",
    "own_function.py": "embed() was asked",
    "gan_digits.py --steps 30": "80 pictures in",
    "vae_digits.py --steps 30": "a warning: 'size' was not sent",
}
"""What each prints with no key at all: the built-in storyteller, or a model of its own, answers."""


async def run(command: str, folder: Path, **environment: str) -> str:
    """Run an example in a folder and return what it printed."""
    name, *arguments = command.split()
    inherited = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore:openai shuts:FutureWarning",  # the day comes for every model
        str(EXAMPLES / name),
        *arguments,
        cwd=folder,
        env=inherited | environment | {"PYTHONIOENCODING": "utf-8"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("command", HOSTED)
async def test_with_a_provider(command: str, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(PNG)
    (tmp_path / "sound.mp3").write_bytes(MP3)
    async with fake_openai() as server:
        printed = await run(
            command, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=f"{server.url}/v1"
        )
    assert HOSTED[command] in printed


@pytest.mark.parametrize("command", LOCAL)
async def test_with_nothing_set_up(command: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    printed = await run(command, tmp_path)
    assert printed.strip()
    assert LOCAL[command] in printed


def test_every_example_is_run() -> None:
    named = {command.split()[0] for command in (*HOSTED, *LOCAL)}
    assert named == {path.name for path in EXAMPLES.glob("*.py")}
