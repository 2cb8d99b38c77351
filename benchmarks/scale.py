"""What a call costs as more run at once, and as its conversation grows: gensdk beside openai.

    python benchmarks/scale.py [--minutes 4] [--json FILE] [--svg FILE]

CPU time of the client process for one call: with 1 to 2048 calls at once against a server that
takes 20 ms, and one after another with a conversation of 1 to 1000 messages. Each client does all
points in a process of its own, for at most its share of the time; clients are interleaved, round
after round while one more would be over in time. A figure is the median over the rounds, ``.``
where there was no time for it (the machine is busy, or --minutes too few). Every answer is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from remote import machine, server
from remote_chart import curves
from remote_clients import CLIENTS

NAMES = ("openai", "gensdk, httpx2", "gensdk, aiohttp")
AT_ONCE = (1, 4, 16, 64, 256, 512, 2048)
TURNS = (1, 3, 10, 30, 100, 300, 1000)
KINDS = {"concurrency": "calls at once", "conversation": "messages in the conversation"}
DELAY_S = 0.02
POINT_S = 0.4
"""Wall time that a point is measured for, at least one batch."""

Points = dict[str, float]
"""Microseconds of CPU for one call, by number of calls at once or of messages (as text)."""
Runs = dict[str, dict[str, list[Points]]]


# ------------------------------------------------------------------------- in a process of its own
async def batches(work: Callable[[], Awaitable[None]], width: int, warm: int) -> float:
    """CPU microseconds of one call, of batches of so many at once."""
    for _ in range(warm):
        await asyncio.gather(*(work() for _ in range(width)))
    calls, cpu, began = 0, time.process_time(), time.perf_counter()
    while not calls or time.perf_counter() - began < POINT_S:
        await asyncio.gather(*(work() for _ in range(width)))
        calls += width
    return (time.process_time() - cpu) / calls * 1e6


async def measure(client: str, kind: str, port: int) -> None:
    """Print all points of one client, from small to large, each as soon as it is known."""
    works = CLIENTS[client](f"http://127.0.0.1:{port}/v1")
    wide = kind == "concurrency"
    await batches(works["call"] if wide else partial(works["conversation"], 1), 1, 20)
    for point in AT_ONCE if wide else TURNS:
        work = works["call"] if wide else partial(works["conversation"], point)
        found = await batches(work, point if wide else 1, 1)
        print(json.dumps({point: found}), flush=True)


# --------------------------------------------------------------------------------- all of them
def run_one(client: str, kind: str, port: int, patience_s: float) -> Points:
    """Measure in a fresh process; what it has found when it fails, or takes too long."""
    command = [sys.executable, __file__, "--one", client, kind, str(port)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=patience_s)
        said = done.stdout
        if done.returncode:
            print(f"{client}, {kind}: {done.stderr.decode()[-500:]}", file=sys.stderr)
    except subprocess.TimeoutExpired as error:
        print(f"{client}, {kind}: given up, out of time", file=sys.stderr)
        said = error.stdout or b""
    points: Points = {}
    for line in said.splitlines():
        points |= json.loads(line)
    return points


def compare(minutes: float) -> Runs:
    """Rounds of all clients, until one more would not be over in time."""
    runs: Runs = {kind: {client: [] for client in NAMES} for kind in KINDS}
    began, rounds = time.monotonic(), 0
    share_s = minutes * 60 / (len(KINDS) * len(NAMES))
    with ExitStack() as stack:
        ports = {
            "concurrency": stack.enter_context(server(DELAY_S, 0.0)),
            "conversation": stack.enter_context(server(0.0, 0.0)),
        }
        while True:
            for kind, by_client in runs.items():
                for client, found in by_client.items():
                    left_s = minutes * 60 - (time.monotonic() - began)
                    if left_s > 1:
                        found.append(run_one(client, kind, ports[kind], min(left_s, share_s)))
            rounds += 1
            taken_s = time.monotonic() - began
            if taken_s * (rounds + 1) / rounds > minutes * 60:
                return runs


def settled(runs: list[Points]) -> Points:
    """Medians over the rounds."""
    keys = dict.fromkeys(key for run in runs for key in run)
    return {key: statistics.median(run[key] for run in runs if key in run) for key in keys}


def table_of(kind: str, figures: dict[str, Points]) -> str:
    """The table in Markdown: CPU time, in brackets the ratio to the plain openai package."""
    lines = [f"| {KINDS[kind]} | {' | '.join(figures)} |", f"|--:|{'--:|' * len(figures)}"]
    base = figures[NAMES[0]]
    for point in map(str, AT_ONCE if kind == "concurrency" else TURNS):
        cells = [
            f"{points[point]:.0f} us"
            + (f" ({points[point] / base[point]:.2f})" if point in base else "")
            if point in points
            else "."
            for points in figures.values()
        ]
        lines.append(f"| {point} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables, draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    runs = compare(options.minutes)
    figures = {
        kind: {client: settled(found) for client, found in by_client.items()}
        for kind, by_client in runs.items()
    }
    rounds = min(len(found) for by_client in runs.values() for found in by_client.values())
    print(machine(), f"{rounds} rounds", sep="; ", end="\n\n")
    print(*(table_of(kind, figures[kind]) for kind in KINDS), sep="\n\n")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "cpu_us": figures}, indent=1), "utf-8"
        )
    if options.svg:
        options.svg.write_text(curves(figures, KINDS, "CPU of one call, microseconds"), "utf-8")


if __name__ == "__main__":
    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))  # the server inherits it
    if sys.argv[1:2] == ["--one"]:
        asyncio.run(measure(sys.argv[2], sys.argv[3], int(sys.argv[4])))
        os._exit(0)  # the clients were never closed, and some complain of it
    main()
