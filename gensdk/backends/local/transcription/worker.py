"""Lets calls take turns on one model, window by window; alike windows are heard together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gensdk.errors import InvalidRequestError, OutOfMemoryError, UnsupportedFeatureError
from gensdk.toolkit.hearing import decode

from ..calls import SharedRuns
from ..failures import is_out_of_memory
from ..job import Progress
from ..worker import Desk, NobodyWaitsError, WorkerLimits
from .cuts import Window, cut, is_silent
from .job import RATE, Transcribed, TranscriptionJob
from .joining import Part, joined
from .listener import Heard, Listener, Plan, Take

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TranscriptionWorker"]

CallT = TypeVar("CallT", bound=Hashable)

_MOST_TOGETHER = 8
_SEEDS = 2**40
"""Between the seeds of two temperatures: more samples than any sound has."""


@dataclass(slots=True)
class _Call:
    """One call in progress: windows still to hear, and what was heard in the others.

    Attributes:
        doubted: What was heard in a window that is to be heard again.
        again: How often one was.
    """

    job: TranscriptionJob
    plan: Plan
    samples: NDArray[Any]
    windows: deque[Window]
    language: str | None
    heard: list[tuple[Window, Heard]] = field(default_factory=list)
    doubted: dict[Window, list[Heard]] = field(default_factory=dict)
    again: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Place(Generic[CallT]):
    """One window of a step, and the call it is of."""

    call: CallT
    window: Window


class TranscriptionWorker(SharedRuns[CallT, _Call]):
    """A model that listens, and the calls for it."""

    def __init__(self, listener: Listener, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(listener.facts, limits)
        self._listener = listener
        self._turns: deque[CallT] = deque()
        self._most = _MOST_TOGETHER
        self._relieved = False

    def admit(self, call: CallT, job: Any) -> None:
        """Check a call against the model and cut its sound into windows.

        Raises:
            UnsupportedFeatureError: The job is for a model of another kind, or asks for what this
                one cannot do.
            InvalidRequestError: It has no sound, or a value makes no sense to the model.
        """
        if not isinstance(job, TranscriptionJob):
            raise UnsupportedFeatureError(
                "this model writes down what is said; it does nothing else", provider="local"
            )
        if job.samples is None or job.media is None:
            raise InvalidRequestError("the job has no sound", param="audio")
        listener = self._listener
        plan = listener.plan(job)
        samples = job.samples if listener.rate == RATE else decode(job.media, listener.rate)
        windows = deque(
            window
            for window in cut(samples, listener.rate, listener.longest_s)
            if not is_silent(samples[window.start : window.end])
        )
        self._calls[call] = _Call(job, plan, samples, windows, plan.language)
        self._turns.append(call)

    def drop(self, call: CallT) -> None:
        """Forget a call."""
        super().drop(call)
        if call in self._turns:
            self._turns.remove(call)

    def step(self, desk: Desk[CallT]) -> None:
        """Hear the next window of the call whose turn it is, and others like it."""
        group = self._group(desk)
        if group:
            self._hear(desk, group)
        for call, state in list(self._calls.items()):
            if not state.windows:
                self.drop(call)
                desk.post(call, [self._result(state)])

    def shrink(self) -> bool:
        """Hear half as many windows together; one window alone is tried once more."""
        self._most = max(1, self._most // 2)
        self._relieved = True
        return True

    # -------------------------------------------------------------------------- a step
    def _group(self, desk: Desk[CallT]) -> list[_Place[CallT]]:
        """Windows for one run: of each call alike one, then more while there is room."""
        waiting = [call for call in self._turns if self._calls[call].windows and desk.wanted(call)]
        if not waiting:
            return []
        first = _Place(waiting[0], self._calls[waiting[0]].windows[0])
        key = self._key(first)
        if key is None:
            return [first]
        alike = [
            [
                place
                for window in self._calls[call].windows
                if self._key(place := _Place(call, window)) == key
            ]
            for call in waiting
        ]
        group: list[_Place[CallT]] = []
        for n in range(self._most):
            group += [places[n] for places in alike if n < len(places)]
        return group[: self._most]

    def _key(self, place: _Place[CallT]) -> Hashable | None:
        state = self._calls[place.call]
        if state.alone:
            return None
        key = self._listener.key(state.plan, place.window.end - place.window.start)
        return None if key is None else (key, self._temperature(place))

    def _temperature(self, place: _Place[CallT]) -> float:
        state = self._calls[place.call]
        return state.plan.temperatures[len(state.doubted.get(place.window, ()))]

    def _hear(self, desk: Desk[CallT], group: Sequence[_Place[CallT]]) -> None:
        calls = list(dict.fromkeys(place.call for place in group))
        for call in calls:  # those who wait come first the next time
            self._turns.remove(call)
            self._turns.append(call)
        try:
            self._find_languages(calls)
            takes = [self._take(place) for place in group]
            heard = self._listener.listen(takes, _unwanted(desk, group))
        except NobodyWaitsError:
            return
        except Exception as error:  # what it means depends on whose fault it is
            if is_out_of_memory(error) and not (self._relieved and len(group) == 1):
                raise
            self._relieved = self._relieved and len(calls) > 1
            self._failed(desk, calls, error, self._too_large)
            return
        self._relieved = False
        for place, one in zip(group, heard, strict=True):
            if desk.wanted(place.call):
                self._keep(place, one)
        for call in calls:
            state = self._calls[call]
            done = len(state.heard)
            desk.post(call, [Progress("windows", done, done + len(state.windows))])

    def _find_languages(self, calls: Sequence[CallT]) -> None:
        """The language of a call is that of its first window in which there is something."""
        states = [self._calls[call] for call in calls]
        asking = [state for state in states if state.plan.finds_language and not state.language]
        if not asking:
            return
        first = [self._sound(state, min(state.windows, key=_start)) for state in asking]
        for state, language in zip(asking, self._listener.languages(first), strict=True):
            state.language = language

    def _take(self, place: _Place[CallT]) -> Take:
        state = self._calls[place.call]
        return Take(
            plan=state.plan,
            samples=self._sound(state, place.window),
            language=state.language,
            temperature=self._temperature(place),
            seed=place.window.start + len(state.doubted.get(place.window, ())) * _SEEDS,
        )

    def _sound(self, state: _Call, window: Window) -> NDArray[Any]:
        return state.samples[window.start : window.end]

    def _keep(self, place: _Place[CallT], heard: Heard) -> None:
        state, window = self._calls[place.call], place.window
        if heard.repeats or heard.unsure:
            before = state.doubted.setdefault(window, [])
            before.append(heard)
            if len(before) < len(state.plan.temperatures):
                state.again += 1
                return
            heard = max(before, key=lambda one: (not one.repeats, one.logprob))
        state.doubted.pop(window, None)
        state.windows.remove(window)
        state.heard.append((window, heard))
        if heard.resume is not None:
            again = window.start + int(heard.resume * self._listener.rate)
            state.windows.appendleft(Window(again, window.end, again))

    def _too_large(self, reason: str) -> OutOfMemoryError:
        return OutOfMemoryError(
            f"{self._listener.longest_s:g} seconds of sound need more memory than there is: "
            f"{reason}"
        )

    def _result(self, state: _Call) -> Transcribed:
        rate = self._listener.rate
        parts = [
            Part(
                tuple(passage.moved(window.start / rate) for passage in heard.passages),
                window.start / rate,
                window.fresh / rate,
                heard.glue,
            )
            for window, heard in sorted(state.heard, key=lambda item: item[0].fresh)
        ]
        return Transcribed(
            passages=joined(parts),
            timestamps=state.plan.timestamps,
            language=state.language,
            duration_s=len(state.samples) / rate,
            tokens=sum(heard.tokens for _, heard in state.heard),
            notes=state.plan.notes,
            details=(
                ("device", self.facts.device),
                ("dtype", self.facts.dtype),
                ("windows", len(parts)),
                ("heard_again", state.again),
            ),
        )


def _start(window: Window) -> int:
    return window.start


def _unwanted(desk: Desk[CallT], group: Sequence[_Place[CallT]]) -> Callable[[], list[bool]]:
    """Asks of each window whether its caller has gone."""

    def unwanted() -> list[bool]:
        wanted = {call: desk.wanted(call) for call in dict.fromkeys(place.call for place in group)}
        return [not wanted[place.call] for place in group]

    return unwanted
