"""From a conversation with pictures to what the network takes.

The chat template writes a placeholder for each picture, in the same measured sandbox as for text;
the model's processor then puts as many tokens in its place as the picture has features. Control
tokens and placeholders in the user's own text are encoded as plain text everywhere but in
``mode="raw"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gensdk.errors import ContextLengthError, InvalidRequestError, RequestTooLargeError

from ..pictures import decode, opaque
from ..text.chat import STOPS, Prompt, control_tokens, marked, marker, transcript
from ..text.checks import refuse_languages, require_short
from ..text.conversation import Template, messages_of, size_of, tools_of
from ..text.job import ChatTurn, TextJob
from ..text.template import render
from ..text.templating import (
    END_OF_LAST,
    TEMPLATE_SECONDS,
    cut_after,
    most_characters,
    require_shown,
    require_template,
    template_for,
    template_notes,
    through_template,
)
from ..text.tool_calls.answer import answer_form

if TYPE_CHECKING:
    from PIL.Image import Image

    from .reader import PromptReader

__all__ = ["count_prompt", "read_prompt", "takes_parts"]

_REFUSALS = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError,
    OverflowError, RecursionError,
)  # fmt: skip
_PROBE = "gensdk"
_MOST_PIXELS = 2**27
"""Of all pictures of a call together; no context holds what a model sees in more."""


def read_prompt(reader: PromptReader, job: TextJob) -> tuple[Prompt, dict[str, Any]]:
    """What the model reads: the prompt, and the tensors for the network's first pass.

    Raises:
        ContextLengthError: Prompt and pictures leave no room for an answer.
        InvalidRequestError: A picture cannot be read, or the model cannot take the conversation.
        ModelLoadError: The chat template itself is broken, takes too long or makes too much.
    """
    context_tokens = reader.context_tokens
    require_short(job, context_tokens, "a context")
    prompt, inputs = _read(reader, job)
    size, pictures = len(prompt.ids), sum(len(turn.pictures) for turn in job.turns)
    if context_tokens is not None and size >= context_tokens:
        seen = f" with its {pictures} pictures" if pictures else ""
        raise ContextLengthError(
            f"the prompt has {size} tokens{seen}, the model's context {context_tokens}; "
            f"shorten the prompt{', or give fewer or smaller pictures' if pictures else ''}"
        )
    return prompt, inputs


def count_prompt(reader: PromptReader, job: TextJob) -> int:
    """How many tokens a prompt and its pictures are, also where they are too many."""
    refuse_languages(job)
    return len(_read(reader, job)[0].ids)


def _read(reader: PromptReader, job: TextJob) -> tuple[Prompt, dict[str, Any]]:
    files = [picture.data for turn in job.turns for picture in turn.pictures]
    if reader.context_tokens is not None and len(files) >= reader.context_tokens:
        raise ContextLengthError(
            f"{len(files)} pictures cannot fit a context of {reader.context_tokens} tokens"
        )
    text, prompt = _written(reader, job)
    pictures = _decoded(files)
    inputs = _processed(reader, text, pictures)
    ids: list[int] = inputs["input_ids"][0].tolist()
    if not ids:
        raise InvalidRequestError("the model's tokenizer makes no tokens of this prompt")
    return replace(prompt, ids=tuple(_known(reader, ids))), inputs


def takes_parts(tokenizer: Any, template: str) -> bool:
    """Whether a template takes messages as parts; one that wants text writes the parts out."""
    parts = [{"role": "user", "content": [{"type": "text", "text": _PROBE}]}]
    whole = [{"role": "user", "content": _PROBE}]
    for messages, answer in ((parts, True), (whole, False)):
        written = _tried(tokenizer, template, messages)
        if _PROBE in written and "'type'" not in written and '"type"' not in written:
            return answer
    return True  # it cannot be told; the first call says what is wrong


def _tried(tokenizer: Any, template: str, messages: Sequence[dict[str, Any]]) -> str:
    from jinja2 import TemplateError

    from ..text.template_limits import TemplateTooLargeError

    try:
        program = template_for(TextJob(()), tokenizer.special_tokens_map, template)
        return _rendered(program, messages, tools=None, going_on=False, context_tokens=None)
    except (TemplateError, TemplateTooLargeError, TimeoutError, *_REFUSALS):
        return ""


# ------------------------------------------------------------------------------ the prompt's text
def _written(reader: PromptReader, job: TextJob) -> tuple[str, Prompt]:
    """The prompt as text with placeholders, and what is to be known of it, without tokens."""
    template, turns, last = reader.template, job.turns, job.turns[-1].role
    require_template(job, template is not None)
    if job.mode == "raw" and len(turns) != 1:
        raise InvalidRequestError(
            "mode='raw' continues one text: give a plain prompt without system and history"
        )
    if job.mode == "raw":
        return _placed(reader, turns[0], ()), Prompt((), continues=True)
    if template is not None:
        (text, prompt), notes = through_template(
            turns, lambda told: _templated(reader, template, replace(job, turns=tuple(told)))
        )
        return text, replace(prompt, adaptations=(*notes, *prompt.adaptations))
    control = _control(reader, None)
    if job.mode == "auto" and len(turns) == 1 and last == "user":  # as PaliGemma has it
        return _placed(reader, turns[0], control), Prompt((), continues=True)
    turn, notes = transcript(turns)
    strips = last != "assistant"
    prompt = Prompt((), continues=True, strips_start=strips, stops=STOPS, adaptations=notes)
    return _placed(reader, turn, control), prompt


def _placed(reader: PromptReader, turn: ChatTurn, control: Sequence[str]) -> str:
    """A turn's text with a placeholder where each picture stands."""
    return "".join(
        _placeholder(reader) if piece is None else marked(piece, control) if control else piece
        for piece in _pieces(turn)
    )


def _pieces(turn: ChatTurn) -> Iterator[str | None]:
    """The pieces of a turn in order; None stands for a picture."""
    done = 0
    for picture in turn.pictures:
        if picture.at > done:
            yield turn.text[done : picture.at]
        yield None
        done = picture.at
    if done < len(turn.text):
        yield turn.text[done:]


def _placeholder(reader: PromptReader) -> str:
    token = getattr(reader.processor, "image_token", None)
    if token is None:
        raise InvalidRequestError(
            "this model has no place for pictures in a prompt without a chat template"
        )
    return str(token)


def _control(reader: PromptReader, literals: str | None) -> tuple[str, ...]:
    places = reader.processor.all_special_multimodal_tokens
    return (*control_tokens(reader.tokenizer, literals), *map(str, places))


def _templated(reader: PromptReader, source: str, job: TextJob) -> tuple[str, Prompt]:
    """The conversation as the template writes it, the user's control tokens marked."""
    tokenizer, turns = reader.tokenizer, job.turns
    template = template_for(job, tokenizer.special_tokens_map, source)
    control = _control(reader, template.literals)
    mark = marker(control)
    going_on = turns[-1].role == "assistant"
    messages = messages_of(turns, mark, template)
    for turn, message in zip(turns, messages, strict=True):
        message["content"] = _content(reader, turn, control)
    last = mark(turns[-1].text)
    if going_on:
        _append(messages[-1], END_OF_LAST)
    text = _rendered(
        template,
        messages,
        tools=tools_of(job.tools, mark),
        going_on=going_on,
        context_tokens=reader.context_tokens,
    )
    require_shown(text, job)
    text = cut_after(text, last) if going_on else text
    return text, Prompt(
        (),
        continues=going_on,
        adaptations=template_notes(template, job),
        answer=answer_form(tokenizer, template, job, text),
    )


def _content(
    reader: PromptReader, turn: ChatTurn, control: Sequence[str]
) -> str | list[dict[str, str]]:
    if not reader.takes_parts:
        return _placed(reader, turn, control)
    return [
        {"type": "image"} if piece is None else {"type": "text", "text": marked(piece, control)}
        for piece in _pieces(turn)
    ]


def _append(message: dict[str, Any], text: str) -> None:
    content = message["content"]
    if isinstance(content, str):
        message["content"] = content + text
    elif content and content[-1]["type"] == "text":
        content[-1]["text"] += text
    else:
        content.append({"type": "text", "text": text})


def _rendered(
    template: Template,
    messages: Sequence[dict[str, Any]],
    *,
    tools: Sequence[dict[str, Any]] | None,
    going_on: bool,
    context_tokens: int | None,
) -> str:
    return render(
        template.source,
        messages,
        tools=tools,
        variables=dict(template.variables),
        add_generation_prompt=not going_on,
        characters=most_characters(size_of([messages, tools]), context_tokens),
        seconds=TEMPLATE_SECONDS,
    )


# ----------------------------------------------------------------------------- pictures and tokens
def _decoded(files: Sequence[bytes]) -> list[Image]:
    pictures, pixels = [], 0
    for number, data in enumerate(files, 1):
        picture = opaque(decode(data, "prompt", f"picture {number} of the prompt"))
        pixels += picture.width * picture.height
        if pixels > _MOST_PIXELS:
            raise RequestTooLargeError(
                f"the pictures have more than {_MOST_PIXELS} pixels together; make them smaller",
                param="prompt",
            )
        pictures.append(picture)
    return pictures


def _processed(reader: PromptReader, text: str, pictures: Sequence[Image]) -> dict[str, Any]:
    """What the processor makes of text and pictures."""
    tokenizer = reader.tokenizer
    options: dict[str, Any] = {"return_tensors": "pt"}
    if tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token):
        options["add_special_tokens"] = False
    if _is_marked(text):
        if options.pop("add_special_tokens", True) and _begins(tokenizer):
            text = tokenizer.bos_token + text
        options |= {"add_special_tokens": False, "sanitize_control_tokens": True}
    try:
        made = reader.processor(
            text=[text], images=[list(pictures)] if pictures else None, **options
        )
    except _REFUSALS as error:
        raise InvalidRequestError(
            f"the model's processor cannot take this prompt with {len(pictures)} pictures: {error}",
            param="prompt",
        ) from error
    return {name: value for name, value in made.items() if value is not None}


def _is_marked(text: str) -> bool:
    return marked(text, ()) != text  # marks that are there already are taken out


def _begins(tokenizer: Any) -> bool:
    """Whether the tokenizer puts its first token before a text by itself."""
    ids = tokenizer("", verbose=False)["input_ids"]
    return bool(ids) and ids[0] == tokenizer.bos_token_id


def _known(reader: PromptReader, ids: Sequence[int]) -> list[int]:
    """The ids, without those of pictures' places that lie outside the vocabulary."""
    places = set(reader.processor.image_token_ids)
    size = reader.vocabulary
    spare = next((token for token in ids if token < size), 0)
    return [spare if token >= size and token in places else token for token in ids]
