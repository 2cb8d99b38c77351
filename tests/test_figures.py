"""Short runs of benchmarks whose outcome is right or wrong, whatever the machine does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="they count what is in /proc")


def ran(name: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *options],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_cancelled_calls_of_every_kind_leave_nothing_behind() -> None:
    assert "nothing is left" in ran("cancel.py", "--calls", "65", "--seed", "3")


def test_changes_to_a_module_are_noticed_by_its_tests() -> None:
    told = ran("mutants.py", "--modules", "toolkit.address", "--sample", "2", "--floor", "100")
    assert "| 2 | 2 | 100 % |" in told


def test_map_keeps_a_bounded_memory_and_every_answer() -> None:
    assert "0 wrong, 0 missing" in ran("map.py", "--requests", "5000")
