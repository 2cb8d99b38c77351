"""A secret does not show, whichever way it is looked at."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from gensdk.errors import ConfigurationError
from gensdk.toolkit import Secret, redactor
from gensdk.toolkit.secrets import MASK

KEY = "sk-abc123-very/secret+key=="


def test_reveals_only_when_asked() -> None:
    assert Secret(f" {KEY}\n").reveal() == KEY


@pytest.mark.parametrize(
    "look",
    [
        repr,
        str,
        ascii,
        format,
        pprint.pformat,
        "{:>40}".format,
        lambda secret: f"{secret} {secret!r} {secret!s}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: repr([secret, {secret: secret}]),
        lambda secret: repr({name: getattr(secret, name, None) for name in dir(secret)}),
        lambda secret: repr(copy.copy(secret)) + repr(copy.deepcopy(secret)),
    ],
)
def test_never_shows(look: object) -> None:
    shown = look(Secret(KEY, "ACME_API_KEY"))  # type: ignore[operator]
    assert KEY not in shown
    assert "abc123" not in shown


def test_cannot_be_listed_pickled_or_put_into_json() -> None:
    secret = Secret(KEY)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)

    class Holder(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        secret: Secret

    assert KEY not in repr(Holder(secret=secret))
    assert KEY not in str(Holder(secret=secret).model_dump())


def test_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Secret(KEY).name = "other"
    with pytest.raises(AttributeError):
        Secret(KEY).value = "other"


def test_equal_by_value() -> None:
    assert Secret(KEY, "a") == Secret(KEY, "b")
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY


@pytest.mark.parametrize(
    "value", ["", "  ", "\n", f"{KEY}\r\nX: y", f"{KEY}\x00", f"{KEY}ü", "a\tb"]
)
def test_unusable_values_are_refused_showing_only_their_length(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Secret(value, "ACME_API_KEY")
    assert "ACME_API_KEY" in str(caught.value)
    assert "abc123" not in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if frame.filename.endswith("gensdk/toolkit/secrets.py")]
    assert ours
    assert all("abc123" not in str(frame.locals) for frame in ours)


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key: {KEY}.",
        "https://h/?key=sk-abc123-very%2Fsecret%2Bkey%3D%3D",
        json.dumps({"k": KEY}),
        f"{KEY}{KEY}",
        f"authorization: Bearer {KEY}",
    ],
)
def test_redaction_finds_the_key_in_every_spelling(text: str) -> None:
    redacted = redactor(Secret(KEY))(text)
    assert "abc123" not in redacted
    assert MASK in redacted


def test_redaction_masks_any_bearer_token_and_leaves_the_rest() -> None:
    assert redactor()("Authorization: Bearer abcdefghijklmnop!") == f"Authorization: Bearer {MASK}!"
    assert redactor()("the bearer of news") == "the bearer of news"
    assert redactor(Secret("abc"))("abc abcd") == "abc abcd"  # too short to mean anything


def test_the_longer_secret_is_masked_whole() -> None:
    assert redactor(Secret("abcd"), Secret("abcd-efgh"))("abcd-efgh abcd") == f"{MASK} {MASK}"


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=40),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_no_text_keeps_the_key(key: str, before: str, after: str) -> None:
    redacted = redactor(Secret(key))(before + key + after)
    assert key not in redacted.replace(MASK, "") or key in (before + after)
