"""What the code imports is what its extra installs, and what its messages tell one to install."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

DISTRIBUTIONS = {
    "PIL": "pillow",
    "huggingface_hub": "huggingface-hub",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
}
"""What installs a package, where it is not called like it."""

ON_DEMAND = {"espeakng_loader", "g2p_en", "nltk", "sentencepiece"}
"""Packages that few models want; a message names them where they are missing."""

EXTRAS = {
    "gensdk/backends/local": "local",
    "gensdk/backends/local/demo": "local-image",
    "gensdk/backends/local/device.py": "quantized",
    "gensdk/backends/local/diffusion": "local-image",
    "gensdk/backends/local/extra.py": "local-image",
    "gensdk/backends/local/images": "local-image",
    "gensdk/backends/local/music": "local-image",
    "gensdk/backends/local/quantization.py": "quantized",
    "gensdk/backends/local/video": "local-video",
    "gensdk/toolkit/film.py": "local-video",
    "gensdk/toolkit/hearing.py": "local-audio",
    "gensdk/toolkit/sound.py": "local-audio",
}
"""The extra that each place needs; the longest prefix counts."""


def requirements(extra: str | None) -> set[str]:
    """Distributions that an extra brings with gensdk itself."""
    found: set[str] = set()
    lines = PROJECT["dependencies"]
    for line in [*lines, *(PROJECT["optional-dependencies"][extra] if extra else ())]:
        name = re.split(r"[<>=\[;]", line)[0].strip()
        if name == "gensdk":
            for other in re.findall(r"\[(.*)\]", line)[0].split(","):
                found |= requirements(other.strip())
        else:
            found.add(name)
    return found


def imported(file: Path) -> Iterator[str]:
    """Top-level packages that a file imports, or looks for, that are not of the language."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_spec":
            names = [one.value for one in node.args if isinstance(one, ast.Constant)]  # type: ignore[misc]
        for name in names:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names and package != "gensdk":
                yield package


def extra_of(file: Path) -> str:
    place = file.relative_to(ROOT).as_posix()
    return EXTRAS[max((prefix for prefix in EXTRAS if place.startswith(prefix)), key=len)]


FILES = sorted(
    file
    for prefix in EXTRAS
    for file in ([ROOT / prefix] if prefix.endswith(".py") else (ROOT / prefix).rglob("*.py"))
)


@pytest.mark.parametrize("file", sorted(set(FILES)), ids=lambda file: file.name)
def test_an_extra_installs_what_its_room_imports(file: Path) -> None:
    brought = requirements(extra_of(file))
    wanted = {DISTRIBUTIONS.get(name, name) for name in imported(file)} - ON_DEMAND
    assert wanted <= brought, f"{extra_of(file)} lacks {sorted(wanted - brought)}"


def test_espeak_needs_no_more_than_its_extra() -> None:
    room = ROOT / "gensdk/backends/local/speech"
    files = ("espeak.py", "espeak_library.py", "worker.py", "render.py", "sentences.py")
    wanted = {name for file in files for name in imported(room / file)}
    assert {name.replace("_", "-") for name in wanted} <= requirements("espeak")


def test_messages_name_extras_that_there_are() -> None:
    known = set(PROJECT["optional-dependencies"])
    for folder in ("gensdk", "docs"):
        for file in (ROOT / folder).rglob("*.[pm][yd]"):
            for names in re.findall(r"gensdk\[([\w,-]+)\]", file.read_text("utf-8")):
                assert set(names.split(",")) <= {*known, "name"}, f"{file}: gensdk[{names}]"
