"""The changes that ``benchmarks/mutants.py`` makes, and that its tables still fit the code."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def room(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


MUTATIONS, TABLE = room("mutations"), room("mutants_table")


def changed(source: str) -> list[str]:
    tree = ast.parse(source)
    return [MUTATIONS.mutated(tree, one) for one in MUTATIONS.mutations(tree)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a is not b", ["a is b"]),
        ("a and b", ["a or b"]),
        ("not a", ["a"]),
        ("a + b", ["a - b"]),
        ("a |= b", ["a &= b"]),
        ("a if b else c", ["c if b else a"]),
        ("if a:\n    b()", ["if not a:\n    b()"]),
        ("A = 1", ["A = 2"]),
        ("A = True", ["A = False"]),
        ("a('x')", ["a('xXX')"]),
        ("a(b'x')", ["a(b'xXX')"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("def f():\n    return False", ["def f():\n    return True"]),
        ("def f():\n    a()\n    return", ["def f():\n    pass\n    return"]),
        ("def f():\n    a = b", ["def f():\n    pass"]),
        ("for a in b:\n    continue", []),
    ],
)
def test_changes(source: str, expected: list[str]) -> None:
    assert changed(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""', "import a", "from a import b", "__all__ = ['a']", "Kind = Literal['a', 'b']",
        "if TYPE_CHECKING:\n    a = 1", "class P(Protocol):\n    a = 1", "raise Error('text')",
        "logger.debug('text', 1)", "def f(a: 'b') -> 'c':\n    return", "f'{a} text'",
        "@d('x')\ndef f():\n    return",
    ],
)  # fmt: skip
def test_what_is_left_alone(source: str) -> None:
    assert changed(source) == []


def test_the_lines_of_changes() -> None:
    tree = ast.parse("A = 1\n\n\ndef f(a):\n    if a > 2:\n        return a\n    return None\n")
    found = [(one.line, one.what) for one in MUTATIONS.mutations(tree)]
    assert found == [
        (1, "1 -> 2"), (5, "branches swapped"), (5, "Gt -> GtE"), (5, "Gt -> LtE"), (5, "2 -> 3"),
        (6, "returns None"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", TABLE.MODULES)
def test_every_module_and_its_tests_are_there(name: str) -> None:
    assert (ROOT / "gensdk" / f"{name.replace('.', '/')}.py").is_file()
    assert all((ROOT / "tests" / file).is_file() for file in TABLE.MODULES[name])


@pytest.mark.parametrize("name", TABLE.EQUIVALENT)
def test_equivalent_changes_are_still_there(name: str) -> None:
    text = (ROOT / "gensdk" / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {
        (lines[one.line - 1].strip(), one.what) for one in MUTATIONS.mutations(ast.parse(text))
    }
    assert set(TABLE.EQUIVALENT[name]) <= found
    assert all(TABLE.EQUIVALENT[name].values()), "with a reason"
