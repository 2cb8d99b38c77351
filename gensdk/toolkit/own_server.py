"""Servers of the user's own: where they are, and the user name and password some ask for."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

from gensdk.errors import ConfigurationError

from .address import BaseAddress, refuse_plain_http
from .secrets import Secret

__all__ = ["BasicLogin", "server_address"]


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


def server_address(given: str | None, variable: str, usual: str) -> str:
    """The address of a server: the argument's, the environment's, or the usual one.

    One from the environment must be https or on this machine, so that a stray variable cannot
    send prompts and pictures over the network in the clear; code may name any.

    Raises:
        ConfigurationError: It is no http(s) address, or not safe.
    """
    if given is not None:
        BaseAddress(given)
        return given.strip().rstrip("/")
    found = os.environ.get(variable, "").strip()
    if not found:
        return usual
    parts = BaseAddress(found)
    refuse_plain_http(variable, parts.scheme, parts.host)
    return found.rstrip("/")
