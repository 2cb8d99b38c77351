"""Sampling and account fields that Chat Completions and legacy Completions have in common.

A field is sent, dropped with a note (a preference), or refused (it carries meaning): by the
server's row in ``catalog/compatible.py`` and the model's in ``catalog/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gensdk.catalog import TextModelRow
from gensdk.catalog.compatible import Dialect
from gensdk.catalog.openai_media import OPENAI_HOSTS
from gensdk.toolkit import Notes
from gensdk.types import TextRequest

__all__ = ["Fields", "stops_cut_here"]

_NEED_NO_REASONING: Final = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs"}
)
_PLAIN: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_OUTSIDE: Final = ("top_k", "min_p")
_SERVER = "this server has no such field"


def stops_cut_here(request: TextRequest, dialect: Dialect, model: TextModelRow) -> tuple[str, ...]:
    """The stop strings the server does not take; the mapper cuts the text at them."""
    if not request.stop:
        return ()
    if "stop" in dialect.refuses or not model.stop:
        return request.stop
    return request.stop[dialect.max_stop :] if dialect.max_stop is not None else ()


class Fields:
    """Takes the fields of one request over into a payload, one method for each group."""

    __slots__ = ("dialect", "model", "notes", "payload", "request")

    def __init__(
        self,
        request: TextRequest,
        dialect: Dialect,
        model: TextModelRow,
        notes: Notes,
        payload: dict[str, object],
    ) -> None:
        """Fill ``payload`` from ``request``, as far as ``dialect`` and ``model`` take it."""
        self.request = request
        self.dialect = dialect
        self.model = model
        self.notes = notes
        self.payload = payload

    def sampling(self) -> None:
        """Temperature, nucleus, penalties, bias, seed, top_k and min_p."""
        self.put(*_PLAIN)
        if self.request.logit_bias is not None and self.wanted("logit_bias") is not None:
            self._bias(self.request.logit_bias)
        if self.request.seed is not None and not self.model.seed:
            self.notes.drop("seed", "this model takes none")
        else:
            self.put("seed")
        outside = frozenset() if self.dialect.strict_unknown_fields else self.dialect.body_fields
        for name in _OUTSIDE:
            if getattr(self.request, name) is not None and name not in outside:
                self.notes.drop(name, _SERVER)
            else:
                self.put(name)

    def _bias(self, bias: Mapping[int, float]) -> None:
        """Biases of tokens: OpenAI's own servers take whole numbers and nothing else."""
        exact = {str(k): int(v) if v == int(v) else v for k, v in bias.items()}
        if self.dialect.name in OPENAI_HOSTS and any(v != int(v) for v in bias.values()):
            exact = {token: round(value) for token, value in exact.items()}
            self.notes.adapt("logit_bias", "The biases were rounded to whole numbers.", {**exact})
        self.set("logit_bias", exact)

    def limits(self, max_tokens_field: str) -> None:
        """Length, stop strings and number of candidates."""
        if self.request.max_tokens is not None:
            self.set(max_tokens_field, self.request.max_tokens)
        self._stop()
        count, most = self.request.n, self.dialect.max_candidates
        if count is not None and count > 1:
            if most is not None and count > most:
                self.notes.refuse("n", f"one request makes at most {most}")
            self.set("n", count)

    def _stop(self) -> None:
        stop = self.request.stop or ()
        here = stops_cut_here(self.request, self.dialect, self.model)
        if sent := stop[: len(stop) - len(here)]:
            self.set("stop", sent)
        if here:
            self.notes.adapt(
                "stop",
                f"The server takes {len(sent)} of the {len(stop)} stop strings: the text is cut "
                "here at the others, and what the model wrote after that is billed.",
                list(sent),
            )

    def user(self, wire_name: str) -> None:
        """The end user's id, under the name this protocol has for it."""
        self.put_as("user_id", wire_name)

    def streaming(self, include_obfuscation: bool | None) -> None:
        """Ask for a stream, and for its usage where the server takes the question."""
        self.payload["stream"] = True
        options: dict[str, object] = {"include_usage": True} if self.dialect.stream_usage else {}
        if include_obfuscation is not None:
            options["include_obfuscation"] = include_obfuscation
        if options:
            self.payload["stream_options"] = options

    def put(self, *names: str) -> None:
        """Send fields as they are, where they are set and taken."""
        for name in names:
            if getattr(self.request, name) is not None:  # most are not, in every request
                self.put_as(name, name)

    def put_as(self, name: str, wire_name: str) -> None:
        """Send a field under another name, if it is set and taken."""
        value = self.wanted(name)
        if value is not None:
            self.set(wire_name, value)

    def wanted(self, name: str) -> object | None:
        """The value of a preference; None where it is not set, or dropped with a note."""
        value: object | None = getattr(self.request, name)
        if value is None:
            return None
        if name in self.dialect.refuses:
            self.notes.drop(name, _SERVER)
            return None
        if name in _NEED_NO_REASONING and not self._takes_sampling():
            self.notes.drop(name, "this model reasons, and takes it only while it does not")
            return None
        return value

    def set(self, name: str, value: object) -> None:
        """Put a field into the payload, under the server's own name for it."""
        if self.dialect.renames:
            name = dict(self.dialect.renames).get(name, name)
        self.payload[name] = value

    def _takes_sampling(self) -> bool:
        return self.model.takes_sampling(self.request.reasoning_effort)
