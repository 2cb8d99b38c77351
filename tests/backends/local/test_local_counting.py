"""``client.count_tokens`` on this machine: what ``usage`` says afterwards, without the weights."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.backends.local import LocalBackend, LocalTextOptions
from gensdk.backends.local.loading import turn
from gensdk.errors import (
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    ModelLoadError,
    ModelNotDownloadedError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.spec import TokenCountBackend
from gensdk.types import ImagePart, Message, TextPart, TextRequest
from tests.support.hub_cache import put_into_cache
from tests.support.local_calls import context
from tests.support.local_pictures import file_of
from tests.support.tiny_models import byte_tokenizer, edit_json, save_model
from tests.support.tiny_seq2seq import save_masked, save_seq2seq, word_tokenizer
from tests.support.tiny_vision import plain, save_llava, save_qwen
from tests.support.tool_families import FAMILIES
from tests.support.tool_models import random_model, tokenizer_of

PROMPT = "Will it rain in Rome?"


def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"sun in {city} for {days} days"


@pytest.fixture
def backend(make_backend: Callable[..., LocalBackend]) -> LocalBackend:
    return make_backend(offline=True)


@pytest.fixture
def client(backend: LocalBackend) -> gensdk.Client:
    return gensdk.Client(backends={"local": backend})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads that read tokenizers, in order."""
    from transformers import AutoTokenizer

    read, found = AutoTokenizer.from_pretrained, []

    def watched(*args: Any, **options: Any) -> Any:
        found.append(threading.current_thread())
        return read(*args, **options)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", watched)
    return found


async def counted_as_read(client: gensdk.Client, folder: Path, prompt: Any, **fields: Any) -> int:
    """The count, made before the model is in memory, and compared with what it then reads."""
    model = f"local:{folder}"
    found = await client.count_tokens(prompt, model=model, **fields)
    assert str(folder) not in {status.model for status in client.local.loaded()}
    assert (found.exact, found.source, found.provider) == (True, "local", "local")
    assert found.model == str(folder)
    reply = await client.text(prompt, model=model, max_tokens=1, **fields)
    assert found.input_tokens == reply.usage.input_tokens
    return found.input_tokens


# ---------------------------------------------------------------------------------- what is counted
async def test_a_prompt_and_a_conversation(
    client: gensdk.Client, llama: Path, chat_llama: Path
) -> None:
    assert isinstance(client.local._host, TokenCountBackend)
    assert await counted_as_read(client, llama, PROMPT) == len(
        byte_tokenizer()(PROMPT)["input_ids"]
    )
    bare = await client.count_tokens(PROMPT, model=f"local:{chat_llama}")
    talk = [Message.user("Hello"), Message.assistant("Hello."), Message.user("<|end|>")]
    whole = await counted_as_read(client, chat_llama, talk, system="Be brief.")
    assert whole > bare.input_tokens


async def test_tools_and_variables_of_the_template(client: gensdk.Client, tmp_path: Path) -> None:
    family = next(iter(FAMILIES))
    template = "{% if loud %}LOUD {% endif %}" + FAMILIES[family].template
    tokenizer = tokenizer_of(family, chat_template=template)
    folder = random_model(tmp_path / "tools", tokenizer)
    model = f"local:{folder}"
    bare = await client.count_tokens(PROMPT, model=model)
    loud = await client.count_tokens(
        PROMPT, model=model, options={"local": LocalTextOptions(template_variables={"loud": True})}
    )
    assert loud.input_tokens > bare.input_tokens
    shown = await counted_as_read(client, folder, PROMPT, tools=[weather])
    assert shown > bare.input_tokens + 20


@pytest.mark.parametrize("save", [save_llava, save_qwen])
async def test_pictures(client: gensdk.Client, tmp_path: Path, save: Any) -> None:
    folder = save(tmp_path / "sees")
    small, large = (ImagePart(image=file_of(plain("red", size, size))) for size in (30, 70))
    words = [Message(role="user", content=(TextPart(text="What?"),))]
    bare = await client.count_tokens(words, model=f"local:{folder}")
    seen = [Message(role="user", content=(TextPart(text="What?"), small, large))]
    assert await counted_as_read(client, folder, seen) > bare.input_tokens + 4


async def test_what_an_encoder_reads(client: gensdk.Client, tmp_path: Path) -> None:
    folder = save_seq2seq(tmp_path / "t5")
    begun = [Message.user("once upon a time"), Message.assistant("the")]
    assert await counted_as_read(client, folder, begun, system="Translate:") > 4
    with pytest.raises(InvalidRequestError, match="a text to read"):
        await client.count_tokens([Message.assistant("the")], model=f"local:{folder}")


async def test_a_text_with_gaps(client: gensdk.Client, tmp_path: Path) -> None:
    folder = save_masked(tmp_path / "bert", tokenizer=word_tokenizer())
    assert await counted_as_read(client, folder, "the [MASK] <mask> sea") == 6
    with pytest.raises(InvalidRequestError, match="has none"):
        await client.count_tokens("the sea", model=f"local:{folder}")
    with pytest.raises(UnsupportedFeatureError, match="no instructions"):
        await client.count_tokens("the [MASK]", model=f"local:{folder}", system="Fill.")


async def test_what_is_too_long_is_counted(client: gensdk.Client, tmp_path: Path) -> None:
    text, reads = "moon " * 20_000, "the [MASK] " + "moon " * 2_000
    for folder, prompt in (
        (save_model(tmp_path / "llama"), text),
        (save_model(tmp_path / "chat", chat=True), text),
        (save_seq2seq(tmp_path / "bart", "bart"), text),
        (save_masked(tmp_path / "bert", tokenizer=word_tokenizer()), reads),
        (save_llava(tmp_path / "llava"), text),
    ):
        found = await client.count_tokens(prompt, model=f"local:{folder}")
        assert found.input_tokens > 2_000
        with pytest.raises(ContextLengthError):
            await client.text(prompt, model=f"local:{folder}")


# ------------------------------------------------------------------------------------- what is read
async def test_the_weights_are_not_read(client: gensdk.Client, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", chat=True)
    edit_json(folder / "config.json", intermediate_size=65)  # no longer that of the weights
    model = f"local:{folder}"
    assert (await client.count_tokens(PROMPT, model=model)).input_tokens > 5
    with pytest.raises(ModelLoadError):
        await client.text(PROMPT, model=model)


async def test_a_tokenizer_is_read_once_and_off_the_loop(
    client: gensdk.Client, backend: LocalBackend, llama: Path, reads: list[threading.Thread]
) -> None:
    model = f"local:{llama}"
    found = await asyncio.gather(*(client.count_tokens(PROMPT, model=model) for _ in range(8)))
    assert len({one.input_tokens for one in found}) == 1
    assert len(reads) == 1
    assert reads[0] is not threading.current_thread()
    await backend.aclose()
    await client.count_tokens(PROMPT, model=model)
    assert len(reads) == 2, "closing let it go"


async def test_a_file_that_changed_is_read_again(client: gensdk.Client, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", chat=True)
    model = f"local:{folder}"
    before = await client.count_tokens(PROMPT, model=model)
    file = folder / "chat_template.jinja"
    file.write_text(f"Answer politely. {file.read_text('utf-8')}", "utf-8")
    assert await counted_as_read(client, folder, PROMPT) > before.input_tokens


async def test_few_tokenizers_are_kept(
    client: gensdk.Client, models: Path, llama: Path, reads: list[threading.Thread]
) -> None:
    others = [save_model(models / f"other{n}") for n in range(4)]
    for folder in (llama, *others, *others, llama):
        await client.count_tokens(PROMPT, model=f"local:{folder}")
    assert len(reads) == 6, "the first one made room for the others, the others stayed"


async def test_an_adapter_is_not_brought(client: gensdk.Client, llama: Path) -> None:
    alone = await client.count_tokens(PROMPT, model=f"local:{llama}")
    both = await client.count_tokens(PROMPT, model=f"local:{llama}+org/adapter")
    assert both.input_tokens == alone.input_tokens


async def test_one_who_gives_up_leaves_nothing_behind(
    client: gensdk.Client, llama: Path, reads: list[threading.Thread]
) -> None:
    begun = set(threading.enumerate())
    await asyncio.to_thread(lambda: None)  # the loop's own thread for such work
    with turn(lambda: None):  # another model is being loaded
        with pytest.raises(TimedOutError) as late:
            await client.count_tokens(
                PROMPT, model=f"local:{llama}", timeouts=gensdk.Timeouts(attempt=0.05)
            )
        assert late.value.billed == "no"
        await asyncio.get_running_loop().shutdown_default_executor()  # it ended while we load
    assert reads == []
    assert set(threading.enumerate()) <= begun


# ---------------------------------------------------------------------------------- what is refused
async def test_models_that_are_not_here_are_not_fetched(
    make_backend: Callable[..., LocalBackend], chat_llama: Path, tmp_path: Path
) -> None:
    backend = make_backend(cache_dir=tmp_path, offline=False)  # it might, and does not
    client = gensdk.Client(backends={"local": backend})
    for name in ("org/model", str(tmp_path / "none")):
        with pytest.raises(ModelNotDownloadedError) as caught:
            await client.count_tokens(PROMPT, model=f"local:{name}")
        assert caught.value.billed == "no"
    put_into_cache(tmp_path, "org/model", chat_llama)
    found = await client.count_tokens(PROMPT, model="local:org/model")
    other = await client.count_tokens(PROMPT, model=f"local:{chat_llama}")
    chosen = await client.count_tokens(PROMPT, model="local:auto")
    assert found.input_tokens == other.input_tokens == chosen.input_tokens
    assert (chosen.model, backend.loaded()) == ("auto", ())


async def test_unsafe_and_damaged_folders(client: gensdk.Client, tmp_path: Path) -> None:
    def own_code(folder: Path) -> None:
        edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["x.T", None]})

    def cut(folder: Path) -> None:
        (folder / "tokenizer.json").write_text("{", "utf-8")

    def endless(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "utf-8",
        )

    def swollen(folder: Path) -> None:
        edit_json(folder / "config.json", note="x" * 2**20)

    def pickled(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    for harm in (own_code, cut, endless, swollen, pickled):
        folder = save_model(tmp_path / harm.__name__, chat=True)
        harm(folder)
        with pytest.raises(ModelLoadError) as caught:
            await client.count_tokens(PROMPT, model=f"local:{folder}")
        assert (caught.value.provider, caught.value.billed) == ("local", "no")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"tools": [weather]}, UnsupportedFeatureError),
        ({"extra": {"x": 1}}, UnsupportedFeatureError),
        ({"options": {"local": {"mood": "good"}}}, InvalidRequestError),
        ({"options": {"local": {"template_variables": {"loud": True}}}}, InvalidRequestError),
        ({"options": {"local": {"target_language": "en"}}}, UnsupportedFeatureError),
        ({"options": {"local": {"mode": "raw"}}, "system": "Be brief."}, InvalidRequestError),
    ],
)
async def test_what_text_refuses(
    client: gensdk.Client, llama: Path, fields: dict[str, Any], error: type[GenSDKError]
) -> None:
    for ask in (client.count_tokens, client.text):
        with pytest.raises(error):
            await ask(PROMPT, model=f"local:{llama}", **fields)


async def test_other_models_have_no_tokens_of_a_text(
    client: gensdk.Client, backend: LocalBackend, llama: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedFeatureError, match="cannot do 'text'"):
        await client.count_tokens(PROMPT, model="local:espeak")
    with pytest.raises(UnsupportedFeatureError, match="speech synthesiser"):
        await backend.count_tokens(TextRequest(prompt=PROMPT), context("espeak"))
    picture = [Message(role="user", content=(ImagePart(image=file_of(plain("red"))),))]
    with pytest.raises(UnsupportedFeatureError, match="text only"):
        await client.count_tokens(picture, model=f"local:{llama}")
    strange = save_model(tmp_path / "strange", vocab_size=300)
    with pytest.raises(InvalidRequestError, match="different models"):
        await client.count_tokens("once upon a time", model=f"local:{strange}")


def test_synchronous(llama: Path) -> None:
    with gensdk.SyncClient() as client:
        found = client.count_tokens(PROMPT, model=f"local:{llama}", system="Be brief.")
    assert found.source == "local"
