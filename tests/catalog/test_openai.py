"""OpenAI's rows: held against the notes in OpenAI's own package, and looked up rightly."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, date, datetime
from importlib import metadata

import pytest
from openai.types import audio_model, image_model
from openai.types.audio import speech_model
from openai.types.shared import all_models, chat_model

from gensdk.catalog import (
    DEFAULTS,
    lifecycle,
    text_model,
)
from gensdk.catalog.openai import LIFECYCLE, TEXT_MODELS
from gensdk.types import ABILITIES

TODAY = date(2026, 11, 20)


def announced() -> dict[str, date]:
    """The ends that OpenAI's package announces beside its lists of models."""
    ends: dict[str, date] = {}
    for module in (chat_model, speech_model, audio_model):
        for note in re.findall(
            r'"""Deprecated values:(.*?)"""', inspect.getsource(module), re.DOTALL
        ):
            for entry in re.split(r"\n- ", note):
                flat = " ".join(entry.split())
                day = re.search(r"shutdown date: (\d{4}-\d{2}-\d{2})", flat)
                names = re.findall(r'"([^"]+)"', flat.partition(": Announced")[0])
                ends |= {name: date.fromisoformat(day[1]) for name in names if day}
    return ends


def test_every_announced_end_is_in_the_catalogue() -> None:
    ends = announced()
    assert len(ends) > 50
    known = {name: row.retired_on for name in ends if (row := lifecycle("openai", name))}
    assert known == ends


def test_pictures_that_the_package_calls_shut_down_are_retired() -> None:
    note = inspect.getsource(image_model)
    assert "October 23, 2026" in note
    assert "May 12, 2026" in note
    ends = {"gpt-image-1": date(2026, 10, 23), "dall-e-2": date(2026, 5, 12)}
    for name, end in ends.items():
        row = lifecycle("openai", name)
        assert row is not None
        assert row.retired_on == end


def test_successors_are_not_retired_themselves() -> None:
    for row in LIFECYCLE:
        end = lifecycle("openai", row.successor or "")
        assert end is None, row


def test_no_model_has_two_ends() -> None:
    names = [name for row in LIFECYCLE for name in row.models]
    assert len(names) == len(set(names))
    assert [row.retired_on for row in LIFECYCLE] == sorted(row.retired_on for row in LIFECYCLE)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("gpt-4o", date(2027, 1, 14)),
        ("gpt-4o-2024-08-06", date(2027, 1, 14)),
        ("gpt-4o-2024-05-13", date(2026, 10, 23)),
        ("gpt-4-0613", date(2026, 10, 23)),
        ("gpt-4-0314", date(2026, 3, 26)),
        ("ft:gpt-4o-mini-2024-07-18:acme::id", date(2027, 1, 14)),
        ("gpt-6-luna", None),
        ("gpt-4o-tuned-by-me", None),
        ("", None),
    ],
)
def test_snapshots_and_tuned_models_share_the_end_of_their_base(
    name: str, end: date | None
) -> None:
    row = lifecycle("openai", name)
    assert (row.retired_on if row else None) == end


def test_another_provider_has_none_of_these_rows() -> None:
    assert lifecycle("groq", "gpt-4o") is None
    assert text_model("groq", "o3").sampling == "unknown"


@pytest.mark.parametrize(
    ("name", "effort", "reasons", "sampling"),
    [
        ("gpt-4o-mini", None, False, True),
        ("gpt-4.1", None, False, True),
        ("gpt-4.1", "high", False, True),
        ("gpt-5", None, True, False),
        ("gpt-5-mini-2025-08-07", None, True, False),
        ("gpt-5-chat-latest", None, False, True),
        ("o3", "low", True, False),
        ("gpt-5.1", None, False, True),
        ("gpt-5.1", "low", True, False),
        ("gpt-5.1", "none", False, True),
        ("gpt-5.1-codex-max", None, True, False),
        ("gpt-5.2-pro-2025-12-11", None, True, False),
        ("gpt-5.5", None, True, False),
        ("gpt-5.5", "none", False, True),
        ("gpt-5.6-luna", None, True, False),
        ("gpt-5.6-luna", "none", False, True),
        ("gpt-6.1-sol", None, True, True),
        ("ft:gpt-4.1-2025-04-14:acme::id", None, False, True),
        ("somebody-elses", None, False, True),
    ],
)
def test_sampling_is_taken_while_the_model_does_not_reason(
    name: str, effort: None, reasons: bool, sampling: bool
) -> None:
    row = text_model("openai", name)
    assert row.reasoning(effort) is reasons
    assert row.takes_sampling(effort) is sampling


@pytest.mark.skipif(
    not metadata.version("openai").startswith("3.52."),
    reason="the rows were read from openai 3.52; a newer package may know newer models",
)
def test_every_text_model_of_the_package_has_a_row_that_says_something() -> None:
    source = inspect.getsource(chat_model) + inspect.getsource(all_models)
    listed = set(re.findall(r'^ +"((?:gpt|o\d)[^"]+)",$', source, re.MULTILINE))
    special = {"gpt-rosalind-research", "gpt-daybreak-blue-latest", "gpt-daybreak-red-latest"}
    unknown = {name for name in listed - special if not text_model("openai", name).families}
    assert len(listed) > 60
    assert unknown == set()


_VENDOR_KEYS = {"google": "GEMINI_API_KEY", "runway": "RUNWAYML_API_SECRET"}


def test_rows_are_dated_and_cited() -> None:
    cited = [(row.source, row.as_of) for row in LIFECYCLE]
    cited += [(row.source, row.as_of) for row in TEXT_MODELS]
    cited += [(row.source, row.as_of) for row in DEFAULTS]
    today = datetime.now(UTC).date()
    assert all(source and as_of <= today for source, as_of in cited)


def test_defaults_cover_every_ability_and_end_with_their_model() -> None:
    made = {row.ability for row in DEFAULTS if row.provider == "openai"}
    assert made == set(ABILITIES) - {"music", "video"}  # OpenAI has no models of these
    for row in DEFAULTS:
        end = lifecycle(row.provider, row.model)
        assert row.until == (end.retired_on if end else None)
        assert row.key_env == _VENDOR_KEYS.get(row.provider, f"{row.provider.upper()}_API_KEY")
