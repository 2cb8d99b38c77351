"""A body on its way: what a server refuses of it is left out, and it is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.errors import GenSDKError, UnsupportedFeatureError
from gensdk.toolkit import Failure, Notes, encode_json

from .refusals import (
    MAX_RESENDS,
    LearnedRefusals,
    Refusal,
    learning_key,
    note_refusal,
    refused_by,
    without,
)

if TYPE_CHECKING:
    from gensdk.spec import Context

__all__ = ["Sending"]


class Sending:
    """The JSON body of one attempt, without the preferences its model is known to refuse."""

    __slots__ = ("_context", "_learned", "_left", "_notes", "_payload", "_provider")

    def __init__(
        self,
        payload: dict[str, object],
        context: Context,
        notes: Notes | None,
        *,
        learned: LearnedRefusals,
        provider: str,
    ) -> None:
        """Leave out what has been refused before, and note it.

        Args:
            payload: The body, which is not changed.
            context: The attempt concerned.
            notes: Takes what is left out; None where nobody asks.
            learned: What the account's models have refused so far.
            provider: Name of the account, for messages.
        """
        self._context = context
        self._notes = notes
        self._learned = learned
        self._provider = provider
        self._left = MAX_RESENDS
        while len(learned):
            refusal = learned.of(learning_key(payload, context.model), payload)
            if refusal is None:
                break
            payload = without(payload, refusal)
            note_refusal(refusal, context.model, notes)
        self._payload = payload

    def content(self) -> bytes:
        """The body as it goes out.

        Raises:
            InvalidRequestError: Something in it cannot be written.
        """
        return encode_json(self._payload, provider=self._provider, model=self._context.model)

    def lighten(self, failure: Failure, error: GenSDKError) -> None:
        """Leave out what the server just refused; raises ``error`` if that is no preference.

        Raises:
            UnsupportedFeatureError: The caller wants no preference to be left out.
            GenSDKError: ``error``.
        """
        refusal = refused_by(failure, self._payload) if self._left else None
        if refusal is None or not self._may_drop(refusal):
            raise error
        self._learned.learn(learning_key(self._payload, self._context.model), refusal)
        try:
            note_refusal(refusal, self._context.model, self._notes)
        except UnsupportedFeatureError as refused:
            # Unlike a refusal of ours, this one is the server's: the request was sent.
            refused.status, refused.code = failure.status, failure.code
            refused.request_id = failure.request_id
            raise
        self._payload = without(self._payload, refusal)
        self._left -= 1

    def _may_drop(self, refusal: Refusal) -> bool:
        strict = self._notes is None and self._context.unsupported == "error"
        return bool(refusal.renamed) or not strict
