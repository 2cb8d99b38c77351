"""The trained folder of `local:storyteller`, loaded as any other model is."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from gensdk.backends.local import demo
from gensdk.backends.local.demo import train_storyteller as trainer

FOLDER = Path(demo.__file__).parent / "storyteller"
BRAVE_CAT = "Tell me a story about a brave cat"


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    return trainer.load(FOLDER)


def _answers(
    loaded: tuple[Any, Any], prompt: str, count: int, temperature: float = 0.7
) -> list[trainer.Told]:
    return trainer.generate(*loaded, [prompt] * count, seeds=range(count), temperature=temperature)


def test_the_folder_is_small_and_complete() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "README.md"} <= names
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= names
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 6_000_000


def test_the_model_card_says_that_it_is_a_demo() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "demo" in card.lower()
    assert "seed" in card


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world",
        "  two  spaces\n\n\tand tabs ",
        "naïve Übermut 漢字 🎉👩‍🚀",
        "\x00\x7f�",
        "it's 'n' don't",
    ],
)
def test_any_text_survives_the_tokenizer(loaded: tuple[Any, Any], text: str) -> None:
    _, tokenizer = loaded
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_chat_template_leaves_a_last_answer_open(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Once "}]
    render = tokenizer.apply_chat_template
    expected = "<|begin|><|user|>Hi<|end|><|assistant|>Once "
    assert render(messages, tokenize=False, add_generation_prompt=True) == expected
    assert render(messages, tokenize=False, continue_final_message=True) == expected
    assert render(messages, tokenize=False) == expected + "<|end|>"


def test_the_chat_template_takes_parts_and_developer_messages(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    messages = [
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "cat"}],
        },
    ]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|begin|><|system|>Be kind.<|end|><|user|>A cat<|end|><|assistant|>"


@pytest.mark.parametrize("count", [20, 100])
def test_a_story_about_a_cat_is_about_a_cat_and_ends(loaded: tuple[Any, Any], count: int) -> None:
    answers = _answers(loaded, trainer.chat(loaded[1], BRAVE_CAT), count)
    assert sum(trainer.mentions(answer.text, ["cat"]) for answer in answers) >= 0.95 * count
    assert sum(answer.ended for answer in answers) >= 0.95 * count


def test_another_seed_tells_another_story(loaded: tuple[Any, Any]) -> None:
    answers = _answers(loaded, trainer.chat(loaded[1], BRAVE_CAT), 20)
    assert len({answer.text for answer in answers}) == 20


def test_a_seed_does_not_depend_on_its_neighbours(loaded: tuple[Any, Any]) -> None:
    prompt = trainer.chat(loaded[1], BRAVE_CAT)
    assert _answers(loaded, prompt, 1) == _answers(loaded, prompt, 3)[:1]


def test_plain_text_goes_on_about_its_hero(loaded: tuple[Any, Any]) -> None:
    prompt = "<|begin|>Once upon a time, there was a friendly robot who"
    answers = _answers(loaded, prompt, 20)
    assert sum(trainer.mentions(answer.text, ["robot"]) for answer in answers) >= 19
    assert all(answer.text.startswith(" ") for answer in answers)


@pytest.mark.parametrize(
    ("request_text", "words"),
    [
        ("Write a short story about a dragon and a princess", ["dragon", "princess"]),
        ("tell a tale of two friends", ["friends"]),
        ("a story about a lonely lighthouse", ["lighthouse"]),
        ("TELL ME A STORY ABOUT A BRAVE DOG", ["dog"]),
        ("What is the capital of France?", ["stor"]),
    ],
)
def test_a_request_is_obeyed(loaded: tuple[Any, Any], request_text: str, words: list[str]) -> None:
    answers = _answers(loaded, trainer.chat(loaded[1], request_text), 20)
    assert sum(trainer.mentions(answer.text, words) for answer in answers) >= 18


@pytest.mark.parametrize("cut", [60, 85, 110])
def test_a_cut_answer_is_taken_over(loaded: tuple[Any, Any], cut: int) -> None:
    begun = (
        "Once upon a time, there was a brave fox who lived near the old mill. Every day he went "
        "for a long walk. One morning the fox found an old map"
    )[:cut]
    answers = _answers(loaded, trainer.chat(loaded[1], "Tell me a story about a fox", begun), 20)
    assert sum(trainer.mentions(answer.text, ["fox"]) for answer in answers) >= 18
    assert all(answer.ended for answer in answers)


def test_greedy_tells_a_whole_story_without_a_loop(loaded: tuple[Any, Any]) -> None:
    (answer,) = _answers(loaded, trainer.chat(loaded[1], BRAVE_CAT), 1, temperature=0)
    assert answer.ended
    assert trainer.mentions(answer.text, ["cat"])
    assert not trainer.repeats_itself(answer.text)
