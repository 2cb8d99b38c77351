"""Pictures from diffusion models on this machine.

``request`` turns a request into a job and a result into a response; ``pipeline`` loads a pipeline
of diffusers; ``worker`` runs calls of the same shape together. Importing this room loads no torch.
"""

from __future__ import annotations

from .options import LocalImageOptions, Lora
from .request import fetched, prepare, respond, shown

__all__ = ["LocalImageOptions", "Lora", "fetched", "prepare", "respond", "shown"]
