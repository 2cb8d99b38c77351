"""Base URLs taken apart, and paths that stay below them."""

from __future__ import annotations

import pytest

from gensdk.errors import ConfigurationError, InvalidRequestError
from gensdk.toolkit.address import BaseAddress, ascii_host, refuse_plain_http


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "header", "origin"),
    [
        ("https://a.example", "https", "a.example", None, "a.example", "https://a.example"),
        ("  https://A.example/v1/ ", "https", "a.example", None, "a.example", "https://a.example"),
        ("http://a:80", "http", "a", None, "a", "http://a"),
        ("http://a:443", "http", "a", 443, "a:443", "http://a:443"),
        ("https://a:443", "https", "a", None, "a", "https://a"),
        ("https://a:80", "https", "a", 80, "a:80", "https://a:80"),
        ("http://[::1]:9", "http", "::1", 9, "[::1]:9", "http://[::1]:9"),
        ("https://bücher.example", "https", "xn--bcher-kva.example", None,
         "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_a_base_url(
    url: str, scheme: str, host: str, port: int | None, header: str, origin: str
) -> None:
    base = BaseAddress(url)
    assert (base.scheme, base.host, base.port) == (scheme, host, port)
    assert (base.host_header, base.origin) == (header, origin)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a", "http or https URL"), ("a.example", "http or https URL"),
        ("https://", "http or https URL"), ("https://a:x", "http or https URL"),
        ("https://a/b c", "http or https URL"), ("https://a\\b", "http or https URL"),
        ("https://a/\x7f", "http or https URL"), ("https://[::1", "http or https URL"),
        ("https://" + "ü" * 300, "http or https URL"),
        ("https://u@a", "must not hold"), ("https://:p@a", "must not hold"),
        ("https://a/#x", "must not hold"),
    ],
)  # fmt: skip
def test_what_is_none(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        BaseAddress(url)
    cause = caught.value.__cause__
    assert cause is None or cause.__traceback__ is None, "its frames hold the URL"


@pytest.mark.parametrize(
    ("url", "path", "query", "target"),
    [
        ("https://a", "", {}, "/"), ("https://a/v1/", "", {}, "/v1"),
        ("https://a/v1", "/chat", {}, "/v1/chat"), ("https://a/v1", "chat", {}, "/v1/chat"),
        ("https://a/v 1".replace(" ", "%20"), "/c", {}, "/v%201/c"),
        ("https://a/ü", "/é", {}, "/%C3%BC/%C3%A9"),
        ("https://a", "/:@!$&'()*+,;=~-._%41", {}, "/:@!$&'()*+,;=~-._%41"),
        ("https://a", "/c", {"b": "x y/z"}, "/c?b=x%20y%2Fz"),
        ("https://a?api=1&empty=", "/c", {}, "/c?api=1&empty="),
        ("https://a?api=1&b=2", "/c", {"b": "3"}, "/c?api=1&b=3"),
        ("https://a", "/models/a%2Fb", {}, "/models/a%2Fb"),
        ("https://a", "/a..b/.c", {}, "/a..b/.c"),
    ],
)  # fmt: skip
def test_a_path_below_it(url: str, path: str, query: dict[str, str], target: str) -> None:
    assert BaseAddress(url).target(path, query) == target


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x", "https://evil.example", "a/../b", "/..", "/./a", "/%2e%2e/a", "/a?b",
        "/a#b", "/a b", "/a%20b", "/a\\b", "/a%5Cb", "/a\nb", "https%3A//evil", "/a/%2E",
    ],
)  # fmt: skip
@pytest.mark.parametrize("query", [{}, {"a": "b"}])
def test_paths_that_lead_elsewhere(path: str, query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="not a path below"):
        BaseAddress("https://a/v1").target(path, query)


def test_paths_are_quoted_once() -> None:
    base = BaseAddress("https://a")
    assert base.target("/x", {}) == base.target("/x", {})
    info = base.target_of.cache_info()
    assert (info.hits, info.maxsize) == (1, 256)


def test_hosts_in_ascii() -> None:
    assert (ascii_host("A.B"), ascii_host("BÜ.example")) == ("a.b", "xn--b-eha.example")
    with pytest.raises(ConfigurationError):
        ascii_host("ü" * 300)


@pytest.mark.parametrize(
    ("scheme", "host", "fits"),
    [
        ("https", "a.example", True), ("http", "localhost", True), ("http", "127.0.0.1", True),
        ("http", "127.9.9.9", True), ("http", "::1", True), ("http", "a.example", False),
        ("http", "10.0.0.1", False), ("http", "localhost.example", False),
    ],
)  # fmt: skip
def test_plain_http_that_nobody_chose(scheme: str, host: str, fits: bool) -> None:
    if fits:
        refuse_plain_http("A_URL", scheme, host)
    else:
        with pytest.raises(ConfigurationError, match=f"A_URL points to http://{host}"):
            refuse_plain_http("A_URL", scheme, host)
