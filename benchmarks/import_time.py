"""How long `import gensdk; gensdk.Client()` takes beside `import openai`, in fresh processes.

    python benchmarks/import_time.py [--rounds 15] [--json FILE]

The two are interleaved; each figure is the median over rounds of the time inside the process
(imports alone, after the interpreter has started, from cached bytecode as an installed package
has it). Prints the ratio; the goal is <= 0.35.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version

CASES = {
    "import openai": "import openai",
    "import gensdk": "import gensdk",
    "import gensdk; gensdk.Client()": "import gensdk; gensdk.Client()",
    "import httpx2": "import httpx2",
    "import pydantic BaseModel": "from pydantic import BaseModel",
}
PROBE = """
import sys, time
began = time.perf_counter()
{code}
ended = time.perf_counter()
print(ended - began, len(sys.modules))
"""


def once(code: str) -> tuple[float, int]:
    """Seconds and loaded modules of one fresh process."""
    command = [sys.executable, "-c", PROBE.format(code=code)]
    cached = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=cached)
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in CASES}
    modules: dict[str, int] = {}
    for name, code in CASES.items():  # warm the file cache
        modules[name] = once(code)[1]
    for _ in range(options.rounds):
        for name, code in CASES.items():
            times[name].append(once(code)[0])
    base = statistics.median(times["import openai"])
    rows = {
        name: {
            "median_ms": statistics.median(values) * 1000,
            "ratio": statistics.median(values) / base,
            "modules": modules[name],
        }
        for name, values in times.items()
    }
    names = ", ".join(f"{name} {version(name)}" for name in ("openai", "gensdk", "pydantic"))
    print(f"Python {platform.python_version()}, {names}")
    for name, row in rows.items():
        figures = f"{row['median_ms']:8.1f} ms  ratio {row['ratio']:.2f}"
        print(f"{name:32} {figures}  {row['modules']} modules")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
