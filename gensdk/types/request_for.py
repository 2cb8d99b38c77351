"""Which answer a request has, for type checkers."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["RequestFor"]

AnswerT = TypeVar("AnswerT", covariant=True)


class RequestFor(Protocol[AnswerT]):
    """A request that is answered with a certain class: ``RequestFor[TextResponse]``."""

    @classmethod
    def answer_type(cls) -> type[AnswerT]:
        """The class of its answers."""
        ...
