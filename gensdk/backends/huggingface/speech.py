"""Speech: the sound comes as the answer itself, or from an address in it."""

from __future__ import annotations

from typing import Any

from gensdk.errors import InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import Notes, media_type_of, refuse_document, request_id_of, vendor_options
from gensdk.types import Media, SpeechRequest, SpeechResponse, Usage

from .account import Accounts
from .bodies import body_of, parameters_of
from .options import HuggingFaceSpeechOptions
from .providers import Target
from .work import files_in, outcome, sent

__all__ = ["generate", "prepare"]

_TAKEN = frozenset({"text", "voice"})


async def generate(accounts: Accounts, request: SpeechRequest, context: Context) -> SpeechResponse:
    """Speak a text, once."""
    notes = Notes(accounts.name, context)
    notes.drop_unsupported(
        request, _TAKEN, reason="not portable between these providers; put its own field into extra"
    )
    options = vendor_options(
        request,
        HuggingFaceSpeechOptions,
        provider=accounts.name,
        vendor=accounts.router.vendor.name,
        model=context.model,
    )
    target = await accounts.providers.target("text-to-speech", options.provider, context, notes)
    body = prepare(request, target, accounts.name, context.model, notes)
    answer = await sent(accounts, target, context, body=body)
    if target.service.answer == "bytes" and target.service.queue is None:
        refuse_document(answer.body, answer, "sound", provider=accounts.name, model=context.model)
        declared = media_type_of(answer) or "application/octet-stream"
        audio = Media(data=answer.body, media_type=declared)
    else:
        answer, document = await outcome(accounts, target, answer, context)
        audio = (await files_in(document, answer, accounts, context, "sound"))[0]
    if audio.kind != "audio":
        raise InvalidResponseError(
            f"The answer is {audio.media_type} where sound was expected.",
            provider=accounts.name,
            model=context.model,
            request_id=request_id_of(answer.headers),
        )
    return SpeechResponse(
        audio=audio,
        provider=accounts.name,
        model=context.model,
        usage=Usage(characters=len(request.text)),
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        provider_details={"provider": target.provider, "provider_model": target.model},
    )


def prepare(
    request: SpeechRequest, target: Target, provider: str, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request."""
    parameters = parameters_of({"voice": request.voice}, target.service, notes)
    return body_of(target, request.text, parameters, request, provider=provider, model=model)
