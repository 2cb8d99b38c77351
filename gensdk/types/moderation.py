"""Moderation: the request and the verdicts."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from .base import Ability, Request, Response, Text, Value, none_blank, several_texts
from .media import MediasIn

__all__ = ["ModerationRequest", "ModerationResponse", "Verdict"]


class ModerationRequest(Request):
    """Ask a classifier whether content is harmful.

    Attributes:
        inputs: Texts, each judged by itself.
        images: Pictures, judged together with the first text.
    """

    ability: ClassVar[Ability] = "moderate"

    inputs: tuple[Text, ...] = ()
    images: MediasIn = ()

    @field_validator("inputs", mode="before")
    @classmethod
    def _one_input(cls, value: Any) -> Any:
        return several_texts(value)

    @field_validator("inputs", mode="after")
    @classmethod
    def _no_empty_input(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return none_blank(value)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.images and not self.inputs:
            raise ValueError("nothing to judge: give text or images")
        return self

    @classmethod
    def answer_type(cls) -> type[ModerationResponse]:
        """The class of its answers."""
        return ModerationResponse


class Verdict(Value):
    """What the classifier thinks of one input.

    Attributes:
        flagged: Whether any category is over the provider's threshold.
        categories: The categories that are.
        scores: Score by category, 0 to 1.
    """

    flagged: bool
    categories: tuple[str, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)


class ModerationResponse(Response):
    """One verdict for each input."""

    verdicts: tuple[Verdict, ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether any input was flagged."""
        return any(verdict.flagged for verdict in self.verdicts)
