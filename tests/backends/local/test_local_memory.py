"""What a model needs, what there is, who has to go, and how long an idle one stays."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic_core import from_json

from gensdk.backends.local import LocalBackend
from gensdk.backends.local.delivery import Mailbox
from gensdk.backends.local.device import DeviceChoice, DeviceFacts
from gensdk.backends.local.engine import Engine
from gensdk.backends.local.job import Event, Failed, Final, Job
from gensdk.backends.local.lease import DeviceLease, lease_of
from gensdk.backends.local.memory import (
    Need,
    _container_memory,
    device_memory,
    free_memory,
    need_of,
    parse_bytes,
    return_memory,
    shown,
)
from gensdk.backends.local.placing import Found, Seat, Wish, wishes_for
from gensdk.backends.local.safety import ModelFolder, inspect_folder
from gensdk.backends.local.worker import Desk, WorkerFacts
from gensdk.errors import ConfigurationError, OutOfMemoryError
from tests.support.local_calls import ask
from tests.support.local_pictures import saved
from tests.support.tiny_models import Gate, register_gated, save_model
from tests.support.tiny_pipelines import stable_diffusion

PROMPT = "once upon a time"
BIG: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 3}


def loaded(backend: LocalBackend) -> list[str]:
    return [Path(status.model).name for status in backend.loaded()]


async def settled(check: Callable[[], bool]) -> None:
    """Give the worker and the loop turns until something holds."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110  # a thread's doing, which sets no event
            await asyncio.sleep(0.001)


async def at_rest(backend: LocalBackend) -> None:
    """Wait until no engine has anything left to do."""
    await settled(lambda: not any(engine._busy for engine in backend._pool._engines.values()))


def allocated(kind: str) -> int:
    """Bytes of the parameters and buffers of the one network of a class that is alive."""
    (network,) = [item for item in gc.get_objects() if type(item).__name__ == kind]
    tensors = {id(item): item for item in (*network.parameters(), *network.buffers())}
    return sum(item.numel() * item.element_size() for item in tensors.values())


# ------------------------------------------------------------------------------------ the need
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ("8GiB", 8 * 2**30),
        ("8 GB", 8 * 10**9),
        ("1.5g", 1_500_000_000),
        ("500 MiB", 500 * 2**20),
        ("123", 123),
        ("10 b", 10),
    ],
)
def test_sizes(value: int | str, expected: int) -> None:
    assert parse_bytes(value) == expected


@pytest.mark.parametrize("value", [0, -1, True, "", "GiB", "1 PiB", "-1", "0", 1.5, "1 2"])
def test_sizes_that_are_none(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="8GiB"):
        LocalBackend(memory_budget=value)


def test_sizes_for_a_reader() -> None:
    assert [shown(n) for n in (10, 2048, 3 * 2**20, 5 * 2**30)] == [
        "10 bytes", "2.0 KiB", "3.0 MiB", "5.0 GiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "dtype", "network", "changes"),
    [
        ("llama", "float32", "LlamaForCausalLM", {}),
        ("llama", "bfloat16", "LlamaForCausalLM", {"tie_word_embeddings": True}),
        ("gpt2", "float32", "GPT2LMHeadModel", {}),
        ("qwen2", "float16", "Qwen2ForCausalLM", {}),
    ],
)
async def test_the_size_is_known_before_loading(
    kind: str, dtype: str, network: str, changes: dict[str, Any],
    tmp_path: Path, make_backend: Callable[..., LocalBackend],
) -> None:  # fmt: skip
    folder = save_model(tmp_path / "m", kind, **changes)
    gc.collect()
    backend = make_backend(dtype=dtype)
    told = await backend.estimate(str(folder))
    assert backend.loaded() == (), "nothing was loaded"
    await backend.preload(str(folder))
    (status,) = backend.loaded()
    assert told.weight_bytes == pytest.approx(allocated(network), rel=0.05)
    assert status.memory_bytes >= told.total_bytes
    assert (told.device, told.dtype, told.fits) == ("cpu", dtype, True)
    assert f"it needs {shown(told.total_bytes)} there and " in told.reason
    assert dtype in status.reason


def test_numbers_are_counted_in_the_format_they_are_loaded_in(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", prepare=lambda model: model.to(torch.bfloat16))
    inspected = inspect_folder(folder)
    assert need_of(inspected, "float32", 1).weights == 2 * need_of(inspected, "bfloat16", 1).weights
    assert need_of(inspected, "bfloat16", 1).weights == 2 * inspected.elements


def test_keys_and_values(llama: Path) -> None:
    config = {"layers": 2, "heads": 2, "head": 8, "item": 4, "tokens": 128}
    cache = 2
    for count in config.values():
        cache *= count
    one, eight = (need_of(inspect_folder(llama), "float32", n) for n in (1, 8))
    spare = int(one.weights * 0.05)
    vocabulary = from_json((llama / "config.json").read_bytes())["vocab_size"]
    assert one.least == spare + cache + 2 * 4 * vocabulary
    assert eight.working - spare == 8 * (one.working - spare)
    assert eight.least == one.least


def test_a_pipeline_is_the_sum_of_its_parts(models: Path) -> None:
    folder = inspect_folder(saved(models, "sized", stable_diffusion))
    pipe = stable_diffusion()
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    size = sum(p.numel() * 4 for part in parts for p in (*part.parameters(), *part.buffers()))
    need = need_of(folder, "float32", 8)
    assert need.weights == pytest.approx(size, rel=0.05)
    assert need.least == int(need.weights * 0.05) + 64 * 64 * 8 * 4 * 6, "one picture of 64 x 64"
    assert need.working > need.least


# ------------------------------------------------------------------------------- what is free
def test_free_memory() -> None:
    free, total = device_memory("cpu")
    assert free is not None
    assert total is not None
    assert 0 < free <= total
    kept = free_memory("cpu")
    assert kept is not None
    assert kept < total
    return_memory(host=True)


@pytest.mark.parametrize(
    ("line", "base", "limit", "used"),
    [
        ("0::/me", "sys/fs/cgroup", "memory.max", "memory.current"),
        ("4:memory:/me", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ],
)
def test_a_container_s_limit_counts(
    line: str, base: str, limit: str, used: str, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"3:cpuset:/\n{line}\n", encoding="utf-8")
    group = tmp_path / base / "me"
    group.mkdir(parents=True)
    assert list(_container_memory(tmp_path)) == [], "no limit"
    (group / limit).write_text("1000\n", encoding="ascii")
    (group / used).write_text("700\n", encoding="ascii")
    (group / "memory.stat").write_text("anon 5\ninactive_file 200\n", encoding="ascii")
    assert list(_container_memory(tmp_path)) == [(500, 1000)]
    (group.parent / limit).write_text("900\n", encoding="ascii")
    (group.parent / used).write_text("899\n", encoding="ascii")
    (group.parent / "memory.stat").write_text("anon 5\n", encoding="ascii")
    assert list(_container_memory(tmp_path)) == [(500, 1000), (1, 900)], "those above count, too"
    assert list(_container_memory(tmp_path / "elsewhere")) == []


# ----------------------------------------------------------------------------------- who goes
@pytest.fixture
async def sizes(llama: Path, backend: LocalBackend) -> int:
    """What a tiny llama needs where one call is answered at a time."""
    return need_of(inspect_folder(llama), "float32", 1).total


async def test_the_least_recently_used_idle_model_goes(
    llama: Path, chat_llama: Path, gated: Path, sizes: int,
    make_backend: Callable[..., LocalBackend],
) -> None:  # fmt: skip
    backend = make_backend(max_active=1, memory_budget=int(sizes * 2.5))
    for folder in (llama, chat_llama, llama):
        await backend.preload(str(folder))
    assert loaded(backend) == ["chat", "llama"], "both fit"
    await backend.preload(str(gated))
    assert loaded(backend) == ["llama", "gated"]


async def test_what_is_pinned_or_busy_stays(
    llama: Path, chat_llama: Path, gated: Path, gate: Gate, sizes: int,
    make_backend: Callable[..., LocalBackend],
) -> None:  # fmt: skip
    backend = make_backend(max_active=1, memory_budget=int(sizes * 2.5))
    backend.pin(str(llama))
    await backend.preload(str(llama))
    await backend.preload(str(gated))
    assert [status.pinned for status in backend.loaded()] == [True, False]
    gate.close()
    busy = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=1))
    await asyncio.to_thread(gate.entered.acquire)
    with pytest.raises(OutOfMemoryError) as caught:
        await backend.preload(str(chat_llama))
    message = caught.value.message
    assert f"of a budget of {shown(int(sizes * 2.5))}" in message
    assert "raise memory_budget" in message
    assert "llama" in message
    assert "on cpu in float32 it needs " in message
    assert (caught.value.provider, caught.value.model) == ("local", str(chat_llama))
    assert loaded(backend) == ["llama", "gated"], "nobody went in vain"
    gate.open()
    assert (await busy).usage.output_tokens == 1
    await settled(lambda: backend.loaded()[1].active == 0)
    await backend.preload(str(chat_llama))
    assert loaded(backend) == ["llama", "chat"], "the busy one is idle now, the pinned one stays"
    backend.unpin(str(llama))
    await backend.preload(str(gated))
    assert loaded(backend) == ["chat", "gated"]


async def test_a_model_that_never_fits(
    llama: Path, chat_llama: Path, sizes: int, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(max_active=1, memory_budget=sizes)
    await backend.preload(str(llama))
    big = save_model(chat_llama.parent / "big", **BIG)
    told = await backend.estimate(str(big))
    assert not told.fits
    with pytest.raises(OutOfMemoryError, match=r"it needs .* are free of a budget of"):
        await ask(backend, big, PROMPT)
    assert loaded(backend) == ["llama"], "letting it go would have been no use"
    assert (await backend.estimate(str(llama))).fits


async def test_a_smaller_working_memory_where_the_budget_is_short(
    llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    need = need_of(inspect_folder(llama), "float32", 8)
    backend = make_backend(memory_budget=need.total + 10)
    await backend.preload(str(llama))
    assert backend.loaded()[0].memory_bytes == need.total + 10
    assert (await ask(backend, llama, PROMPT, max_tokens=2)).usage.output_tokens == 2


async def test_models_loaded_together_do_not_count_on_the_same_memory(
    llama: Path, chat_llama: Path, gated: Path, sizes: int,
    make_backend: Callable[..., LocalBackend],
) -> None:  # fmt: skip
    backend = make_backend(max_active=1, memory_budget=int(sizes * 1.5))
    results = await asyncio.gather(
        *(backend.preload(str(folder)) for folder in (llama, chat_llama, gated)),
        return_exceptions=True,
    )
    failed = [result for result in results if result is not None]
    assert all(isinstance(result, OutOfMemoryError) for result in failed)
    assert len(backend.loaded()) == 1


def found(*wishes: Wish) -> Found:
    return Found(ModelFolder(Path(), "x", (), 0), wishes)


def wish(device: str, size: int) -> Wish:
    return Wish(DeviceChoice(device, "float32", f"{device}, because"), Need(size, 0, 0))


async def placed(backend: LocalBackend, *wishes: Wish) -> Seat | list[threading.Thread]:
    engine = Engine("new", lambda watch: found(*wishes), _no_load, max_active=1, max_waiting=1)
    return backend._pool.seat(engine, wishes)


def _no_load(*_: Any) -> Any:
    raise AssertionError("it is only placed")


async def test_the_processor_where_the_card_is_full(
    llama: Path, backend: LocalBackend, caplog: pytest.LogCaptureFixture
) -> None:
    free = {"cuda": 10, "cpu": 100}
    backend._pool._free = free.__getitem__
    seat = await placed(backend, wish("cuda", 9), wish("cpu", 18))
    assert isinstance(seat, Seat)
    assert seat.device == "cuda"
    with caplog.at_level(logging.WARNING, logger="gensdk"):
        seat = await placed(backend, wish("cuda", 11), wish("cpu", 22))
    assert isinstance(seat, Seat)
    assert seat.device == "cpu"
    assert "new runs on cpu, because" in caplog.text
    with pytest.raises(OutOfMemoryError, match=r"on cuda .* 10 bytes are free; on cpu .*needs 101"):
        await placed(backend, wish("cuda", 11), wish("cpu", 101))
    backend._pool._free = lambda device: None
    assert isinstance(await placed(backend, wish("cpu", 2**60)), Seat), "nobody knows: it is tried"


async def test_idle_models_go_before_a_lesser_device_is_taken(
    llama: Path, backend: LocalBackend
) -> None:
    await backend.preload(str(llama))
    (engine,) = backend._pool._engines.values()
    assert engine.seat is not None
    engine.seat = replace(engine.seat, wish=wish("cuda", 50), working=0)
    backend._pool._free = {"cuda": 10, "cpu": 1000}.__getitem__
    waits = await placed(backend, wish("cuda", 55), wish("cpu", 110))
    assert waits == [engine.thread]
    assert backend.loaded() == ()


def test_wishes(llama: Path) -> None:
    folder = inspect_folder(llama)
    card = DeviceFacts(cuda=("H100",), cuda_bfloat16=(True,))
    told = wishes_for(folder, card, "auto", "auto", 8)
    first, second = told.wishes
    assert (first.choice.device, first.choice.dtype) == ("cuda", "bfloat16")
    assert (second.choice.device, second.choice.dtype) == ("cpu", "float32")
    assert second.need.weights == 2 * first.need.weights
    assert shown(first.need.total) in second.choice.reason
    assert told.tensors == 21
    assert len(wishes_for(folder, card, "cuda", "auto", 8).wishes) == 1
    assert len(wishes_for(folder, DeviceFacts(), "auto", "auto", 8).wishes) == 1


# --------------------------------------------------------------------------- how long they stay
class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def clocked(backend: LocalBackend) -> Clock:
    clock = Clock()
    backend._pool._clock = clock
    return clock


async def test_an_idle_model_goes_after_a_while(
    llama: Path, chat_llama: Path, backend: LocalBackend
) -> None:
    clock = clocked(backend)
    await backend.preload(str(llama))
    await at_rest(backend)
    clock.now += 200
    await backend.preload(str(chat_llama))
    await at_rest(backend)
    backend._pool.trim()
    assert loaded(backend) == ["llama", "chat"]
    clock.now += 100
    backend._pool.trim()
    assert loaded(backend) == ["chat"], "300 s after its last call"
    await ask(backend, chat_llama, PROMPT, max_tokens=1)
    await at_rest(backend)
    clock.now += 299
    backend._pool.trim()
    assert loaded(backend) == ["chat"], "a call starts the time again"


async def test_a_busy_or_pinned_model_does_not_go(
    llama: Path, gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    clock = clocked(backend)
    await backend.preload(str(llama))
    await backend.preload(str(gated))
    backend.pin(str(llama))
    gate.close()
    busy = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=1))
    await asyncio.to_thread(gate.entered.acquire)
    clock.now += 10_000
    backend._pool.trim()
    assert loaded(backend) == ["llama", "gated"]
    gate.open()
    await busy
    backend.unpin(str(llama))
    backend._pool.trim()
    assert "llama" not in loaded(backend)


@pytest.mark.parametrize("seconds", [0, 0.001])
async def test_the_worker_itself_sees_that_it_is_time(
    seconds: float, llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(keep_alive_s=seconds)
    await ask(backend, llama, PROMPT, max_tokens=1)
    await settled(lambda: backend.loaded() == ())
    await ask(backend, llama, PROMPT, max_tokens=1)


async def test_a_pin_wakes_and_an_unpinned_model_goes(
    llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(keep_alive_s=0.001)
    backend.pin(str(llama))
    await ask(backend, llama, PROMPT, max_tokens=1)
    (engine,) = backend._pool._engines.values()
    assert engine.rest.patience() is None
    backend.unpin(str(llama))
    await settled(lambda: backend.loaded() == ())
    backend.pin(str(llama))
    await backend.preload(str(llama))
    await backend.unload(str(llama))
    assert backend.loaded() == ()
    await backend.preload(str(llama))
    await settled(lambda: backend.loaded() == ())


def test_settings_of_memory_and_time() -> None:
    with pytest.raises(ConfigurationError, match="keep_alive_s"):
        LocalBackend(keep_alive_s=-1)
    with pytest.raises(ConfigurationError, match="keep_alive_s"):
        LocalBackend(keep_alive_s=float("nan"))
    LocalBackend(keep_alive_s=None, memory_budget=2**33, models_kept=3)


# --------------------------------------------------------------------------- lack of memory
class Sum(Final):
    """What came of an adding job."""

    def __init__(self, value: float) -> None:
        self.value = value


class Adding(Job):
    """A job for ``Adder``."""


class Adder:
    """A worker of its own kind: one linear layer, run over all calls in parts of ``width``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.width = 8
        self.tried: list[int] = []
        self.shrinks = 0
        self._layer = torch.nn.Linear(1, 1, bias=False)
        self._calls: list[Any] = []

    @property
    def facts(self) -> WorkerFacts:
        return WorkerFacts("cpu", "float32", 1, 4)

    @property
    def active(self) -> tuple[Any, ...]:
        return tuple(self._calls)

    @property
    def room(self) -> int:
        return 8 - len(self._calls)

    def admit(self, call: Any, job: Any) -> None:
        self._calls.append(call)

    def drop(self, call: Any) -> None:
        if call in self._calls:
            self._calls.remove(call)

    def step(self, desk: Desk[Any]) -> None:
        part = self._calls[: self.width]
        self.tried.append(len(part))
        if len(part) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        for call, value in zip(part, self._layer(torch.ones(len(part), 1)), strict=True):
            self.drop(call)
            desk.post(call, [Sum(float(value))])

    def shrink(self) -> bool:
        self.shrinks += 1
        if self.width == 1:
            return False
        self.width //= 2
        return True


async def outcomes(worker: Adder, calls: int) -> list[Event]:
    """Put calls to an engine with a worker, all at once."""
    here = found(wish("cpu", 1))
    all_there = threading.Event()

    def load(*_: Any) -> Adder:
        all_there.wait()
        return worker

    engine = Engine("adder", lambda watch: here, load, max_active=8, max_waiting=8)
    mailboxes = [Mailbox() for _ in range(calls)]
    for mailbox in mailboxes:
        engine.submit(Adding(), mailbox)
    all_there.set()
    events = [await mailbox.next() for mailbox in mailboxes]
    engine.stop()
    await asyncio.to_thread(engine.thread.join)
    return events


async def test_a_step_without_memory_is_tried_again_with_less() -> None:
    worker = Adder(most=2)
    events = await outcomes(worker, 8)
    assert all(isinstance(event, Sum) for event in events)
    assert worker.tried == [8, 4, 2, 2, 2, 2]
    assert worker.shrinks == 2


async def test_where_nothing_helps_the_calls_fail_and_the_engine_goes_on() -> None:
    worker = Adder(most=0)
    (event,) = await outcomes(worker, 1)
    assert isinstance(event, Failed)
    assert isinstance(event.error, OutOfMemoryError)
    assert worker.shrinks == 4
    assert worker.active == ()


async def test_a_worker_that_always_has_something_to_give_up_ends_all_the_same() -> None:
    class Hopeful(Adder):
        def shrink(self) -> bool:
            self.shrinks += 1
            return True

    worker = Hopeful(most=0)
    (event,) = await outcomes(worker, 1)
    assert isinstance(event, Failed)
    assert worker.shrinks == 9


async def test_lack_of_memory_lets_idle_models_go_first(
    llama: Path, chat_llama: Path, backend: LocalBackend
) -> None:
    await backend.preload(str(llama))
    await backend.preload(str(chat_llama))
    idle, short = backend._pool._engines.values()
    assert backend._pool.relieve(short) == [idle.thread]
    assert loaded(backend) == ["chat"]
    assert backend._pool.relieve(short) == []
    lonely = Engine("x", lambda watch: found(), _no_load, max_active=1, max_waiting=1)
    assert backend._pool.relieve(lonely) == []


async def test_a_call_alone_is_tried_again_with_what_idle_models_had(
    gated: Path, llama: Path, gate: Gate, backend: LocalBackend
) -> None:
    expected = (await ask(backend, gated, "the moon", max_tokens=4)).text
    await backend.preload(str(llama))
    short = torch.OutOfMemoryError("CUDA out of memory")
    gate.failures = iter([short])
    assert (await ask(backend, gated, "the moon", max_tokens=4)).text == expected
    assert loaded(backend) == ["gated"]
    gate.failures = iter([short, short])
    with pytest.raises(OutOfMemoryError):
        await ask(backend, gated, "the moon", max_tokens=4)
    assert (await ask(backend, gated, "the moon", max_tokens=4)).text == expected


async def test_memory_of_a_load_comes_back(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    kind: Any = register_gated()
    await backend.preload(str(gated))
    await backend.unload(str(gated))
    assert [item for item in gc.get_objects() if type(item) is kind] == []


# ----------------------------------------------------------------------------- turns on a device
def test_a_lease_is_given_in_the_order_it_was_asked_for() -> None:
    lease = DeviceLease()
    order: list[int] = []

    def work(number: int) -> None:
        with lease.held():
            order.append(number)

    threads = []
    with lease.held():
        for number in range(5):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(lease._queue) <= number:
                pass
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert not lease._taken


def test_a_long_step_lets_others_in() -> None:
    lease = DeviceLease()
    order: list[str] = []
    thread = threading.Thread(target=lambda: _noted(lease, order))
    with lease.held():
        lease.share()
        thread.start()
        while not lease._queue:
            pass
        order.append("before")
        lease.share()
        order.append("after")
    thread.join()
    assert order == ["before", "other", "after"]


def _noted(lease: DeviceLease, order: list[str]) -> None:
    with lease.held():
        order.append("other")


def test_one_lease_for_each_accelerator() -> None:
    assert lease_of("cpu") is None
    assert lease_of("cuda") is lease_of("cuda:0")
    assert lease_of("cuda:0") is not lease_of("cuda:1")
    assert lease_of("mps") is lease_of("mps")


async def test_steps_of_two_models_on_one_device_take_turns(
    llama: Path, gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    lease = DeviceLease()
    for folder in (llama, gated):
        await backend.preload(str(folder))
    for engine in backend._pool._engines.values():
        engine._desk.lease = lease
    gate.close()
    first = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=4, temperature=0))
    await asyncio.to_thread(gate.entered.acquire)
    second = asyncio.create_task(ask(backend, llama, PROMPT, max_tokens=2, temperature=0))
    await settled(lambda: len(lease._queue) == 1)
    assert not second.done()
    gate.open()
    answers = await asyncio.gather(first, second)
    assert [answer.usage.output_tokens for answer in answers] == [4, 2]


async def test_the_attempt_s_clock_starts_when_the_model_is_there(llama: Path) -> None:
    """The pipeline asks ``make_ready`` first; what it then measures is the answer alone."""
    import gensdk
    from gensdk.spec import PreparedBackend

    backend = LocalBackend(device="cpu")
    assert isinstance(backend, PreparedBackend)
    async with gensdk.Client(backends={"local": backend}) as client:
        await client.text(PROMPT, model=f"local:{llama}", max_tokens=1)
        assert backend.loaded()[0].answered == 1
    await backend.aclose()
