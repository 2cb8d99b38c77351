"""From a conversation to the tokens a model reads.

A tokenizer with a chat template gets the conversation through it (``template``). Without one, a
bare prompt is continued as it stands, and a conversation becomes a plain transcript. Control
tokens in the user's own text are encoded as plain text everywhere but in ``mode="raw"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gensdk.errors import (
    InvalidRequestError,
    MissingDependencyError,
    UnsupportedFeatureError,
)

from ..job import Adaptation
from .conversation import Mark, Template, messages_of, size_of, tools_of
from .job import ChatTurn, Picture, TextJob
from .templating import (
    END_OF_LAST,
    TEMPLATE_SECONDS,
    cut_after,
    most_characters,
    require_shown,
    require_template,
    template_for,
    template_notes,
    through_template,
    without_reasoning,
)
from .tool_calls.answer import answer_form
from .tool_calls.detection import AnswerForm

__all__ = [
    "STOPS",
    "Prompt",
    "build_prompt",
    "control_tokens",
    "encode_whole",
    "marked",
    "marker",
    "refuse_pictures",
    "require_control_tokens",
    "transcript",
]

STOPS = ("\nUser:",)
"""What ends an answer in a transcript."""

_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads.

    Attributes:
        ids: Tokens of the prompt.
        continues: Whether the answer goes on in the middle of a text, so that the space before
            its first word counts.
        strips_start: Whether white space at the start of the answer belongs to the transcript.
        stops: Strings that end the answer beside the caller's own.
        adaptations: What the caller should know.
        answer: How to take the answer apart; None where it is text alone.
    """

    ids: tuple[int, ...]
    continues: bool = False
    strips_start: bool = False
    stops: tuple[str, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()
    answer: AnswerForm | None = None


def build_prompt(tokenizer: Any, job: TextJob, context_tokens: int | None = None) -> Prompt:
    """Tokenize a job's conversation for a model with a context of some size.

    Raises:
        InvalidRequestError: The template refuses this conversation, or the mode does not fit it.
        UnsupportedFeatureError: There are tools, and the template does not show them.
        ModelLoadError: The template itself is broken, takes too long or makes too much.
        UnsupportedFeatureError: There are pictures in it.
    """
    refuse_pictures(job)
    templated = bool(getattr(tokenizer, "chat_template", None))
    require_template(job, templated)
    raw = job.mode == "raw" or (job.mode == "auto" and job.plain and not templated)
    if raw:
        if len(job.turns) != 1:
            raise InvalidRequestError(
                "mode='raw' continues one text: give a plain prompt without system and history"
            )
        text = job.turns[0].text
        ids = _encode(tokenizer, text) if job.mode == "raw" else _encode_text(tokenizer, text)
        return Prompt(ids=ids, continues=True, adaptations=without_reasoning(job.turns))
    if templated:
        return _from_template(tokenizer, job, context_tokens)
    return _transcript(tokenizer, job.turns)


def refuse_pictures(job: TextJob) -> None:
    """Refuse a conversation with pictures, for a model that reads text.

    Raises:
        UnsupportedFeatureError: It has some.
    """
    if any(turn.pictures for turn in job.turns):
        raise UnsupportedFeatureError(
            "this model reads text only, not pictures; choose a vision-language model",
            param="prompt",
        )


def _encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    return _some(tokenizer, tokenizer(text, verbose=False)["input_ids"])


def _encode_text(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Tokens of a text that goes on."""
    return encode_whole(tokenizer, text, ends=False)


def encode_whole(
    tokenizer: Any, text: str, *, keep: Sequence[str] = (), ends: bool = True
) -> tuple[int, ...]:
    """Tokens of a text in which control tokens are text like any other.

    Args:
        tokenizer: The model's tokenizer.
        text: The text.
        keep: Control tokens that mean what they mean.
        ends: Whether what the tokenizer puts behind a text belongs to it.
    """
    ids = tokenizer(text, verbose=False)["input_ids"]
    control = [token for token in control_tokens(tokenizer, None) if token not in keep]
    if not any(token in text for token in control):
        return _some(tokenizer, ids)
    plain = tokenizer(text, verbose=False, add_special_tokens=False)["input_ids"]
    size = len(plain)
    start = next((n for n in range(len(ids)) if ids[n : n + size] == plain), 0)
    inner = _encode_marked(tokenizer, marked(text, control))
    return _some(tokenizer, [*ids[:start], *inner, *(ids[start + size :] if ends else ())])


def _some(tokenizer: Any, ids: Sequence[int]) -> tuple[int, ...]:
    if not ids and tokenizer.bos_token_id is not None:
        ids = (tokenizer.bos_token_id,)
    if not ids:
        raise InvalidRequestError("the model's tokenizer makes no tokens of this prompt")
    return tuple(ids)


def require_control_tokens() -> None:
    """Refuse a transformers that cannot tell control tokens from a user's text.

    Raises:
        MissingDependencyError: It is too old, or too new.
    """
    try:
        from transformers.utils.chat_template_utils import (  # noqa: F401  # only whether they are
            encode_marked_chat,
            mark_control_tokens,
        )
    except ImportError as error:
        raise MissingDependencyError(
            "the installed transformers cannot keep control tokens in a prompt apart from the "
            "template's own; install transformers>=5.23,<6 (pip install 'gensdk[local]')"
        ) from error


def marked(text: str, control: Sequence[str]) -> str:
    """The text with its control tokens marked as text."""
    return marker(control)(text)


def marker(control: Sequence[str]) -> Mark:
    """What marks control tokens as text, for many texts."""
    import re

    from transformers.utils.chat_template_utils import mark_control_tokens

    longest_first = sorted(control, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def mark(text: str) -> str:
        marked: str = mark_control_tokens(text, pattern)
        return marked

    return mark


def _encode_marked(tokenizer: Any, text: str) -> list[int]:
    from transformers.utils.chat_template_utils import encode_marked_chat

    # Its own "sequence length is longer than …" would be logged before our error says it.
    told = getattr(tokenizer, "deprecation_warnings", None)
    if told is not None:
        told["sequence-length-is-longer-than-the-specified-maximum"] = True
    ids: list[int] = encode_marked_chat(tokenizer, text)
    return ids


def control_tokens(tokenizer: Any, literals: str | None) -> tuple[str, ...]:
    """Added tokens that mean something to the model; ``literals`` is the template's own text.

    The rule of transformers: special tokens, and those that the tokenizer lists or the template
    writes. Without a template every added token but white space counts.
    """
    listed = getattr(tokenizer, "chat_control_tokens", None)
    named = None if listed is None else frozenset(listed)
    found = []
    for token in tokenizer.added_tokens_decoder.values():
        content = token.content
        written = literals is None or content in literals
        if token.special or (content in named if named is not None else written):
            found.append(content)
    return tuple(content for content in found if content and not content.isspace())


def transcript(turns: Sequence[ChatTurn]) -> tuple[ChatTurn, tuple[Adaptation, ...]]:
    """A conversation as one text, for a model that was never taught one, and what to say of it."""
    text, pictures = "", []
    for turn in turns:
        text += ("\n" if text else "") + f"{_NAMES[turn.role]}: "
        pictures += [Picture(len(text) + picture.at, picture.data) for picture in turn.pictures]
        text += turn.text
    if turns[-1].role != "assistant":
        text += "\nAssistant:"
    message = "the model has no chat template; the conversation was sent as a plain transcript"
    notes = (Adaptation("prompt", message), *without_reasoning(turns))
    return ChatTurn("user", text, tuple(pictures)), notes


def _transcript(tokenizer: Any, turns: Sequence[ChatTurn]) -> Prompt:
    turn, notes = transcript(turns)
    return Prompt(
        ids=_encode_text(tokenizer, turn.text),
        continues=True,
        strips_start=turns[-1].role != "assistant",
        stops=STOPS,
        adaptations=notes,
    )


def _from_template(tokenizer: Any, job: TextJob, context_tokens: int | None) -> Prompt:
    prompt, notes = through_template(
        job.turns,
        lambda told: _prompted(tokenizer, replace(job, turns=tuple(told)), context_tokens),
    )
    return replace(prompt, adaptations=(*notes, *prompt.adaptations))


def _prompted(tokenizer: Any, job: TextJob, context_tokens: int | None) -> Prompt:
    template = template_for(job, tokenizer.special_tokens_map, _source(tokenizer, job))
    text = _rendered(tokenizer, template, job, context_tokens)
    ids = _encode_marked(tokenizer, text)
    if not ids:
        raise InvalidRequestError("the model's chat template makes no tokens of this conversation")
    return Prompt(
        tuple(ids),
        continues=job.turns[-1].role == "assistant",
        adaptations=template_notes(template, job),
        answer=answer_form(tokenizer, template, job, text),
    )


def _source(tokenizer: Any, job: TextJob) -> str:
    """The template's program: some tokenizers have one of their own for tools."""
    source: str = tokenizer.get_chat_template(tools=tools_of(job.tools, str))
    return source


def _rendered(tokenizer: Any, template: Template, job: TextJob, context_tokens: int | None) -> str:
    """The conversation as the template writes it, the user's control tokens marked."""
    from .template import render

    mark = marker(control_tokens(tokenizer, template.literals))
    messages = messages_of(job.turns, mark, template)
    tools = tools_of(job.tools, mark)
    continues = job.turns[-1].role == "assistant"
    last = messages[-1]["content"]
    if continues:
        messages[-1]["content"] += END_OF_LAST
    text = render(
        template.source,
        messages,
        tools=tools,
        variables=dict(template.variables),
        add_generation_prompt=not continues,
        characters=most_characters(size_of([messages, tools]), context_tokens),
        seconds=TEMPLATE_SECONDS,
    )
    require_shown(text, job)
    return cut_after(text, last) if continues else text
