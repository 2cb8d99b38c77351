"""Makes videos, one after the other: each fills the device by itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gensdk.errors import LocalError, OutOfMemoryError, UnsupportedFeatureError
from gensdk.toolkit.film import encode

from ..calls import CallsWorker
from ..diffusion.memory import film_bytes, most_bytes, save_memory
from ..diffusion.pipeline import LoadedPipeline
from ..diffusion.stepping import generators, watched
from ..failures import is_out_of_memory
from ..job import Progress
from ..worker import Desk, NobodyWaitsError, WorkerLimits
from .job import Filmed, VideoJob
from .plan import VideoPlan, planned

__all__ = ["VideoWorker"]

CallT = TypeVar("CallT", bound=Hashable)


@dataclass(slots=True)
class _Call:
    """One call in progress."""

    job: VideoJob
    plan: VideoPlan
    files: list[bytes] = field(default_factory=list)
    frames: int = 0
    size: str = ""


class VideoWorker(CallsWorker[CallT, _Call]):
    """A video pipeline and the calls for it."""

    def __init__(self, model: LoadedPipeline, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(model.facts, limits)
        self._model = model
        self._relieved = False

    def admit(self, call: CallT, job: Any) -> None:
        """Check a call against the model; its turn comes."""
        if not isinstance(job, VideoJob):
            raise UnsupportedFeatureError(
                f"{type(self._model.pipe).__name__} makes videos; it does nothing else",
                provider="local",
            )
        self._calls[call] = _Call(job, planned(self._model, job))

    def step(self, desk: Desk[CallT]) -> None:
        """Make the next video of the oldest call."""
        call = next((call for call in self._calls if desk.wanted(call)), None)
        if call is None:
            return
        state = self._calls[call]
        if not self._fits(desk, call, state.plan):
            return
        desk.post(call, [Progress("steps", self._share(state, 0), self._total(state))])
        desk.deliver()
        try:
            state.files.append(self._made(desk, call, state))
        except NobodyWaitsError:
            return
        except Exception as error:  # the desk decides what it means
            if is_out_of_memory(error) and not self._relieved:
                raise
            self._end(desk, call, error, _too_large)
            return
        if len(state.files) == state.job.n:
            self.drop(call)
            desk.post(call, [self._result(state)])

    def shrink(self) -> bool:
        """Decode in parts from now on, and try once more."""
        self._relieved = True
        save_memory(self._model.pipe)
        return True

    def _fits(self, desk: Desk[CallT], call: CallT, plan: VideoPlan) -> bool:
        """Whether a video can be made at all, which is not tried where it surely cannot."""
        most = most_bytes(self.facts.device, self._limits.memory_bytes)
        if most is None or plan.size is None:
            return True
        needed = film_bytes(plan.pipe, plan.size, plan.frames or 1)
        if needed <= most:
            return True
        self.drop(call)
        desk.fail(call, _too_large(f"about {needed / 2**30:.1f} GiB"))
        return False

    def _made(self, desk: Desk[CallT], call: CallT, state: _Call) -> bytes:
        pipe, plan = state.plan.pipe, state.plan
        total = self._total(state)

        def tick(step: int, _: int | None, __: Any) -> None:
            if not desk.wanted(call):
                raise NobodyWaitsError
            desk.post(call, [Progress("steps", self._share(state, step), total)])
            desk.deliver()

        arguments = dict(plan.arguments)
        if plan.seeded:
            arguments["generator"] = generators([(state.job.seed + len(state.files)) % 2**63])
        with watched(pipe, tick) as callbacks:
            output = pipe(**arguments, **callbacks)
        frames = list(_frames(output))
        state.frames = state.frames or len(frames)
        state.size = state.size or f"{frames[0].shape[1]}x{frames[0].shape[0]}"
        return encode(frames, plan.fps, state.job.format)

    def _total(self, state: _Call) -> int | None:
        return None if state.plan.steps is None else state.plan.steps * state.job.n

    def _share(self, state: _Call, step: int) -> int:
        """Steps done, those of the videos before this one too."""
        return len(state.files) * (state.plan.steps or 0) + step

    def _result(self, state: _Call) -> Filmed:
        plan, job = state.plan, state.job
        details: dict[str, str | int | float | None] = {
            "pipeline": type(plan.pipe).__name__,
            "size": state.size,
            "frames": state.frames,
            "steps": plan.steps,
            "device": self.facts.device,
            "dtype": self.facts.dtype,
        }
        return Filmed(
            videos=tuple(state.files),
            seed=job.seed if plan.seeded else None,
            fps=plan.fps,
            duration_s=state.frames / plan.fps,
            reproducible=job.seeded and plan.seeded,
            notes=plan.notes,
            details=tuple((name, value) for name, value in details.items() if value is not None),
        )


def _too_large(reason: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"the video needs more memory than there is; ask for a smaller or a shorter one: {reason}"
    )


def _frames(output: Any) -> Iterator[Any]:
    """The frames of the first video of an output, as uint8 ``[height, width, 3]``."""
    import numpy

    videos = getattr(output, "frames", None)
    if videos is None or len(videos) == 0 or len(videos[0]) == 0:
        raise LocalError(f"the pipeline gave no frames but {type(output).__name__}")
    for frame in videos[0]:
        pixels = numpy.asarray(frame)
        if pixels.dtype.kind == "f":
            if not numpy.isfinite(pixels).all():
                raise LocalError(
                    "the model made NaN, which would be black frames; a wider number format may "
                    "help: LocalBackend(dtype='float32')"
                )
            pixels = (pixels.clip(0, 1) * 255).round()
        if pixels.ndim != 3 or pixels.shape[-1] != 3:
            raise LocalError(f"the pipeline gave a frame of the shape {pixels.shape}")
        yield numpy.ascontiguousarray(pixels.astype(numpy.uint8))
