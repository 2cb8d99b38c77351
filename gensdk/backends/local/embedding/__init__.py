"""Vectors from encoders on this machine. Importing this room loads no torch."""

from __future__ import annotations

from .request import LocalEmbedOptions, prepare, respond

__all__ = ["LocalEmbedOptions", "prepare", "respond"]
