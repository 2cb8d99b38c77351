"""CPU of gensdk beside the plain openai package and others, for the same work, in one run.

    python benchmarks/remote.py [--rounds 3] [--only WORK …] [--all] [--peers FOLDER]
                                [--json FILE [--add]] [--svg FILE] [--minutes 10]
    python benchmarks/remote.py --policies      # what the policies cost: runs policies.py

Fake servers answer from other processes (pin them and this one with ``taskset`` for steadier
figures). Clients and rounds are interleaved; each client does each work in a fresh process, warmed
up, and reports its own CPU time. A figure is the median over rounds of the ratio to the plain
openai package in the same round. Every answer is checked. gensdk runs its full path: typed request
and response, default policies, usage, cost, attempts.

Without options: plain openai, and gensdk over both transports. ``--all`` adds openai over aiohttp,
gensdk over Responses, httpx2 and aiohttp by themselves, and what else is installed of litellm,
any-llm, pydantic-ai, langchain-openai and huggingface_hub. ``--peers`` makes an environment for
each of those in a folder, with pip, and uses them from there.

No round but the first is begun that would not be over after ``--minutes``. With ``--all --peers``
one round of all works takes many minutes, so it is run in parts, put together in one file::

    python benchmarks/remote.py --all --peers DIR --json F --add --only start call conversation
    python benchmarks/remote.py --all --peers DIR --json F --add --only concurrent crowd held
    python benchmarks/remote.py --all --peers DIR --json F --add --only first stream streams
    python benchmarks/remote.py --all --peers DIR --json F --add --only embed image speech
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from remote_chart import chart

HERE = Path(__file__).resolve().parent

WORKS = {
    "start": "import, make a client, one call",
    "call": "one call after another",
    "conversation": "a conversation of 42 messages",
    "concurrent": "64 calls at once, server 20 ms, each",
    "crowd": "512 calls at once, server 20 ms, each",
    "first": "to the first piece of a stream",
    "stream": "one stream, each of 200 pieces",
    "streams": "64 streams at once, each piece",
    "embed": "256 embeddings x 1536",
    "image": "one picture of 1.5 MB, base64",
    "speech": "one sound of 1 MB",
    "held": "memory of one of 512 open streams",
}
SERVERS = {
    "concurrent": (0.02, 0.0), "crowd": (0.02, 0.0), "first": (0.0, 0.0005),
    "streams": (0.0, 0.005), "held": (0.0, 1.0),
}  # fmt: skip
"""Seconds before an answer, and between the pieces of a stream; without both where not named."""
PATIENCE_S, INSTALL_S = 60, 300
BASE = "openai"
QUICK = (BASE, "gensdk, httpx2", "gensdk, aiohttp")
MORE = (
    "openai + aiohttp", "gensdk responses, httpx2", "gensdk responses, aiohttp", "raw httpx2",
    "raw aiohttp",
)  # fmt: skip
PEERS = {
    "litellm": ("litellm", ["litellm"]),
    "any-llm": ("any_llm", ["any-llm-sdk[openai]"]),
    "pydantic-ai": ("pydantic_ai", ["pydantic-ai-slim[openai]"]),
    "langchain-openai": ("langchain_openai", ["langchain-openai"]),
    "huggingface_hub": ("huggingface_hub", ["huggingface_hub"]),
}
"""Module and packages of each."""

Figures = dict[str, float]
Table = dict[str, dict[str, Figures]]


def interpreters(peers: str | None, everyone: bool) -> dict[str, str]:
    """The clients that can be measured, each with its Python."""
    found = dict.fromkeys(QUICK, sys.executable)
    if not everyone and peers is None:
        return found
    found |= dict.fromkeys(MORE, sys.executable)
    for name, (module, packages) in PEERS.items():
        if peers is not None:
            python = environment(Path(peers) / name, packages)
        else:
            python = sys.executable if find_spec(module) else None
        if python is None:
            print(f"{name} is left out: not installed", file=sys.stderr)
        else:
            found[name] = python
    return found


def environment(folder: Path, packages: list[str]) -> str | None:
    """Make an environment with some packages, once; None where that fails."""
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return str(python)
    venv.create(folder, with_pip=True)
    try:
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *packages],
            capture_output=True, text=True, check=True, timeout=INSTALL_S,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        print(f"{packages}: {error}", file=sys.stderr)
        return None
    listed = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, check=True)
    (folder / "ready").write_bytes(listed.stdout)
    return str(python)


@contextmanager
def server(delay: float, pace: float) -> Iterator[int]:
    """A fake server in another process; gives its port."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "fake_server.py"), str(delay), str(pace)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def run_one(python: str, client: str, work: str, port: int) -> Figures | None:
    """Measure in a fresh process; None where the client cannot do the work."""
    command = [python, str(HERE / "remote_clients.py"), client, work, str(port)]
    own = python == sys.executable
    environ = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "") if own else ""}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environ, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        print(f"{client}, {work}: given up after {PATIENCE_S} s", file=sys.stderr)
        return None
    if done.returncode:
        print(f"{client}, {work}: {done.stderr[-500:]}", file=sys.stderr)
        return None
    figures: Figures | None = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(rounds: int, works: list[str], pythons: dict[str, str], minutes: float) -> Table:
    """All clients and works, interleaved; fewer rounds where the time is over before."""
    began = time.monotonic()
    gathered: dict[str, dict[str, list[Figures]]] = {w: {c: [] for c in pythons} for w in works}
    with ExitStack() as stack:
        wanted = {SERVERS.get(work, (0.0, 0.0)) for work in works}
        ports = {paces: stack.enter_context(server(*paces)) for paces in wanted}
        for number in range(rounds):
            taken_s = time.monotonic() - began
            if number and taken_s * (number + 1) / number > minutes * 60:
                print(f"\rthe time is over after {number} rounds of {rounds}", file=sys.stderr)
                break
            for work in works:
                print(f"\rround {number + 1}: {work:14}", end="", file=sys.stderr, flush=True)
                for client, python in pythons.items():
                    if number and not gathered[work][client]:
                        continue  # it could not in the first round
                    port = ports[SERVERS.get(work, (0.0, 0.0))]
                    figures = run_one(python, client, work, port)
                    if figures is not None:
                        gathered[work][client].append(figures)
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    return {work: settled(by_client) for work, by_client in gathered.items()}


def settled(by_client: dict[str, list[Figures]]) -> dict[str, Figures]:
    """Medians over the rounds, and ratios to the plain openai package round by round."""
    rows = {}
    for client, runs in by_client.items():
        if not runs:
            continue
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        row["rounds"] = len(runs)
        for key in runs[0] if by_client.get(BASE) else ():
            pairs = zip(runs, by_client[BASE], strict=False)
            row[f"{key}_ratio"] = statistics.median(mine[key] / base[key] for mine, base in pairs)
        rows[client] = row
    return rows


def main_figure(figures: Figures) -> str:
    """The name of the figure that a table shows."""
    return "cpu_us" if "cpu_us" in figures else "kib"


def shown(figures: Figures | None) -> str:
    """One cell of the table."""
    if figures is None:
        return "."
    key = main_figure(figures)
    value, ratio = figures[key], figures.get(f"{key}_ratio")
    if key == "kib":
        text = f"{value:.0f} KiB"
    else:
        text = f"{value / 1000:.1f} ms" if value >= 10_000 else f"{value:.0f} us"
    return text if ratio is None else f"{text} ({ratio:.2f})"


def times_of(figures: Figures | None) -> str:
    """How long calls took by the clock, and the longest that all of them stood still."""
    if figures is None:
        return "."
    p50, p99, collection = (figures[f"{key}_ms"] for key in ("p50", "p99", "gc"))
    return f"{p50:.0f} / {p99:.0f} / {collection:.0f} ms"


def table_of(table: Table, clients: list[str]) -> str:
    """The table in Markdown: CPU time, in brackets the ratio to the plain openai package."""
    lines = [f"| work | {' | '.join(clients)} |", f"|---|{'--:|' * len(clients)}"]
    for work, by_client in table.items():
        cells = " | ".join(shown(by_client.get(client)) for client in clients)
        lines.append(f"| {WORKS[work]} | {cells} |")
        if "p99_ms" in by_client.get(BASE, {}) and work != "streams":
            cells = " | ".join(times_of(by_client.get(client)) for client in clients)
            lines.append(f"| … p50 / p99 / longest garbage collection | {cells} |")
    return "\n".join(lines)


def merged(old: Table, new: Table) -> Table:
    """The works of two runs, in the order of the list; those of the new one win."""
    both = {**old, **new}
    return {work: both[work] for work in WORKS if work in both}


def machine() -> str:
    """What the figures were taken on."""
    packages = ("openai", "gensdk", "httpx2", "aiohttp", "pydantic")
    return (
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, " + ", ".join(f"{name} {version(name)}" for name in packages)
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(WORKS), nargs="+")
    parser.add_argument("--all", action="store_true", help="every client that is installed")
    parser.add_argument("--peers", help="make environments for other packages in this folder")
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--add", action="store_true", help="keep the other works of that file")
    parser.add_argument("--svg", help="draw the ratios into this file")
    parser.add_argument("--minutes", type=float, default=10, help="begin no round beyond these")
    parser.add_argument("--policies", action="store_true", help="what the policies cost, instead")
    options = parser.parse_args()
    if options.policies:
        subprocess.run([sys.executable, str(HERE / "policies.py")], check=True)
        return
    pythons = interpreters(options.peers, options.all)
    table = compare(options.rounds, options.only or list(WORKS), pythons, options.minutes)
    facts = machine()
    if options.json:
        file = Path(options.json)
        if options.add and file.exists():
            table = merged(json.loads(file.read_text(encoding="utf-8"))["figures"], table)
        text = json.dumps({"machine": facts, "figures": table}, indent=1)
        file.write_text(text, encoding="utf-8")
    print(facts, table_of(table, list(pythons)), sep="\n\n")
    if options.svg:
        ratios = {
            WORKS[work]: {c: f[f"{main_figure(f)}_ratio"] for c, f in by_client.items()}
            for work, by_client in table.items()
            if BASE in by_client
        }
        Path(options.svg).write_text(chart(ratios, list(pythons), BASE), encoding="utf-8")


if __name__ == "__main__":
    main()
