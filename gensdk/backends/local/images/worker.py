"""Runs calls for pictures: those of one shape together, a picture's noise from its own seed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from gensdk.errors import ContentBlockedError, OutOfMemoryError, UnsupportedFeatureError

from ..calls import SharedRuns
from ..diffusion.geometry import shown
from ..diffusion.memory import TILED, free_bytes, picture_bytes, save_memory
from ..diffusion.pipeline import LoadedPipeline
from ..failures import is_out_of_memory
from ..notes import Note
from ..pictures import encode
from ..worker import Desk, NobodyWaitsError, WorkerLimits
from .job import ImageJob, Painted, PictureDone, Preview
from .modes import Modes
from .plan import Plan, Shape, planned
from .preview import previews
from .run import Row, paint

__all__ = ["ImageWorker"]

CallT = TypeVar("CallT", bound=Hashable)

_MOST_TOGETHER = 16
_RELIEFS = 2  # how often one group is tried again with less


@dataclass(slots=True)
class _Call:
    """One call in progress."""

    job: ImageJob
    plan: Plan
    done: dict[int, bytes] = field(default_factory=dict)
    blocked: int = 0
    alone: bool = False

    @property
    def next_index(self) -> int:
        """The first picture that is not there yet."""
        return len(self.done) + self.blocked


@dataclass(frozen=True, slots=True)
class _Place(Generic[CallT]):
    """One picture of a run, and the call it is for."""

    call: CallT
    index: int
    row: Row


class ImageWorker(SharedRuns[CallT, _Call]):
    """A pipeline and the calls for it. Never two runs at once: pipelines keep state of a run."""

    def __init__(self, model: LoadedPipeline, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(model.facts, limits)
        self._model = model
        self._modes = Modes(model.pipe)
        self._most_pixels: float = math.inf
        self._tried: list[_Place[CallT]] = []
        self._reliefs = 0

    def admit(self, call: CallT, job: Any) -> None:
        """Check a call against the model; it takes part from the next run on."""
        if not isinstance(job, ImageJob):
            raise UnsupportedFeatureError(
                f"{type(self._model.pipe).__name__} paints pictures; it does nothing else",
                provider="local",
            )
        self._calls[call] = _Call(job, planned(self._model, self._modes, job))

    def step(self, desk: Desk[CallT]) -> None:
        """Paint as many pictures as fit into one run, for the oldest call and those like it."""
        group = self._group(desk)
        if not group:
            return
        self._tried = group
        if not self._fits(desk, group):
            return
        try:
            painted = paint(self._modes, [place.row for place in group], self._tick(desk, group))
        except NobodyWaitsError:
            return
        except Exception as error:  # what it means depends on whose fault it is
            if is_out_of_memory(error) and self._reliefs < _RELIEFS:
                raise
            self._reliefs = 0
            calls = list(dict.fromkeys(place.call for place in group))
            self._failed(desk, calls, error, partial(_too_large, group[0].row.plan.shape))
            return
        self._reliefs = 0
        for place, picture in zip(group, painted, strict=True):
            self._keep(desk, place, picture)

    def shrink(self) -> bool:
        """Let the next try need less: half as many pictures, then one, decoded in parts."""
        if not self._tried:
            return False
        self._reliefs += 1
        save_memory(self._model.pipe)
        count = len(self._tried)
        pixels = _pixels(self._tried[0].row.plan.shape)
        self._most_pixels = pixels * (max(1, count // 2) if self._reliefs == 1 else 1)
        return True

    # ------------------------------------------------------------------------------ a run
    def _group(self, desk: Desk[CallT]) -> list[_Place[CallT]]:
        """The pictures of the next run."""
        wanted = {call: state for call, state in self._calls.items() if desk.wanted(call)}
        if not wanted:
            return []
        first = next(iter(wanted.values()))
        shape = first.plan.shape
        most = self._most(shape)
        group: list[_Place[CallT]] = []
        for call, state in wanted.items():
            if state.plan.shape != shape or (state.alone and state is not first):
                continue
            for index in range(state.next_index, state.job.n):
                if len(group) < most:
                    row = Row(state.plan, (state.job.seed + index) % 2**63)
                    group.append(_Place(call, index, row))
            if first.alone:
                break
        return group

    def _most(self, shape: Shape) -> int:
        """How many pictures of a shape one run may make."""
        if shape.sources > 1:
            return 1  # a list of pictures already means the sources of one
        pipe = self._modes.of(shape.mode)
        if shape.sources and pipe is self._modes.own and shape.mode == "edit":
            return 1  # pipelines made for editing read a list of pictures in ways of their own
        most = self._most_pixels / _pixels(shape)
        free = free_bytes(self.facts.device, self._limits.memory_bytes)
        if free is not None:
            most = min(most, free / picture_bytes(pipe, shape.size))
        return max(1, int(min(most, _MOST_TOGETHER)))

    def _fits(self, desk: Desk[CallT], group: Sequence[_Place[CallT]]) -> bool:
        """Whether one picture can be painted at all, which is not tried where it surely cannot."""
        shape = group[0].row.plan.shape
        pipe = self._modes.of(shape.mode)
        free = free_bytes(self.facts.device, self._limits.memory_bytes)
        needed = picture_bytes(pipe, shape.size)
        if free is None or needed <= free:
            return True
        save_memory(pipe)
        if needed / TILED <= free:
            return True
        for call in dict.fromkeys(place.call for place in group):
            self.drop(call)
            desk.fail(call, _too_large(shape, f"about {needed / TILED / 2**30:.1f} GiB"))
        return False

    def _tick(self, desk: Desk[CallT], group: Sequence[_Place[CallT]]) -> Any:
        calls = dict.fromkeys(place.call for place in group)
        pipe = self._modes.of(group[0].row.plan.shape.mode)

        def tick(step: int, total: int | None, latents: Any) -> None:
            if not any(desk.wanted(call) for call in calls):
                raise NobodyWaitsError
            due = [place for place in group if self._is_due(place, step, total)]
            if latents is None or not due:
                return
            for place, picture in zip(
                group, previews(pipe, latents, place_size(group)), strict=False
            ):
                if place in due:
                    event = Preview(place.index, encode(picture), step, total)
                    desk.post(place.call, [event])
            desk.deliver()

        return tick

    def _is_due(self, place: _Place[CallT], step: int, total: int | None) -> bool:
        state = self._calls.get(place.call)
        every = 0 if state is None else state.job.preview_every
        return every > 0 and step % every == 0 and step != total

    # -------------------------------------------------------------------------- its ends
    def _keep(self, desk: Desk[CallT], place: _Place[CallT], picture: Any) -> None:
        """Write a picture; None was held back by the model's own filter."""
        state = self._calls.get(place.call)
        if state is None:  # it failed with the picture before this one
            return
        if picture is None:
            state.blocked += 1
        else:
            try:
                data = encode(picture, state.job.format, state.job.compression)
            except Exception as error:  # noqa: BLE001  # a file that cannot be written is one call's
                self.drop(place.call)
                desk.fail(place.call, error)
                return
            state.done[place.index] = data
            desk.post(place.call, [PictureDone(len(state.done) - 1, data)])
        if state.next_index < state.job.n:
            return
        self.drop(place.call)
        if state.done:
            desk.post(place.call, [self._result(state)])
        else:
            desk.fail(
                place.call,
                ContentBlockedError(
                    "the model's own filter held the picture back; change the prompt or the seed",
                    stage="output",
                    categories=("nsfw",),
                ),
            )

    def _result(self, state: _Call) -> Painted:
        job, plan = state.job, state.plan
        notes = plan.notes
        if state.blocked:
            held = f"{state.blocked} of {job.n} pictures were held back by the model's own filter"
            notes = (*notes, Note("other", "n", held))
        first = min(state.done)
        pipe = self._modes.of(plan.shape.mode)
        details: dict[str, str | int | float | None] = {
            "pipeline": type(pipe).__name__,
            "scheduler": plan.shape.scheduler or type(getattr(pipe, "scheduler", None)).__name__,
            "steps": plan.shape.steps,
            "guidance_scale": plan.shape.guidance,
            "size": shown(plan.shape.size) if plan.shape.size else None,
            "device": self.facts.device,
            "dtype": self.facts.dtype,
        }
        return Painted(
            pictures=tuple(state.done[index] for index in sorted(state.done)),
            seed=(job.seed + first) % 2**63 if plan.seeded else None,
            reproducible=job.seeded and plan.seeded,
            notes=notes,
            details=tuple((name, value) for name, value in details.items() if value is not None),
        )


def _too_large(shape: Shape, reason: str) -> OutOfMemoryError:
    size = f" of {shown(shape.size)}" if shape.size else ""
    return OutOfMemoryError(
        f"one picture{size} needs more memory than there is; ask for a smaller one: {reason}"
    )


def place_size(group: Sequence[_Place[Any]]) -> tuple[int, int] | None:
    """Size of the pictures of a run."""
    return group[0].row.plan.shape.size


def _pixels(shape: Shape) -> int:
    width, height = shape.size or (1024, 1024)
    return width * height
