"""``/embeddings``: the body that is sent, and vectors checked as a whole."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from gensdk.backends.openai import embeddings
from gensdk.backends.openai.options_media import OpenAIEmbedOptions
from gensdk.catalog.compatible import PRESETS, Dialect
from gensdk.errors import InvalidResponseError, RateLimitError, UnsupportedFeatureError
from gensdk.types import EmbedRequest, EmbedResponse
from tests.support.openai_media import SERVER, b64, context, loopback
from tests.support.server import answer_error, answer_json

PATH = "/v1/embeddings"
SMALL = "text-embedding-3-small"
ROWS = [[0.5, -1.0, 0.25], [1.0, 2.0, 4.0]]


def packed(row: list[float]) -> str:
    return b64(struct.pack(f"<{len(row)}f", *row))


def answer(*rows: Any, order: tuple[int, ...] | None = None, **more: Any) -> dict[str, Any]:
    numbers = order or tuple(range(len(rows)))
    return {
        "object": "list",
        "model": "text-embedding-3-small-v2",
        "data": [
            {"object": "embedding", "index": index, "embedding": rows[index]} for index in numbers
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
        **more,
    }


async def sent(
    request: EmbedRequest,
    body: Any,
    model: str = SMALL,
    dialect: Dialect | None = None,
    **options: Any,
) -> tuple[dict[str, Any], EmbedResponse]:
    where = {} if dialect is None else {"dialect": dialect}
    async with loopback(**where) as (server, account):
        server.on("POST", PATH, answer_json(body, headers={"x-request-id": "req_e"}))
        response = await embeddings.generate(account, request, context(model, **options))
        got = server.requests[0].json()
        assert isinstance(got, dict)
        return got, response


def test_the_sample_answer_is_the_vendors_own_shape() -> None:
    CreateEmbeddingResponse.model_validate(answer(*ROWS), strict=True)


async def test_vectors_travel_as_base64_and_keep_the_order_of_the_inputs() -> None:
    request = EmbedRequest(inputs=("a", "b"), dimensions=3, user_id="u1", extra={"x": 1})
    body, response = await sent(request, answer(*map(packed, ROWS), order=(1, 0)))
    assert body == {
        "model": SMALL,
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 3,
        "user": "u1",
        "x": 1,
    }
    assert response.vectors.tolist() == ROWS
    assert response.vectors.dim == 3
    assert (response.provider, response.request_id) == ("openai", "req_e")
    assert response.model == "text-embedding-3-small-v2"
    assert response.usage.input_tokens == 7
    assert response.usage.output_tokens is None
    assert response.warnings == ()
    assert response.reproducible


async def test_numbers_are_taken_though_base64_was_asked_for() -> None:
    _, response = await sent(EmbedRequest(inputs=("a", "b")), answer(*ROWS))
    assert response.vectors.tolist() == ROWS


async def test_a_server_that_numbers_nothing_is_taken_in_order() -> None:
    rows = {"data": [{"embedding": row} for row in ROWS]}
    body, response = await sent(EmbedRequest(inputs=("a", "b")), rows, "bge-m3", SERVER)
    assert body["encoding_format"] == "float"
    assert response.vectors.tolist() == ROWS
    assert response.model == "bge-m3"
    assert response.usage.input_tokens is None


async def test_options_and_what_is_dropped() -> None:
    options = {"gpu": OpenAIEmbedOptions(encoding_format="base64")}
    request = EmbedRequest(inputs="a", task="query", user_id="u", options=options)
    body, response = await sent(request, answer(packed(ROWS[0])), "m", SERVER)
    assert body["encoding_format"] == "base64"
    assert body["user"] == "u"
    assert [note.parameter for note in response.warnings] == ["task"]
    request = EmbedRequest(inputs="a", user_id="u")
    body, response = await sent(request, answer(packed(ROWS[0])), "m", PRESETS["vllm"])
    assert "user" not in body
    assert [note.parameter for note in response.warnings] == ["user_id"]


@pytest.mark.parametrize(("model", "dimensions"), [("text-embedding-ada-002", 512), (SMALL, 1537)])
async def test_a_length_the_model_has_not_is_refused_before_the_network(
    model: str, dimensions: int
) -> None:
    async with loopback() as (server, account):
        with pytest.raises(UnsupportedFeatureError) as caught:
            await embeddings.generate(
                account, EmbedRequest(inputs="a", dimensions=dimensions), context(model)
            )
        assert server.requests == []
    assert caught.value.param == "dimensions"


async def test_the_length_a_model_always_has_needs_no_field() -> None:
    request = EmbedRequest(inputs="a", dimensions=1536)
    body, response = await sent(request, answer(packed([0.5] * 1536)), "text-embedding-ada-002")
    assert "dimensions" not in body
    assert response.vectors.dim == 1536


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (answer(packed(ROWS[0])), "2 vectors were expected, 1 came"),
        (answer(*map(packed, ROWS), packed(ROWS[0])), "2 vectors were expected, 3 came"),
        (answer(*map(packed, ROWS), order=(0, 0)), "not numbered 0 to 1"),
        (answer(packed([1.0]), packed(ROWS[0])), "different lengths"),
        (answer("", ""), "empty"),
        (answer(b64(b"12345"), b64(b"12345")), "cut off"),
        (answer("?!", packed(ROWS[0])), "not valid base64"),
        (answer(packed([NAN, 1.0]), packed([1.0, 1.0])), "NaN or infinity"),
        (answer(packed([1.0, 1.0]), packed([1.0, -INF])), "NaN or infinity"),
        (answer([1.0, 1e300], [1.0, 1.0]), "NaN or infinity"),
        ({"data": []}, "2 vectors were expected, 0 came"),
        ({"data": [{"embedding": None}]}, "embedding"),
        ({"object": "list"}, "data: Field required"),
    ],
)
async def test_vectors_that_cannot_be_trusted_are_refused(rows: Any, says: str) -> None:
    with pytest.raises(InvalidResponseError, match=says) as caught:
        await sent(EmbedRequest(inputs=("a", "b")), rows)
    assert caught.value.provider == "openai"
    assert caught.value.request_id == "req_e"


async def test_another_length_than_asked_for_is_refused() -> None:
    with pytest.raises(InvalidResponseError, match="2 numbers were asked for, 3 came"):
        await sent(EmbedRequest(inputs="a", dimensions=2), answer(packed(ROWS[0])))


async def test_huge_but_finite_numbers_are_kept() -> None:
    row = [3.0e38, -3.0e38]
    _, response = await sent(EmbedRequest(inputs="a"), answer(packed(row)))
    assert response.vectors.tolist()[0] == pytest.approx(row)


@settings(max_examples=200)
@given(
    st.integers(1, 6).flatmap(
        lambda dim: st.lists(
            st.lists(st.floats(width=32), min_size=dim, max_size=dim), min_size=1, max_size=4
        )
    )
)
def test_any_floats_come_through_exactly_or_not_at_all(rows: list[list[float]]) -> None:
    items = [embeddings._Row(embedding=packed(row)) for row in rows]
    finite = all(abs(number) < INF for row in rows for number in row)
    if finite:
        assert embeddings._vectors(items, len(rows)).tolist() == rows
    else:
        with pytest.raises(InvalidResponseError):
            embeddings._vectors(items, len(rows))


async def test_a_failure_is_the_error_of_its_cause() -> None:
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_error(429, body, headers={"retry-after": "3"}))
        with pytest.raises(RateLimitError) as caught:
            await embeddings.generate(account, EmbedRequest(inputs="a"), context(SMALL))
    assert caught.value.retry_after == 3.0
