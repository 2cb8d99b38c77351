"""When a model ends, and what a provider's own list says of its models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .base import Ability, Value

__all__ = ["ListedModel", "ModelEnding", "ModelStatus"]

ModelStatus = Literal["active", "deprecated", "retired"]
"""How a provider calls the state of a model: served, served with an end announced, gone."""


@dataclass(frozen=True, slots=True)
class ModelEnding:
    """The end of one model.

    Attributes:
        on: Day from which calls fail; None where it is not told.
        successor: Model of the same provider that takes its place, None where none is named.
        source: Where that was read.
        certain: Whether a call after that day is refused without asking the server. Not so at an
            address that is not the vendor's own: its models may live on there.
        gone: Whether the provider does not list it any more, or calls it retired.
    """

    on: date | None
    successor: str | None = None
    source: str = ""
    certain: bool = False
    gone: bool = False


class ListedModel(Value):
    """One model as its provider's list has it. None means that the list does not say.

    Attributes:
        id: As it stands after the colon of ``"provider:model"``.
        status: The provider's word for its state; ``active`` only where the list has such a word,
            or says of each model whether it ends.
        retires_on: Day from which calls fail.
        successor: Model that the provider names in its place.
        created_on: Day of its release.
        abilities: What it does.
        max_input_tokens: Size of what it reads.
        max_output_tokens: Size of what it writes.
    """

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=300)]
    status: ModelStatus | None = None
    retires_on: date | None = None
    successor: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    created_on: date | None = None
    abilities: frozenset[Ability] | None = None
    max_input_tokens: Annotated[int, Field(ge=0)] | None = None
    max_output_tokens: Annotated[int, Field(ge=0)] | None = None
