"""A process that forks: what ran in the parent stays there, and the child loads its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

BEGINNING = """
import os, signal, sys, threading
import gensdk
from gensdk.backends.callable import CallableBackend
from gensdk.backends.local.lease import DeviceLease
from gensdk.backends.local.loading import _LOADING

def in_a_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""
MODEL = """
model = "local:" + sys.argv[1]
client = gensdk.SyncClient()
client.local.pin(model)
said = client.text("once upon a time", model=model, max_tokens=5).text

def work():
    assert client.local.loaded() == ()
    assert client.text("once upon a time", model=model, max_tokens=5).text == said
    assert client.local.loaded()[0].pinned
    client.close()
"""
TURN = """
begun, go = threading.Event(), threading.Event()
lease = DeviceLease()

def hold():
    with _LOADING.lock, lease.held():
        begun.set()
        go.wait()

holder = threading.Thread(target=hold)
holder.start()
begun.wait()

def work():
    assert _LOADING.lock.acquire(timeout=5)
    with lease.held():
        pass
"""
FUNCTION = """
backend = CallableBackend(text=lambda prompt: prompt[::-1])
client = gensdk.SyncClient(backends={"mine": backend})
assert client.text("abc", model="mine:m").text == "cba"

def work():
    assert client.text("xyz", model="mine:m").text == "zyx"
    client.close()
"""
END = """
in_a_child(work)
assert client.text("once upon a time", model=model, max_tokens=5).text == said
client.close()
print("both")
"""


def run(script: str, *arguments: str) -> None:
    """Run a script; it says that it came to its end."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGINNING + script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.returncode) == ("both\n", 0), done.stderr


def test_a_child_loads_models_of_its_own(llama: Path) -> None:
    run(MODEL + END, str(llama))


def test_a_child_waits_for_no_turn_of_its_parent() -> None:
    run(TURN + "\nin_a_child(work)\ngo.set()\nholder.join()\nprint('both')")


def test_a_child_calls_functions_in_a_thread_of_its_own() -> None:
    run(FUNCTION + "\nin_a_child(work)\nclient.close()\nprint('both')")
