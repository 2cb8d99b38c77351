"""The house rules that a machine can check: who imports whom, what loads when, sizes, names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import gensdk

ROOT = Path(gensdk.__file__).parent
HOME = ROOT.parent
MODULES = sorted(ROOT.rglob("*.py"))

ROOMS: dict[str, frozenset[str]] = {
    "_alarms": frozenset(),
    "errors": frozenset(),
    "types": frozenset(),
    "spec": frozenset({"types"}),
    "catalog": frozenset({"types"}),
    "policy": frozenset({"errors", "types", "_alarms"}),
    "toolkit": frozenset({"errors", "types", "spec", "_alarms"}),
    "backends": frozenset({"errors", "types", "spec", "toolkit", "catalog"}),
    "testing": frozenset({"errors", "types", "spec", "toolkit"}),
    "_registry": frozenset({"errors", "spec", "catalog"}),
    "_pipeline": frozenset({"policy", "types"}),
    "_settings": frozenset({"errors", "types", "catalog"}),
    "_listings": frozenset({"errors", "types", "spec", "policy", "_settings"}),
    "_refresh": frozenset({"errors", "types", "spec", "policy", "catalog", "_listings"}),
    "_resolve": frozenset(
        {"errors", "types", "spec", "policy", "_registry", "_settings", "_listings"}
    ),
    "_webhooks": frozenset({"errors", "types", "spec"}),
    "_counting": frozenset({"errors", "types", "spec", "_calls", "_given"}),
    "_any_request": frozenset(
        {
            "errors",
            "types",
            "policy",
            "stream",
            "_calls",
            "_given",
            "_map",
            "_output",
            "_parameters",
        }
    ),
    "_inspection": frozenset(
        {"types", "spec", "_calls", "_resolve", "_parameters"}
        | {"_refresh", "_webhooks", "_counting"}
    ),
    "_sync_inspection": frozenset({"types", "spec", "_resolve", "_loop"}),
    "_parameters": frozenset({"types", "policy", "_resolve"}),
    "_inputs": frozenset({"errors", "types", "_registry"}),
    "_output": frozenset({"errors", "types"}),
    "_tools": frozenset({"errors", "types"}),
    "_loop": frozenset({"errors"}),
    "_map": frozenset({"errors", "types", "_loop"}),
    "_given": frozenset({"errors", "types", "policy", "toolkit", "_resolve"}),
    "_client_settings": frozenset({"types", "policy", "_given"}),
    "_closing": frozenset({"errors"}),
    "_downloads": frozenset({"errors", "types", "policy", "toolkit"}),
    "_jobs": frozenset({"errors", "types", "spec", "policy"}),
    "_sync_jobs": frozenset({"types", "_jobs", "_loop"}),
    "_sync_local": frozenset({"_loop"}),
    "_calls": frozenset(
        {"errors", "types", "spec", "policy", "toolkit", "_registry", "_resolve", "_given"}
        | {"_client_settings", "_closing", "_parameters"}
        | {"_downloads", "_inputs", "_jobs", "_output", "_pipeline"}
    ),
    "_partial": frozenset({"types"}),
    "_reask": frozenset({"errors", "types", "_given", "_output", "_tools"}),
    "stream": frozenset({"errors", "types", "policy", "_partial"}),
    "telemetry": frozenset({"errors", "types", "policy", "__init__"}),
}
"""Who may import whom inside gensdk. ``client``, ``sync``, ``cli`` and the front door: below."""

UPPER = {"__init__", "client", "sync", "cli"}
"""Rooms on top: they may import everything but backends, and nobody below imports them."""

HEAVY = frozenset(
    {"openai", "torch", "transformers", "diffusers", "tenacity", "genai_prices", "numpy", "rich"}
    | {"typer", "httpx", "httpx2", "jsonschema", "safetensors", "tokenizers", "accelerate"}
    | {"opentelemetry", "redis", "sqlite3", "aiohttp"}
)
HEAVY_ALLOWED = {
    "cli": frozenset({"rich", "typer"}),
    "gensdk.toolkit.aiohttp_session": frozenset({"aiohttp"}),
}
"""By room, or by module where that is itself imported inside functions only."""

LONG_FILES = {
    "gensdk/errors.py": 550,
}
"""Files over 400 lines, with the most they may have; entries only ever shrink or go."""

LONG_FUNCTIONS: dict[str, int] = {}
"""Functions over 60 lines, ``file:name``; entries only ever shrink or go."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def nodes(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.AST]:
    """Every node that runs, without the bodies of ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if only_for_types(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other
                yield from nodes(other, inside_functions=inside_functions)
            continue
        if not inside_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from nodes(child, inside_functions=inside_functions)


def imports(path: Path, *, inside_functions: bool = True) -> list[str]:
    """Full names of the modules that a file imports when it runs."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    found: list[str] = []
    for node in nodes(tree(path), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{origin}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(path)
    own = [name.split(".") for name in imports(path) if name.startswith("gensdk.")]
    names = {parts[1] for parts in own}
    rooms = {name for name in names if (ROOT / name).exists() or (ROOT / f"{name}.py").exists()}
    if room in UPPER:
        assert "backends" not in rooms - {room} or room == "cli"
        return
    assert room in ROOMS, f"a new room: say in ROOMS what {room} may import"
    assert rooms - {room} <= ROOMS[room]


@pytest.mark.parametrize("path", sorted((ROOT / "backends").rglob("*.py")), ids=name_of)
def test_a_backend_imports_no_other_backend(path: Path) -> None:
    here = path.relative_to(ROOT / "backends").with_suffix("").parts[0]
    there = {
        name.split(".")[2]
        for name in imports(path)
        if name.startswith("gensdk.backends.") and len(name.split(".")) > 2
    }
    # They speak OpenAI's wire format, and add to it.
    allowed = {here, "openai"} if here in {"compatible", "huggingface", "perplexity"} else {here}
    assert there <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_wait_inside_functions(path: Path) -> None:
    loaded = {name.partition(".")[0] for name in imports(path, inside_functions=False)}
    allowed = (HEAVY_ALLOWED.get(name, frozenset()) for name in (room_of(path), name_of(path)))
    assert loaded & HEAVY <= frozenset().union(*allowed)


def test_modules_import_each_other_in_no_circle() -> None:
    names = {name_of(path): path for path in MODULES}

    def target(name: str) -> str | None:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    graph = {
        name: {
            found
            for found in map(target, imports(path, inside_functions=False))
            # A package's own modules are below it; its name alone stands for its door.
            if found and found != name and not name.startswith(f"{found}.")
        }
        for name, path in names.items()
    }
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for following in graph[name]:
                walk(following, (*way, name))
            done.add(name)

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree(path))


def test_files_are_short() -> None:
    sizes = {
        str(path.relative_to(HOME)): len(path.read_text("utf-8").splitlines())
        for path in MODULES
        if "demo" not in path.parts  # a script, and the stories it learns from
    }
    long = {name: size for name, size in sizes.items() if size > 400}
    assert {name: size for name, size in long.items() if size > LONG_FILES.get(name, 400)} == {}
    assert LONG_FILES.keys() <= long.keys(), "a file got short: take it off the list"


def test_functions_are_short() -> None:
    long: dict[str, int] = {}
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    long[f"{path.relative_to(HOME)}:{node.name}"] = lines
    assert {name: size for name, size in long.items() if size > LONG_FUNCTIONS.get(name, 60)} == {}
    assert LONG_FUNCTIONS.keys() <= long.keys(), "a function got short: take it off the list"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_listed_names_are_there(path: Path) -> None:
    if "demo" in path.parts or room_of(path) == "cli":
        pytest.skip("scripts and the command line have no public names")
    module = import_module(name_of(path))
    listed = getattr(module, "__all__", None)
    if listed is None:
        return
    assert len(set(listed)) == len(listed)
    for name in listed:
        getattr(module, name)


def test_every_error_class_is_listed() -> None:
    defined = {
        node.name for node in tree(ROOT / "errors.py").body if isinstance(node, ast.ClassDef)
    }
    assert defined <= set(gensdk.errors.__all__)


def test_the_types_are_all_at_their_door() -> None:
    """What a module of ``gensdk.types`` lists is what ``gensdk.types`` has, but for inner tools."""
    inner = {"EXTENSIONS", "Base64Bytes", "Options", "part_of"}
    for path in (ROOT / "types").glob("*.py"):
        listed = set(getattr(import_module(name_of(path)), "__all__", ()))
        assert listed - inner <= set(gensdk.types.__all__), path.name


def test_the_front_door_holds_what_it_says() -> None:
    assert set(gensdk.__all__) == {*gensdk._ROOMS, "__version__"}
    assert sorted(gensdk.__all__) == sorted(set(gensdk.__all__))
    for name in dir(gensdk):
        assert getattr(gensdk, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        gensdk.no_such_name  # noqa: B018  # the attribute access is the test


def test_every_room_of_the_front_door_opens() -> None:
    for room in ("errors", "types", "spec", "policy", "toolkit", "testing", "backends"):
        assert getattr(gensdk, room).__name__ == f"gensdk.{room}"


WATCH = """
import builtins, os, socket, sys
seen = []
def hook(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        seen.append((event, args))
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append((event, args[:2]))
    if event in {"subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "os.system"}:
        seen.append((event, args))
sys.dont_write_bytecode = True
sys.addaudithook(hook)
before = set(sys.modules)
import gensdk
client = gensdk.Client()
gensdk.SyncClient().close()
heavy = {"openai", "torch", "transformers", "diffusers", "httpx", "httpx2", "tenacity",
         "genai_prices", "numpy", "jsonschema", "rich", "typer", "huggingface_hub", "aiohttp"}
loaded = sorted(heavy & set(sys.modules))
assert not loaded, loaded
assert not seen, seen
import threading
assert threading.active_count() == 1
print("quiet")
"""


def test_importing_and_constructing_is_quiet() -> None:
    """No vendor package, no HTTP library, no network, nothing written, no thread."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH], capture_output=True, text=True, cwd=HOME
    )
    assert (done.stdout, done.stderr, done.returncode) == ("quiet\n", "", 0)


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]
    changes = (HOME / "CHANGELOG.md").read_text("utf-8")
    assert project["version"] == gensdk.__version__
    heads = re.findall(r"^## (?:\[)?([^\]\s]+)", changes, re.MULTILINE)
    assert heads[0] in {"Unreleased", project["version"]}
