"""Text: the provider goes behind the model's name, the rest is OpenAI's chat."""

from __future__ import annotations

from dataclasses import replace

from gensdk.spec import Context
from gensdk.toolkit import vendor_options
from gensdk.types import TextRequest

from .options import HuggingFaceTextOptions
from .providers import split_model

__all__ = ["routed"]


def routed(
    request: TextRequest, context: Context, *, name: str, vendor: str
) -> tuple[TextRequest, Context]:
    """The request and the attempt as the chat endpoint wants them: ``model:provider``.

    Raises:
        InvalidRequestError: An option is unknown or wrong, or a second provider is named.
    """
    options = vendor_options(
        request, HuggingFaceTextOptions, provider=name, vendor=vendor, model=context.model
    )
    model, provider = split_model(context.model, options.provider)
    rest = {key: value for key, value in request.options.items() if key not in {name, vendor}}
    asked = model if provider is None else f"{model}:{provider}"
    return request.model_copy(update={"options": rest}), replace(context, model=asked)
