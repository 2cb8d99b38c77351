"""CPU of gensdk beside the plain openai client, for the same work, in one run.

    python benchmarks/remote.py [--rounds 5] [--json FILE] [--only NAME]

A fake server answers from another process (pin both with ``taskset`` for steadier figures).
Clients and rounds are interleaved; each client runs each workload in a fresh process, warmed up,
and reports its own CPU time (``process_time``) for each call. A figure is the median over rounds
of the ratio to the plain openai client in the same round. Every answer is checked. gensdk runs its
full path: typed request and response, default policies, usage, cost, attempts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONVERSATION = 42
CALLS = {
    "call": 300, "conversation": 200, "concurrent": 640, "stream": 20, "embed": 12, "image": 20,
    "speech": 20,
}  # fmt: skip
PER_CHUNK = 200
CLIENTS = ("openai", "gensdk chat", "gensdk responses")

Work = Callable[[], Awaitable[None]]


def turns(count: int) -> list[tuple[str, str]]:
    """An alternating conversation."""
    return [("user" if i % 2 == 0 else "assistant", f"message number {i}") for i in range(count)]


def openai_work(port: int) -> dict[str, Work]:
    """The workloads with the plain client, retries as it comes."""
    import openai

    client = openai.AsyncOpenAI(api_key="sk-bench", base_url=f"http://127.0.0.1:{port}/v1")
    long = [{"role": role, "content": text} for role, text in turns(CONVERSATION)]

    async def call(messages: Any = None) -> None:
        reply = await client.chat.completions.create(
            model="gpt-bench",
            messages=messages or [{"role": "user", "content": "Hello"}],
            temperature=0.7,
        )
        assert reply.choices[0].message.content and reply.usage.total_tokens == 80  # type: ignore[union-attr]

    async def stream() -> None:
        count = 0
        messages: Any = [{"role": "user", "content": "Hello"}]
        async for chunk in await client.chat.completions.create(
            model="gpt-bench", messages=messages, stream=True,
            stream_options={"include_usage": True},
        ):  # fmt: skip
            count += bool(chunk.choices and chunk.choices[0].delta.content)
        assert count == PER_CHUNK

    async def embed() -> None:
        reply = await client.embeddings.create(model="gpt-bench", input=["text"] * 256)
        assert len(reply.data) == 256
        assert abs(reply.data[9].embedding[3] - 0.01) < 1e-6

    async def image() -> None:
        import base64

        reply = await client.images.generate(model="gpt-bench", prompt="a cat")
        assert base64.b64decode(reply.data[0].b64_json or "")[:4] == b"\x89PNG"  # type: ignore[index]

    async def speech() -> None:
        reply = await client.audio.speech.create(model="gpt-bench", voice="coral", input="Hello")
        assert len(reply.content) == 1_000_004

    return {
        "call": call, "conversation": lambda: call(long), "concurrent": call, "stream": stream,
        "embed": embed, "image": image, "speech": speech,
    }  # fmt: skip


def gensdk_work(port: int, protocol: str) -> dict[str, Work]:
    """The workloads with gensdk."""
    import gensdk
    from gensdk.backends.openai import OpenAIBackend

    account = OpenAIBackend(
        api_key="sk-bench", base_url=f"http://127.0.0.1:{port}/v1", protocol=protocol  # type: ignore[arg-type]
    )  # fmt: skip
    client = gensdk.Client(backends={"openai": account})
    model = "openai:gpt-bench"
    makers = {"user": gensdk.Message.user, "assistant": gensdk.Message.assistant}

    async def call(prompt: Any = "Hello") -> None:
        reply = await client.text(prompt, model=model, temperature=0.7)
        assert reply.text
        assert reply.usage.total_tokens == 80
        assert reply.attempts

    async def conversation() -> None:
        await call([makers[role](text) for role, text in turns(CONVERSATION)])

    async def stream() -> None:
        count = 0
        async with client.stream_text("Hello", model=model) as events:
            async for _ in events.text:
                count += 1
            reply = await events.result()
        assert count == PER_CHUNK
        assert reply.usage.total_tokens == 80

    async def embed() -> None:
        reply = await client.embed(["text"] * 256, model=model)
        assert len(reply.vectors) == 256
        assert abs(reply.vectors[9][3] - 0.01) < 1e-6

    async def image() -> None:
        reply = await client.image("a cat", model=model)
        assert reply.images[0].data[:4] == b"\x89PNG"

    async def speech() -> None:
        reply = await client.speech("Hello", voice="coral", model=model)
        assert len(reply.audio) == 1_000_004

    return {
        "call": call, "conversation": conversation, "concurrent": call, "stream": stream,
        "embed": embed, "image": image, "speech": speech,
    }  # fmt: skip


async def measure(client: str, workload: str, port: int) -> float:
    """CPU microseconds for each call (for each chunk of a stream)."""
    kind, _, protocol = client.partition(" ")
    works = openai_work(port) if kind == "openai" else gensdk_work(port, protocol)
    work, calls = works[workload], CALLS[workload]
    for _ in range(3):
        await work()
    if workload == "concurrent":
        await asyncio.gather(*(work() for _ in range(64)))
    began = time.process_time()
    if workload == "concurrent":
        for _ in range(calls // 64):
            await asyncio.gather(*(work() for _ in range(64)))
        calls = calls // 64 * 64
    else:
        for _ in range(calls):
            await work()
    spent = time.process_time() - began
    return spent / calls / (PER_CHUNK if workload == "stream" else 1) * 1e6


def run_one(client: str, workload: str, port: int) -> float:
    """Measure in a fresh process."""
    command = [
        sys.executable,
        __file__,
        "--client",
        client,
        "--work",
        workload,
        "--port",
        str(port),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def compare(rounds: int, workloads: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """All clients and workloads, interleaved."""
    figures: dict[str, dict[str, list[float]]] = {w: {c: [] for c in CLIENTS} for w in workloads}
    with subprocess.Popen(
        [sys.executable, str(HERE / "fake_server.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        port = int(server.stdout.readline())
        for _ in range(rounds):
            for workload in workloads:
                for client in CLIENTS:
                    figures[workload][client].append(run_one(client, workload, port))
        server.stdin.close()
    return {
        workload: {
            client: {
                "cpu_us": statistics.median(values),
                "ratio": statistics.median(
                    mine / base for mine, base in zip(values, by_client["openai"], strict=True)
                ),
            }
            for client, values in by_client.items()
        }
        for workload, by_client in figures.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=list(CALLS))
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(asyncio.run(measure(options.client, options.work, options.port)))
        return
    table = compare(options.rounds, [options.only] if options.only else list(CALLS))
    names = ("openai", "gensdk", "httpx2", "pydantic")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )
    print(f"{'CPU of one call':16}" + "".join(f"{client:>26}" for client in CLIENTS))
    for workload, row in table.items():
        cells = "".join(
            f"{figure['cpu_us']:15.0f} us ({figure['ratio']:.2f})" for figure in row.values()
        )
        print(f"{workload:16}{cells}")
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
