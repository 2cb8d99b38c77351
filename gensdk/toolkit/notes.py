"""Option accounting: every field of a request is sent, noted or refused.

Use, in a backend's ``prepare``::

    notes = Notes("acme", context)
    if request.seed is not None:
        notes.drop("seed", "this model draws at random")
    notes.drop_unsupported(request, SUPPORTED, meaning={"mask"}, reason="the API has no such field")
    ...
    return TextResponse(..., warnings=notes.warnings)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NoReturn

from pydantic import JsonValue

from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.types import Request, ResponseWarning

__all__ = ["Notes"]

_HANDLED_ELSEWHERE = frozenset({"model", "options", "extra", "unsupported", "tag"})
"""Fields every request has; the pipeline and the backend's body builder see to them."""

WarningKind = Literal["unsupported", "adapted", "deprecated", "retiring", "demo", "other"]


class Notes:
    """Collects what one attempt did to the caller's options."""

    __slots__ = ("_context", "_provider", "_warnings")

    def __init__(self, provider: str, context: Context) -> None:
        """Start with nothing noted.

        Args:
            provider: Name of the backend, for messages.
            context: Attempt concerned; says the model and how to treat what is unsupported.
        """
        self._provider = context.provider or provider
        self._context = context
        self._warnings: list[ResponseWarning] = []

    @property
    def warnings(self) -> tuple[ResponseWarning, ...]:
        """What was noted, in order."""
        return tuple(self._warnings)

    def drop(self, parameter: str, reason: str) -> None:
        """Note a preference that is not sent.

        Raises:
            UnsupportedFeatureError: The caller asked for ``unsupported="error"``.
        """
        if self._context.unsupported == "error":
            self.refuse(parameter, reason)
        if self._context.unsupported == "drop":
            return
        message = f"{parameter!r} was not sent: {self._target} does not take it ({reason})."
        self.other(message, parameter, "unsupported")

    def adapt(self, parameter: str, message: str, sent: JsonValue = None) -> None:
        """Note that a field was sent in another form, ``sent``."""
        self._add(ResponseWarning(kind="adapted", message=message, parameter=parameter, sent=sent))

    def other(
        self, message: str, parameter: str | None = None, kind: WarningKind = "other"
    ) -> None:
        """Note anything else the caller should know."""
        self._add(ResponseWarning(kind=kind, message=message, parameter=parameter))

    def refuse(self, parameter: str, reason: str) -> NoReturn:
        """Refuse a field without which the request would mean something else.

        Raises:
            UnsupportedFeatureError: Always; nothing has been sent.
        """
        raise UnsupportedFeatureError(
            f"{self._target} cannot honour {parameter!r}: {reason}. "
            "Leave it out, or choose a model that can.",
            provider=self._provider,
            model=self._context.model,
            param=parameter,
        )

    def drop_unsupported(
        self,
        request: Request,
        supported: Collection[str],
        *,
        meaning: Collection[str] = (),
        reason: str,
    ) -> None:
        """Drop, or refuse, every field the caller set that is not in ``supported``.

        Args:
            request: The caller's request. A field at its default counts as not set.
            supported: Names of the fields the backend sends or deals with itself.
            meaning: Fields that carry meaning; these are refused rather than dropped.
            reason: Why, for the message.

        Raises:
            UnsupportedFeatureError: A field of ``meaning`` is set, or the caller asked for
                ``unsupported="error"``. Refusals come before anything is noted.
        """
        fields = type(request).model_fields
        unhandled = [
            name
            for name in fields
            if name in request.model_fields_set
            and name not in supported
            and name not in _HANDLED_ELSEWHERE
            and (value := getattr(request, name)) is not None
            and value != fields[name].get_default(call_default_factory=True, validated_data={})
        ]
        for name in unhandled:
            if name in meaning:
                self.refuse(name, reason)
        for name in unhandled:
            self.drop(name, reason)

    @property
    def _target(self) -> str:
        return f"{self._provider}:{self._context.model}"

    def _add(self, warning: ResponseWarning) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)
