"""Many local text calls at once, against transformers on the same weights.

    python benchmarks/local.py [--threads 1] [--rounds 2] [--dtype float32] [--only equal]
                               [--clock cpu]

A random Qwen2 of about 94 million weights answers 32 calls through ``client.text``; transformers
answers the same prompts one after another with ``generate()``, all together in one left-padded
batch, and with its own continuous batching. gensdk's scheduler answers them, too, driven by a loop
in this thread, without client, queue, thread and events: what that takes less is what they cost.
Everything runs in one process, in turns, several rounds; the best round of each counts. Answers are
greedy and of fixed length, so every way computes the same number of tokens. Prints tokens per
second and ratios.

How much faster a batch can be than one call after another is first of all a matter of the machine:
of how much longer a linear layer takes for 32 rows than for one. So that is measured, too, on the
layers of the model. ``--clock cpu`` counts the processor's time of this process in place of the
wall's: right for one thread on a machine with other work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.job import Event
from gensdk.backends.local.safety import inspect_folder
from gensdk.backends.local.text.batching import BatchScheduler
from gensdk.backends.local.text.job import ChatTurn, Ended, TextJob
from gensdk.backends.local.text.model import load_model
from gensdk.backends.local.text.sampling import SamplingWish
from gensdk.backends.local.worker import WorkerLimits

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
CALLS = 32
PAGE = 32
VOCABULARY = 32_000
NEVER_END = {0: -100.0}


def save_model(folder: Path, dtype: torch.dtype) -> None:
    """A model with random weights, and its tokenizer."""
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=640,
        intermediate_size=2560,
        num_hidden_layers=12,
        num_attention_heads=10,
        num_key_value_heads=5,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).to(dtype).save_pretrained(folder)
    save_tokenizer(folder)


def save_tokenizer(folder: Path) -> None:
    """A tokenizer with a word for every token: AutoTokenizer takes one of byte-level BPE."""
    core = Tokenizer(models.BPE(vocab={"<|endoftext|>": 0} | words(), merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>").save_pretrained(
        folder
    )


def words() -> dict[str, int]:
    """Bytes first, so that any text can be written; the rest is never used by a prompt."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    named = {letter: n + 1 for n, letter in enumerate(letters)}
    return named | {f"word{n}": n for n in range(len(letters) + 1, VOCABULARY)}


def texts(kind: str) -> list[tuple[str, int]]:
    """Prompts, one token a letter, and how many tokens are to follow."""
    rng = random.Random(kind)

    def text(length: int) -> str:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(length))

    if kind == "mixed":
        return [(text(rng.randint(16, 96)), rng.randint(8, 160)) for _ in range(CALLS)]
    if kind == "long":
        return [(text(512), 64) for _ in range(CALLS)]
    if kind == "prefix":
        beginning = text(384)
        return [(beginning + text(rng.randint(16, 32)), 64) for _ in range(CALLS)]
    return [(text(rng.randint(16, 96)), 64) for _ in range(CALLS)]


class Reference:
    """transformers' own ``generate``."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str = "cpu") -> None:
        """Load."""
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.eos_token
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map=device)
        self.model: Any = loaded.eval()

    def generate(self, prompts: list[str], tokens: int, **options: Any) -> torch.Tensor:
        """Continue prompts together by exactly so many tokens."""
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.model.device)
        kinds = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False} | options
        with torch.inference_mode():
            output: torch.Tensor = self.model.generate(**inputs, **kinds)
        return output[:, inputs["input_ids"].shape[1] :]

    def bound(self) -> float:
        """How many times faster than row after row the linear layers take the rows of a batch."""
        layers = [part for part in self.model.modules() if isinstance(part, torch.nn.Linear)]

        def sweep(rows: int) -> None:
            for layer in layers:
                layer(torch.ones(rows, layer.in_features, dtype=layer.weight.dtype))

        with torch.inference_mode():
            one, many = (
                statistics.median(seconds(partial(sweep, rows), time.thread_time) for _ in range(9))
                for rows in (1, CALLS)
            )
        return CALLS * one / many

    def one_by_one(self, work: list[tuple[str, int]]) -> None:
        """Answer in turn."""
        for prompt, tokens in work:
            self.generate([prompt], tokens)

    def together(self, work: list[tuple[str, int]]) -> None:
        """Answer in one batch, as long as the longest answer."""
        self.generate([prompt for prompt, _ in work], max(tokens for _, tokens in work))

    def continuous(self, work: list[tuple[str, int]]) -> None:
        """Answer with transformers' continuous batching, the pool sized to what is asked for."""
        longest = max(len(prompt) + tokens for prompt, tokens in work)
        pages = 2 * len(work) * (longest // PAGE + 2)
        manager = self.model.init_continuous_batching(
            generation_config=transformers.GenerationConfig(
                max_new_tokens=1, do_sample=False, eos_token_id=-1, pad_token_id=0
            ),
            continuous_batching_config=transformers.ContinuousBatchingConfig(
                num_blocks=pages, page_size=PAGE, max_batch_tokens=512
            ),
        )
        manager.start()
        try:
            for number, (prompt, tokens) in enumerate(work):
                ids = self.tokenizer(prompt)["input_ids"]
                manager.add_request(ids, request_id=str(number), max_new_tokens=tokens)
            made: dict[int, int] = {}
            while len(made) < len(work):
                result = manager.get_result(timeout=60)
                if result is not None and result.is_finished():
                    made[int(result.request_id)] = len(result.generated_tokens)
        finally:
            manager.stop(block=True)
        assert [made[number] for number in range(len(work))] == [tokens for _, tokens in work]


class Ours:
    """gensdk, through the front door."""

    def __init__(
        self, folder: Path, backend: LocalBackend, clock: Clock = time.perf_counter
    ) -> None:
        """Prepare; nothing is loaded."""
        self.clock = clock
        self.backend = backend
        self.client = gensdk.Client(backends={"local": self.backend})
        self.model = f"local:{folder}"
        self.firsts: list[float] = []
        self.delays: list[float] = []

    async def ask(self, prompt: str, tokens: int, **fields: Any) -> None:
        """One call of exactly so many tokens, timed to its first piece."""
        began, first = self.clock(), None
        async with self.client.stream_text(
            prompt, model=self.model, max_tokens=tokens, logit_bias=NEVER_END, **fields
        ) as stream:
            async for _ in stream.text:
                first = first or self.clock() - began
            reply = await stream.result()
        assert reply.usage.output_tokens == tokens
        self.firsts.append(first or 0.0)

    async def all(self, work: list[tuple[str, int]], **fields: Any) -> None:
        """All calls at once, with a watch on the event loop."""
        self.firsts, self.delays = [], []
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self.ask(prompt, tokens, **fields) for prompt, tokens in work))
        watch.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            self.delays.append(time.perf_counter() - before - 0.005)


class Scheduler:
    """gensdk's scheduler by itself: stepped in this thread until all calls have ended."""

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load."""
        choice = DeviceChoice("cpu", dtype, "the same as the others")
        self.model = load_model(inspect_folder(folder), choice, lambda: None)
        self.tokens = 0

    def all(self, work: list[tuple[str, int]]) -> None:
        """All calls at once, on a scheduler that has read none of them before."""
        self.tokens = 0
        worker: BatchScheduler[int] = BatchScheduler(self.model, WorkerLimits(max_active=CALLS))
        with torch.inference_mode():
            for number, (prompt, tokens) in enumerate(work):
                wish = SamplingWish(logit_bias=NEVER_END)
                turns = (ChatTurn("user", prompt),)
                job = TextJob(turns, plain=True, sampling=wish, max_tokens=tokens, streams=True)
                worker.admit(number, job)
            while worker.active:
                worker.step(self)
        assert self.tokens == sum(tokens for _, tokens in work)

    def post(self, _call: int, events: Sequence[Event]) -> None:
        """Take what came of a call."""
        ends = [event for event in events if isinstance(event, Ended)]
        self.tokens += sum(row.tokens for end in ends for row in end.rows)

    def fail(self, _call: int, error: Exception) -> None:
        """Stop at the first failure."""
        raise error

    def deliver(self) -> None:
        """Hand nothing over: nobody waits."""

    def wanted(self, _call: int) -> bool:
        """Go on with every call."""
        return True


def seconds(run: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """How long something takes."""
    began = clock()
    run()
    return clock() - began


async def async_seconds(run: Any, clock: Clock = time.perf_counter) -> float:
    """How long something takes that is awaited."""
    began = clock()
    await run
    return clock() - began


async def measure(
    kind: str, reference: Reference, ours: Ours, direct: Scheduler, rounds: int, folder: Path
) -> dict[str, Any]:
    """One kind of work, every way, in turns."""
    work, clock = texts(kind), ours.clock
    tokens = sum(count for _, count in work)
    best: dict[str, float] = {}
    first = delay = float("inf")
    await ours.all(work[:2])
    for _ in range(rounds):
        # A beginning that was read in an earlier round must not be known in this one.
        await ours.backend.unload(str(folder))
        await ours.backend.preload(str(folder))
        taken = {"gensdk": await async_seconds(ours.all(work), clock)}
        first = min(first, sorted(ours.firsts)[CALLS // 2])
        delay = min(delay, sorted(ours.delays)[int(len(ours.delays) * 0.99)])
        taken["one batch"] = seconds(lambda: reference.together(work), clock)
        taken["continuous"] = seconds(lambda: reference.continuous(work), clock)
        if kind == "equal":
            taken["scheduler"] = seconds(lambda: direct.all(work), clock)
            eight = seconds(lambda: reference.one_by_one(work[:8]), clock)
            taken["one by one"] = eight * CALLS / 8
            taken["sampling"] = await async_seconds(
                ours.all(work, temperature=0.8, top_p=0.95, top_k=50, seed=1), clock
            )
            prompt, count = work[0]
            taken["alone"] = await async_seconds(ours.ask(prompt, count), clock)
            taken["alone, generate"] = seconds(partial(reference.generate, [prompt], count), clock)
        for way, spent in taken.items():
            best[way] = min(best.get(way, spent), spent)
    reading = seconds(lambda: reference.generate([prompt for prompt, _ in work], 1), clock)
    rate = {way: (64 if "alone" in way else tokens) / spent for way, spent in best.items()}
    ratio = {
        "to one batch": best["one batch"] / best["gensdk"],
        "to continuous batching": best["continuous"] / best["gensdk"],
        "first piece p50 to one batch": first / reading,
    }
    if kind == "equal":
        ratio["to one by one"] = best["one by one"] / best["gensdk"]
        ratio["to the scheduler alone"] = best["scheduler"] / best["gensdk"]
        ratio["sampling to greedy"] = best["gensdk"] / best["sampling"]
        ratio["alone to generate"] = best["alone, generate"] / best["alone"]
    facts = {"first piece p50 s": first, "loop delay p99 s": delay}
    return {"tokens per second": rate, "ratios": ratio, **facts}


async def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    kinds = ("equal", "mixed", "prefix", "long")
    parser.add_argument("--only", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--json", help="write the figures to this file")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    dtype = getattr(torch, asked.dtype)
    found: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": asked.threads,
        "dtype": asked.dtype,
        "clock": asked.clock,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        save_model(folder, dtype)
        backend = LocalBackend(device="cpu", dtype=asked.dtype, max_active=CALLS, offline=True)
        reference, ours = Reference(folder, dtype), Ours(folder, backend, CLOCKS[asked.clock])
        direct = Scheduler(folder, asked.dtype)
        try:
            found["linear layers alone"] = reference.bound()
            print(
                f"linear layers alone would allow {found['linear layers alone']:.1f} x one by one",
                flush=True,
            )
            for kind in asked.only:
                found[kind] = await measure(kind, reference, ours, direct, asked.rounds, folder)
                show(kind, found[kind])
        finally:
            await ours.client.aclose()
            await ours.backend.aclose()
    if asked.json:
        keep(Path(asked.json), found)


def keep(file: Path, found: dict[str, Any]) -> None:
    """Write the figures down."""
    file.write_text(json.dumps(found, indent=2), "utf-8")


def show(kind: str, result: dict[str, Any]) -> None:
    """Print one kind of work."""
    rates = ", ".join(f"{way} {rate:.0f}" for way, rate in result["tokens per second"].items())
    ratios = ", ".join(f"{name} {ratio:.2f}" for name, ratio in result["ratios"].items())
    print(f"{kind}: tokens/s {rates}")
    print(
        f"  ratios: {ratios}; loop delay p99 {result['loop delay p99 s'] * 1000:.1f} ms", flush=True
    )


if __name__ == "__main__":
    asyncio.run(main())
