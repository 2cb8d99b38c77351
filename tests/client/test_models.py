"""The model slot: names, aliases, routes, defaults, files, and errors that say what to write."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk import BoundModel, Route
from gensdk._registry import Registry
from gensdk._resolve import DefaultModel
from gensdk._settings import DEMO_MODELS, default_model, read_file
from gensdk.catalog import DEFAULTS
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    NoPublicAPIError,
    UnknownBackendError,
    UnknownModelError,
    UnsupportedFeatureError,
)
from gensdk.testing import ScriptedBackend
from gensdk.types import ABILITIES, Ability
from tests.support.scripts import client_of, scripted


async def where(model: Any = None, **settings: Any) -> list[str]:
    """The hops of a text call, from its own account of itself."""
    facts: list[Any] = []
    given = settings.pop("given", [scripted("x", name=name) for name in "abc"])
    client = client_of(*given, **({"models": {}} | settings), hooks=[facts.append])
    await client.text("x", model=model)
    return list(facts[0].models)


# ----------------------------------------------------------------------------------- the slot
@pytest.mark.parametrize(
    ("model", "hops"),
    [
        ("a:m", ["a:m"]),
        ("a:org/m:free", ["a:org/m:free"]),
        ("a::m", ["a::m"]),
        (Route("a:m", "b:n"), ["a:m", "b:n"]),
        (["a:m", "b:n"], ["a:m", "b:n"]),
        (("a:m", "b:n"), ["a:m", "b:n"]),
        ("fast", ["a:m"]),
        ("chain", ["a:m"]),
        ("list", ["a:m", "b:n"]),
        (["chain", "c:o"], ["a:m", "c:o"]),
        (["list", "c:o"], ["a:m", "b:n", "c:o"]),
        (Route("list", "fast"), ["a:m", "b:n", "a:m"]),
        ("routed", ["b:n", "c:o"]),
    ],
)
async def test_what_fits(model: Any, hops: list[str]) -> None:
    models = {
        "fast": "a:m",
        "chain": "next",
        "next": "fast",
        "list": ["fast", "b:n"],
        "routed": Route("b:n", "c:o", accept=lambda _: True),
    }
    assert await where(model, models=models) == hops


async def test_a_backend_bound_to_a_model() -> None:
    bound = BoundModel(scripted("x", name="mine", repeat=True), "m")
    assert await where(bound) == ["mine:m"]
    assert await where([bound, "a:m"]) == ["mine:m", "a:m"]
    assert await where("alias", models={"alias": bound}) == ["mine:m"]


async def test_a_route_keeps_its_settings_through_an_alias() -> None:
    refused = Route("a:m", "b:n", accept=lambda answer: answer.provider == "b")
    client = client_of(scripted("x"), scripted("y", name="b"), models={"text": refused})
    assert (await client.text("x")).text == "y"


async def test_settings_of_a_route_inside_a_route_would_be_lost() -> None:
    models: Any = {"inner": Route("a:m", on=[])}
    with pytest.raises(ConfigurationError, match="settings of its own"):
        await where(["inner", "b:n"], models=models)
    assert await where(["inner", "b:n"], models={"inner": Route("a:m")}) == ["a:m", "b:n"]


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        (
            "fsat",
            UnknownModelError,
            r"'fsat' is no alias\. Did you mean 'fast'\? Aliases: fast, loop",
        ),
        ("gpt-6", UnknownModelError, "for example 'openai:gpt-6'"),
        ("a", UnknownModelError, "Did you mean 'a:…'"),
        ("", UnknownModelError, "is no alias"),
        ("a:", UnknownModelError, "write it after the colon"),
        ("a/m", UnknownModelError, r"Did you mean 'a:m'\? .* for example 'a:m'"),
        ("who/m", UnknownModelError, "for example 'openai:gpt-6-luna'"),
        ("opnai:m", UnknownBackendError, "Did you mean 'openai'"),
        (":m", UnknownModelError, "names no provider.* for example 'openai:m'"),
        (":", UnknownModelError, "names no provider.* for example 'openai:gpt-6-luna'"),
        ("local:", UnknownModelError, "after the colon, for example 'local:storyteller'"),
        ("OpenAI:m", UnknownBackendError, "Did you mean 'openai'"),
        (" Openai :m", UnknownBackendError, "Did you mean 'openai'"),
        ("FSAT", UnknownModelError, "Did you mean 'fast'"),
        ("loop", ConfigurationError, "circle: loop -> pool -> loop"),
        ("self", ConfigurationError, "circle: self -> self"),
        (5, ConfigurationError, "5 is no model"),
        ({"a:m"}, ConfigurationError, "is no model"),
        (b"a:m", ConfigurationError, "is no model"),
        ([], ConfigurationError, "at least one"),
        ([5], ConfigurationError, "5 is no model"),
        (["a:m", ["b:n"]], ConfigurationError, "not a route or a list"),
    ],
)
async def test_what_does_not_fit(model: Any, kind: type[Exception], said: str) -> None:
    models = {"fast": "a:m", "loop": "pool", "pool": "loop", "self": "self"}
    with pytest.raises(kind, match=said):
        await where(model, models=models)


async def test_names_that_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="without ':'"):
        gensdk.Client(models={"a:b": "c:d"})
    for name in ("", "a:b"):
        with pytest.raises(ConfigurationError, match="without ':'"):
            gensdk.Client(backends={name: scripted()})


async def test_a_model_that_cannot_do_it_is_refused() -> None:
    backend = scripted(name="a", abilities=frozenset({"text"}), streams=frozenset())
    client = client_of(backend)
    with pytest.raises(UnsupportedFeatureError, match="a:m cannot do 'image'") as caught:
        await client.image("x")
    assert (caught.value.provider, caught.value.model) == ("a", "m")
    with pytest.raises(UnsupportedFeatureError, match="cannot do 'stream_text'"):
        async with client.stream_text("x"):
            pytest.fail("it never opened")
    with pytest.raises(UnsupportedFeatureError, match="cannot do 'embed'"):
        async with client.stream(gensdk.types.EmbedRequest(inputs=("a",)), model="a:m"):
            pytest.fail("it never opened")


def test_capabilities_are_told_without_asking_the_model() -> None:
    client = client_of(scripted(max_inputs=7))
    assert client.capabilities("a:m").max_inputs == 7
    with pytest.raises(UnknownModelError, match="provider:model"):
        client.capabilities("a")


def test_capabilities_of_an_alias() -> None:
    models: dict[str, Any] = {"cheap": "text", "text": "a:m", "both": ["a:m", "a:n"]}
    client = gensdk.Client(backends={"a": scripted(max_inputs=7)}, models=models)
    assert client.capabilities("cheap").max_inputs == 7
    with pytest.raises(UnknownModelError, match="several models"):
        client.capabilities("both")
    with pytest.raises(UnknownModelError, match="provider:model"):
        gensdk.Client(models={"x": "y", "y": "x"}).capabilities("x")


async def answer(client: gensdk.Client, streaming: bool) -> Any:
    if not streaming:
        return await client.text("x", model="both")
    async with client.stream_text("x", model="both") as stream:
        return await stream.result()


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_model_that_cannot_do_it_is_seen_to_be_passed_over(streaming: bool) -> None:
    facts: list[Any] = []
    mute = scripted(name="a", abilities=frozenset({"image"}), streams=frozenset())
    client = client_of(
        mute, scripted("x", "y", name="b"), models={"both": ["a:m", "b:n"]}, hooks=[facts.append]
    )
    for reply in [await answer(client, streaming) for _ in range(2)]:  # then from what was kept
        assert [(one.provider, one.model, one.outcome) for one in reply.attempts] == [
            ("a", "m", "skipped"), ("b", "n", "ok"),
        ]  # fmt: skip
        assert reply.attempts[0].error == "unsupported_feature"
        assert "a:m cannot do" in (reply.attempts[0].message or "")
    assert [one.outcome for one in facts[-1].attempts] == ["skipped", "ok"]


async def test_capabilities_of_a_closed_client() -> None:
    client = client_of(scripted())
    await client.aclose()
    with pytest.raises(ClientClosedError):
        client.capabilities("a:m")


def test_where_defaults_are_said(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> None:
    (in_folder / "gensdk.toml").write_text('[models]\nspeech = "a:s"\nx = "a:x"\n', "utf-8")
    monkeypatch.setenv("GENSDK_IMAGE_MODEL", "a:i,b:i")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    client = gensdk.Client(models={"embed": "a:e"})
    found = client.defaults()
    assert found["embed"] == DefaultModel("a:e", "code")
    assert found["image"] == DefaultModel(["a:i", "b:i"], "environment", "GENSDK_IMAGE_MODEL")
    assert found["speech"] == DefaultModel("a:s", "file", "gensdk.toml")
    assert found["text"].source == "catalogue"
    assert client.config_file() == Path("gensdk.toml")
    assert client.aliases() == {"x": "a:x"}
    assert {"openai", "local"} <= set(client.providers())
    monkeypatch.delenv("OPENAI_API_KEY")
    (in_folder / "gensdk.toml").unlink()
    bare = gensdk.Client()
    assert bare.defaults()["text"] == DefaultModel(DEMO_MODELS["text"], "demo")
    assert "embed" not in bare.defaults()
    assert bare.config_file() is None


def test_a_user_without_a_home_has_no_file_there(
    monkeypatch: pytest.MonkeyPatch, in_folder: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert read_file({}) == (None, {})
    assert gensdk.Client().defaults()["text"].source == "demo"


# ------------------------------------------------------------------------------------ defaults
async def test_code_before_environment_before_file(
    monkeypatch: pytest.MonkeyPatch, in_folder: Path
) -> None:
    (in_folder / "gensdk.toml").write_text('[models]\ntext = "c:file"\n', "utf-8")
    assert await where() == ["c:file"]
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "b:env")
    assert await where() == ["b:env"]
    assert await where(models={"text": "a:code"}) == ["a:code"]
    assert await where(models={"cheap": "text"}, model="cheap") == ["b:env"]


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        (" a:m ", ["a:m"]), ("a:m,b:n", ["a:m", "b:n"]), (" a:m , b:n ,", ["a:m", "b:n"]),
        ("alias", ["c:o"]),
    ],
)  # fmt: skip
async def test_the_environment_may_name_several(
    monkeypatch: pytest.MonkeyPatch, value: str, hops: list[str]
) -> None:
    monkeypatch.setenv("GENSDK_TEXT_MODEL", value)
    assert await where(models={"alias": "c:o"}) == hops


@pytest.mark.parametrize("value", ["", " ", ","])
async def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GENSDK_SPEECH_MODEL", value)
    with pytest.raises(UnknownModelError, match="GENSDK_SPEECH_MODEL"):
        await client_of(scripted(), models={}).speech("x")


async def test_a_default_that_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "text")
    with pytest.raises(ConfigurationError, match="circle"):
        await where()
    with pytest.raises(ConfigurationError, match="circle"):
        await where(models={"text": "text"})


@pytest.mark.parametrize("ability", dict.fromkeys(row.ability for row in DEFAULTS))
def test_the_catalogue_serves_where_a_key_is_set(ability: Ability) -> None:
    row = next(row for row in DEFAULTS if row.ability == ability)
    if row.until is not None and row.until <= date.today():  # noqa: DTZ011
        pytest.skip("this default has retired")
    assert default_model(ability, {row.key_env: "sk-x"}) == f"{row.provider}:{row.model}"


@pytest.mark.parametrize("ability", ABILITIES)
def test_without_any_key_the_demo_answers_or_the_error_says_what_to_set(ability: Ability) -> None:
    if ability in DEMO_MODELS:
        assert default_model(ability, {}) == DEMO_MODELS[ability]
        return
    with pytest.raises(UnknownModelError) as caught:
        default_model(ability, {"OPENAI_API_KEY": ""})
    keys = {row.key_env for row in DEFAULTS if row.ability == ability}
    for word in (f"GENSDK_{ability.upper()}_MODEL", "Client(models={", *keys):
        assert word in str(caught.value)


async def test_names_are_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "a:m")
    client = client_of(scripted("x", "y"), models={})
    await client.text("x")
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "nowhere:m")
    assert (await client.text("x")).text == "y"


# --------------------------------------------------------------------------------------- files
FILES = [
    ("gensdk.toml", '[models]\ntext = "a:m"', {"text": "a:m"}),
    ("gensdk.toml", '[tool.gensdk.models]\nx = ["a:m", "b:n"]', {"x": ["a:m", "b:n"]}),
    ("pyproject.toml", '[tool.gensdk.models]\ntext = "a:m"', {"text": "a:m"}),
    ("pyproject.toml", '[models]\ntext = "a:m"', {}),
    ("pyproject.toml", "[tool.other]\nx = 1", {}),
    ("gensdk.toml", "", {}),
]


@pytest.mark.parametrize(("name", "text", "models"), FILES)
def test_forms_of_the_file(in_folder: Path, name: str, text: str, models: dict[str, Any]) -> None:
    (in_folder / name).write_text(text, "utf-8")
    assert read_file({"XDG_CONFIG_HOME": str(in_folder / "none")})[1] == models


def test_which_file(in_folder: Path) -> None:
    home = in_folder / "home"
    (home / "gensdk").mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert read_file(environ)[1] == {}
    for path in ("home/gensdk/config.toml", "pyproject.toml", "gensdk.toml", "named.toml"):
        (in_folder / path).write_text(f'[tool.gensdk.models]\ntext = "a:{path}"', "utf-8")
        if path == "named.toml":
            environ["GENSDK_CONFIG"] = str(in_folder / path)
        assert read_file(environ)[1] == {"text": f"a:{path}"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"text = ", "gensdk.toml"),
        (b"\xff\xfe", "gensdk.toml"),
        (b"tool = 5", "tool = 5"),
        (b"[tool]\ngensdk = 'x'", "gensdk = 'x'"),
        (b"models = 'a:m'", "models = 'a:m'"),
        (b"[models]\ntext = 5", "text = 5"),
        (b"[models]\ntext = []", r"text = \[\]"),
        (b"[models]\ntext = ['a:m', 5]", "text = "),
        (b"[models.text]\nmodel = 'a:m'", "text = "),
        (b"[models]\n'a:b' = 'c:d'", "without ':'"),
    ],
)
async def test_a_file_that_is_wrong_is_named(in_folder: Path, content: bytes, said: str) -> None:
    (in_folder / "gensdk.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        await where()
    assert await where("a:m") == ["a:m"], "a full name needs no file"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_file({"GENSDK_CONFIG": str(tmp_path / "no.toml")})


# ---------------------------------------------------------------------------------- backends
class Points:
    """Stands for the entry points of installed packages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
        from importlib.metadata import EntryPoint

        points = {
            name: EntryPoint(name=name, value=value, group="gensdk.backends")
            for name, value in values.items()
        }
        monkeypatch.setattr("gensdk._registry._all_points", lambda: points)
        monkeypatch.setattr("gensdk._registry._own_points", dict)
        monkeypatch.setattr("gensdk._registry._known_servers", dict)


made: list[ScriptedBackend] = []


def make(name: str) -> ScriptedBackend:
    """The entry point of a backend by somebody else."""
    made.append(ScriptedBackend("x", name=name, repeat=True))
    return made[-1]


async def test_a_strangers_backend_is_made_once_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    Points(monkeypatch, theirs=f"{__name__}:make")
    monkeypatch.setattr("importlib.metadata.EntryPoint.load", lambda self: make)
    made.clear()
    async with gensdk.Client() as client:
        await client.text("x", model="theirs:m")
        await client.text("x", model="theirs:n")
    assert [backend.aclosed for backend in made] == [True]


async def test_a_backend_of_the_users_own_is_not_closed() -> None:
    backend = scripted("x")
    async with client_of(backend) as client:
        await client.text("x")
    assert not backend.aclosed


@pytest.mark.parametrize("value", ["no.such.module:create", "gensdk.testing:no_such_name"])
async def test_a_backend_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    Points(monkeypatch, broken=value)
    with pytest.raises(ConfigurationError, match="cannot be loaded") as caught:
        await gensdk.Client().text("x", model="broken:m")
    assert caught.value.__cause__ is not None


async def test_every_backend_is_closed_even_where_one_fails_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stuck(ScriptedBackend):
        async def aclose(self) -> None:
            raise OSError("stuck")

    registry = Registry({})
    others = [ScriptedBackend(name="a"), Stuck(name="b"), ScriptedBackend(name="c")]
    registry._made.update({backend.name: backend for backend in others})
    with pytest.raises(OSError, match="stuck"):
        await registry.aclose()
    assert others[0].aclosed
    assert others[2].aclosed
    await registry.aclose()


def test_gensdks_own_backends_are_known() -> None:
    names = Registry({"mine": scripted()}).names()
    assert {"mine", "openai", "azure", "local"} <= set(names)
    assert names == sorted(names)


def test_without_an_installed_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("gensdk._registry.distribution", missing)
    monkeypatch.setattr("gensdk._registry._all_points", dict)
    names = Registry({"mine": scripted()}).names()
    assert {"mine", "groq"} <= set(names), "known servers need no entry point"
    assert "openai" not in names


def test_aliases_are_listed(in_folder: Path) -> None:
    (in_folder / "gensdk.toml").write_text('[models]\nx = "a:file"\ny = "b:n"', "utf-8")
    models: Any = {"x": "a:code", "text": "a:m"}
    assert gensdk.Client(models=models).aliases() == {"x": "a:code", "y": "b:n"}


# --------------------------------------------------------------- products without a public API
@pytest.mark.parametrize(
    ("model", "product", "instead"),
    [
        ("midjourney:v7", "Midjourney", "openai:gpt-image"),
        ("midjourney", "Midjourney", "stability:ultra"),
        ("Suno:v5", "Suno", "elevenlabs:music"),
        ("udio:130", "Udio", "stable-audio"),
        ("jukedeck:1", "Jukedeck", "musicgen"),
        ("jukebox:5b", "OpenAI Jukebox", "musicgen"),
        ("openai:jukebox-1b-lyrics", "OpenAI Jukebox", "musicgen"),
        (["a:m", "suno:v5"], "Suno", "elevenlabs:music"),
    ],
)
async def test_products_without_an_api_are_named_with_what_does_the_same(
    model: Any, product: str, instead: str
) -> None:
    backend = scripted("x", name="a")
    with pytest.raises(NoPublicAPIError, match=product) as caught:
        await client_of(backend, models={}).text("x", model=model)
    assert instead in caught.value.message
    assert backend.asked == []
    async with gensdk.Client() as client:
        with pytest.raises(NoPublicAPIError):
            client.capabilities(model if isinstance(model, str) else "suno:v5")


async def test_an_account_or_an_alias_of_ones_own_may_have_such_a_name() -> None:
    assert await where("suno:m", given=[scripted("x", name="suno")]) == ["suno:m"]
    assert await where("midjourney", models={"midjourney": "a:m"}) == ["a:m"]


def test_the_models_named_instead_are_of_providers_there_are() -> None:
    from gensdk.catalog.no_public_api import NO_PUBLIC_API, no_public_api

    for row in NO_PUBLIC_API:
        assert row.source
        assert {model.partition(":")[0] for model in row.instead} <= {
            "elevenlabs", "local", "openai", "stability",
        }  # fmt: skip
    assert no_public_api("openai", "gpt-6-luna") is None
    assert no_public_api("local", "jukebox") is None
