"""Checks of what a backend says it can do, answers, and streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from gensdk.spec import JOB_METHODS, METHODS, STREAM_METHODS, Backend, Capabilities
from gensdk.types import (
    ABILITIES,
    Ability,
    AudioChunk,
    EmbedResponse,
    Finished,
    ImageDone,
    ImageResponse,
    ModerationResponse,
    MusicResponse,
    Request,
    Response,
    SpeechResponse,
    TextDelta,
    TextResponse,
    TranscriptionResponse,
    VideoResponse,
)

from .stage import Stage

__all__ = ["Answers", "check_answer"]

_KINDS: dict[Ability, type[Response]] = {
    "text": TextResponse,
    "image": ImageResponse,
    "speech": SpeechResponse,
    "music": MusicResponse,
    "transcribe": TranscriptionResponse,
    "video": VideoResponse,
    "embed": EmbedResponse,
    "moderate": ModerationResponse,
}
_BOUNDS = (
    "max_candidates", "max_images", "max_videos", "max_inputs", "max_input_bytes",
    "max_characters",
)  # fmt: skip


class Answers(Stage):
    """Capabilities, plain answers and streams."""

    def test_capabilities_are_honest(self) -> None:
        """What is declared is there, and asking twice gives the same."""

        async def check(backend: Backend) -> None:
            name = backend.name
            assert isinstance(name, str), "name is a word"
            assert name, "name is not empty"
            assert ":" not in name, "a name has no ':'; it stands before one"
            for ability in ABILITIES:
                model = self.model_of(ability)
                facts = backend.capabilities(model)
                assert facts == backend.capabilities(model), f"capabilities({model!r}) vary"
                assert not list(_lies(backend, facts)), list(_lies(backend, facts))
            assert any(backend.capabilities(self.model_of(one)).abilities for one in ABILITIES)

        self.run_check(check)

    def test_plain_requests_are_answered(self) -> None:
        """Every ability answers with its own type, whole and fit for JSON."""

        async def check(backend: Backend) -> None:
            for ability in self.abilities(backend):
                request = self.requests()[ability]
                check_answer(ability, request, await self.ask(backend, ability))

        self.run_check(check)

    def test_calls_at_the_same_time_are_all_answered(self) -> None:
        """Calls do not disturb each other."""

        async def check(backend: Backend) -> None:
            for ability in self.abilities(backend):
                request = self.requests()[ability]
                answers = await asyncio.gather(*(self.ask(backend, ability) for _ in range(3)))
                for answer in answers:
                    check_answer(ability, request, answer)

        self.run_check(check)

    def test_streams_end_with_the_whole_answer(self) -> None:
        """Events come first, ``Finished`` last, and what came is what it holds."""

        async def check(backend: Backend) -> None:
            for ability in self.streams(backend):
                *events, end = await self.whole_stream(backend, ability)
                assert isinstance(end, Finished)
                response = end.response
                check_answer(ability, self.requests()[ability], response)
                if isinstance(response, TextResponse):
                    said = [one for one in events if isinstance(one, TextDelta) and not one.index]
                    assert "".join(one.text for one in said) == response.text
                elif isinstance(response, SpeechResponse):
                    heard = [one for one in events if isinstance(one, AudioChunk)]
                    joined = b"".join(one.data for one in heard)
                    assert _sound(joined) == _sound(response.audio.data)
                elif isinstance(response, ImageResponse):
                    done = [one.image for one in events if isinstance(one, ImageDone)]
                    assert tuple(done) == response.images

        self.run_check(check)

    def test_streams_can_be_left_early(self) -> None:
        """Closing the generator closes what it opened, and harms nobody else."""

        async def check(backend: Backend) -> None:
            for ability in self.streams(backend):
                assert len(await self.hear(backend, ability, most=1)) == 1
                await self.whole_stream(backend, ability)

        self.run_check(check)


def _sound(data: bytes) -> bytes:
    """A sound without what a WAV says of its length, which a stream cannot know beforehand."""
    if not data.startswith(b"RIFF"):
        return data
    at = data.find(b"data") + 4
    return data[:4] + data[8:at] + data[at + 4 :]


def _lies(backend: Backend, facts: Capabilities) -> Iterator[str]:
    if not facts.abilities <= set(ABILITIES):
        yield f"abilities that there are not: {set(facts.abilities) - set(ABILITIES)}"
    if not facts.streams <= facts.abilities & STREAM_METHODS.keys():
        yield f"streams of what is no ability: {set(facts.streams)}"
    if not facts.jobs <= facts.abilities:
        yield f"jobs of what is no ability: {set(facts.jobs)}"
    methods = {METHODS[ability] for ability in facts.abilities - facts.jobs}
    methods |= {STREAM_METHODS[ability] for ability in facts.streams}
    methods |= set(JOB_METHODS) if facts.jobs else set()
    for method in sorted(methods):
        if not callable(getattr(backend, method, None)):
            yield f"the method {method} is missing"
    for bound in _BOUNDS:
        value = getattr(facts, bound)
        if value is not None and value < 1:
            yield f"{bound} is {value}"


def check_answer(ability: Ability, request: Request, answer: object) -> None:
    """Fail unless an answer is whole, of the ability's type, and fit for JSON."""
    kind = _KINDS[ability]
    assert isinstance(answer, kind), f"{ability}: a {type(answer).__name__}, no {kind.__name__}"
    again = kind.model_validate_json(answer.model_dump_json())
    assert again == answer, f"{ability}: the answer does not survive JSON"
    assert answer.attempts == (), "attempts are the pipeline's to fill in"
    _check_content(request, answer)


def _check_content(request: Request, answer: Response) -> None:
    if isinstance(answer, TextResponse):
        assert answer.candidates, "text: there is no candidate"
        assert answer.finish_reason is not None, "text: finish_reason is not said"
    elif isinstance(answer, ImageResponse):
        assert answer.images, "image: there is no picture"
        assert all(image.data for image in answer.images), "image: an empty picture"
    elif isinstance(answer, VideoResponse):
        assert answer.videos, "video: there is no video"
        assert all(video.data for video in answer.videos), "video: an empty video"
    elif isinstance(answer, SpeechResponse | MusicResponse):
        assert answer.audio.data, "the sound is empty"
    elif isinstance(answer, EmbedResponse):
        assert len(answer.vectors) == len(getattr(request, "inputs", ())), "a vector for each"
    elif isinstance(answer, ModerationResponse):
        texts = len(getattr(request, "inputs", ()))
        assert len(answer.verdicts) == max(texts, 1), "a verdict for each text"
