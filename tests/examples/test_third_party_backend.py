"""The example package is built, installed and found, and passes its own tests there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gensdk

HOME = Path(gensdk.__file__).parent.parent
SOURCE = HOME / "examples" / "third_party_backend"

USE = """
import asyncio, sys
import gensdk
from fake_acme import fake_acme

async def main():
    async with fake_acme() as server:
        import os
        os.environ["ACME_BASE_URL"] = server.url
        async with gensdk.Client() as client:
            assert "acme" in client.providers()
            assert "gensdk_acme" not in sys.modules, "it is imported at its first use"
            reply = await client.text("Hello", model="acme:acme-1", top_k=5)
            texts = [f"text {n}" for n in range(250)]
            many = await client.embed(texts, model="acme:acme-vectors-1")
            async with client.stream_text("Hello", model="acme:acme-1") as stream:
                pieces = [piece async for piece in stream.text]
        sizes = [len(body["texts"]) for path, body in server.bodies if "texts" in body]
    print(reply.text, reply.warnings[0].parameter, len(many.vectors), sorted(sizes), pieces)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("acme")
    source = shutil.copytree(SOURCE, folder / "source")
    command = [
        sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
        "--no-index", "--disable-pip-version-check", "--target", str(folder / "site"), str(source),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(installed: Path, *arguments: str) -> str:
    places = [installed / "site", HOME, installed / "source" / "tests"]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "ACME_API_KEY": "k-123456",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=installed, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_found_by_its_entry_point(installed: Path) -> None:
    printed = run(installed, "-W", "error", "-c", USE)
    assert printed == "A robot. top_k 250 [50, 100, 100] ['A ', 'robot.']\n"


def test_its_own_tests_pass_where_it_is_installed(installed: Path) -> None:
    tests = str(installed / "source" / "tests")
    plain = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    printed = run(installed, *plain, tests)
    assert "32 passed" in printed


def test_its_package_holds_what_it_should(installed: Path) -> None:
    files = {path.name for path in (installed / "site" / "gensdk_acme").glob("*.*")}
    assert files >= {"__init__.py", "backend.py", "wire.py", "py.typed"}


def test_the_guide_quotes_the_package() -> None:
    guide = (HOME / "docs" / "writing-a-backend.md").read_text("utf-8")
    source = SOURCE / "src" / "gensdk_acme"
    wire = (source / "wire.py").read_text("utf-8")
    backend = (source / "backend.py").read_text("utf-8")
    for line in ('ErrorRow(ContextLengthError, code="too_many_words"),', "meaning=_MEANING"):
        assert line in guide
        assert line in wire
    line = '.send("POST", "/v1/write", context, body=body)'
    assert line in guide
    assert line in backend
