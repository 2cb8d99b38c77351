"""The grammar that teaches the built-in storyteller."""

import random
import re
import subprocess
import sys
from collections import Counter

import pytest

from gensdk.backends.local.demo import stories


def _write(seed: int, count: int) -> list[stories.Story]:
    rng = random.Random(seed)
    return [stories.write_story(rng) for _ in range(count)]


def _count(word: str, text: str) -> int:
    return len(re.findall(rf"\b{re.escape(word)}\b", text, re.IGNORECASE))


def test_a_seed_decides_everything() -> None:
    def documents(seed: int) -> list[stories.Document]:
        rng = random.Random(seed)
        return [stories.write_document(rng) for _ in range(200)]

    assert documents(3) == documents(3)
    assert documents(3) != documents(4)


def test_stories_are_distinct() -> None:
    assert len({story.text for story in _write(0, 3000)}) == 3000


def test_the_hero_comes_early_and_stays() -> None:
    for story in _write(1, 3000):
        for hero in story.heroes:
            assert _count(hero, story.text) >= 3, story.text
            assert _count(hero, story.text[: len(story.text) // 3]) >= 1, story.text
            assert _count(hero, story.text[len(story.text) * 2 // 3 :]) >= 1, story.text


def test_stories_have_the_length_of_a_bedtime_story() -> None:
    assert all(70 <= len(story.text.split()) <= 170 for story in _write(2, 3000))


def test_no_template_is_left_unfilled() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        document = stories.write_document(rng)
        assert not any(re.search(r"[{}]|  |,\.", part.text.strip()) for part in document.parts)


@pytest.mark.parametrize("hero", ["cat", "lighthouse", "whale", "robot", "umbrella", "blorp"])
def test_a_wanted_hero_is_cast(hero: str) -> None:
    story = stories.write_story(random.Random(0), hero=hero, adjective="brave")
    assert story.heroes == (hero,)
    assert "brave" in story.text
    assert any(hero in subject for subject in story.subjects)


def test_a_request_names_the_hero_or_nothing_that_is_not_told() -> None:
    rng = random.Random(6)
    named = 0
    for story in _write(7, 1000):
        request = stories.write_request(rng, story)
        named += any(hero.lower() in request.lower() for hero in story.heroes)
    assert named > 700


def test_held_out_heroes_are_never_mentioned() -> None:
    rng = random.Random(8)
    texts = (part.text.lower() for _ in range(4000) for part in stories.write_document(rng).parts)
    pattern = re.compile("|".join(stories.HELD_OUT_HEROES))
    assert not any(pattern.search(text) for text in texts)
    assert not set(stories.HELD_OUT_HEROES) & set(stories.HEROES)


def test_documents_are_of_every_kind_and_teach_only_what_the_model_writes() -> None:
    rng = random.Random(9)
    roles: Counter[str] = Counter()
    for _ in range(2000):
        parts = stories.write_document(rng).parts
        roles.update({part.role for part in parts})
        assert parts[-1].learn
        assert not any(part.learn for part in parts if part.role in {"user", "system"})
    assert min(roles[role] for role in ("text", "system", "user", "assistant")) > 100


@pytest.mark.parametrize(
    ("noun", "many"),
    [("cat", "cats"), ("fox", "foxes"), ("mouse", "mice"), ("fairy", "fairies"), ("boy", "boys")],
)
def test_plural(noun: str, many: str) -> None:
    assert stories.plural(noun) == many


@pytest.mark.parametrize(
    ("words", "expected"),
    [("owl", "an owl"), ("cat", "a cat"), ("unicorn", "a unicorn"), ("old cat", "an old cat")],
)
def test_with_article(words: str, expected: str) -> None:
    assert stories.with_article(words) == expected


def test_the_grammar_needs_no_torch() -> None:
    code = (
        "import sys; from gensdk.backends.local.demo import stories, train_storyteller;"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
