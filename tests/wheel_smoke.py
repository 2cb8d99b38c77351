"""Builds the wheel, installs it into a fresh environment without extras, and uses it there.

Run by ``make wheel``; not a pytest module, because it tests the package outside the source tree.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_WHEEL_BYTES = 14 * 2**20  # the painter may have 10 MB of them, the storyteller 3

INSIDE = """
import asyncio, json, sys
import gensdk
assert "openai" not in sys.modules and "torch" not in sys.modules and "httpx2" not in sys.modules
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.errors import MissingCredentialsError, MissingDependencyError
from gensdk.testing import ScriptedBackend

ANSWER = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "tiny",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "It works."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
}).encode()

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\\r\\n")
                  if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: "
                 + str(len(ANSWER)).encode() + b"\\r\\nconnection: close\\r\\n\\r\\n" + ANSWER)
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gpu = OpenAICompatibleBackend(f"http://127.0.0.1:{port}/v1", name="gpu")
    async with gensdk.Client(backends={"gpu": gpu, "s": ScriptedBackend("scripted")}) as client:
        reply = await client.text("Does it work?", model="gpu:tiny")
        assert reply.text == "It works." and reply.usage.total_tokens == 6, reply
        assert (await client.text("hi", model="s:x")).text == "scripted"
        for model, error in (("openai:gpt-6-luna", MissingCredentialsError),
                             ("local:storyteller", MissingDependencyError)):
            try:
                await client.text("hi", model=model)
            except error as found:
                print("  ", model, "->", found)
            else:
                raise SystemExit(f"{model} should have failed with {error.__name__}")
    await gpu.aclose()
    server.close()

asyncio.run(main())
"""


def build(folder: Path) -> Path:
    """Build the wheel from the source tree."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Only the package and its metadata; typed; no file that runs at interpreter start."""
    names = zipfile.ZipFile(wheel).namelist()
    strays = [name for name in names if not name.startswith(("gensdk/", "gensdk-"))]
    assert not strays, strays
    assert not [name for name in names if name.endswith((".pth", ".so", ".pyd"))]
    assert "gensdk/py.typed" in names
    assert any(name.endswith("storyteller/model.safetensors") for name in names)
    size = wheel.stat().st_size
    assert size <= MAX_WHEEL_BYTES, f"the wheel has {size} bytes"
    print(f"   {wheel.name}: {len(names)} files, {size / 1e6:.1f} MB")


def main() -> None:
    """Build, look inside, install, use."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL")) and not name.startswith("GENSDK_")
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wheel = build(folder / "dist")
        check_contents(wheel)
        venv.create(folder / "venv", with_pip=True)
        scripts = folder / "venv" / "bin"
        python = str(scripts / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-q", str(wheel)], check=True)
        subprocess.run(
            [python, "-W", "error", "-c", INSIDE], check=True, cwd=folder, env=environment
        )
        command = [str(scripts / "gensdk"), "--version"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert found.returncode == 2, found
        assert 'pip install "gensdk[cli]"' in found.stderr, found
    print("   the wheel works on its own")


if __name__ == "__main__":
    main()
