"""Schedulers by name: how noise is taken away, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gensdk.errors import InvalidRequestError

__all__ = ["require_scheduler", "using_scheduler"]

_NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++_single": ("DPMSolverSinglestepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "euler_karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""Short names, as other programs write them: the class of diffusers 0.42, and its settings."""

_FLOW_NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "lcm": ("FlowMatchLCMScheduler", {}),
}
"""The same for models that learned a flow. Heun's takes no noise levels, which the pipelines of
diffusers 0.42 give."""


def require_scheduler(pipe: Any, name: str | None) -> None:
    """Refuse a scheduler that the pipeline cannot run with.

    Raises:
        InvalidRequestError: The message lists those it can.
    """
    if name is not None:
        _found(pipe, name)


@contextmanager
def using_scheduler(pipe: Any, name: str | None) -> Iterator[None]:
    """Let a pipeline run with another scheduler, and give its own back afterwards."""
    if name is None:
        yield
        return
    kind, settings = _found(pipe, name)
    own = pipe.scheduler
    pipe.scheduler = kind.from_config(own.config, **settings)
    try:
        yield
    finally:
        pipe.scheduler = own


def _found(pipe: Any, name: str) -> tuple[Any, dict[str, Any]]:
    own = getattr(pipe, "scheduler", None)
    names, classes = _possible(own)
    class_name, settings = names.get(name.lower().replace(" ", "_"), (name, {}))
    kind = classes.get(class_name)
    if kind is None:
        short = [key for key, (value, _) in names.items() if value in classes]
        raise InvalidRequestError(
            f"scheduler {name!r:.60}: this pipeline runs with "
            f"{', '.join([*short, *sorted(classes)]) or 'its own alone'}",
            param="options",
        )
    return kind, settings


def _possible(own: Any) -> tuple[dict[str, tuple[str, dict[str, Any]]], dict[str, Any]]:
    """Short names and classes that fit a pipeline's own scheduler."""
    import diffusers

    if own is None:
        return {}, {}
    if type(own).__name__.startswith("FlowMatch"):
        names = _FLOW_NAMES
        found = [getattr(diffusers, value, None) for value, _ in names.values()]
    else:
        names = _NAMES
        found = [*own.compatibles, type(own)]
    kinds = {kind.__name__: kind for kind in found if kind is not None}
    return names, {name: kind for name, kind in kinds.items() if "dummy" not in kind.__module__}
