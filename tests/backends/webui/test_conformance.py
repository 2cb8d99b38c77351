"""The web UI passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gensdk.backends.webui import WebUIBackend
from gensdk.backends.webui.errors import ROWS
from gensdk.errors import (
    AuthenticationError,
    InvalidRequestError,
    OutOfMemoryError,
    ServerError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.testing.conformance.samples import picture
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_json
from tests.support.webui import PROGRESS, TXT, answer

SECRET = "open-sesame-0123456789"


def raised(kind: str, detail: str = "", errors: str = "") -> dict[str, str]:
    """The body that ``api_middleware`` writes of an exception."""
    return {"error": kind, "detail": detail, "body": "", "errors": errors}


ERRORS = (
    DocumentedError(
        500, raised("OutOfMemoryError", errors="CUDA out of memory"), OutOfMemoryError,
        "OutOfMemoryError",
    ),
    DocumentedError(404, raised("HTTPException", "Sampler not found"), InvalidRequestError),
    DocumentedError(401, {"detail": "Incorrect username or password"}, AuthenticationError),
    DocumentedError(500, raised("ValueError", errors="bad"), ServerError, "ValueError"),
    DocumentedError(
        422, {"detail": [{"loc": ["body", "steps"], "msg": "no"}]}, InvalidRequestError
    ),
)  # fmt: skip


class TestWebUI(HTTPBackendConformance):
    model = "current"
    secret = SECRET
    errors = ERRORS
    error_rows = ROWS

    @pytest.fixture(autouse=True)
    def _short_goodbye(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gensdk.backends.webui.account._GOODBYE_S", 0.05)

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:

            async def draw(request: RecordedRequest, reply: Reply) -> None:
                count = request.json().get("batch_size", 1)
                drawn = picture()
                data = drawn if isinstance(drawn, bytes) else drawn.data
                await reply.json(answer(*[data] * count))

            for path in (TXT, "/sdapi/v1/img2img"):
                self.server.on("POST", path, draw)
            self.server.on("POST", PROGRESS, answer_json({"active": False, "queued": True}))
            backend = self.backend_at(self.server.url)
            yield backend
            await backend.aclose()

    def sent(self) -> list[Any]:
        bodies = [r.json() for r in self.server.requests if r.method == "POST"]
        return [{**body, "force_task_id": None} for body in bodies]  # drawn for each call

    def backend_at(self, base_url: str) -> Any:
        return WebUIBackend(base_url, auth=("ann", SECRET))
