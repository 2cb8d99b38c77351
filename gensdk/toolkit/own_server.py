"""Servers of the user's own: the user name and password that some ask for."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

from gensdk.errors import ConfigurationError

from .secrets import Secret

__all__ = ["BasicLogin"]


class BasicLogin:
    """User name and password of HTTP Basic; neither is shown.

    Attributes:
        secrets: What has to be masked: the password, and the header's value made of both.
    """

    __slots__ = ("secrets",)

    def __init__(self, given: tuple[str, str] | str | None, variable: str) -> None:
        """Take ``(user, password)`` or ``"user:password"``; None takes the environment's.

        Raises:
            ConfigurationError: There is no colon, or a part is empty.
        """
        self.secrets: tuple[Secret, ...] = ()
        found = os.environ.get(variable, "").strip() if given is None else given
        if not found:
            return
        user, password = _parts(found)
        if not user or not password or ":" in user:
            del password, found, given
            raise ConfigurationError(f"auth (or {variable}) is 'user:password'")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.secrets = (Secret(password, "password"), Secret(token, "authorization"))

    def headers(self) -> Mapping[str, str]:
        """The header of every request, or none."""
        return {"authorization": f"Basic {self.secrets[1].reveal()}"} if self.secrets else {}


def _parts(found: tuple[str, str] | str) -> tuple[str, str]:
    if not isinstance(found, str):
        return found
    user, _, password = found.partition(":")
    return user, password
