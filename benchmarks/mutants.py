"""Mutation score: how many small changes to a module its tests notice.

    python benchmarks/mutants.py                                   # every module of the table
    python benchmarks/mutants.py --modules policy.retry --sample 0 # all changes, not a sample
    python benchmarks/mutants.py --jobs 4 --seed 2 --floor 90

A module's tests run once to learn which test passes through which line. Then, for each change of a
seeded sample, the tests that pass through its line run in a process of their own that sees the
changed module; the files on disk stay as they are. A change is killed where a test fails or runs
over its time, and that test passes without the change. What survives is printed. The exit code is
1 where a module's score is below ``--floor`` (per cent; 0 for a report only).

Changes that nobody could notice stand in ``EQUIVALENT`` of ``mutants_table.py``, with the reason.
POSIX only (``fork``). Takes minutes: some 40 changes a module, 0.5 to 5 s each.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from mutants_table import EQUIVALENT, HEAVY, MODULES
from mutations import Mutation, mutated, mutations

ROOT = Path(__file__).parents[1]
LIGHT = ("pytest", "pytest_asyncio.plugin", "pydantic", "httpx2", "openai", "tenacity", "trustme",
         "hypothesis", "genai_prices", "sqlite3")  # fmt: skip
"""Loaded once, before the processes fork."""
TESTS_S = 15.0
"""Seconds of tests for one change, as long as they took without it; the quickest are taken."""
SLACK_S = 20.0
HANGS_S = 8.0
"""A test that takes so much longer than five times what it usually takes has noticed a change."""


@dataclass
class Change:
    """One change on its way through the tests."""

    mutation: Mutation
    tests: list[str]
    seconds: float
    end: str = ""
    by: str = ""


@dataclass
class Module:
    """A module, its changes and what is known of its tests."""

    name: str
    text: str
    tree: ast.Module
    points: int
    lines: dict[int, set[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    equivalent: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def full_name(self) -> str:
        return f"gensdk.{self.name}"

    @property
    def file(self) -> Path:
        return ROOT / f"{self.full_name.replace('.', '/')}.py"

    def source(self, mutation: Mutation) -> str:
        """The line a change is in, as the table of equivalents names it."""
        return self.text.splitlines()[mutation.line - 1].strip()


class Record:
    """A pytest plugin that writes down how each test went, and ends a test that hangs.

    Args:
        path: What is written.
        usual: Seconds that each test took without a change; none where nothing is to be ended.
    """

    def __init__(self, path: Path, usual: dict[str, float]) -> None:
        self._path = path
        self._usual = usual
        self._seconds: dict[str, float] = {}
        self._failed: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid in self._usual:  # the signal ends this process, which counts as a failure
            signal.setitimer(signal.ITIMER_REAL, HANGS_S + 5 * self._usual[nodeid])

    def pytest_runtest_logreport(self, report: object) -> None:
        name = report.nodeid
        self._seconds[name] = self._seconds.get(name, 0.0) + report.duration
        if report.failed:
            self._failed.append(name)

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps([self._seconds, self._failed]), encoding="utf-8")


class Changed(importlib.machinery.SourceFileLoader, importlib.abc.MetaPathFinder):
    """Imports one module from a text in place of its file."""

    def __init__(self, name: str, file: Path, text: str) -> None:
        super().__init__(name, str(file))
        self._text = text

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Runner:
    """Runs pytest in forked processes, a few at a time."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder = folder
        self._jobs = jobs
        self._number = 0
        self._running: dict[int, tuple[Path, float, object]] = {}

    def start(self, module: Module, text: str | None, arguments: list[str], seconds: float,
              tag: object) -> None:  # fmt: skip
        """Start one; wait for a free place by ``ended`` first."""
        self._number += 1
        record = self._folder / f"{module.name}-{self._number}.json"
        process = os.fork()
        if not process:
            os._exit(_child(module, text, arguments, seconds, record))
        self._running[process] = (record, time.monotonic() + seconds, tag)

    @property
    def full(self) -> bool:
        return len(self._running) >= self._jobs

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def next_ended(self) -> tuple[object, int, list[str], dict[str, float]]:
        """Wait until one has ended: its tag, exit code, failed tests and the seconds of each."""
        while True:
            for process, (record, until, tag) in self._running.items():
                done, status = os.waitpid(process, os.WNOHANG)
                code = os.waitstatus_to_exitcode(status) if done else 0
                if not done and time.monotonic() > until:
                    os.killpg(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                    done, code = process, -signal.SIGKILL
                if done:
                    del self._running[process]
                    found = record.read_text(encoding="utf-8") if record.exists() else "[{}, []]"
                    seconds, failed = json.loads(found)
                    return tag, code, failed, seconds
            time.sleep(0.02)  # noqa: TID251  # there is no event loop here

    def one(self, module: Module, text: str | None, arguments: list[str], seconds: float
            ) -> tuple[int, list[str], dict[str, float]]:  # fmt: skip
        """Run one and wait for it, while nothing else runs."""
        self.start(module, text, arguments, seconds, None)
        _, code, failed, took = self.next_ended()
        return code, failed, took


def _child(
    module: Module, text: str | None, arguments: list[str], seconds: float, record: Path
) -> int:
    """What a forked process does: pytest over some tests, with or without a change."""
    os.setpgid(0, 0)
    log = os.open(record.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    if text is not None:
        sys.meta_path.insert(0, Changed(module.full_name, module.file, text))
    import pytest

    try:
        return int(pytest.main(
            ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=short",
             "-W", "ignore::pytest.PytestAssertRewriteWarning", *arguments],
            plugins=[Record(record, {} if text is None else module.seconds)],
        ))  # fmt: skip
    except BaseException as error:  # noqa: BLE001  # whatever it is, the change was noticed
        print(repr(error))
        return 1


def learn(module: Module, runner: Runner, folder: Path) -> list[str]:
    """Run a module's tests as it is: which pass through which line. Gives those that fail."""
    from coverage import CoverageData

    data = folder / f"{module.name}.coverage"
    os.environ["COVERAGE_FILE"] = str(data)
    tests = [str(ROOT / "tests" / name) for name in MODULES[module.name]]
    settings = folder / "coverage.ini"  # by its file: the name of a module would be imported
    settings.write_text(f"[run]\ninclude = {module.file}\n", encoding="utf-8")
    given = ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
    _, failed, module.seconds = runner.one(module, None, [*given, *tests], 600)
    del os.environ["COVERAGE_FILE"]
    found = CoverageData(str(data))
    found.read()
    for line, contexts in found.contexts_by_lineno(str(module.file)).items():
        module.lines[line] = {context.partition("|")[0] for context in contexts}
    for name in failed:
        module.seconds.pop(name, None)
    return failed


def tests_for(module: Module, line: int) -> list[str]:
    """The tests that pass through a line, the quickest first; of what runs at import, all."""
    starts = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    tests = module.lines.get(line) or module.lines.get(max(starts, default=line)) or {""}
    chosen = module.seconds if "" in tests else [one for one in tests if one in module.seconds]
    taken, total = [], 0.0
    for name in sorted(chosen, key=lambda one: module.seconds[one]):
        total += module.seconds[name]
        if total > TESTS_S:
            break
        taken.append(name)
    return taken


def choose(module: Module, sample: int, seed: int) -> None:
    """Take a sample of the changes, without the equivalent ones."""
    points = mutations(module.tree)
    known = EQUIVALENT.get(module.name, {})
    useful = [one for one in points if (module.source(one), one.what) not in known]
    module.equivalent = len(points) - len(useful)
    if 0 < sample < len(useful):
        useful = sorted(random.Random(seed).sample(useful, sample), key=lambda one: one.line)
    for mutation in useful:
        tests = tests_for(module, mutation.line)
        module.changes.append(Change(mutation, tests, sum(module.seconds[t] for t in tests)))


def judge(module: Module, runner: Runner) -> None:
    """Run every change against its tests."""
    for change in module.changes:
        if runner.full:
            _note(module, runner)
        text = mutated(module.tree, change.mutation)
        seconds = SLACK_S + 3 * change.seconds
        tests = sorted(change.tests, key=lambda name: -module.kills[name])
        runner.start(module, text, ["-x", *_ids(tests)], seconds, change)
    while runner.busy:
        _note(module, runner)
    sound: dict[str, bool] = {"": True}
    for change in module.changes:  # a test that fails by itself has noticed nothing
        if change.by not in sound:
            code, _, _ = runner.one(module, ast.unparse(module.tree), _ids([change.by]), 60)
            sound[change.by] = code == 0
            if code:
                print(f"  fails by itself: {change.by}", flush=True)
        if not sound[change.by]:
            change.end = "survived"


def _note(module: Module, runner: Runner) -> None:
    """Wait for one change to be judged; a test that notices much goes first from then on."""
    change, code, failed, _ = runner.next_ended()
    assert isinstance(change, Change)
    change.end = "survived" if code in {0, 5} or not change.tests else "killed"
    change.by = failed[0] if failed else ""
    module.kills[change.by] += 1


def _ids(tests: list[str]) -> list[str]:
    return [str(ROOT / name) for name in tests]


def report(module: Module, seconds: float) -> float:
    """Print what survived, and the score in per cent."""
    for change in module.changes:
        if change.end == "survived":
            at, what = change.mutation, change.mutation.what
            source = module.source(at)
            print(
                f"  survived: {module.name}:{at.line} {what} ({len(change.tests)} tests) | {source}"
            )
    killed = sum(change.end == "killed" for change in module.changes)
    score = 100 * killed / max(len(module.changes), 1)
    print(
        f"| {module.name} | {module.points} | {module.equivalent} | {len(module.changes)} "
        f"| {killed} | {score:.0f} % | {seconds:.0f} s |",
        flush=True,
    )
    return score


def main() -> int:
    """Measure the modules that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", nargs="*", default=list(MODULES), metavar="NAME")
    parser.add_argument("--sample", type=int, default=40, help="changes a module; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--floor", type=float, default=90.0, help="per cent; 0 for none")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(MODULES):
        parser.error(f"not in mutants_table.py: {', '.join(sorted(unknown))}")
    folder = Path(tempfile.mkdtemp(prefix="gensdk-mutants-"))
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    heavy = HEAVY if any("local" in name for name in options.modules) else ()
    for name in (*LIGHT, *heavy):
        importlib.import_module(name)
    low = []
    print(
        "| module | changes | equivalent | tried | killed | score | time |\n"
        "|---|--:|--:|--:|--:|--:|--:|"
    )
    try:
        for name in options.modules:
            began = time.monotonic()
            file = ROOT / "gensdk" / f"{name.replace('.', '/')}.py"
            text = file.read_text(encoding="utf-8")
            tree = ast.parse(text)
            module = Module(name, text, tree, len(mutations(tree)))
            for failing in learn(module, Runner(folder, 1), folder):
                print(f"  left out, as it fails: {failing}", flush=True)
            choose(module, options.sample, options.seed)
            judge(module, Runner(folder, options.jobs))
            if report(module, time.monotonic() - began) < options.floor:
                low.append(name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if low:
        print(f"below {options.floor:g} %: {', '.join(low)}")
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())
