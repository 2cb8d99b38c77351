"""``gensdk text`` in this process, against a scripted provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from gensdk.errors import RateLimitError, StreamInterruptedError, UnsupportedFeatureError
from gensdk.spec import Capabilities
from gensdk.testing import ScriptedBackend, say
from gensdk.types import (
    Cost,
    Finished,
    ImagePart,
    RefusalDelta,
    ResponseWarning,
    TextDelta,
    TextPart,
    TextRequest,
    Usage,
)
from tests.cli.conftest import Command

Script = Callable[..., ScriptedBackend]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
NO_STREAMS = Capabilities(abilities=frozenset({"text"}))


def asked(backend: ScriptedBackend) -> TextRequest:
    request = backend.asked[-1].request
    assert isinstance(request, TextRequest)
    return request


def test_the_answer_goes_to_stdout_and_nothing_else_there(command: Command, script: Script) -> None:
    backend = script("once upon a time")
    ran = command("text", "-m", "stage:m", "tell", "me", "a story")
    assert (ran.code, ran.out, ran.err) == (0, "once upon a time\n", "")
    assert backend.asked[0].verb == "stream_text"
    assert asked(backend).prompt == "tell me a story"
    assert backend.aclosed
    backend.assert_done()


def test_every_option_reaches_the_request(
    command: Command, script: Script, in_folder: Path
) -> None:
    backend = script("ok")
    (in_folder / "cat.png").write_bytes(PNG)
    ran = command(
        *("text", "what is it", "-m", "stage:m", "--system", "be brief", "--max-tokens", "7"),
        *("--temperature", "0.5", "--seed", "3", "--stop", "x", "--stop", "y", "-i", "cat.png"),
    )
    assert ran.code == 0
    request = asked(backend)
    assert (request.system, request.max_tokens, request.temperature) == ("be brief", 7, 0.5)
    assert (request.seed, request.stop) == (3, ("x", "y"))
    text, picture = request.messages[0].content
    assert isinstance(text, TextPart)
    assert text.text == "what is it"
    assert isinstance(picture, ImagePart)
    assert picture.model_dump()["image"]["data"] == PNG


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ([], "from stdin"),
        (["-"], "from stdin"),
        (["sum up:", "-"], "sum up:\n\nfrom stdin"),
        (["sum", "up:", "-", "in", "one word"], "sum up:\n\nfrom stdin\n\nin one word"),
    ],
)
def test_stdin(command: Command, script: Script, words: list[str], prompt: str) -> None:
    backend = script("ok")
    ran = command("text", "-m", "stage:m", *words, stdin=b"\xef\xbb\xbffrom stdin\r\n")
    assert ran.code == 0
    assert asked(backend).prompt == prompt


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["text"], b"", "no prompt: stdin is empty"),
        (["text", "-"], b"\xff", "stdin is not UTF-8 text"),
        (["text", "\udcff"], b"", "the prompt is not UTF-8 text"),
        (["text", "hi", "-m", "stage"], b"", "Did you mean 'stage:…'"),
        (["text", "hi", "-m", "nobody:x"], b"", "no backend is called 'nobody'"),
    ],
)
def test_usage_errors(
    command: Command, script: Script, arguments: list[str], stdin: bytes, message: str
) -> None:
    script()
    ran = command(*arguments, stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.startswith("error: ")
    assert "\n  next: " in ran.err


@pytest.mark.parametrize(
    "arguments",
    [["text", "--max-tokens", "0"], ["text", "-i", "no.png"], ["nonsense"], ["text", "--x"]],
)
def test_the_parser_refuses_with_2(command: Command, arguments: list[str]) -> None:
    ran = command(*arguments)
    assert ran.code == 2
    assert "Usage: gensdk" in ran.err


def test_an_invalid_value_is_code_3(command: Command, script: Script) -> None:
    backend = script()
    ran = command("text", "hi", "-m", "stage:m", "--temperature", "9")
    assert ran.code == 3
    assert ran.err.startswith("error: temperature: Input should be less than or equal to 2")
    assert backend.asked == []


def test_several_models_are_a_route(command: Command, script: Script) -> None:
    backend = script(UnsupportedFeatureError("m1 has no voice"), "second")
    ran = command("text", "hi", "-m", "stage:m1", "-m", "stage:m2", "-v")
    assert (ran.code, ran.out) == (0, "second\n")
    assert [each.context.model for each in backend.asked] == ["m1", "m2"]
    assert "warning: stage:m1 failed (unsupported_feature); trying stage:m2" in ran.err
    assert "tried: stage:m1 skipped (unsupported_feature)" in ran.err
    assert "tried: stage:m2 ok" in ran.err


def test_facts_are_told_with_verbose(command: Command, script: Script) -> None:
    usage = Usage(input_tokens=5, cached_tokens=2, output_tokens=9)
    cost = Cost(amount=Decimal("0.00012"), source="table")
    answer = say("hi", provider="stage", model="m-1\x1b[31m", usage=usage, cost=cost)
    script([TextDelta(text="hi"), Finished(response=answer.replace(reproducible=True))])
    ran = command("text", "hi", "-m", "stage:m", "-v")
    assert ran.out == "hi\n"
    assert r"stage:m-1\x1b[31m | 5 tokens in, 2 of them cached, 9 tokens out" in ran.err
    assert "0.00012 USD at list price" in ran.err
    assert "(first output after" in ran.err
    assert "reproducible" in ran.err


@pytest.mark.parametrize(
    ("ending", "note"),
    [("length", "--max-tokens"), ("content_filter", "filter"), ("refusal", "declined")],
)
def test_warnings_and_endings_are_always_told(
    command: Command, script: Script, ending: str, note: str
) -> None:
    warning = ResponseWarning(kind="unsupported", message="seed \x07was dropped")
    answer = say("hi", provider="stage", model="m", finish_reason=ending, warnings=(warning,))
    events = [TextDelta(text="hi"), Finished(response=answer)]
    script(events, events)
    ran = command("text", "hi", "-m", "stage:m")
    assert "warning: seed \\x07was dropped\n" in ran.err
    assert note in ran.err
    assert "tokens" not in ran.err.replace("--max-tokens", "").replace("limit of tokens", "")
    assert command("text", "hi", "-m", "stage:m", "-q").err == ""


def test_json_is_the_whole_response(command: Command, script: Script) -> None:
    backend = script("ein \u202eText\x9b")
    ran = command("text", "hi", "-m", "stage:m", "--json")
    found = json.loads(ran.out)
    assert found["text"] == "ein \u202eText\x9b"
    assert found["provider"] == "stage"
    assert found["attempts"][0]["outcome"] == "ok"
    assert "\u202e" not in ran.out
    assert backend.asked[0].verb == "text"


def test_schema_prints_validated_json(command: Command, script: Script, in_folder: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    (in_folder / "s.json").write_text(json.dumps(schema))
    backend = script('```json\n{"a": 1}\n```', '{"a": "\x1bx"}')
    ran = command("text", "hi", "-m", "stage:m", "--schema", "s.json")
    assert (ran.code, json.loads(ran.out)) == (0, {"a": 1})
    output = asked(backend).output
    assert output is not None
    assert output.json_schema == schema
    ran = command("text", "hi", "-m", "stage:m", "--schema", "s.json")
    assert (ran.code, ran.out) == (9, "")
    assert "does not fit the schema" in ran.err
    assert r'  answer: {"a": "\x1bx"}' in ran.err
    assert "  billed: yes" in ran.err


@pytest.mark.parametrize("content", ["[]", "{", "\udcff"])
def test_a_bad_schema_file(command: Command, script: Script, in_folder: Path, content: str) -> None:
    script()
    (in_folder / "s.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    ran = command("text", "hi", "-m", "stage:m", "--schema", "s.json")
    assert ran.code == 2
    assert "error: --schema s.json: " in ran.err


def test_no_stream(command: Command, script: Script) -> None:
    backend = script("whole\n")
    ran = command("text", "hi", "-m", "stage:m", "--no-stream")
    assert (ran.code, ran.out) == (0, "whole\n")
    assert backend.asked[0].verb == "text"


def test_a_model_that_cannot_stream_answers_whole(command: Command, script: Script) -> None:
    backend = script("whole", capabilities=NO_STREAMS)
    ran = command("text", "hi", "-m", "stage:m")
    assert (ran.code, ran.out) == (0, "whole\n")
    assert backend.asked[0].verb == "text"


def test_a_server_that_refuses_a_feature_is_not_asked_again(
    command: Command, script: Script
) -> None:
    backend = script(UnsupportedFeatureError("no such thing", status=400))
    ran = command("text", "hi", "-m", "stage:m")
    assert ran.code == 3
    assert len(backend.asked) == 1
    assert "  where: stage:m, status 400\n" in ran.err


def test_control_characters_are_shown_unless_raw(command: Command, script: Script) -> None:
    evil = "\x1b]0;t\x07[bold]x[/bold]\u202e"
    script(evil, evil, evil)
    assert command("text", "hi", "-m", "stage:m").out == "\\x1b]0;t\\x07[bold]x[/bold]\\u202e\n"
    assert command("text", "hi", "-m", "stage:m", "--raw").out == f"{evil}\n"
    assert command("text", "hi", "-m", "stage:m", "--raw", "--no-stream").out == f"{evil}\n"


def test_a_refusal_is_shown(command: Command, script: Script) -> None:
    answer = say("", provider="stage", model="m", finish_reason="refusal")
    script([RefusalDelta(text="I will not"), Finished(response=answer)])
    ran = command("text", "hi", "-m", "stage:m")
    assert (ran.code, ran.out) == (0, "I will not\n")


def test_a_broken_stream_keeps_what_came(command: Command, script: Script) -> None:
    script([TextDelta(text="half a sen"), StreamInterruptedError("the wire was cut")])
    ran = command("text", "hi", "-m", "stage:m")
    assert (ran.code, ran.out) == (9, "half a sen")
    assert ran.err == (
        "error: the wire was cut\n"
        "  where: stage:m\n"
        "  billed: perhaps; the outcome is not known\n"
        "  next: what had come is above; running it again may be paid again\n"
    )


def test_transient_failures_tell_their_tries(command: Command, script: Script) -> None:
    refused = RateLimitError("slow down", status=429, retry_after=3600)
    script(refused)
    ran = command("text", "hi", "-m", "stage:m")
    assert ran.code == 6
    assert "  next: wait 3600 s, then try again in a little while" in ran.err


def test_an_interrupt_while_reading_stdin(
    command: Command, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed() -> bytes:
        raise KeyboardInterrupt

    script()
    monkeypatch.setattr("gensdk.cli.inputs.stdin_bytes", pressed)
    ran = command("text", "-m", "stage:m")
    assert (ran.code, ran.err) == (130, "interrupted\n")


def test_timeout_reaches_the_call(command: Command, script: Script) -> None:
    script()
    ran = command("text", "hi", "-m", "stage:m", "--timeout", "-1")
    assert ran.code == 2
    assert "Timeouts(total=-1.0)" in ran.err


def test_faults_are_told_without_a_trace_unless_debugging(command: Command, script: Script) -> None:
    script(ZeroDivisionError("a \x1bfault"), ZeroDivisionError("again"))
    ran = command("text", "hi", "-m", "stage:m", "--no-stream")
    assert ran.code == 1
    assert "error: ZeroDivisionError: a \\x1bfault\n  next: " in ran.err
    assert "Traceback" not in ran.err
    ran = command("text", "hi", "-m", "stage:m", "--no-stream", "--debug")
    assert ran.code == 1
    assert "Traceback (most recent call last)" in ran.err


def test_secrets_never_show(
    command: Command, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE_API_KEY", "sk-very-secret")
    script(ZeroDivisionError("header Bearer sk-very-secret"))
    ran = command("text", "hi", "-m", "stage:m", "--no-stream", "--debug")
    assert "sk-very-secret" not in ran.err
    assert "Bearer <STAGE_API_KEY>" in ran.err
