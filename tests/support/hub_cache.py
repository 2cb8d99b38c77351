"""A Hugging Face cache on disk, laid out as the hub's library does, made from saved models."""

from __future__ import annotations

import shutil
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put_into_cache(cache: Path, name: str, model: Path, revision: str = "main") -> Path:
    """Put a model's folder into a cache under a hub id; returns its snapshot."""
    place = cache / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / COMMIT
    shutil.copytree(model, snapshot, dirs_exist_ok=True)
    ref = place / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(COMMIT, encoding="ascii")
    return snapshot
