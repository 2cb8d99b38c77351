"""Options of pictures on this machine that no hosted provider shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["LocalImageOptions", "Lora"]


class Lora(BaseModel):
    """A low-rank adapter (arXiv:2106.09685) that is laid over the model for one call.

    Attributes:
        path: A ``.safetensors`` file on this machine.
        weight: How strong it is; 1 as it was trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    weight: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = 1.0


def _several(value: object) -> object:
    single = isinstance(value, str | Path | Lora | dict)
    items = (value,) if single else value
    if not isinstance(items, list | tuple):
        return items
    return tuple({"path": item} if isinstance(item, str | Path) else item for item in items)


class LocalImageOptions(BaseModel):
    """Options of pictures on this machine: ``options={"local": LocalImageOptions(...)}``.

    Attributes:
        scheduler: How noise is taken away: a class of diffusers (``EulerDiscreteScheduler``) or a
            short name (``euler``, ``euler_a``, ``ddim``, ``dpm++``, ``unipc``, …).
        lora: Adapters for this call: a path, a ``Lora``, or several of them.
        clip_skip: Layers of the CLIP text encoder to leave out at its end.
        preview_every: Steps between two previews of a stream; 0 for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    lora: Annotated[tuple[Lora, ...], BeforeValidator(_several), Field(max_length=8)] = ()
    clip_skip: Annotated[int, Field(ge=0, le=48)] | None = None
    preview_every: Annotated[int, Field(ge=0, le=1000)] = 5
