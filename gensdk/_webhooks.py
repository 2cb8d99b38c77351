"""From a delivery to the backend that can check it. The clock is here, the rules are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gensdk.errors import ConfigurationError, InvalidRequestError, UnsupportedFeatureError
from gensdk.spec import Backend, WebhookBackend
from gensdk.types import WebhookEvent

__all__ = ["read_webhook"]


def read_webhook(
    backend: Backend,
    provider: str,
    body: object,
    headers: object,
    secret: str | Sequence[str],
    tolerance_s: float,
) -> WebhookEvent:
    """The event in a delivery; see ``gensdk.Client.read_webhook``."""
    if not isinstance(backend, WebhookBackend):
        raise UnsupportedFeatureError(
            f"{provider} delivers no webhooks that gensdk can check", provider=provider
        )
    if isinstance(body, str):
        body = body.encode(errors="surrogatepass")  # which no signature fits
    if not isinstance(body, bytes | bytearray | memoryview) or not isinstance(headers, Mapping):
        raise InvalidRequestError("give the raw body (bytes or text) and the headers (a mapping)")
    if not (isinstance(tolerance_s, int | float) and 0 < tolerance_s < math.inf):
        raise ConfigurationError(f"tolerance_s={tolerance_s!r:.40}: give seconds over zero")
    secrets = (secret,) if isinstance(secret, str) else secret
    if not isinstance(secrets, Sequence) or not all(isinstance(one, str) for one in secrets):
        raise ConfigurationError("secret: give a text, or several in a list", provider=provider)
    event = backend.read_webhook(
        bytes(body), headers, secrets, now=datetime.now(UTC), tolerance_s=tolerance_s
    )
    if event.handle is None:
        return event
    handle = event.handle.model_copy(update={"provider": provider})  # the name the user knows
    return event.model_copy(update={"handle": handle})
