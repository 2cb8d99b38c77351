"""What failed answers of the hub, the router and the providers behind it mean.

Sources: ``huggingface_hub`` 2.4.0 ``utils/_http.py`` (the hub's header ``x-error-code``),
``inference/_common.py`` (``error_type`` of text-generation servers); the router's own code
``model_not_supported``; docs.fal.ai, Errors (types of a ``detail``). A model that is being loaded
answers 503 with ``estimated_time`` in seconds.
"""

from __future__ import annotations

from dataclasses import replace

from gensdk.errors import (
    ContentBlockedError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ServerError,
)
from gensdk.toolkit import Answer, ErrorRow, Failure, Vendor, failure_from, json_in
from gensdk.toolkit.failures import TOO_LONG_S

__all__ = ["HUB", "ROWS", "VENDOR", "read_failure", "with_wait"]

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(ModelNotFoundError, code="model_not_supported"),
    ErrorRow(ModelNotFoundError, code="RepoNotFound"),
    ErrorRow(ModelNotFoundError, code="RevisionNotFound"),
    ErrorRow(PermissionDeniedError, code="GatedRepo"),
    ErrorRow(ContentBlockedError, type="content_policy_violation"),
    ErrorRow(ServerError, type="internal_server_error"),
    ErrorRow(ServerError, type="generation_timeout"),
    ErrorRow(ServerError, type="downstream_service_error"),
    ErrorRow(OverloadedError, type="downstream_service_unavailable"),
    ErrorRow(OverloadedError, type="overloaded"),
    ErrorRow(InvalidRequestError, type="validation"),
    ErrorRow(ServerError, type="generation"),
    ErrorRow(ServerError, type="incomplete_generation"),
)
"""Looked up first."""

_PATH_ROWS = (*ROWS, ErrorRow(ModelNotFoundError, 404))
"""Of the media tasks, where the model stands in the path."""


def read_failure(answer: Answer) -> Failure:
    """Read ``{"error": …, "error_type": …, "estimated_time": …}``, or a provider's own words."""
    failure = failure_from(answer)
    code = answer.headers.get("x-error-code") or failure.code
    failure = replace(failure, code=code)
    if said := answer.headers.get("x-error-message"):
        failure = replace(failure, message=failure.message or said)
    return with_wait(failure, answer.body)


def with_wait(failure: Failure, body: bytes | object) -> Failure:
    """The failure with what only Hugging Face's bodies say: type, and when to come back."""
    told = json_in(body) if isinstance(body, bytes) else body
    if not isinstance(told, dict):
        return failure
    problems, wait = told.get("detail"), told.get("estimated_time")
    kind = told.get("error_type")
    if kind is None and isinstance(problems, list) and problems and isinstance(problems[0], dict):
        kind = problems[0].get("type")
    if isinstance(kind, str):
        failure = replace(failure, type=kind)
    if not failure.message and isinstance(told.get("error"), list):
        failure = replace(failure, message="; ".join(map(str, told["error"][:10])))
    if isinstance(wait, int | float) and wait > 0 and failure.retry_after is None:
        failure = replace(failure, retry_after=min(float(wait), TOO_LONG_S))
    return failure


VENDOR = Vendor(
    name="huggingface",
    base_url="https://router.huggingface.co",
    key_variable="HF_TOKEN",
    url_variable="HUGGINGFACE_BASE_URL",
    rows=_PATH_ROWS,
    read=read_failure,
)
"""The router."""

HUB = Vendor(
    name="huggingface",
    base_url="https://huggingface.co",
    key_variable="HF_TOKEN",
    url_variable="HF_ENDPOINT",
    rows=_PATH_ROWS,
    read=read_failure,
)
"""The hub, which says who has a model."""
