"""Checks that no option of a request is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensdk.errors import GenSDKError, InvalidRequestError, UnsupportedFeatureError
from gensdk.spec import Backend
from gensdk.types import (
    Ability,
    ImageResponse,
    Media,
    Message,
    MusicResponse,
    Request,
    Response,
    ResponseWarning,
    SpeechResponse,
    Unsupported,
    VideoResponse,
)

from .samples import PARTS, TOOL, fields_of
from .stage import Stage

__all__ = ["Options"]

_FORMATS = {"jpg": "jpeg"}


@dataclass(frozen=True)
class _Tried:
    """What came of a request with one more field set."""

    error: GenSDKError | None
    warnings: tuple[ResponseWarning, ...]
    sent: Sequence[object] | None
    answer: Response | None = None

    def noted(self, name: str, values: Mapping[str, Any], base: _Tried) -> bool:
        """Whether a new warning names the field, or any one what it cannot be without."""
        new = [one for one in self.warnings if one not in base.warnings]
        roots = {_root(one.parameter) for one in self.warnings if one.parameter}
        told = {_root(one.parameter) for one in new if one.parameter}
        return name in told or not roots.isdisjoint(values.keys() - {name})

    def lost(self, base: _Tried) -> bool:
        """Whether nothing differs from another try, and nobody says that the prompt is not sent."""
        told = any(one not in base.warnings or one.parameter == "prompt" for one in self.warnings)
        return self.sent == base.sent and not told

    def names(self, values: Mapping[str, Any]) -> bool:
        """Whether a refusal says which field it is about."""
        error = self.error
        if error is None or error.status is not None:
            return True  # the server's own refusal
        said = f"{error.message} {error.param}"
        return any(name in said for name in values)

    def made_as(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether what came is in the format that was asked for, whoever wrote it so."""
        return name == "format" and values[name] in _formats(self.answer)

    @property
    def refused_here(self) -> bool:
        """Whether it was the backend that refused, and not the server."""
        return isinstance(self.error, InvalidRequestError) and self.error.status is None

    @property
    def refused(self) -> bool:
        return isinstance(self.error, InvalidRequestError)


class Options(Stage):
    """Every field is sent, noted, or refused before anything is sent."""

    def test_every_option_is_accounted_for(self) -> None:
        """A field changes what is sent, or there is a note, or a refusal that sends nothing."""

        async def check(backend: Backend) -> None:
            known = self.sent() is not None or self.honours is not None
            assert known, "say what was sent (sent()), or what is honoured (honours)"
            problems: list[str] = []
            for ability in (*self.abilities(backend), *self.abilities(backend, jobs=True)):
                problems += await self._problems(backend, ability)
            assert not problems, "\n".join(problems)

        self.run_check(check)

    def test_streams_account_for_every_option(self) -> None:
        """As plain calls do: what is noted stands in the response that the stream ends with."""

        async def check(backend: Backend) -> None:
            problems: list[str] = []
            for ability in self.streams(backend):
                problems += await self._problems(backend, ability, streamed=True)
            assert not problems, "\n".join(problems)

        self.run_check(check)

    def test_every_part_of_a_conversation_is_accounted_for(self) -> None:
        """Pictures, sounds, files and what went before are sent, noted or refused."""

        async def check(backend: Backend) -> None:
            if "text" not in self.abilities(backend) or self.sent() is None:
                return
            base = await self._try(backend, "text", {"prompt": (Message.user("Look."),)})
            problems: list[str] = []
            for what, messages in PARTS.items():
                values = {"prompt": messages, "tools": (TOOL,) if "tool" in what else ()}
                tried = await self._try(backend, "text", values)
                if tried.sent and tried.refused_here:
                    problems.append(f"{what}: refused after something was sent")
                elif tried.error is not None and not tried.refused:
                    problems.append(f"{what}: failed: {tried.error!r}")
                elif not tried.refused and tried.lost(base):
                    problems.append(f"{what}: dropped in silence")
            assert not problems, "\n".join(problems)

        self.run_check(check)

    def test_options_it_does_not_have_are_refused(self) -> None:
        """A misspelt option of the provider's own is refused before anything is sent, or sent."""

        async def check(backend: Backend) -> None:
            for ability in (*self.abilities(backend), *self.abilities(backend, jobs=True)):
                plain = await self._try(backend, ability, {})
                wrong = {"options": {backend.name: {"conformance_optoin": 1}}}
                tried = await self._try(backend, ability, wrong)
                if tried.refused:
                    assert not tried.sent, f"{ability}: sent before the option was refused"
                else:
                    taken = tried.sent is not None and tried.sent != plain.sent
                    assert taken, f"{ability}: an unknown option was lost: {tried.error!r}"

        self.run_check(check)

    def test_unsupported_is_obeyed(self) -> None:
        """What is dropped with a note is refused for ``"error"``, and silent for ``"drop"``."""

        async def check(backend: Backend) -> None:
            problems: list[str] = []
            for ability in (*self.abilities(backend), *self.abilities(backend, jobs=True)):
                for name, values in fields_of(ability, self.values.get(ability, {})).items():
                    tried = await self._try(backend, ability, values)
                    dropped = [one for one in tried.warnings if one.kind == "unsupported"]
                    if tried.error is None and dropped:
                        problems += await self._obeyed(backend, ability, name, values)
            assert not problems, "\n".join(problems)

        self.run_check(check)

    async def _problems(
        self, backend: Backend, ability: Ability, *, streamed: bool = False
    ) -> list[str]:
        plain, twin = [await self._try(backend, ability, {}, streamed=streamed) for _ in range(2)]
        problems: list[str] = []
        if plain.sent != twin.sent:
            problems.append(
                f"{ability}: equal requests are sent differently, so nothing can be told; give "
                "requests() a seed, or leave out of sent() what is drawn anew"
            )
        for name, values in fields_of(ability, self.values.get(ability, {})).items():
            tried = await self._try(backend, ability, values, streamed=streamed)
            without = {key: value for key, value in values.items() if key != name}
            base = plain
            if without:
                base = await self._try(backend, ability, without, streamed=streamed)
            problem = self._problem(ability, name, tried, base, values)
            if problem:
                what = f"stream of {ability}" if streamed else ability
                problems.append(f"{what}, {name}: {problem}")
        return problems

    def _problem(
        self, ability: Ability, name: str, tried: _Tried, base: _Tried, values: Mapping[str, Any]
    ) -> str | None:
        if tried.refused:
            if tried.sent and tried.refused_here:
                return "refused after something was sent"
            if tried.sent is not None and not tried.names(values):
                return f"the refusal does not say which field: {tried.error!r}"
            promised = self.honours is not None and name in self.honours.get(ability, ())
            return f"promised and refused: {tried.error}" if promised else None
        if tried.noted(name, values, base):
            return None
        honoured = name in (self.honours or {}).get(ability, ()) or tried.made_as(name, values)
        if tried.sent is not None:
            return None if honoured or tried.sent != base.sent else "dropped in silence"
        if tried.error is not None:
            return f"failed: {tried.error}"
        return None if honoured else "taken, and not in honours"

    async def _obeyed(
        self, backend: Backend, ability: Ability, name: str, values: Mapping[str, Any]
    ) -> list[str]:
        problems = []
        strict = await self._try(backend, ability, values, "error")
        if not isinstance(strict.error, UnsupportedFeatureError):
            problems.append(f"{ability}, {name}: dropped although unsupported='error'")
        elif strict.sent:
            problems.append(f"{ability}, {name}: sent before it was refused")
        silent = await self._try(backend, ability, values, "drop")
        if any(one.kind == "unsupported" for one in silent.warnings):
            problems.append(f"{ability}, {name}: noted although unsupported='drop'")
        return problems

    async def _try(
        self,
        backend: Backend,
        ability: Ability,
        values: Mapping[str, Any],
        unsupported: Unsupported = "warn",
        *,
        streamed: bool = False,
    ) -> _Tried:
        before = len(self.sent() or ())
        error: GenSDKError | None = None
        answer: Response | None = None
        try:
            request = _with(self.requests()[ability], values)
            if streamed:
                *_, end = await self.whole_stream(
                    backend, ability, request, unsupported=unsupported
                )
                answer = getattr(end, "response", None)
            elif ability in backend.capabilities(self.model_of(ability)).jobs:
                answer = await self._job(backend, ability, request, unsupported)
            else:
                answer = await self.ask(backend, ability, request, unsupported=unsupported)
        except GenSDKError as caught:
            error = caught
        sent = self.sent()
        warnings = answer.warnings if answer is not None else ()
        return _Tried(error, warnings, None if sent is None else list(sent[before:]), answer)

    async def _job(
        self, backend: Any, ability: Ability, request: Request, unsupported: Unsupported
    ) -> Response:
        """What a job made, with what was noted when it was started."""
        handle = await self.started(backend, ability, request, unsupported=unsupported)
        await self.ended(backend, ability, handle)
        context = self.context(backend, ability, unsupported=unsupported)
        made: Response = await backend.collect(handle, request, context)
        return made.replace(warnings=(*handle.warnings, *made.warnings))


def _with(request: Request, values: Mapping[str, Any]) -> Request:
    """The request with some fields set, checked as if it had been built so."""
    given = {name: getattr(request, name) for name in request.model_fields_set}
    return type(request)(**{**given, **values})


def _formats(answer: Response | None) -> set[str]:
    """The formats of what an answer holds."""
    media: tuple[Media, ...] = ()
    if isinstance(answer, ImageResponse):
        media = answer.images
    elif isinstance(answer, VideoResponse):
        media = answer.videos
    elif isinstance(answer, SpeechResponse | MusicResponse):
        media = (answer.audio,)
    return {_FORMATS.get(one.extension, one.extension) for one in media}


def _root(parameter: str) -> str:
    return parameter.split(".")[0].split("[")[0]
