"""Vectors: rows of numbers from Hugging Face's own servers, OpenAI's document from the others."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from gensdk.backends.openai.embeddings import map_answer
from gensdk.spec import Context
from gensdk.toolkit import Answer, Notes, json_in, vendor_options
from gensdk.types import EmbedRequest, EmbedResponse

from .account import Accounts
from .bodies import body_of, parameters_of
from .options import HuggingFaceEmbedOptions
from .providers import Target
from .work import sent

__all__ = ["MAX_INPUTS", "generate", "prepare"]

MAX_INPUTS = 32
"""The most that Hugging Face's embedding servers take unless they were told otherwise
(text-embeddings-inference, ``--max-client-batch-size``)."""

_OWN_OPTIONS = ("normalize", "prompt_name", "truncate", "truncation_direction")
_TAKEN = frozenset({"inputs", "dimensions"})


async def generate(accounts: Accounts, request: EmbedRequest, context: Context) -> EmbedResponse:
    """Turn the texts into vectors, in their order."""
    notes = Notes(accounts.name, context)
    why = "name a prompt of the model: HuggingFaceEmbedOptions(prompt_name=…)"
    if request.task is not None:
        notes.drop("task", why)
    if request.user_id is not None:
        notes.drop("user_id", "the API has no such field")
    options = vendor_options(
        request,
        HuggingFaceEmbedOptions,
        provider=accounts.name,
        vendor=accounts.router.vendor.name,
        model=context.model,
    )
    target = await accounts.providers.target("feature-extraction", options.provider, context, notes)
    body = prepare(request, options, target, accounts.name, context.model, notes)
    answer = await sent(accounts, target, context, body=body)
    if target.service.answer == "vectors":
        answer = _as_document(answer, accounts, context)
    response = map_answer(answer, request, accounts.chat, context, notes)
    return response.replace(
        model=context.model,
        provider_details={"provider": target.provider, "provider_model": target.model},
    )


def prepare(
    request: EmbedRequest,
    options: HuggingFaceEmbedOptions,
    target: Target,
    provider: str,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: An option is for Hugging Face's own servers alone.
    """
    parameters = parameters_of({"dimensions": request.dimensions}, target.service, notes)
    for name in _OWN_OPTIONS:
        value = getattr(options, name)
        if value is None:
            continue
        if target.service.answer != "vectors":
            notes.refuse(f"options.{name}", f"{target.provider} has no such field")
        parameters[name] = value
    inputs = list(request.inputs)
    return body_of(target, inputs, parameters, request, provider=provider, model=model)


def _as_document(answer: Answer, accounts: Accounts, context: Context) -> Answer:
    """Rows of numbers as OpenAI's document, which is then read as any other.

    Raises:
        InvalidResponseError: They are no rows, or one row for each token.
    """
    rows = json_in(answer.body)
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise accounts.router.invalid("The answer is no list of vectors.", answer, context)
    if any(row and isinstance(row[0], list) for row in rows):
        message = (
            "The model gives a vector for each token and not one for each text; choose one that "
            "says how to pool them (sentence-transformers)."
        )
        raise accounts.router.invalid(message, answer, context)
    return Answer(
        answer.status, answer.headers, to_json({"data": [{"embedding": row} for row in rows]})
    )
