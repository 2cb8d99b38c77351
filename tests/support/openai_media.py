"""What the tests of OpenAI's pictures, sound and vectors share."""

from __future__ import annotations

import base64
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gensdk.backends.openai.account import Account
from gensdk.catalog.compatible import OPENAI, PRESETS, UNKNOWN, Dialect
from gensdk.spec import Context
from gensdk.types import URL, Media
from tests.support.server import LoopbackServer

__all__ = ["AZURE", "JPEG", "PNG", "SERVER", "SVG", "b64", "context", "downloads", "loopback"]

AZURE = replace(OPENAI, name="azure", user_field="user")
SERVER = replace(UNKNOWN, name="gpu")
OMNI = PRESETS["vllm-omni"]


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00")
    + _chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00\xff"))
    + _chunk(b"IEND", b"")
)
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 16
SVG = b"<?xml version='1.0'?>" + b"<!-- a long preamble -->" * 20 + b"<svg></svg>"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@asynccontextmanager
async def loopback(
    dialect: Dialect = OPENAI, **settings: Any
) -> AsyncIterator[tuple[LoopbackServer, Account]]:
    """A server and an account at it. Its day lies before the announced shutdowns."""
    async with LoopbackServer() as server:
        account = Account(
            dialect,
            api_key="sk-test",
            base_url=f"{server.url}/v1",
            **settings,
        )
        try:
            yield server, account
        finally:
            await account.aclose()


def context(model: str, **settings: Any) -> Context:
    return Context(model=model, **settings)


def downloads(**files: bytes) -> Any:
    """A downloader that knows these addresses by their last path segment."""
    asked: list[str] = []

    async def fetch(url: URL) -> Media:
        asked.append(url.url)
        name = url.url.rpartition("/")[2].partition("?")[0]
        return Media(data=files[name.replace(".", "_")], name=name)

    fetch.asked = asked  # type: ignore[attr-defined]  # a record beside the function
    return fetch
