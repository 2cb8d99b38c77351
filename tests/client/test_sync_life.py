"""The life of a synchronous client: forks, clients nobody closed, iterables that block."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import gensdk
from gensdk.errors import InvalidRequestError
from gensdk.testing import Pause, ScriptedBackend
from gensdk.types import Request, TextRequest
from tests.support.scripts import ONCE, scripted


def client_of(backend: ScriptedBackend, **settings: Any) -> gensdk.SyncClient:
    return gensdk.SyncClient(
        models={"text": f"{backend.name}:m"}, backends={backend.name: backend}, **settings
    )


def echo(request: Request) -> str:
    assert isinstance(request, TextRequest)
    return str(request.prompt)


# ---------------------------------------------------------------------------------------- map
def test_the_iterable_of_map_is_read_in_the_callers_thread() -> None:
    threads: set[int] = set()

    def requests() -> Iterator[TextRequest]:
        for number in range(5):
            threads.add(threading.get_ident())
            yield TextRequest(prompt=str(number))

    with client_of(scripted(echo, repeat=True)) as client:
        assert [one.text for one in client.map(requests(), concurrency=1)] == list("01234")
    assert threads == {threading.get_ident()}


def test_the_iterable_of_map_may_use_the_client() -> None:
    with client_of(scripted(echo, repeat=True)) as client:

        def requests() -> Iterator[TextRequest]:
            for word in ("a", "b"):
                yield TextRequest(prompt=client.text(word).text * 2)

        assert [one.text for one in client.map(requests())] == ["aa", "bb"]


def test_an_answer_that_is_there_is_given_before_more_is_read() -> None:
    taken: list[int] = []
    answered = threading.Event()

    def requests() -> Iterator[TextRequest]:
        for number in range(9):
            taken.append(number)
            yield TextRequest(prompt=str(number))
            assert answered.wait(5)
            client.text("turn")  # comes behind the answer on the loop

    def finished(fact: object) -> None:
        if isinstance(fact, gensdk.CallFinished):
            answered.set()

    with client_of(scripted(echo, repeat=True), hooks=[finished]) as client:
        answers = client.map(requests(), concurrency=4)
        assert next(answers).text == "0"
        assert len(taken) < 4
        answers.close()


def test_map_leaves_nothing_under_way() -> None:
    pauses = [Pause() for _ in range(4)]

    async def all_begun() -> None:
        for pause in pauses:
            await pause.reached()
        pauses[0].go_on()

    def requests() -> Iterator[TextRequest]:
        for _ in pauses:
            yield TextRequest(prompt="x")
        client._thread.run(all_begun())

    with client_of(scripted(*[[pause, "x"] for pause in pauses])) as client:
        answers = client.map(requests(), concurrency=4)
        next(answers)
        answers.close()
        assert [pause.cancelled for pause in pauses] == [False, True, True, True]


@pytest.mark.parametrize("concurrency", [0, "2", None])
def test_concurrency_is_a_number(concurrency: Any) -> None:
    with client_of(scripted()) as client, pytest.raises(InvalidRequestError, match="1 or more"):
        next(client.map([], concurrency=concurrency))


# ------------------------------------------------------------------------------- with_options
def test_a_copy_shares_the_thread_and_the_end() -> None:
    backend = scripted("x", gensdk.errors.ServerError("x"), "unused")
    with client_of(backend) as client:
        once = client.with_options(retry=ONCE, unsupported="error")
        assert client.text("x").text == "x"
        with pytest.raises(gensdk.errors.ServerError):
            once.text("x")
        names = [one.name for one in threading.enumerate()]
        assert names.count("gensdk-sync") == 1
    assert [asked.context.unsupported for asked in backend.asked] == ["warn", "error"]
    with pytest.raises(gensdk.errors.ClientClosedError):
        once.text("x")


def test_what_it_knows() -> None:
    with client_of(scripted()) as client:
        assert "a" in client.providers()
        assert client.defaults()["text"].model == "a:m"
        assert (client.aliases(), client.config_file()) == ({}, None)


# ---------------------------------------------------------------------------------- not closed
def test_a_client_that_nobody_closed_says_so_and_ends() -> None:
    made: list[ScriptedBackend] = [ScriptedBackend("x", name="theirs")]
    client = gensdk.SyncClient()
    client._client._calls.registry._made["theirs"] = made[0]
    client.text("x", model="theirs:m")
    (thread,) = [one for one in threading.enumerate() if one.name == "gensdk-sync"]
    kept = [client]
    del client
    with pytest.warns(ResourceWarning, match="SyncClient was not closed"):
        kept.clear()
    thread.join(5)
    assert not thread.is_alive()
    assert made[0].aclosed


def test_what_fails_at_the_end_is_told() -> None:
    class Stuck(ScriptedBackend):
        async def aclose(self) -> None:
            raise OSError("stuck")

    client = gensdk.SyncClient()
    client._client._calls.registry._made["theirs"] = Stuck("x", name="theirs")
    client.text("x", model="theirs:m")
    with pytest.raises(OSError, match="stuck"):
        client.close()
    assert "gensdk-sync" not in [one.name for one in threading.enumerate()]


FORGOTTEN = """
import gensdk
from gensdk.testing import ScriptedBackend
client = gensdk.SyncClient(backends={"a": ScriptedBackend("x", name="a")})
print(client.text("x", model="a:m").text)
"""


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", FORGOTTEN],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("x\n", 0)
    assert "SyncClient was not closed" in done.stderr


def test_a_client_that_was_closed_or_never_used_says_nothing() -> None:
    client = client_of(scripted("x"))
    client.text("x")
    client.close()
    unused = client_of(scripted())
    del client, unused
    gc.collect()


# ---------------------------------------------------------------------------------------- fork
FORK = """
import os, signal, sys
import gensdk
from gensdk.errors import ConfigurationError
from gensdk.testing import ScriptedBackend

client = gensdk.SyncClient(
    models={"text": "a:m"}, backends={"a": ScriptedBackend("x y", name="a", repeat=True)}
)
stream = client.stream_text("x")
with stream:
    next(iter(stream))
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            assert client.text("x").text == "x y"
            try:
                next(iter(stream))
            except ConfigurationError as error:
                assert "os.fork" in str(error)
                code = 0
            stream.__exit__(None, None, None)
            client.close()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert [event for event in stream.text] == [" y"]
assert client.text("x").text == "x y"
client.close()
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_starts_a_thread_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("both\n", "", 0)
