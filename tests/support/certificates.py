"""Certificates for loopback servers, trusted by the client for the length of a test."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["trusted_server_context"]


@contextmanager
def trusted_server_context(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str
) -> Iterator[ssl.SSLContext]:
    """Make a server context for these host names, by an authority that gensdk trusts meanwhile."""
    trustme = pytest.importorskip("trustme")
    from gensdk.toolkit.transport import shared_ssl_context

    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(server)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    shared_ssl_context.cache_clear()
    try:
        yield server
    finally:
        shared_ssl_context.cache_clear()
