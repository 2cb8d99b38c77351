"""Our own backends pass the suite that foreign ones have to pass."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gensdk.backends.callable import CallableBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import GenSDKError, InvalidRequestError, OverloadedError, ServerError
from gensdk.spec import Backend, Capabilities, Context
from gensdk.testing import Recorder, ScriptedBackend, ScriptedJob, say
from gensdk.testing.conformance import BackendConformance, DocumentedError
from gensdk.testing.conformance.samples import FIELDS, PLAIN, picture, sound
from gensdk.toolkit import ErrorRow
from gensdk.types import (
    Ability,
    EmbedResponse,
    Finished,
    ImageDone,
    ImageResponse,
    ModerationResponse,
    Request,
    TextDelta,
    TextRequest,
    TextResponse,
    Vectors,
    Verdict,
    VideoResponse,
)
from tests.backends.openai import test_conformance as hosted

KEY = "sk-conformance-0123456789"


# -------------------------------------------------------------------------------- no wire at all
class TestCallable(BackendConformance):
    """Functions that name no parameter: they honour nothing, so all of it is noted or refused."""

    honours: ClassVar[Mapping[Ability, frozenset[str]]] = {
        ability: frozenset({"format"}) for ability in ("speech", "music", "video")
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        self.calls: list[object] = []

        def noted(answer: Callable[[], object]) -> Callable[..., object]:
            def function(**given: Any) -> object:
                self.calls.append(given)
                return answer()

            return function

        yield CallableBackend(
            text=noted(lambda: "A robot."),
            image=noted(picture),
            speech=noted(sound),
            music=noted(sound),
            transcribe=noted(lambda: "Hello."),
            video=noted(lambda: b"\0\0\0\x18ftypisomfilm"),
            embed=noted(lambda: [[1.0, 2.0]] * 2),
            moderate=noted(lambda: [False]),
        )

    def sent(self) -> list[object]:
        return [*self.calls]


class TestScripted(BackendConformance):
    """The double answers as a backend has to: no application learns wrong manners from it."""

    models: ClassVar[Mapping[Ability, str]] = {}
    answers: ClassVar[Mapping[str, object]] = {
        "text": say("A robot."),
        "image": ImageResponse(images=(picture(),)),
        "embed": EmbedResponse(vectors=Vectors.of([[1.0], [2.0]])),
        "moderate": ModerationResponse(verdicts=(Verdict(flagged=False),)),
        "video": VideoResponse(videos=(picture(),)),
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        self.scripted = ScriptedBackend(self.step, repeat=True, jobs=["video"])
        yield self.scripted

    def step(self, request: Request) -> object:
        answer = self.answers.get(request.ability, "Hello there.")
        streaming = self.scripted.asked[-1].verb.startswith("stream_")
        if isinstance(answer, ImageResponse) and streaming:
            return [ImageDone(image=answer.images[0]), Finished(response=answer)]
        if request.ability == "text" and streaming:
            return "A robot."
        if request.ability == "video":
            return ScriptedJob("queued", 0.5, result=answer)  # type: ignore[arg-type]
        return answer

    def sent(self) -> list[object]:
        return [asked.request for asked in self.scripted.asked]


class TestRecorder(TestScripted):
    """A backend behind a recorder is as good as itself."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tape = tmp_path

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with super().backend() as scripted:
            yield Recorder(scripted, self.tape, mode="record")


@pytest.mark.parametrize("ability", PLAIN)
def test_the_suite_tries_every_field_there_is(ability: Ability) -> None:
    """A new field of a request needs a value in the suite, or nobody looks after it."""
    subject = {"prompt", "text", "audio", "inputs"}
    everywhere = {"model", "options", "extra", "unsupported", "tag"}
    fields = set(type(PLAIN[ability]).model_fields) - subject - everywhere
    assert fields - FIELDS[ability].keys() == set()


# ------------------------------------------------------------------- the suite finds what is wrong
class _Careless(ScriptedBackend):
    """Breaks a rule at a time."""

    def __init__(self, fault: str) -> None:
        super().__init__(lambda _: say("fine"), repeat=True)
        self.fault = fault
        self.opened: list[object] = []

    def capabilities(self, model: str) -> Capabilities:
        if self.fault == "vary":
            self.opened.append(model)
            return Capabilities(abilities=frozenset({"text"}), max_images=len(self.opened))
        return Capabilities(abilities=frozenset({"text"}), streams=frozenset({"text"}))

    def identity(self, model: str) -> str:
        return KEY if self.fault == "key" else str(len(self.asked) * (self.fault == "identity"))

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        answer = await super().text(request, context)
        if self.fault == "sleep":
            time.sleep(0.0)  # noqa: ASYNC251, TID251  # the fault that is looked for
        if self.fault == "socket":
            self.opened.append(socket.socket())
        if self.fault == "task":
            self.opened.append(asyncio.create_task(asyncio.sleep(1000)))
        if self.fault == "swallow":
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as error:
                raise OverloadedError("busy") from error
        if self.fault == "empty":
            return TextResponse()
        return answer

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[Any]:
        yield TextDelta(text="fine")
        if self.fault != "endless":
            yield Finished(response=say("fine" if self.fault != "other" else "else"))


FAULTS = {
    "misspelt": ("test_options_it_does_not_have_are_refused", "an unknown option was lost"),
    "vary": ("test_capabilities_are_honest", "vary"),
    "key": ("test_its_identity_is_stable_and_shows_no_key", KEY),
    "identity": ("test_its_identity_is_stable_and_shows_no_key", "not the same"),
    "sleep": ("test_the_event_loop_is_not_blocked", "time.sleep"),
    "socket": ("test_plain_requests_are_answered", "socket"),
    "task": ("test_plain_requests_are_answered", "tasks that go on"),
    "swallow": ("test_cancelling_passes_through", "a cancelled call failed"),
    "empty": ("test_plain_requests_are_answered", "no candidate"),
    "endless": ("test_streams_end_with_the_whole_answer", "Finished must come once"),
    "other": ("test_streams_end_with_the_whole_answer", ""),
    "silent": ("test_every_option_is_accounted_for", "text, top_k: dropped in silence"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_notices(fault: str) -> None:
    class Suite(BackendConformance):
        secret = KEY

        @asynccontextmanager
        async def backend(self) -> AsyncIterator[Backend]:
            self.careless = _Careless(fault)
            yield self.careless

        def sent(self) -> list[object]:
            return [getattr(asked.request, "temperature", None) for asked in self.careless.asked]

    check, message = FAULTS[fault]
    suite = Suite()
    with pytest.raises(AssertionError) as caught:
        getattr(suite, check)()
    for opened in suite.careless.opened:
        if isinstance(opened, socket.socket):
            opened.close()
    assert message in str(caught.value)


class _Sloppy(OpenAIBackend):
    """Breaks a rule of the wire at a time."""

    fault = ""
    closed = ""

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        request = self._taken(request)
        try:
            if self.fault == "again":
                with contextlib.suppress(GenSDKError):
                    await super().text(request, context)
            return await super().text(request, context)
        except GenSDKError as error:
            if self.fault == "wrong":
                raise ServerError(error.message, status=error.status) from error
            if self.fault == "key":
                raise type(error)(f"{error.message} {KEY}", status=error.status) from error
            if self.fault in {"free", "cheap"}:
                error.billed = "no"
            if self.fault == "soon":
                error.retry_after = None
            if self.fault == "late":
                error.billed = "maybe"
            if self.fault in {"calm", "deaf"}:
                return say("fine")
            raise

    def _taken(self, request: TextRequest) -> TextRequest:
        if self.fault == "nameless" and request.temperature is not None:
            raise InvalidRequestError("no")
        if self.fault == "blind":
            return request.model_copy(update={"prompt": "Look."})
        return request

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[Any]:
        if self.fault == "streamed":
            request = request.model_copy(update={"temperature": None})
        async for event in super().stream_text(request, context):
            yield event

    def identity(self, model: str) -> str | None:
        return "mine" if self.fault == "mixed" else super().identity(model)

    async def aclose(self) -> None:
        if self.fault == "open" and self.account.base_url != self.closed:
            self.closed = self.account.base_url  # the first time it stays as it is
            return
        await super().aclose()


WIRE_FAULTS = {
    "nameless": ("test_every_option_is_accounted_for", "does not say which field"),
    "blind": ("test_every_part_of_a_conversation_is_accounted_for", "a picture: dropped"),
    "again": ("test_every_status_has_its_error", "2 requests for one attempt"),
    "wrong": ("test_every_status_has_its_error", "is none of"),
    "key": ("test_every_status_has_its_error", "shows the key"),
    "soon": ("test_the_provider_says_when_to_come_back", "None"),
    "free": ("test_answers_that_are_cut_are_errors", "billed is 'no'"),
    "calm": ("test_answers_that_are_none_are_errors", "None"),
    "unproved": ("test_every_row_of_the_error_table_is_proved", "a_new_code"),
    "undocumented": ("test_documented_errors_are_those_of_their_cause", "is no ServerError"),
    "cheap": ("test_silence_is_a_timeout", "billed is 'no'"),
    "streamed": ("test_streams_account_for_every_option", "stream of text, temperature: dropped"),
    "mixed": ("test_accounts_are_told_apart", "accounts are mixed up"),
    "open": ("test_a_closed_account_asks_nobody", "InvalidResponseError"),
    "deaf": ("test_closing_ends_what_is_under_way", "text: None"),
    "late": ("test_nobody_there_is_a_failed_connection", "billed is 'maybe'"),
}


UNKNOWN_CODE = (DocumentedError(400, {"error": {"code": "a_new_code"}}, ServerError),)
NEW_ROW = (ErrorRow(ServerError, code="a_new_code"),)


@pytest.mark.parametrize("fault", WIRE_FAULTS)
def test_the_suite_notices_on_the_wire(fault: str) -> None:
    class Suite(hosted.TestOpenAI):
        models: ClassVar[Mapping[Ability, str]] = {}
        model = "gpt-4.1"
        errors = UNKNOWN_CODE if fault == "undocumented" else ()
        error_rows = NEW_ROW if fault == "unproved" else ()

        def backend_at(self, base_url: str) -> OpenAIBackend:
            backend = _Sloppy(base_url=base_url, api_key=KEY)
            backend.fault = fault
            return backend

    check, message = WIRE_FAULTS[fault]
    with pytest.raises(AssertionError) as caught:
        getattr(Suite(), check)()
    assert message in str(caught.value)
