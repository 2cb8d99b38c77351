"""Moderation: the request and the verdicts."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from .base import Ability, Request, Response, Value
from .media import URL, Media

__all__ = ["ModerationRequest", "ModerationResponse", "Verdict"]


class ModerationRequest(Request):
    """Ask a classifier whether content is harmful.

    Attributes:
        inputs: Texts, each judged by itself.
        images: Pictures, judged together with the first text.
    """

    ability: ClassVar[Ability] = "moderate"

    inputs: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    images: tuple[Media | URL, ...] = ()

    @field_validator("inputs", mode="before")
    @classmethod
    def _one_input(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.images and not self.inputs:
            raise ValueError("nothing to judge: give text or images")
        return self


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
