"""What only ComfyUI takes: values for a workflow's own inputs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gensdk.toolkit import vendor_options
from gensdk.types import Request

__all__ = ["ComfyUIOptions", "comfyui_options"]


class ComfyUIOptions(BaseModel):
    """What only ComfyUI takes; ``options={"comfyui": ComfyUIOptions(...)}``.

    Attributes:
        inputs: Values by the names that the workflow's ``inputs`` give them.
        front: Whether to go to the front of the queue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    front: bool = False


def comfyui_options(request: Request, name: str, model: str) -> ComfyUIOptions:
    """The options of a request, by the account's name or by ``comfyui``.

    Raises:
        InvalidRequestError: A field is unknown or has a wrong value; the message names it.
    """
    return vendor_options(request, ComfyUIOptions, provider=name, vendor="comfyui", model=model)
