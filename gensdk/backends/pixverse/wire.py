"""One request and its envelope; and the ids by which the vendor tells requests apart.

A request whose ``Ai-trace-id`` was used before gets the earlier one's result. So a creation whose
answer was lost is sent again under the same id without a second video; one that was put off, as too
many are under way, needs a new id to be tried again.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Any, Literal

from gensdk.errors import GenSDKError, OverloadedError, RateLimitError
from gensdk.spec import Context
from gensdk.toolkit import Answer, Form, KeyedAccount, json_in

from .errors import VENDOR, read_failure

__all__ = ["PixVerseAccount"]

_NAMESPACE = uuid.UUID("5f1d3c1e-8a0b-4f7e-9b57-0d6f5f7c2a11")
_TRACE = "ai-trace-id"
_MOST_KEYS = 1024
_PUT_OFF = (RateLimitError, OverloadedError)

Method = Literal["GET", "POST"]


class PixVerseAccount(KeyedAccount):
    """An account that reads the envelope and counts the tries of a creation."""

    def __init__(self, **settings: Any) -> None:
        """Set up as ``KeyedAccount``, for this vendor."""
        super().__init__(VENDOR, **settings)
        self._answered: OrderedDict[str, int] = OrderedDict()

    async def ask(
        self,
        method: Method,
        path: str,
        context: Context,
        *,
        payload: dict[str, Any] | None = None,
        form: Form | None = None,
        once: str | None = None,
    ) -> dict[str, Any]:
        """Send once and return ``Resp``.

        Args:
            method: HTTP method.
            path: Below the address of the API.
            context: Attempt concerned.
            payload: JSON body.
            form: Form in place of it.
            once: What the request is within its call; sent again for the same call, it has the
                same effect once. None: every request stands for itself.

        Raises:
            GenSDKError: The wire failed, or the envelope holds a failure; by the table.
        """
        call = context.idempotency_key
        key = f"{call}/{context.model}/{once}" if once and call else None
        trace = self._trace(key)
        try:
            answer = await self.send(
                method, path, context, payload=payload, form=form, headers={_TRACE: trace}
            )
            return self._opened(answer, context)
        except GenSDKError as error:
            if key is not None and isinstance(error, _PUT_OFF):
                self._count(key)
            error.request_id = error.request_id or trace
            raise

    def _opened(self, answer: Answer, context: Context) -> dict[str, Any]:
        """What stands in an envelope."""
        body = json_in(answer.body)
        code = body.get("ErrCode") if isinstance(body, dict) else None
        if isinstance(code, bool) or not isinstance(code, int):
            raise self.invalid("The answer is no envelope of this API.", answer, context)
        if code:
            raise self.error(read_failure(answer), context)
        found = body.get("Resp")
        if not isinstance(found, dict):
            raise self.invalid("The answer's envelope is empty.", answer, context)
        return found

    def _trace(self, key: str | None) -> str:
        if key is None:
            return str(uuid.uuid4())
        return str(uuid.uuid5(_NAMESPACE, f"{key}/{self._answered.get(key, 0)}"))

    def _count(self, key: str) -> None:
        self._answered[key] = self._answered.get(key, 0) + 1
        self._answered.move_to_end(key)
        while len(self._answered) > _MOST_KEYS:
            self._answered.popitem(last=False)
