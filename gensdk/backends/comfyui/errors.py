"""What the server says when it refuses a workflow, and how a job ended that failed.

A refused workflow is a 400 ``{"error": {"type", "message", "details"}, "node_errors": {node:
{"class_type", "errors": [{"type", "message", "details"}]}}}`` (``execution.py``,
``validate_prompt``); the types are ``no_prompt``, ``invalid_prompt``, ``missing_node_type``,
``prompt_no_outputs``, ``prompt_outputs_failed_validation`` and, of a node, ``value_not_in_list``,
``required_input_missing`` and others. All of them are the workflow's fault. ``error`` may be text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensdk.errors import InvalidRequestError
from gensdk.toolkit import Answer, ErrorRow, Failure, json_in
from gensdk.types import JobState

__all__ = ["ROWS", "ended", "node_problems", "refusal_of"]

ROWS: tuple[ErrorRow, ...] = (ErrorRow(InvalidRequestError, 400),)

_MAX_PROBLEMS = 5


def refusal_of(answer: Answer) -> Failure | None:
    """The facts of a refused workflow; None where the answer is none."""
    body = json_in(answer.body)
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    said = [str(error.get(name) or "") for name in ("message", "details")]
    problems = node_problems(body.get("node_errors")) or said[1:]
    message = ": ".join(filter(None, [said[0], "; ".join(problems)]))
    code = error.get("type")
    return Failure(
        status=answer.status, code=code if isinstance(code, str) else None, message=message
    )


def node_problems(nodes: object) -> list[str]:
    """What is wrong with which node, a sentence for each."""
    if not isinstance(nodes, dict):
        return []
    found: list[str] = []
    for name, facts in nodes.items():
        errors = facts.get("errors") if isinstance(facts, dict) else None
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, dict):
                words = (error.get("message"), error.get("details"))
                what = ", ".join(str(word) for word in words if word)
                found.append(f"node {name} ({facts.get('class_type', '?')}): {what}")
    return found[:_MAX_PROBLEMS]


def ended(history: Mapping[str, Any]) -> JobState:
    """How a job ended that the history knows."""
    status = history.get("status")
    facts: Mapping[str, Any] = status if isinstance(status, dict) else {}
    for name, told in _messages(facts):
        if name == "execution_interrupted":
            return JobState(status="cancelled", message="it was interrupted at the server")
        if name == "execution_error":
            where = f"node {told.get('node_id', '?')} ({told.get('node_type', '?')})"
            what = str(told.get("exception_message", "")).strip()
            kind = told.get("exception_type")
            code = kind if isinstance(kind, str) else None
            return JobState(status="failed", message=f"{where}: {what}"[:2000], code=code)
    if facts.get("status_str") == "error":
        return JobState(status="failed", message="the server says no more than that it failed")
    return JobState(status="succeeded", progress=1.0)


def _messages(facts: Mapping[str, Any]) -> list[tuple[object, Mapping[str, Any]]]:
    rows = facts.get("messages")
    return [
        (row[0], row[1])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list) and len(row) == 2 and isinstance(row[1], dict)
    ]
