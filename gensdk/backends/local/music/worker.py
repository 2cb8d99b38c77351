"""Makes music. A call with a seed is made alone, so that nothing beside it can change a sample.

Calls without a seed that want the same length, steps and guidance share a run: rounding then
depends on who else is in it, which only a seed would show.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gensdk.errors import LocalError, OutOfMemoryError, UnsupportedFeatureError
from gensdk.toolkit.sound import encode, sound_of

from ..calls import SharedRuns
from ..diffusion.memory import free_bytes, most_bytes
from ..failures import is_out_of_memory
from ..job import Progress
from ..worker import Desk, NobodyWaitsError, WorkerLimits
from .job import Composed, MusicJob
from .plan import Instrument, Part, Plan

if TYPE_CHECKING:
    from .plan import Samples

__all__ = ["MusicWorker"]

CallT = TypeVar("CallT", bound=Hashable)

_MOST_TOGETHER = 8


@dataclass(slots=True)
class _Call:
    """One call in progress."""

    job: MusicJob
    plan: Plan
    alone: bool = False


class MusicWorker(SharedRuns[CallT, _Call]):
    """A model that makes music, and the calls for it."""

    def __init__(self, instrument: Instrument, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(instrument.facts, limits)
        self._instrument = instrument
        self._most = _MOST_TOGETHER
        self._tried = 0
        self._can_shrink = True

    def admit(self, call: CallT, job: Any) -> None:
        """Check a call against the model; its turn comes."""
        if not isinstance(job, MusicJob):
            raise UnsupportedFeatureError(
                f"{self._instrument.name} makes music; it does nothing else", provider="local"
            )
        plan = self._instrument.plan(job)
        self._calls[call] = _Call(job, plan, alone=job.seeded or plan.shape is None)

    def step(self, desk: Desk[CallT]) -> None:
        """Make the piece of the oldest call, and with it those that can share its run."""
        group = self._group(desk)
        if not group or not self._fits(desk, group[0]):
            return
        self._tried = len(group)
        parts = [Part(self._calls[call].plan, self._calls[call].job.seed) for call in group]
        try:
            pieces = self._instrument.play(parts, self._tick(desk, group))
        except NobodyWaitsError:
            return
        except Exception as error:  # what it means depends on whose fault it is
            if is_out_of_memory(error) and self._can_shrink:
                raise
            self._failed(desk, group, error, _too_long)
            return
        self._can_shrink = True
        for call, samples in zip(group, pieces, strict=True):
            self._finish(desk, call, samples, shared=len(group) > 1)

    def shrink(self) -> bool:
        """Let the next try need less: one piece at a time, then sound made in parts."""
        if self._tried > 1:
            self._most = 1
        else:
            self._can_shrink = False
            self._instrument.relieve()
        return True

    # ------------------------------------------------------------------------------ a run
    def _group(self, desk: Desk[CallT]) -> list[CallT]:
        """The calls of the next run: the oldest, and others like it."""
        wanted = [call for call in self._calls if desk.wanted(call)]
        if not wanted:
            return []
        first = self._calls[wanted[0]]
        if first.alone:
            return wanted[:1]
        alike = [call for call in wanted if self._is_like(self._calls[call], first)]
        return alike[: self._together(first.plan)]

    def _is_like(self, state: _Call, first: _Call) -> bool:
        return not state.alone and state.plan.shape == first.plan.shape

    def _together(self, plan: Plan) -> int:
        """How many pieces of a plan's length one run may make."""
        free = free_bytes(self.facts.device, self._limits.memory_bytes)
        if free is None:
            return self._most
        return max(1, min(self._most, free // max(1, self._instrument.piece_bytes(plan))))

    def _fits(self, desk: Desk[CallT], call: CallT) -> bool:
        """Whether one piece can be made at all, which is not tried where it surely cannot."""
        needed = self._instrument.piece_bytes(self._calls[call].plan)
        most = most_bytes(self.facts.device, self._limits.memory_bytes)
        if most is None or needed <= most:
            return True
        self.drop(call)
        desk.fail(call, _too_long(f"about {needed / 2**30:.1f} GiB"))
        return False

    def _tick(self, desk: Desk[CallT], group: Sequence[CallT]) -> Any:
        def tick(step: int, total: int | None) -> None:
            if not any(desk.wanted(call) for call in group):
                raise NobodyWaitsError
            for call in group:
                desk.post(call, [Progress("steps", step, total)])
            desk.deliver()

        tick(0, self._calls[group[0]].plan.steps)
        return tick

    # -------------------------------------------------------------------------- its ends
    def _finish(self, desk: Desk[CallT], call: CallT, samples: Samples, *, shared: bool) -> None:
        state = self._calls.pop(call)
        try:
            desk.post(call, [self._result(state, samples, shared=shared)])
        except Exception as error:  # noqa: BLE001  # a file that cannot be written is one call's
            desk.fail(call, error)

    def _result(self, state: _Call, samples: Samples, *, shared: bool) -> Composed:
        job, plan = state.job, state.plan
        try:
            sound = sound_of(samples, self._instrument.rate)
        except ValueError as error:
            raise LocalError(f"the model gave no sound: {error}") from error
        details: dict[str, str | int | float | None] = {
            "model": self._instrument.name,
            "sample_rate": sound.rate,
            "channels": sound.channels,
            "steps": plan.steps,
            "guidance_scale": plan.guidance,
            "device": self.facts.device,
            "dtype": self.facts.dtype,
        }
        return Composed(
            audio=encode(sound, job.format, job.sample_rate),
            duration_s=sound.duration_s,
            seed=job.seed if plan.seeded and not shared else None,
            reproducible=job.seeded and plan.seeded,
            notes=plan.notes,
            details=tuple((name, value) for name, value in details.items() if value is not None),
        )


def _too_long(reason: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"the piece needs more memory than there is; ask for a shorter one: {reason}"
    )
