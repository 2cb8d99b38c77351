"""From a conversation to what the encoder reads and what the decoder begins with.

An encoder-decoder model reads one text and writes another. A bare prompt is that text as it
stands; instructions go before it, on a line of their own. A last message of the assistant is the
beginning of the answer. A tokenizer with a chat template gets the conversation through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gensdk.errors import InvalidRequestError, UnsupportedFeatureError

from ..job import Adaptation
from ..text.chat import Prompt, build_prompt, encode_whole, refuse_pictures
from ..text.job import ChatTurn, TextJob
from ..text.templating import require_template
from .rules import AnswerRules

__all__ = ["Source", "build_source", "source_ids"]


@dataclass(frozen=True, slots=True)
class Source:
    """What a model reads, and what its answer begins with.

    Attributes:
        ids: Tokens for the encoder.
        answer: The beginning of the decoder's text, as the rows of ``text`` know a prompt.
    """

    ids: tuple[int, ...]
    answer: Prompt


def build_source(
    tokenizer: Any, job: TextJob, rules: AnswerRules, most_tokens: int | None
) -> Source:
    """Tokenize a job's conversation.

    Raises:
        InvalidRequestError: There is nothing to read, or no such language.
        UnsupportedFeatureError: The model is not told languages, or there are pictures or tools.
    """
    turns, begun = _asked(job)
    with _Languages(tokenizer, job) as languages:
        ids, notes = _read(tokenizer, job, turns, most_tokens)
        start = _start(tokenizer, rules, languages.target)
        said = _said(tokenizer, begun) if begun else ()
    answer = Prompt((*start, *said), continues=bool(said), adaptations=notes)
    return Source(ids, answer)


def source_ids(tokenizer: Any, job: TextJob, most_tokens: int | None) -> tuple[int, ...]:
    """What the encoder reads of a job's conversation; errors as in ``build_source``."""
    turns, _ = _asked(job)
    with _Languages(tokenizer, job):
        return _read(tokenizer, job, turns, most_tokens)[0]


def _asked(job: TextJob) -> tuple[tuple[ChatTurn, ...], str]:
    """The turns that are read, and the beginning of the answer."""
    refuse_pictures(job)
    require_template(job, templated=False)
    turns, begun = job.turns, ""
    if turns[-1].role == "assistant":
        turns, begun = turns[:-1], turns[-1].text
    if not any(turn.role == "user" for turn in turns):
        raise InvalidRequestError(
            "an encoder-decoder model needs a text to read: give a message of the user",
            param="prompt",
        )
    return turns, begun


def _start(tokenizer: Any, rules: AnswerRules, target: int | None) -> list[int]:
    """What the decoder begins with; some mBARTs begin with the language itself."""
    if target is not None and rules.start in _languages(tokenizer).values():
        return [target]
    first = rules.first if target is None else target
    return [rules.start] if first is None else [rules.start, first]


def _read(
    tokenizer: Any, job: TextJob, turns: Sequence[ChatTurn], most_tokens: int | None
) -> tuple[tuple[int, ...], tuple[Adaptation, ...]]:
    if job.mode != "raw" and getattr(tokenizer, "chat_template", None):
        inner = TextJob(turns=tuple(turns), mode="chat")
        prompt = build_prompt(tokenizer, inner, most_tokens)
        return prompt.ids, prompt.adaptations
    if job.mode == "raw":
        if len(turns) != 1:
            raise InvalidRequestError(
                "mode='raw' reads one text: give a plain prompt without system and history"
            )
        ids = tokenizer(turns[0].text, verbose=False)["input_ids"]
        return tuple(ids), ()
    text, notes = _one_text(turns)
    if job.mode == "chat":
        message = "the model has no chat template; the prompt was sent as it stands"
        notes = (*notes, Adaptation("mode", message))
    return encode_whole(tokenizer, text), notes


def _one_text(turns: Sequence[ChatTurn]) -> tuple[str, tuple[Adaptation, ...]]:
    """Instructions and the user's last message."""
    notes: list[Adaptation] = []
    system = [turn.text for turn in turns if turn.role == "system"]
    asked = [turn.text for turn in turns if turn.role == "user"]
    if system:
        message = "the model reads one text; the instructions were put before the prompt"
        notes.append(Adaptation("system", message))
    if len(turns) > len(system) + 1:
        message = "the model reads one text; only the last message of the user was sent"
        notes.append(Adaptation("prompt", message))
    return "\n".join([*system, asked[-1]]), tuple(notes)


def _said(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Tokens of an answer that has begun; Marian has a vocabulary of its own for answers."""
    ids = tokenizer(text_target=text, verbose=False, add_special_tokens=False)["input_ids"]
    return tuple(ids)


class _Languages:
    """The languages of one job, set on the tokenizer while its prompt is read."""

    def __init__(self, tokenizer: Any, job: TextJob) -> None:
        self._tokenizer = tokenizer
        self._source, self._target = job.source_language, job.target_language
        self._before: Any = None
        self.target: int | None = None

    def __enter__(self) -> _Languages:
        if self._source is None and self._target is None:
            return self
        if not hasattr(self._tokenizer, "src_lang"):
            raise UnsupportedFeatureError(
                "source_language and target_language: this model is not told languages; say in "
                "the prompt what you want, as its makers do",
                param="options",
            )
        if self._target is not None:
            self.target = _language(self._tokenizer, self._target)
        if self._source is not None:
            _language(self._tokenizer, self._source)
            self._before = self._tokenizer.src_lang
            self._tokenizer.src_lang = self._source
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            self._tokenizer.src_lang = self._before


def _language(tokenizer: Any, name: str) -> int:
    """The token of a language: its own name (NLLB, mBART), or in underlines (M2M100)."""
    known = _languages(tokenizer)
    token = next((known[form] for form in (name, f"__{name}__") if form in known), None)
    if token is None:
        shown = ", ".join(sorted(known)[:8])
        raise InvalidRequestError(
            f"the model has no language {name!r}; it has {shown} …", param="options"
        )
    return token


def _languages(tokenizer: Any) -> dict[str, int]:
    """Added tokens that have no other name; M2M100 lists its own apart."""
    named = {str(token) for token in tokenizer.special_tokens_map.values()}
    known = {**getattr(tokenizer, "lang_token_to_id", {}), **tokenizer.get_added_vocab()}
    return {
        token: int(number)
        for token, number in known.items()
        if token not in named and not token.startswith("<")
    }
