"""Answers that fit a schema, from models that know nothing of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.errors import InvalidRequestError, OutputValidationError, UnsupportedFeatureError
from gensdk.types import OutputSchema
from tests.support.local_calls import ask, joined, stream

PROMPT = "once upon a time there was"


class Hero(BaseModel):
    name: str = Field(max_length=8)
    kind: Literal["cat", "robot"]
    age: int = Field(ge=1, le=99)
    friends: list[bool] = Field(max_length=3)


async def test_random_weights_say_valid_json(llama: Path) -> None:
    async with gensdk.Client() as client:
        replies = await asyncio.gather(
            *(
                client.text(
                    PROMPT, model=f"local:{llama}", output=Hero, max_tokens=300, temperature=1.0,
                    seed=seed,
                )
                for seed in range(20)
            )
        )  # fmt: skip
    for reply in replies:
        assert reply.output == Hero.model_validate_json(reply.text)
        assert reply.finish_reason == "stop"
    assert len({reply.text for reply in replies}) > 10


async def test_a_schema_changes_nothing_for_the_neighbours(
    llama: Path, backend: LocalBackend
) -> None:
    fields: dict[str, Any] = {"temperature": 1.0, "seed": 7, "max_tokens": 40}
    alone = await ask(backend, llama, PROMPT, **fields)
    schema = OutputSchema.of(Hero)
    together = await asyncio.gather(
        ask(backend, llama, PROMPT, **fields),
        *(ask(backend, llama, PROMPT, output=schema, n=2, **fields) for _ in range(3)),
    )
    assert together[0].text == alone.text
    assert together[1] == together[2] == together[3]
    assert together[1].candidates[0].text != together[1].candidates[1].text


async def test_a_stream_of_json(llama: Path, backend: LocalBackend) -> None:
    schema = OutputSchema.of(list[int])
    deltas, answer = await stream(
        backend, llama, PROMPT, output=schema, seed=1, temperature=1.0, max_tokens=400
    )
    assert joined(deltas) == answer.text
    assert isinstance(json.loads(answer.text)["value"], list)


async def test_objects_grow_out_of_a_model_on_this_machine(llama: Path) -> None:
    async with (
        gensdk.Client() as client,
        client.stream_text(
            PROMPT, model=f"local:{llama}", output=Hero, max_tokens=300, temperature=1.0, seed=3
        ) as stream,
    ):
        seen = [hero async for hero in stream.partials]
        reply = await stream.result()
    assert seen[-1] is reply.output
    assert seen[0].model_fields_set < {"name", "kind", "age", "friends"}
    whole = reply.output
    assert whole is not None
    assert all(whole.name.startswith(one.name or "") for one in seen)
    assert {one.kind for one in seen} <= {None, whole.kind}


async def test_what_the_grammar_cannot_hold_is_noted_and_what_shapes_is_refused(
    llama: Path,
) -> None:
    async with gensdk.Client(models={"text": f"local:{llama}"}) as client:
        reply = await client.text(PROMPT, output=set[bool], max_tokens=300, temperature=1.0, seed=1)
        assert isinstance(reply.output, set)
        noted = [one.sent for one in reply.warnings if one.parameter == "output"]
        assert noted == ["uniqueItems (at 'value')"]
        shape = {"type": "object", "properties": {"a": {"type": "string", "not": {}}}}
        with pytest.raises(UnsupportedFeatureError, match=r"the keyword 'not' \(at 'a'\)"):
            await client.text(PROMPT, output=shape, max_tokens=9)


async def test_an_answer_that_was_cut_is_an_error_with_its_text(llama: Path) -> None:
    async with gensdk.Client() as client:
        with pytest.raises(OutputValidationError) as caught:
            await client.text(PROMPT, model=f"local:{llama}", output=Hero, max_tokens=3)
    assert caught.value.text.startswith("{")


async def test_models_with_a_state_of_their_own_follow_it_too(
    models: Path, backend: LocalBackend
) -> None:
    from tests.support.tiny_models import save_model

    folder = save_model(models / "grammar-mamba", "mamba")
    answer = await ask(
        backend, folder, PROMPT, output=OutputSchema.of(Hero), seed=2, max_tokens=300
    )
    Hero.model_validate_json(answer.text)


async def test_a_schema_that_cannot_be_followed_is_refused(
    llama: Path, backend: LocalBackend
) -> None:
    schema = OutputSchema.of({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}})
    with pytest.raises(InvalidRequestError, match="schema") as caught:
        await ask(backend, llama, PROMPT, output=schema)
    assert caught.value.param == "output"


async def test_a_tokenizer_that_cannot_be_followed_is_refused(
    models: Path, backend: LocalBackend
) -> None:
    from tests.support.tiny_models import metaspace_tokenizer, save_model

    folder = save_model(models / "grammar-metaspace", tokenizer=metaspace_tokenizer())
    with pytest.raises(UnsupportedFeatureError, match="tokenizer cannot be followed") as caught:
        await ask(backend, folder, PROMPT, output=OutputSchema.of(Hero))
    assert caught.value.param == "output"
