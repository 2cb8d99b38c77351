"""Objects that grow: ``stream.partials`` of ``stream_text(output=…)``."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

import gensdk
from gensdk._partial import MISSING, GrowingOutput, document
from gensdk.errors import (
    ConfigurationError,
    OutputValidationError,
    ServerError,
)
from gensdk.testing import say
from gensdk.types import (
    Candidate,
    Finished,
    OutputSchema,
    RefusalDelta,
    RefusalPart,
    Restarted,
    TextDelta,
    TextRequest,
    TextResponse,
)
from tests.support.scripts import client_of, partial_of, scripted


class Step(BaseModel):
    text: str
    minutes: int = 5


class Recipe(BaseModel):
    title: str
    day: date | None = None
    steps: list[Step] = []


WHOLE = (
    '{"title": "Pan\\u0063akes", "day": "2026-11-21", "steps": [{"text": "mix", "minutes": 12}, '
    '{"text": "fry"}]}'
)


def cut(text: str, size: int) -> list[Any]:
    return [TextDelta(text=text[at : at + size]) for at in range(0, len(text), size)]


def told(text: str, size: int) -> list[Any]:
    """A stream of pieces, and its end."""
    return [*cut(text, size), Finished(response=say(text))]


def looks(shape: Any, text: str, size: int = 1) -> list[Any]:
    growing = GrowingOutput(OutputSchema.of(shape))
    found = []
    for event in cut(text, size):
        growing.take(event)
        if (seen := growing.look()) is not MISSING:
            found.append(seen)
    return found


def last_before(shape: Any, text: str) -> Any:
    """What is shown when a text has come up to here; ``MISSING`` where that is nothing."""
    found = looks(shape, text)
    return found[-1] if found else MISSING


async def test_the_objects_grow_and_the_last_is_the_validated_output() -> None:
    client = client_of(scripted(told(WHOLE, 3)))
    async with client.stream_text("Pancakes", output=Recipe) as stream:
        found = [recipe async for recipe in stream.partials]
        reply = await stream.result()
    assert all(type(one) is Recipe for one in found)
    assert found[0].title == "P"
    assert found[0].day is None
    assert found[0].model_fields_set == {"title"}
    assert [one.title for one in found[:4]] == ["P", "Pan", "Pan", "Panca"]
    assert found[-1] is reply.output
    assert reply.output == Recipe(
        title="Pancakes",
        day=date(2026, 11, 21),
        steps=[Step(text="mix", minutes=12), Step(text="fry")],
    )
    assert {one.day for one in found} == {None, date(2026, 11, 21)}, "no half of a date is a date"
    assert {step.minutes for one in found for step in one.steps or ()} == {None, 12, 5}


async def test_an_answer_that_does_not_fit_raises_at_the_end_with_what_came() -> None:
    client = client_of(scripted(told('{"title": "a", "steps": 3}', 4)))
    seen = []
    async with client.stream_text("x", output=Recipe) as stream:
        with pytest.raises(OutputValidationError) as caught:
            async for recipe in stream.partials:
                seen += [recipe]
        with pytest.raises(OutputValidationError):
            await stream.result()
    assert [one.title for one in seen] == ["a"]
    assert partial_of(caught.value).text == caught.value.text == '{"title": "a", "steps": 3}'
    assert caught.value.problems == ("steps: Input should be a valid array",)


async def test_a_cut_stream_raises_and_keeps_the_text() -> None:
    client = client_of(scripted([TextDelta(text='{"title": "half'), ServerError("down")]))
    async with client.stream_text("x", output=Recipe) as stream:
        with pytest.raises(ServerError) as caught:
            assert [one.title async for one in stream.partials] == ["half"]
    assert partial_of(caught.value).text == '{"title": "half'


async def test_another_model_that_begins_anew_begins_the_objects_anew() -> None:
    broken = scripted([TextDelta(text='{"title": "old", "st'), ServerError("down")], name="a")
    other = scripted(told('{"title": "new"}', 2), name="b")
    client = client_of(
        broken,
        other,
        models={"text": gensdk.Route("a:m", "b:m", interrupted="restart")},
        retry=gensdk.Retry(attempts=1),
    )
    async with client.stream_text("x", output=Recipe) as stream:
        found = [one.title async for one in stream.partials]
        assert (await stream.result()).output == Recipe(title="new")
    assert found == ["old", "n", "new", "new"], "the last is the validated one"


async def test_text_read_before_is_part_of_the_object() -> None:
    client = client_of(scripted(told('{"title": "abcdef"}', 4)))
    async with client.stream_text("x", output=Recipe) as stream:
        pieces = stream.text
        assert await anext(pieces) + await anext(pieces) == '{"title"'
        found = [one.title async for one in stream.partials]
    assert found == ["a", "abcde", "abcdef", "abcdef"]


async def test_events_read_in_between_are_part_of_the_object() -> None:
    client = client_of(scripted(told('{"title": "abcdef"}', 4)))
    async with client.stream_text("x", output=Recipe) as stream:
        assert (await anext(stream.partials)).title == "a"
        await anext(stream)
        assert [one.title async for one in stream.partials] == ["abcdef", "abcdef"]


async def test_a_kept_answer_grows_too() -> None:
    backend = scripted(told('{"title": "a"}', 5))
    client = client_of(backend, cache=gensdk.Cache())
    kept = []
    for _ in range(2):
        async with client.stream_text("x", output=Recipe, temperature=0) as stream:
            found = [one async for one in stream.partials]
            assert found[-1] == Recipe(title="a")
            reply = await stream.result()
        kept.append(reply.cached)
    assert kept == [False, True]


async def test_no_last_object_of_an_answer_that_declines() -> None:
    part = RefusalPart(text="no")
    declined: TextResponse[Any] = TextResponse(candidates=(Candidate(parts=(part,)),))
    client = client_of(scripted([RefusalDelta(text="no"), Finished(response=declined)]))
    async with client.stream_text("x", output=Recipe) as stream:
        assert [one async for one in stream.partials] == []
        assert (await stream.result()).refusal == "no"


async def test_without_output_there_is_nothing_to_grow() -> None:
    async with client_of(scripted("words")).stream_text("x") as stream:
        with pytest.raises(ConfigurationError, match="output=Model"):
            await anext(stream.partials)


async def test_before_the_block_partials_say_how_to_open_it() -> None:
    stream = client_of(scripted("words")).stream_text("x", output=Recipe)
    with pytest.raises(ConfigurationError, match="async with"):
        await anext(stream.partials)


async def test_a_request_object_streams_them_too() -> None:
    request = TextRequest(prompt="x", output=Recipe)
    async with client_of(scripted(told('{"title": "a"}', 5))).stream(request) as stream:
        assert isinstance(stream, gensdk.TextStream)
        assert [one async for one in stream.partials][-1] == Recipe(title="a")


def test_the_sync_client_has_them() -> None:
    backend = scripted(told(WHOLE, 3), told('{"title": 3}', 3))
    with gensdk.SyncClient(models={"text": "a:m"}, backends={"a": backend}) as client:
        with client.stream_text("Pancakes", output=Recipe) as stream:
            found = list(stream.partials)
            assert found[-1] is stream.result().output
            assert found[0].title == "P"
        with (
            client.stream_text("x", output=Recipe) as stream,
            pytest.raises(OutputValidationError),
        ):
            list(stream.partials)


async def test_over_the_wire_of_openai_and_of_claude() -> None:
    from tests.support import anthropic_messages as claude
    from tests.support import openai_responses as openai
    from tests.support.server import LoopbackServer, answer_sse

    async with LoopbackServer() as server:
        server.on("POST", openai.PATH, answer_sse(openai.events(openai.message(WHOLE))))
        server.on("POST", claude.PATH, answer_sse(claude.events(claude.text(WHOLE))))
        own: dict[str, Any] = {
            "openai": openai.backend(server),
            "anthropic": claude.backend(server),
        }
        async with gensdk.Client(backends=own) as client:
            for model in ("openai:gpt-4.1", f"anthropic:{claude.MODEL}"):
                async with client.stream_text("x", model=model, output=Recipe) as stream:
                    found = [recipe async for recipe in stream.partials]
                    assert found[-1] is (await stream.result()).output
                assert found[0].title == "P"
                assert len(found) > 10
        for backend in own.values():
            await backend.aclose()


# ------------------------------------------------------------------------------- kinds of types
class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str
    tricks: list[str] = []


class Aliased(BaseModel):
    model_config = ConfigDict(frozen=True)
    long_name: str = Field(alias="longName")
    other: int = Field(default=0, validation_alias="o")


class Checked(BaseModel):
    word: str
    shout: str

    @field_validator("shout")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()

    @model_validator(mode="after")
    def _never_alone(self) -> Checked:
        if not self.word:
            raise ValueError("no word")
        return self


class Needy(BaseModel):
    low: int
    high: int

    @field_validator("high")
    @classmethod
    def _above(cls, value: int, info: Any) -> int:
        assert value > info.data["low"]
        return value


class Reading(BaseModel):
    word: str

    @model_validator(mode="before")
    @classmethod
    def _any_form(cls, value: Any) -> Any:
        return {"word": value["w"]}


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    label: str = ""


class Film(TypedDict):
    title: str
    year: NotRequired[int]


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Words(RootModel[list[str]]):
    pass


PLAIN = {
    "type": "object",
    "properties": {
        "a": {"type": "string"},
        "b": {"type": ["null", "string"]},
        "c": {"type": "string", "enum": ["haha"]},
        "d": {"anyOf": [{"type": "string"}, {"const": 1}]},
        "e": {"$ref": "#/$defs/E"},
        "f": {"type": "array", "items": {"$ref": "#/$defs/S"}},
        "g": {"$ref": "#/$defs/nowhere"},
    },
    "additionalProperties": {"type": "string"},
    "$defs": {
        "E": {"type": "object", "properties": {"a": {"type": "string"}}},
        "S": {"$ref": "#/$defs/T"},
        "T": {"type": "string"},
    },
}


def holding(kind: Any) -> type[BaseModel]:
    return type("Held", (BaseModel,), {"__annotations__": {"value": kind}})


@pytest.mark.parametrize(
    ("shape", "text", "shown"),
    [
        (list[str], '{"value": ["a", "b', ["a", "b"]),
        (list[int], '{"value": [1, 22', [1]),
        (list[int], '{"value": [1, 22,', [1, 22]),
        (dict[str, int], '{"a": 1, "b": 2', {"a": 1}),
        (dict[int, str], '{"1": "a", "2": "b', {1: "a", 2: "b"}),
        (Film, '{"title": "Al', {"title": "Al"}),
        (Point, '{"x": 1.5, "label": "he', Point(1.5, "he")),
        (Words, '{"value": ["a"', MISSING),
        (dict[str, list[int]], '{"a": [1], "b": [2', {"a": [1], "b": []}),
        (dict[str, date], '{"a": "2026-11-21", "b": "no",', {"a": date(2026, 11, 21)}),
        (list[dict[int, int]], '{"value": [{"1": 2}, {"a": 2}, ', [{1: 2}]),
        (list[Annotated[Cat | Dog, Field(discriminator="kind")]],
         '{"value": [{"kind": "cat", "name": "a"}, {"kind": "cow", "name": "b"}, ',
         [Cat(name="a")]),
        (PLAIN, '{"a": "ha', {"a": "ha"}),
        (PLAIN, '{"b": "ha', {"b": "ha"}),
        (PLAIN, '{"c": "ha', {}),
        (PLAIN, '{"d": "ha', {}),
        (PLAIN, '{"e": {"a": "ha', {"e": {"a": "ha"}}),
        (PLAIN, '{"f": ["ha', {"f": ["ha"]}),
        (PLAIN, '{"g": "ha', {}),
        (PLAIN, '{"other": "ha', {"other": "ha"}),
        ({"type": "object"}, '{"a": ["x", {"b": 1}], "c": "half', {"a": ["x", {"b": 1}]}),
    ],
)  # fmt: skip
def test_what_is_shown_of_an_unfinished(shape: Any, text: str, shown: Any) -> None:
    found = last_before(shape, text)
    assert found is shown or found == shown


def test_what_has_not_come_of_an_object_is_none_and_not_set() -> None:
    (step,) = last_before(list[Step], '{"value": [{"text": "a", "mi')
    assert (type(step), step.text, step.minutes, step.model_fields_set) == (
        Step, "a", None, {"text"},
    )  # fmt: skip
    assert last_before(Point, '{"label": "he').x is None


def test_names_in_json_are_those_of_the_type() -> None:
    found = last_before(Aliased, '{"longName": "a", "other": 3, "o": 4, "x')
    assert (found.long_name, found.other) == ("a", 4)


def test_a_type_that_holds_itself_grows_at_every_depth() -> None:
    found = last_before(Tree, '{"name": "a", "children": [{"name": "b", "children": [{"name": "c')
    assert found.children[0].children[0].name == "c"


@pytest.mark.parametrize(
    ("kind", "half", "shown"),
    [
        (str, '"ab', "ab"),
        (str | None, '"ab', "ab"),
        (str | int, '"12', "12"),
        (Annotated[str, Field(max_length=9)], '"ab', "ab"),
        (Annotated[str, Field(min_length=1)], '"ab', MISSING),
        (Annotated[str, Field(pattern="a")], '"ab', MISSING),
        (Annotated[str, Field(pattern="a")] | None, '"ab', MISSING),
        (Annotated[str, Field(pattern="a")] | int, '"ab', MISSING),
        (Literal["a", "ab"], '"a', MISSING),
        (Literal["a"] | str, '"a', MISSING),
        (Colour, '"red', MISSING),
        (date, '"2026-11-21', MISSING),
        (date | str, '"2026-11-21', MISSING),
        (Decimal, '"1.2', MISSING),
        (bytes, '"ab', MISSING),
        (bool, "tru", MISSING),
        (float, "1.", MISSING),
        (set[str], '["a", "b"', MISSING),
        (tuple[str, int], '["a", 1', MISSING),
        (Any, '{"a": 1', MISSING),
        (Cat | Dog, '{"kind": "dog", "name": "R', MISSING),
        (Cat | list[str], '["a', ["a"]),
        (Reading, '{"w": "a', MISSING),
    ],
)  # fmt: skip
def test_only_what_is_safe_is_shown_before_its_end(kind: Any, half: str, shown: Any) -> None:
    found = last_before(holding(kind), f'{{"value": {half}')
    assert found is shown or found.value == shown


def test_a_member_of_a_tagged_union_is_shown_once_its_tag_has_come() -> None:
    pet = Annotated[Cat | Dog, Field(discriminator="kind")]
    assert last_before(holding(pet), '{"value": {"name": "Rex"') is MISSING
    begun = last_before(holding(pet), '{"value": {"kind": "dog"')
    assert (type(begun.value), begun.value.kind, begun.value.name) == (Dog, "dog", None)
    found = last_before(holding(pet), '{"value": {"name": "Rex", "kind": "dog", "tricks": ["si')
    assert type(found.value) is Dog
    assert (found.value.name, found.value.tricks) == ("Rex", ["si"])


def test_validators_of_fields_have_run_and_those_of_models_when_it_is_complete() -> None:
    found = last_before(Checked, '{"shout": "hey", "word": ""')
    assert (found.shout, found.word) == ("HEY", "")
    inside = last_before(list[Checked], '{"value": [{"shout": "hey", "word": ""}, ')
    assert inside == [], "complete, and it does not fit"


def test_a_validator_that_needs_other_fields_shows_its_field_with_the_whole_object() -> None:
    assert last_before(Needy, '{"low": 1, "high": 2, ').model_fields_set == {"low"}
    assert last_before(list[Needy], '{"value": [{"low": 1, "high": 2}') == [Needy(low=1, high=2)]


def test_a_root_model_grows_inside_of_another() -> None:
    assert last_before(holding(Words), '{"value": ["a", "b"], ').value == Words(["a", "b"])


@pytest.mark.parametrize(
    "text",
    ['{"a" 1', '{"title": "x"]', '["x"', "title", '{"title": tru,', '{,"title": "x"', "{]",
     '{"title": "x",}', '{"title": "\\q"'],
)  # fmt: skip
def test_what_is_no_json_shows_nothing_more(text: str) -> None:
    more = f'{text}, "day": "2026-11-21", "steps": []}}'
    assert [one for one in looks(Recipe, more) if one.day or one.steps is not None] == []


@pytest.mark.parametrize("odd", ["\\q", "\\ud83dyy", "\\n \n", "\\uZZZZ"])
async def test_a_string_that_is_none_ends_the_growing_and_not_the_stream(odd: str) -> None:
    text = f'{{"title": "a{odd} b", "steps": []}}'
    assert looks(Recipe, text)[0].title == "a"
    client = client_of(scripted(told(text, 1)))
    async with client.stream_text("Pancakes", output=Recipe) as stream:
        with pytest.raises(OutputValidationError):
            async for _ in stream.partials:
                continue


def test_depth_has_a_bound() -> None:
    nested = '{"name": "a", "children": [' * 5000
    assert looks(Tree, nested, size=1000)[-1].name == "a"


def test_a_fence_around_the_json_is_passed_over() -> None:
    assert looks(Recipe, '\n```json\n{"title": "a"}\n```\n')[-1].title == "a"


def test_other_candidates_are_left_alone() -> None:
    growing = GrowingOutput(OutputSchema.of(Recipe))
    growing.take(TextDelta(text='{"title": "b"}', index=1))
    assert growing.look() is MISSING
    growing.take(Restarted(provider="a", model="m", reason="server_error"))
    growing.take(TextDelta(text='{"title": "a"'))
    assert growing.look().title == "a"


# ---------------------------------------------------------------------------------- properties
SEPARATORS = [(",", ":"), (", ", ": "), (" ,\n", " :\t")]
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.integers(1, 9), st.booleans())
def test_however_it_is_cut_plain_json_comes_out_whole(
    value: dict[str, Any], size: int, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=SEPARATORS[size % 3])
    growing = GrowingOutput(OutputSchema.of({"type": "object"}))
    for event in cut(text, size):
        growing.take(event)
    assert growing._built() == value


@given(st.lists(st.text(), max_size=6), st.integers(1, 9), st.booleans())
def test_every_look_at_a_list_of_strings_is_a_beginning_of_it(
    value: list[str], size: int, ascii_only: bool
) -> None:
    text = json.dumps({"value": value}, ensure_ascii=ascii_only)
    for seen in looks(list[str], text, size):
        *before, last = seen or [""]
        assert before == value[: len(before)]
        assert not seen or value[len(before)].startswith(last)


def test_the_work_of_looking_grows_with_the_length_and_not_with_its_square() -> None:
    for count in (500, 2000):
        text = json.dumps({"value": ["ab"] * count})
        found = looks(list[str], text)
        assert len(found) > 100
        assert sum(map(len, found)) <= 65 * len(text)
    long = json.dumps({"value": ["x" * 50_000]})
    assert sum(len(one[0]) for one in looks(list[str], long, 4) if one) <= 70 * 64 * len(long)


def test_no_look_decodes_the_escapes_of_the_one_before_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    decode = pydantic_core.from_json

    def counted(content: bytes, **more: Any) -> Any:
        read.append(len(content))
        return decode(content, **more)

    monkeypatch.setattr(document, "from_json", counted)
    value = 'a line\n"é" \U0001f600 ' * 400
    found = looks(Recipe, json.dumps({"title": value}), size=4)
    assert found[-1].title == value
    assert len(read) > 50
    assert sum(read) < 2 * len(json.dumps(value))


@given(st.text(max_size=40).map(lambda text: json.dumps(text)[1:-1]), st.integers(1, 5))
def test_an_unfinished_string_is_what_stands_there_without_doubt(inside: str, size: int) -> None:
    growing = GrowingOutput(OutputSchema.of(Recipe))
    for event in cut('{"title": "' + inside, size):
        growing.take(event)
        growing.look()
    known = pydantic_core.from_json(f'"{inside}'.encode(), allow_partial="trailing-strings")
    assert growing._unfinished() == known
