"""ComfyUI passes the suite that every backend has to pass, with a workflow of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from gensdk.backends.comfyui import ComfyUIBackend, Workflow
from gensdk.backends.comfyui.errors import ROWS
from gensdk.errors import InvalidRequestError, ServerError
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.testing.conformance.samples import PLAIN
from gensdk.types import Ability, ImageRequest, MusicRequest, Request, VideoRequest
from tests.backends.comfyui.test_comfyui_jobs import FILM_FLOW, JOB, line, over, saved, view
from tests.support.comfyui import EDIT, GRAPH
from tests.support.conformance import sent_to
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_json

SECRET = "open-sesame-0123456789"
PICTURES = Workflow(
    EDIT, {"prompt": ("6", "text"), "images": ("1", "image"), "mask": ("2", "image")}
)
SONG = Workflow(
    {"1": {"class_type": "TextEncodeAceStepAudio",
           "inputs": {"tags": "", "lyrics": "", "seconds": 30.0, "seed": 1}},
     "9": {"class_type": "SaveAudioMP3", "inputs": {}}},
    {"prompt": ("1", "tags"), "lyrics": ("1", "lyrics"), "duration_s": ("1", "seconds"),
     "seed": ("1", "seed")},
)  # fmt: skip
SPOKEN = Workflow(SONG.graph, {"text": ("1", "lyrics")}, makes="speech", outputs=["9"])
SEED = 5


class Queue:
    """Jobs that run until the second look, unless they are interrupted before."""

    def __init__(self, server: LoopbackServer) -> None:
        self.started = False
        self.looks = 0
        self.stopped = False
        self.server = server
        server.on("POST", "/prompt", self.start)
        server.on("GET", "/queue", self.line)
        server.on("POST", "/interrupt", self.stop)
        server.on("POST", "/upload/image", answer_json({"name": "stored.png"}))
        server.on("GET", f"/history/{JOB}", self.history)
        server.on("GET", "*", answer_json({}))
        server.on("GET", "/view", view)

    async def start(self, _: RecordedRequest, reply: Reply) -> None:
        self.started, self.looks, self.stopped = True, 0, False
        await reply.json({"prompt_id": JOB, "number": 1, "node_errors": {}})

    async def line(self, request: RecordedRequest, reply: Reply) -> None:
        goes_on = self.started and not self.stopped
        await line(running=(JOB,) if goes_on else ())(request, reply)

    async def stop(self, request: RecordedRequest, reply: Reply) -> None:
        assert request.json() == {"prompt_id": JOB}
        self.stopped = True
        await reply.bytes(b"")

    async def history(self, _: RecordedRequest, reply: Reply) -> None:
        self.looks += 1
        made = {"9": {"images": [saved("a.png")], "gifs": [saved("a.mp4")],
                      "audio": [saved("a.mp3")]}}  # fmt: skip
        if self.stopped:
            await reply.json(over({}, ["execution_interrupted", {}], word="error"))
        else:
            await reply.json(over(made) if self.looks > 1 else {})


def refused(word: str) -> DocumentedError:
    """A workflow that ``validate_prompt`` refuses."""
    error = {"type": word, "message": "No.", "details": "", "extra_info": {}}
    return DocumentedError(400, {"error": error, "node_errors": {}}, InvalidRequestError, word)


ERRORS = (
    *map(
        refused,
        ("no_prompt", "invalid_prompt", "missing_node_type", "prompt_no_outputs",
         "prompt_outputs_failed_validation"),
    ),
    DocumentedError(500, "500 Internal Server Error", ServerError),
)  # fmt: skip


class TestComfyUI(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "image": "plain", "video": "film", "music": "song", "speech": "spoken",
    }  # fmt: skip
    model = "plain"
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {
        "image": {"size": {"size": "640x512"}},  # the workflow's own is 1024x1024
    }
    secret = SECRET
    errors = ERRORS
    error_rows = ROWS

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            Queue(self.server)
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Any:
        workflows = {
            "plain": Workflow(GRAPH), "edit": PICTURES, "film": FILM_FLOW, "song": SONG,
            "spoken": SPOKEN,
        }  # fmt: skip
        return ComfyUIBackend(None, base_url, workflows=workflows, auth=("ann", SECRET), poll_s=0.0)

    def requests(self) -> Mapping[Ability, Request]:
        return {
            **PLAIN,
            "image": ImageRequest(prompt="a grey square", seed=SEED),
            "music": MusicRequest(prompt="calm piano", seed=SEED),
        }

    def sent(self) -> list[object]:
        return sent_to(self.server, "POST")


class TestComfyUIEdits(TestComfyUI):
    """A workflow with places for pictures, and none for a seed."""

    model = "edit"
    models: ClassVar[Mapping[Ability, str]] = {}

    def requests(self) -> Mapping[Ability, Request]:
        return {**PLAIN, "video": VideoRequest(prompt="a boat")}
