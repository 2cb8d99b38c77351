"""What this machine has: packages, devices, the model cache, proxies. Nothing is changed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from gensdk.catalog.compatible import OPENAI, PRESETS
from gensdk.catalog.hosted import HOSTED
from gensdk.toolkit.aiohttp_transport import has_aiohttp

__all__ = [
    "Cache",
    "Extra",
    "LocalModel",
    "addresses",
    "core_versions",
    "devices",
    "extras",
    "local_models",
    "model_cache",
    "proxies",
    "python_line",
    "transport",
]

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_EVERYTHING = "all"
_OTHER_ADDRESSES = ("AZURE_OPENAI_ENDPOINT", "GOOGLE_GEMINI_BASE_URL", "HF_ENDPOINT")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of gensdk.

    Attributes:
        name: As in ``gensdk[name]``.
        versions: Installed packages and their versions.
        missing: Packages that are not installed.
    """

    name: str
    versions: dict[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """The folder that models from the Hugging Face hub are kept in."""

    folder: str
    exists: bool
    models: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that is on this machine already.

    Attributes:
        name: As in the model slot.
        kind: What it is.
        abilities: What it can be asked for; empty where gensdk does not run it.
        bytes: Size of its weights.
    """

    name: str
    kind: str
    abilities: tuple[str, ...]
    bytes: int


def python_line() -> str:
    """Implementation, version and system."""
    name, version = platform.python_implementation(), platform.python_version()
    return f"{name} {version} on {platform.system()} {platform.machine()}"


def core_versions() -> dict[str, str | None]:
    """Versions of the packages gensdk always needs; None where one is missing."""
    return {name: _version(name) for name, extra in _requirements() if extra is None}


def extras() -> list[Extra]:
    """Every extra, with what of it is installed."""
    packages: dict[str, list[str]] = {}
    for name, extra in _requirements():
        if extra is not None and extra != _EVERYTHING:
            packages.setdefault(extra, []).append(name)
    found = []
    for extra, names in sorted(packages.items()):
        versions = {name: _version(name) for name in names}
        installed = {name: version for name, version in versions.items() if version is not None}
        missing = tuple(name for name in names if name not in installed)
        found.append(Extra(extra, installed, missing))
    return found


def devices() -> list[str]:
    """What local models run on here, in the local backend's own words."""
    try:
        from gensdk.backends.local import explain_device
    except ImportError as error:
        return [f"the local backend is not part of this installation ({error})"]
    return list(explain_device())


def model_cache(environ: Mapping[str, str] = os.environ) -> Cache:
    """The hub's cache: folder, number of models, size on disk."""
    folder = _cache_folder(environ)
    models = [path for path in folder.glob("models--*") if path.is_dir()]
    size = sum(_size(path) for path in models)
    return Cache(str(folder), folder.is_dir(), len(models), size)


def local_models(environ: Mapping[str, str] = os.environ) -> list[LocalModel]:
    """The built-in models, then those in the hub's cache; their configurations are read."""
    try:
        from gensdk.backends.local.cache import CachedModel, cached_models
        from gensdk.backends.local.kinds import kind_of
        from gensdk.backends.local.names import BUILT_IN, parse_model
    except ImportError:
        return []
    built_in = [CachedModel(name, Path(parse_model(name).place)) for name in BUILT_IN]
    found = []
    for model in (*built_in, *cached_models(_cache_folder(environ))):
        if not model.folder.is_dir():
            continue
        kind = kind_of(model.folder)
        abilities = tuple(sorted(kind.abilities)) if kind.room else ()
        what = f"built-in {kind.name}" if model in built_in else kind.name
        found.append(LocalModel(f"local:{model.name}", what, abilities, model.weight_bytes))
    return found


def transport() -> str:
    """What opens the connections where no client of the user's is lent."""
    if has_aiohttp():
        return f"aiohttp {_version('aiohttp')} (over httpx2 where a proxy is in the way)"
    return f"httpx2 {_version('httpx2')}"


def proxies(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Proxies by variable, without the passwords an address may hold."""
    names = [name for upper in _PROXIES for name in (upper, upper.lower())]
    return {name: _bare(environ[name]) for name in names if environ.get(name)}


def addresses(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that lead a provider's calls elsewhere, by name, without passwords."""
    from gensdk.backends.compatible import base_url_variable

    names = [*_OTHER_ADDRESSES, *map(base_url_variable, (OPENAI.name, *PRESETS))]
    names += [row.url_env for row in HOSTED]
    return {name: _bare(environ[name]) for name in sorted({*names}) if environ.get(name)}


def _requirements() -> Iterator[tuple[str, str | None]]:
    try:
        lines = metadata.requires("gensdk") or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        name, extra = _REQUIREMENT.match(line), _EXTRA.search(line)
        if name is not None:
            yield name[1], extra[1] if extra else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cache_folder(environ: Mapping[str, str]) -> Path:
    """Where huggingface_hub looks (its documentation, "Environment variables")."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    caches = Path(environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(environ.get("HF_HOME") or caches / "huggingface").expanduser() / "hub"


def _size(folder: Path) -> int:
    """Bytes of the blobs; the snapshots only link to them."""
    total = 0
    for path in (folder / "blobs").glob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # removed while we look
            continue
    return total


def _bare(address: str) -> str:
    if "://" not in address:
        return address.rpartition("@")[2]
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not an address)"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}"
