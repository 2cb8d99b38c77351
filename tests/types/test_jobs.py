"""Handles and states of jobs, and requests for music and video."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gensdk.types import (
    JobHandle,
    JobProgress,
    JobState,
    Media,
    MusicRequest,
    ResponseWarning,
    VideoRequest,
    sniff,
)
from tests.support.values import PICTURE, SOUND, json_objects, names

HANDLES = st.builds(
    JobHandle,
    id=names,
    provider=names,
    model=names,
    ability=st.sampled_from(["music", "video", "image"]),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    data=json_objects,
)


@given(HANDLES)
def test_a_handle_comes_back_from_json(handle: JobHandle) -> None:
    assert JobHandle.model_validate_json(handle.model_dump_json()) == handle


def test_a_handle_of_a_later_version_is_read() -> None:
    handle = JobHandle.model_validate({"id": "1", "something_new": 5})
    assert handle == JobHandle(id="1")
    with pytest.raises(ValidationError):
        JobHandle(id="")


def test_a_handle_knows_its_request() -> None:
    mine, other = VideoRequest(prompt="a"), VideoRequest(prompt="b")
    handle = JobHandle(id="1", fingerprint=mine.fingerprint())
    assert handle.is_of(mine)
    assert not handle.is_of(other)
    assert JobHandle(id="1").is_of(other)


def test_a_whole_state_comes_back_from_json() -> None:
    state = JobState(
        status="failed", progress=0.5, step=2, steps=4, message="m", eta_s=1.5, preview=PICTURE,
        code="c", billed="no", poll_after_s=2.0, details={"a": [1]},
    )  # fmt: skip
    assert JobState.model_validate_json(state.model_dump_json()) == state
    handle = JobHandle(
        id="1",
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
        warnings=(ResponseWarning(kind="other", message="m", sent={"a": [1]}),),
    )
    assert JobHandle.model_validate_json(handle.model_dump_json()) == handle


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("queued", False), ("running", False), ("succeeded", True), ("failed", True),
        ("cancelled", True), ("expired", True),
    ],
)  # fmt: skip
def test_which_states_are_final(status: Any, ended: bool) -> None:
    assert JobProgress(status=status).ended is ended


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ({}, None), ({"progress": 0.25, "step": 9, "steps": 10}, 0.25), ({"step": 1}, None),
        ({"step": 1, "steps": 4}, 0.25), ({"step": 9, "steps": 4}, 1.0),
        ({"step": 1, "steps": 0}, None),
    ],
)  # fmt: skip
def test_the_share_that_is_done(facts: dict[str, Any], share: float | None) -> None:
    assert JobProgress(status="running", **facts).share == share


@pytest.mark.parametrize(
    "wrong",
    [{"status": "done"}, {"progress": 1.5}, {"poll_after_s": -1}, {"poll_after_s": float("inf")}],
)
def test_a_wrong_state_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JobState(**({"status": "running"} | wrong))


def test_music_needs_a_prompt_words_or_a_sound() -> None:
    assert MusicRequest(prompt="x").lyrics is None
    assert MusicRequest(lyrics="la la").prompt == ""
    assert MusicRequest(reference_audio=SOUND).reference_audio == SOUND


def test_a_video_may_start_from_pictures_alone() -> None:
    assert VideoRequest(first_frame=PICTURE, strength=0.5).dimensions is None
    assert VideoRequest(references=PICTURE).references == (PICTURE,)
    assert VideoRequest(video=Media(data=b"film")).prompt == ""
    assert VideoRequest(prompt="x", size=(64, 32)).dimensions == (64, 32)
    assert VideoRequest(prompt="x", resolution="4K").resolution == "4k"


def test_quicktime_is_told_from_mp4() -> None:
    assert sniff(b"\0\0\0\x14ftypqt  ") == "video/quicktime"
    assert Media(data=b"\0\0\0\x14ftypqt  ").extension == "mov"
    assert Media(data=b"\0\0\0\x14ftypisom").extension == "mp4"
