"""Any server that speaks OpenAI's wire format: vLLM, SGLang, llama.cpp, Ollama, Groq and others.

::

    Client(backends={"gpu": OpenAICompatibleBackend("http://gpu:8000/v1")})
    Client(backends={"gpu": OpenAICompatibleBackend("http://gpu:8000/v1", dialect="vllm")})

What each server does otherwise than OpenAI is a row of ``gensdk/catalog/compatible.py``; the work
is done by ``gensdk/backends/openai``. A row's name is a provider name too: ``groq:…`` needs no
more than ``GROQ_API_KEY``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

from gensdk.catalog.compatible import OPENAI, PRESETS, UNKNOWN, Dialect, TextProtocol
from gensdk.errors import ConfigurationError, UnknownBackendError
from gensdk.toolkit import KeySource
from gensdk.toolkit.address import address_parts, checked_base_url

from .openai.backend import OpenAIBackend

__all__ = ["OpenAICompatibleBackend", "base_url_variable", "create"]

_PORTS = {"http": 80, "https": 443}


class OpenAICompatibleBackend(OpenAIBackend):
    """A server that speaks OpenAI's wire format, at any address.

    An unknown server is asked for no more than the common ground: Chat Completions,
    ``max_tokens``, role ``system``, float embeddings. ``OPENAI_API_KEY`` is never sent to it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: KeySource | None = None,
        name: str | None = None,
        dialect: Dialect | str | None = None,
        http_client: object | None = None,
        protocol: TextProtocol | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            base_url: Address with its ``/v1``; None takes the dialect's.
            api_key: Key, or a function that returns it; None takes the dialect's environment
                variable, and sends no key where there is none.
            name: Provider name, as in ``"name:model"``; None takes the dialect's.
            dialect: What the server does otherwise: a row, or a row's name. None knows the
                hosted servers by scheme, host and port, and takes anything else for unknown.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
            protocol: Protocol text goes over; None takes the dialect's.
            headers: Further headers of every request.

        Raises:
            ConfigurationError: No address, an unusable one, or no dialect of that name.
        """
        if base_url is not None:
            address_parts(base_url, "base_url")
        row = _dialect(dialect, base_url)
        super().__init__(
            name=name or row.name,
            protocol=protocol,
            api_key=api_key,
            base_url=base_url or _own_address(row),
            default_headers=headers,
            http_client=http_client,
            dialect=row,
        )


def _own_address(row: Dialect) -> str:
    if not row.base_url:
        raise ConfigurationError(
            "OpenAICompatibleBackend needs base_url='http://host:port/v1', or a dialect that "
            f"has one: {', '.join(sorted(PRESETS))}"
        )
    return row.base_url


def _dialect(given: Dialect | str | None, base_url: str | None) -> Dialect:
    if isinstance(given, Dialect):
        return given
    if given is None:
        return _by_address(base_url or "")
    known = {**PRESETS, OPENAI.name: OPENAI, UNKNOWN.name: UNKNOWN}
    if given in known:
        return known[given]
    raise ConfigurationError(f"there is no dialect {given!r}; {_near(given, known)}")


def _by_address(base_url: str) -> Dialect:
    """The row of a hosted server, told by its origin; any other address is unknown.

    A row brings its key along, so another scheme or port of the same host is another server.
    """
    origin = _origin(base_url)
    hosted = (row for row in PRESETS.values() if row.key_required)
    return next((row for row in hosted if _origin(row.base_url) == origin), UNKNOWN)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = address_parts(url, "base_url")
    port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port


def _near(name: str, known: Mapping[str, Dialect]) -> str:
    near = get_close_matches(name, known, n=3)
    return (
        f"did you mean {' or '.join(map(repr, near))}?"
        if near
        else (f"known: {', '.join(sorted(known))}")
    )


def base_url_variable(name: str) -> str:
    """Environment variable that says where a known server is: ``VLLM_OMNI_BASE_URL``."""
    return f"{name.upper().replace('-', '_')}_BASE_URL"


def create(name: str) -> OpenAICompatibleBackend:
    """Entry point: a known server with settings from the environment.

    The key comes from the row's variable; ``VLLM_BASE_URL`` (the name in capitals) says where
    the server is, if not at its usual address. Such an address must be https or on this machine.

    Raises:
        UnknownBackendError: No row has that name.
        ConfigurationError: The address is unusable or unsafe.
    """
    row = PRESETS.get(name)
    if row is None:
        raise UnknownBackendError(
            f"no known server is called {name!r}; {_near(name, PRESETS)} For another one, use "
            "OpenAICompatibleBackend(base_url)",
            provider=name,
        )
    variable = base_url_variable(name)
    found = os.environ.get(variable, "").strip()
    if not found:
        return OpenAICompatibleBackend(row.base_url, dialect=row)
    address = checked_base_url(found, variable, trusted=False)
    return OpenAICompatibleBackend(address, dialect=row)
