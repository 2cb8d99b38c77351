"""What lies in the Hugging Face hub's cache, read without the hub's library.

The layout is the hub's own ("Understand caching" in its documentation): ``models--org--name`` holds
``refs/<branch>`` with the commit it stands for, and ``snapshots/<commit>`` with its files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CachedModel", "cache_folder", "cached_folder", "cached_models"]

_PREFIX = "models--"
_COMMIT = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_LONGEST_REF = 256


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model in the cache: its hub id, and the folder of its default branch."""

    name: str
    folder: Path

    @property
    def weight_bytes(self) -> int:
        """Size of its safetensors files, those of components included."""
        total = 0
        for pattern in ("*.safetensors", "*/*.safetensors"):
            for file in self.folder.glob(pattern):
                try:
                    total += file.stat().st_size
                except OSError:  # a link whose blob is gone
                    continue
        return total


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where huggingface_hub looks (its documentation, "Environment variables")."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    caches = Path(environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(environ.get("HF_HOME") or caches / "huggingface").expanduser() / "hub"


def cached_folder(name: str, revision: str | None, cache_dir: Path | None) -> Path | None:
    """Folder of a model in the cache, None where it is not there. It may be incomplete."""
    place = (cache_dir or cache_folder()) / (_PREFIX + name.replace("/", "--"))
    commit = _commit(place / "refs" / (revision or "main")) or revision
    if commit is None or not _COMMIT.fullmatch(commit):
        return None
    folder = place / "snapshots" / commit
    return folder if folder.is_dir() else None


def cached_models(cache_dir: Path | None) -> list[CachedModel]:
    """The models in the cache whose default branch is there, by name."""
    try:
        places = sorted((cache_dir or cache_folder()).glob(f"{_PREFIX}*"))
    except OSError:
        return []
    found = []
    for place in places:
        name = place.name.removeprefix(_PREFIX).replace("--", "/")
        folder = cached_folder(name, None, cache_dir)
        if folder is not None:
            found.append(CachedModel(name, folder))
    return found


def _commit(ref: Path) -> str | None:
    try:
        with ref.open("rb") as file:
            return file.read(_LONGEST_REF).decode("ascii").strip() or None
    except (OSError, ValueError):
        return None
