from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from gensdk.errors import InvalidRequestError, ServerError
from gensdk.toolkit import (
    OR_NONE,
    Answer,
    billed,
    first_problem,
    is_job_id,
    job_id_in,
    json_in,
)


class Made(BaseModel):
    size: int
    seed: Annotated[int | None, OR_NONE] = None


def problem_of(text: str, whole: str = "") -> str:
    with pytest.raises(ValidationError) as caught:
        Made.model_validate_json(text)
    return first_problem(caught.value, whole)


def test_an_odd_value_beside_the_result_counts_as_not_given() -> None:
    assert Made.model_validate_json('{"size": 1, "seed": "sand"}').seed is None
    assert Made.model_validate_json('{"size": 1, "seed": 7}').seed == 7


def test_a_problem_names_the_field_and_never_the_value() -> None:
    told = problem_of('{"size": "as large as a house"}')
    assert told.startswith("size: ")
    assert "house" not in told


def test_where_all_of_it_is_wrong_the_document_is_named() -> None:
    assert problem_of("oops", "the answer").startswith("the answer: Invalid JSON")
    assert problem_of("oops").startswith("Invalid JSON")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"cut": ', b"\xff"])
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert json_in(body) is None
    assert json_in(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("job", ["", "../tasks", "a/b", "a?b", "a.b", "a b", "é", "a" * 129])
def test_an_id_that_leads_elsewhere_is_none(job: str) -> None:
    assert not is_job_id(job)


@pytest.mark.parametrize("body", [b"oops", b"[]", b"{}", b'{"id": 7}', b'{"id": "../tasks"}'])
def test_an_answer_without_a_usable_id_names_no_job(body: bytes) -> None:
    assert job_id_in(Answer(200, {}, body)) is None
    assert job_id_in(Answer(200, {}, b'{"id": "job_1-A"}')) == "job_1-A"


def test_errors_of_a_block_say_whether_they_are_paid_for() -> None:
    with pytest.raises(ServerError) as caught, billed("yes"):
        raise ServerError("the file did not come")
    assert caught.value.billed == "yes"
    with pytest.raises(InvalidRequestError) as refused, billed("no"):
        raise InvalidRequestError("too large", billed="maybe")
    assert refused.value.billed == "no"
