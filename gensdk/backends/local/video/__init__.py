"""Videos from diffusion models on this machine, made as jobs.

``request`` turns a request into a job for the engine and a result into a response; ``worker`` makes
one video after the other; ``encode`` writes the file. Importing this room loads no torch.
"""

from __future__ import annotations

from .request import fetched, prepare, respond

__all__ = ["fetched", "prepare", "respond"]
