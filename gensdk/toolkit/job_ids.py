"""Ids of jobs: read in the answer to the start, and put into the paths of every later request."""

from __future__ import annotations

import re

from .answer import Answer
from .reading import json_in

__all__ = ["is_job_id", "job_id_in"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def is_job_id(text: str) -> bool:
    """Whether it can stand in a path as it is, and leads nowhere else."""
    return _ID.fullmatch(text) is not None


def job_id_in(answer: Answer) -> str | None:
    """The ``id`` of the job that an answer says was started; None where it names none."""
    body = json_in(answer.body)
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and is_job_id(found) else None
