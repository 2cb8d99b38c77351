"""Checking a webhook that is signed as "Standard Webhooks" says, and reading its body.

``webhook-id``, ``webhook-timestamp`` and the raw body, joined with dots, under HMAC-SHA256; any of
the signatures in ``webhook-signature`` may fit, any of the secrets may have made it (both are so
while a secret is changed). Source: standardwebhooks.com, specification 1.0.0.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode
from binascii import Error as NoBase64Error
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidResponseError,
    MissingCredentialsError,
)
from gensdk.types import JobHandle, JobState, JobStatus, WebhookEvent

__all__ = ["MAX_WEBHOOK_BYTES", "read_signed_webhook"]

MAX_WEBHOOK_BYTES = 2**20
"""Largest body that is looked at."""

_MAX_SIGNATURES = 16
_MAX_FIELD = 256
_MAX_ID = 1024
_DIGITS = 11
_PREFIX = "whsec_"


def read_signed_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    states: Mapping[str, JobStatus],
    now: datetime,
    tolerance_s: float,
    provider: str,
    variable: str = "",
) -> WebhookEvent:
    """Check the signature, then read the body; nothing of an unsigned body is believed.

    Args:
        body: As it came, before anything parsed it.
        headers: Of the delivery, in any case.
        secrets: Any of them may have signed it; none takes the one of ``variable``.
        states: Types of events that are about a job, named by ``data.id``, and how it then stands.
        now: The time.
        tolerance_s: Seconds that the signature may be older or newer than that.
        provider: Name of the account.
        variable: Environment variable with the secret, where the vendor has one.

    Raises:
        MissingCredentialsError: There is no secret to check it with.
        AuthenticationError: Not signed with any of the secrets, or not within the tolerance.
        ConfigurationError: A secret is none.
        InvalidResponseError: It is signed, and no JSON object.
    """
    if len(body) > MAX_WEBHOOK_BYTES:
        raise _refused(f"the body has over {MAX_WEBHOOK_BYTES} bytes", provider)
    keys = [_key(secret, provider) for secret in secrets or _own_secret(variable, provider)]
    given = {str(name).lower(): value for name, value in headers.items()}
    delivery = _field(given, "webhook-id", provider)
    moment = _field(given, "webhook-timestamp", provider)
    signatures = given.get("webhook-signature")
    if not isinstance(signatures, str) or not signatures.strip():
        raise _refused("the header webhook-signature is missing", provider)
    sent_at = _time(moment, provider)
    signed = b".".join((delivery.encode(), moment.encode(), body))
    expected = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    fits = False
    for one in signatures.split()[:_MAX_SIGNATURES]:
        claimed = _claimed(one)
        for right in expected:
            fits |= hmac.compare_digest(right, claimed)
    if not fits:
        raise _refused("no signature fits a secret", provider)
    if abs((now - sent_at).total_seconds()) > tolerance_s:
        raise _refused(f"it was not signed within {tolerance_s:g} s of now", provider)
    try:
        read = from_json(body)
    except ValueError as error:
        raise InvalidResponseError("the webhook's body is no JSON", provider=provider) from error
    if not isinstance(read, dict):
        raise InvalidResponseError("the webhook's body is no JSON object", provider=provider)
    return _event(delivery, sent_at, read, states, provider)


def _event(
    delivery: str,
    sent_at: datetime,
    body: dict[str, Any],
    states: Mapping[str, JobStatus],
    provider: str,
) -> WebhookEvent:
    kind, data = body.get("type"), body.get("data")
    job = data.get("id") if isinstance(data, dict) else None
    status = states.get(kind) if isinstance(kind, str) else None
    named = isinstance(job, str) and 0 < len(job) <= _MAX_ID
    if status is not None and not named:
        raise InvalidResponseError(f"the webhook {kind!r:.80} names no job", provider=provider)
    return WebhookEvent(
        id=delivery,
        type=kind if isinstance(kind, str) else "",
        sent_at=sent_at,
        handle=JobHandle(id=str(job), provider=provider) if status else None,
        state=JobState(status=status) if status else None,
        data=data if isinstance(data, dict) else {},
    )


def _own_secret(variable: str, provider: str) -> list[str]:
    if variable and (found := os.environ.get(variable, "").strip()):
        return [found]
    hint = f"set {variable}, or pass secret=…" if variable else "pass secret=…"
    raise MissingCredentialsError(f"no secret for webhooks: {hint}", provider=provider)


def _key(secret: str, provider: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            key = b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (NoBase64Error, ValueError):
            key = b""
    else:
        key = secret.encode()
    if not key:
        raise ConfigurationError(
            "this is no secret of a webhook: give it as the provider showed it (whsec_…)",
            provider=provider,
        )
    return key


def _claimed(signature: str) -> bytes:
    version, _, encoded = signature.partition(",")
    if version != "v1":
        return b""
    try:
        return b64decode(encoded, validate=True)
    except (NoBase64Error, ValueError):
        return b""


def _field(headers: Mapping[str, str], name: str, provider: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not value or len(value) > _MAX_FIELD:
        raise _refused(f"the header {name} is missing, or too long", provider)
    if not (value.isascii() and value.isprintable()):
        raise _refused(f"the header {name} holds what no id has", provider)
    return value


def _time(moment: str, provider: str) -> datetime:
    """The time in a header: seconds since 1970, up to the year 9999."""
    if moment.isdigit() and len(moment) <= _DIGITS:
        return datetime.fromtimestamp(int(moment), UTC)
    raise _refused("webhook-timestamp is no time", provider)


def _refused(why: str, provider: str) -> AuthenticationError:
    return AuthenticationError(f"this webhook is not believed: {why}", provider=provider)
