"""What a call for vectors asks of the engine, and what comes back."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from gensdk.types import EmbedTask

from ..encoders import TextsJob
from ..job import Final

__all__ = ["EmbedJob", "Embedded"]


@dataclass(frozen=True, slots=True)
class EmbedJob(TextsJob):
    """One call for vectors.

    Attributes:
        dimensions: Length of the vectors, None for the model's own.
        task: What they are for.
        shortens: Whether the caller says the model was trained to be shortened.
    """

    dimensions: int | None = None
    task: EmbedTask | None = None
    shortens: bool = False


@dataclass(frozen=True, slots=True)
class Embedded(Final):
    """The vectors.

    Attributes:
        block: All numbers, text after text.
        dim: Numbers of one vector.
        tokens: Tokens that were read.
        cut: Numbers of the texts that were longer than the model reads.
        prompted: Whether ``task`` chose a prompt of the model's.
        device: Where it ran.
        dtype: The number format it ran in.
    """

    block: array[float]
    dim: int
    tokens: int
    cut: tuple[int, ...]
    prompted: bool
    device: str
    dtype: str
