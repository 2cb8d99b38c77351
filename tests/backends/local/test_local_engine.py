"""Threads, queues, turns, cancelling and dying: what holds however many calls there are."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gensdk.backends.local import LocalBackend
from gensdk.backends.local.delivery import Mailbox
from gensdk.backends.local.engine import Engine, EngineStoppedError
from gensdk.backends.local.loading import Watch
from gensdk.backends.local.placing import Found, Seat
from gensdk.backends.local.text.batching import BatchScheduler
from gensdk.backends.local.worker import Worker
from gensdk.errors import (
    ClientClosedError,
    ModelLoadError,
    OutOfMemoryError,
    OverloadedError,
    WorkerCrashedError,
)
from gensdk.types import TextDelta, TextRequest
from tests.support.local_calls import ask, context, stream
from tests.support.tiny_models import Gate, register_gated, save_model

PROMPT = "once upon a time there was"
LONG: dict[str, Any] = {"temperature": 0, "max_tokens": 60, "logit_bias": {0: -100}}


async def settled(check: Any) -> None:
    """Give the worker and the loop turns until something holds."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110  # a thread's numbers, which set no event
            await asyncio.sleep(0.001)


def entered(gate: Gate) -> Any:
    """Wait, off the loop, until a forward pass has begun."""
    return asyncio.to_thread(gate.entered.acquire)


def status(backend: LocalBackend) -> Any:
    (only,) = backend.loaded()
    return only


async def test_neighbours_do_not_disturb(llama: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {"temperature": 1.0, "max_tokens": 30, "top_p": 0.9}
    alone = [await ask(backend, llama, PROMPT, seed=n, **fields) for n in range(6)]
    together = await asyncio.gather(
        *(ask(backend, llama, PROMPT, seed=n, **fields) for n in range(6)),
        *(ask(backend, llama, "the brave cat", n=3, **fields) for _ in range(3)),
        *(stream(backend, llama, "moon", frequency_penalty=1.0, **fields) for _ in range(3)),
    )
    for n, expected in enumerate(alone):
        assert together[n] == expected


async def test_calls_take_turns(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    await backend.preload(str(gated))
    gate.close()
    long = asyncio.create_task(ask(backend, gated, PROMPT, **LONG))
    await entered(gate)
    short = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=3, temperature=0))
    await settled(lambda: status(backend).waiting == 1)
    gate.allow(1 + 2 + 2 + 2)
    answer = await short
    assert answer.usage.output_tokens == 3
    assert not long.done(), "the later call was answered first"
    gate.open()
    assert (await long).usage.output_tokens == 60


async def test_no_more_than_max_active_advance_and_the_queue_is_bounded(
    gated: Path, gate: Gate, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(max_active=2, max_waiting=3)
    await backend.preload(str(gated))
    gate.close()
    calls = []
    for n in range(5):
        calls.append(asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=4)))
        await asyncio.sleep(0)
        if n == 0:
            await entered(gate)
    gate.allow()
    await entered(gate)
    assert (status(backend).active, status(backend).waiting) == (2, 3)
    with pytest.raises(OverloadedError, match="5 calls already") as caught:
        await ask(backend, gated, PROMPT)
    assert caught.value.retryable
    calls.pop().cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=4))  # has its place
    await asyncio.sleep(0)
    gate.open()
    answers = await asyncio.gather(*calls, late)
    assert all(answer.usage.output_tokens == 4 for answer in answers)
    assert (status(backend).answered, status(backend).cancelled) == (5, 1)


async def test_closing_a_stream_frees_its_place_within_a_step(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    request = TextRequest(prompt=PROMPT, **LONG)
    events = backend.stream_text(request, context(gated))
    gate.allow(12)
    assert isinstance(await anext(events), TextDelta)
    for _ in range(13):
        await entered(gate)
    await events.aclose()  # type: ignore[attr-defined]  # an async generator
    gate.allow()  # the step that had begun
    await settled(lambda: status(backend).active == 0)
    assert gate.passes == 13
    assert (status(backend).cancelled, status(backend).answered) == (1, 0)


async def test_cancelling_a_task_frees_its_place_within_a_step(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    task = asyncio.create_task(ask(backend, gated, PROMPT, **LONG))
    await entered(gate)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.allow()
    await settled(lambda: status(backend).active == 0)
    assert gate.passes == 1
    gate.open()
    assert (await ask(backend, gated, PROMPT, max_tokens=2)).usage.output_tokens == 2


async def test_nobody_waits_while_a_cancelled_call_is_taken_out(
    gated: Path, gate: Gate, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours' memory may have to be moved, and the event loop must not wait for that."""
    plain = BatchScheduler.drop
    answered: list[bool] = []

    def drop(scheduler: BatchScheduler[Any], call: Any) -> None:
        asking = threading.Thread(target=backend.loaded, daemon=True)
        asking.start()
        asking.join(5)
        answered.append(not asking.is_alive())
        plain(scheduler, call)

    await backend.preload(str(gated))
    monkeypatch.setattr(BatchScheduler, "drop", drop)
    gate.close()
    task = asyncio.create_task(ask(backend, gated, PROMPT, **LONG))
    await entered(gate)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    await settled(lambda: status(backend).cancelled == 1)
    assert answered == [True]


async def test_one_load_however_many_ask(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    answers = await asyncio.gather(
        *(ask(backend, gated, PROMPT, max_tokens=2, temperature=0) for _ in range(20))
    )
    assert len({answer.text for answer in answers}) == 1
    threads = [thread.name for thread in threading.enumerate() if "gensdk-" in thread.name]
    assert threads == ["gensdk-gated"]
    assert status(backend).answered == 20


async def test_a_reader_may_leave_while_the_model_loads(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    first = asyncio.create_task(ask(backend, gated, PROMPT))
    await asyncio.sleep(0)
    second = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=1))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).usage.output_tokens == 1
    assert status(backend).cancelled == 1


def test_several_event_loops_share_a_model(llama: Path) -> None:
    backend = LocalBackend(device="cpu")
    texts: list[str] = []

    async def some() -> None:
        answers = await asyncio.gather(
            *(ask(backend, llama, PROMPT, seed=5, temperature=1, max_tokens=20) for _ in range(3)),
        )
        _, streamed = await stream(backend, llama, PROMPT, seed=5, temperature=1, max_tokens=20)
        texts.extend([answer.text for answer in answers] + [streamed.text])

    threads = [threading.Thread(target=asyncio.run, args=(some(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 12
    assert len(set(texts)) == 1
    assert status(backend).answered == 12
    asyncio.run(backend.aclose())


def test_a_loop_that_closed_frees_the_place_of_its_calls(gated: Path, gate: Gate) -> None:
    backend = LocalBackend(device="cpu")

    async def leave() -> None:
        await backend.preload(str(gated))
        gate.close()
        events = backend.stream_text(TextRequest(prompt=PROMPT, **LONG), context(gated))
        _LEFT.append(events)
        step = asyncio.ensure_future(anext(events))
        await entered(gate)
        step.remove_done_callback  # noqa: B018  # the task is left pending on purpose
        _LEFT.append(step)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gate.open()

    async def ask_again() -> None:
        await settled(lambda: status(backend).active == 0)
        assert status(backend).cancelled == 1
        await ask(backend, gated, PROMPT, max_tokens=1)
        await backend.aclose()

    asyncio.run(ask_again())
    _forget_left()


_LEFT: list[Any] = []


def _forget_left() -> None:
    events, step = _LEFT
    _LEFT.clear()
    step._log_destroy_pending = False
    coroutine = step.get_coro()
    with pytest.raises((RuntimeError, StopIteration, GeneratorExit, StopAsyncIteration)):
        coroutine.throw(GeneratorExit)
    del events


async def test_a_crash_fails_every_call_and_the_next_one_starts_afresh(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    gate.failures = iter([RuntimeError("CUDA error: device-side assert triggered")])
    calls = [asyncio.create_task(ask(backend, gated, PROMPT)) for _ in range(3)]
    await entered(gate)
    gate.open()
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        assert isinstance(result, WorkerCrashedError)
        assert "RuntimeError: CUDA error: device-side assert" in result.message
        assert (result.provider, result.model) == ("local", str(gated))
        assert isinstance(result.__cause__, RuntimeError)
        assert result.__cause__.__traceback__ is None, "a traceback would keep the model alive"
    assert len({id(result) for result in results}) == 3
    assert (await ask(backend, gated, PROMPT, max_tokens=1)).usage.output_tokens == 1
    assert status(backend).answered == 1, "a new engine counts from the start"


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
async def test_lack_of_memory_fails_one_call_alone(
    failure: Exception, gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    gate.failures = iter([failure, failure])  # the first is answered by trying again
    greedy = asyncio.create_task(ask(backend, gated, PROMPT))
    await entered(gate)
    modest = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=3))
    await settled(lambda: status(backend).waiting == 1)
    gate.open()
    with pytest.raises(OutOfMemoryError) as caught:
        await greedy
    assert caught.value.__cause__ is failure
    assert (await modest).usage.output_tokens == 3
    assert status(backend).steps > 3, "the same engine goes on"


async def test_an_engine_that_ends_takes_no_calls(llama: Path, backend: LocalBackend) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def find(watch: Watch) -> Found:
        raise ValueError("nothing to load")

    def load(found: Found, seat: Seat, watch: Watch) -> Worker[Any]:
        raise AssertionError("it was not found")

    engine = Engine("m", find, load, max_active=1, max_waiting=1)
    engine.submit(None, Mailbox())

    def tell() -> None:
        loop.call_soon_threadsafe(stopped.set)

    engine.on_stopped(tell)
    await stopped.wait()
    engine.thread.join()
    with pytest.raises(EngineStoppedError):
        engine.submit(None, Mailbox())
    assert engine.status().state == "stopped"
    late: list[int] = []
    engine.on_stopped(lambda: late.append(1))
    assert late == [1]


async def test_a_failed_load_can_be_tried_again(models: Path, backend: LocalBackend) -> None:
    folder = save_model(models / "retried")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    for _ in range(2):
        with pytest.raises(ModelLoadError, match="cut short"):
            await ask(backend, folder, PROMPT)
    assert backend.loaded() == ()
    (folder / "model.safetensors").write_bytes(weights)
    assert (await ask(backend, folder, PROMPT, max_tokens=1)).usage.output_tokens == 1


async def test_lack_of_memory_while_loading(
    gated: Path, gate: Gate, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = register_gated()

    def too_large(self: Any, *args: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr(kind, "__init__", too_large)
    with pytest.raises(OutOfMemoryError, match="not enough memory to load"):
        await backend.preload(str(gated))
    monkeypatch.undo()
    await backend.preload(str(gated))


async def test_the_least_used_idle_model_makes_room(
    llama: Path,
    chat_llama: Path,
    gated: Path,
    gate: Gate,
    make_backend: Callable[..., LocalBackend],
) -> None:
    backend = make_backend(models_kept=2)
    for folder in (llama, gated, llama, chat_llama):
        await backend.preload(str(folder))
    assert [entry.model for entry in backend.loaded()] == [str(llama), str(chat_llama)]
    await backend.preload(str(gated))
    gate.close()
    busy = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=3))
    await entered(gate)
    await backend.preload(str(llama))
    await backend.preload(str(chat_llama))
    names = {entry.model for entry in backend.loaded()}
    assert names == {str(gated), str(chat_llama)}, "a busy model stays"
    gate.open()
    assert (await busy).usage.output_tokens == 3


async def test_unload_finishes_calls_and_frees_the_model(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    kind: Any = register_gated()
    gc.collect()
    await backend.preload(str(gated))
    network = weakref.ref(next(item for item in gc.get_objects() if type(item) is kind))
    gate.close()
    call = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=3))
    await entered(gate)
    leaving = asyncio.create_task(backend.unload(str(gated)))
    await asyncio.sleep(0)
    assert backend.loaded() == ()
    gate.open()
    assert (await call).usage.output_tokens == 3
    await leaving
    assert network() is None
    await backend.unload(str(gated))
    assert (await ask(backend, gated, PROMPT, max_tokens=1)).usage.output_tokens == 1


async def test_a_crash_frees_the_model_even_if_the_error_is_kept(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    kind: Any = register_gated()
    await backend.preload(str(gated))
    gc.collect()
    networks = [weakref.ref(item) for item in gc.get_objects() if type(item) is kind]
    gate.failures = iter([torch.AcceleratorError("broken")])
    with pytest.raises(WorkerCrashedError) as caught:
        await ask(backend, gated, PROMPT)
    await backend.aclose()
    gc.collect()
    assert caught.value.__cause__ is not None
    assert [network() for network in networks] == [None]


async def test_aclose_ends_running_calls_and_leaves_no_thread(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    call = asyncio.create_task(ask(backend, gated, PROMPT, **LONG))
    waiting = asyncio.create_task(stream(backend, gated, PROMPT))
    await entered(gate)
    closing = asyncio.create_task(backend.aclose())
    await asyncio.sleep(0)
    gate.allow(2)  # the step that had begun: the running rows, and prompts that are read
    await closing
    for task in (call, waiting):
        with pytest.raises(ClientClosedError):
            await task
    assert gate.passes <= 2
    assert not [thread for thread in threading.enumerate() if "gensdk" in thread.name]
    with pytest.raises(ClientClosedError, match="closed"):
        await ask(backend, gated, PROMPT)
    await backend.aclose()


async def test_aclose_while_loading(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    call = asyncio.create_task(ask(backend, gated, PROMPT))
    await asyncio.sleep(0)
    await backend.aclose()
    with pytest.raises(ClientClosedError):
        await call


async def test_the_event_loop_goes_on_while_a_model_loads_and_runs(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    gate.close()
    call = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=1))
    ticks = 0
    while gate.entered._value == 0:
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 100, "the loop turned all the while"
    gate.open()
    await call


async def test_one_wake_up_per_step(llama: Path, backend: LocalBackend) -> None:
    await backend.preload(str(llama))
    loop = asyncio.get_running_loop()
    wakes = 0
    original = loop.call_soon_threadsafe

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal wakes
        wakes += 1
        return original(*args, **options)

    patched: Any = loop
    patched.call_soon_threadsafe = counting
    try:
        first = status(backend).steps
        await asyncio.gather(*(stream(backend, llama, PROMPT, **LONG) for _ in range(8)))
        steps = status(backend).steps - first
        assert wakes <= steps + 1
        wakes = 0
        await ask(backend, llama, PROMPT, **LONG)
        assert wakes == 1, "a call that does not stream is woken once"
    finally:
        patched.call_soon_threadsafe = original


FORGOTTEN = """
import asyncio, sys, torch
from gensdk.backends.local import LocalBackend
from gensdk.spec import Context
from gensdk.types import TextRequest
torch.set_num_threads(1)
backend = LocalBackend(device="cpu")
async def main():
    events = backend.stream_text(
        TextRequest(prompt="once", max_tokens=120, temperature=0), Context(model=sys.argv[1])
    )
    print(type(await anext(events)).__name__)
asyncio.run(main())
"""


def test_a_forgotten_backend_does_not_hold_up_the_exit(llama: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGOTTEN, str(llama)],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "TextDelta\n"), done.stderr
    assert done.stderr == ""
