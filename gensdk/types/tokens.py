"""How many tokens an input is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Value

__all__ = ["TokenCount"]


class TokenCount(Value):
    """How many tokens the input of a request is.

    Attributes:
        input_tokens: Tokens of everything that is sent: messages, tools, schema, media.
        exact: Whether it is what the model will read; False where the provider calls its own
            count an estimate.
        source: ``provider``: it was asked. ``local``: the model's own tokenizer on this machine.
        provider: Who counted.
        model: For which model.
    """

    input_tokens: Annotated[int, Field(ge=0)]
    exact: bool
    source: Literal["provider", "local"]
    provider: str
    model: str
