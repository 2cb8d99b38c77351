"""What ``<hub id or folder>[@revision]`` means.

A folder is written as a path: absolute, ``~/…``, ``./…`` or ``../…`` (or with more than one
slash, which no hub id has). Everything else is a hub id, so that a folder that happens to lie in
the working directory can never stand in for the model that was asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gensdk.errors import ModelNotDownloadedError, UnknownModelError

__all__ = ["STORYTELLER", "ModelReference", "is_offline", "locate", "parse_model"]

STORYTELLER = "storyteller"
"""Name of the built-in demonstration model."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][\w./-]*", re.ASCII)
_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One model on this machine, or to be brought here.

    Attributes:
        kind: Where it comes from.
        place: Hub id, or the folder's absolute path.
        revision: Branch, tag or commit of a hub model; None is the default branch.
    """

    kind: Literal["hub", "folder", "builtin"]
    place: str
    revision: str | None = None

    def __str__(self) -> str:
        """Return the name as it is written after ``local:``."""
        if self.kind == "builtin":
            return STORYTELLER
        return f"{self.place}@{self.revision}" if self.revision else self.place


def parse_model(model: str) -> ModelReference:
    """Read the model part of ``local:<model>``.

    Raises:
        UnknownModelError: It is neither a path nor a well-formed hub id.
    """
    if model == STORYTELLER:
        return ModelReference("builtin", str(Path(__file__).parent / "demo" / STORYTELLER))
    if _is_path(model):
        return ModelReference("folder", os.path.abspath(os.path.expanduser(model)))
    place, at, revision = model.partition("@")
    if not _HUB_ID.fullmatch(place) or (at and not _is_revision(revision)):
        raise UnknownModelError(
            f"{model!r} is no model on this machine: write a hub id ('org/name', "
            "'org/name@revision'), a folder ('./models/mine', '/models/mine') or 'storyteller'",
            provider="local",
            model=model,
        )
    return ModelReference("hub", place, revision or None)


def _is_path(model: str) -> bool:
    starts = ("./", "../", "~", "/", ".\\", "..\\")
    first, _, _ = model.partition("@")
    return (
        model in {".", ".."}
        or model.startswith(starts)
        or first.count("/") > 1
        or Path(model).is_absolute()
    )


def _is_revision(revision: str) -> bool:
    return bool(_REVISION.fullmatch(revision)) and ".." not in revision


def is_offline(offline: bool | None) -> bool:
    """Whether the hub may not be asked: the setting, else ``HF_HUB_OFFLINE``."""
    if offline is not None:
        return offline
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").lower() in _TRUE for name in names)


def locate(
    reference: ModelReference,
    *,
    offline: bool,
    cache_dir: Path | None,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Return the model's folder; a hub model is downloaded first where that is allowed.

    Blocks: belongs into a worker thread. ``check`` is asked while a download goes on and may raise
    to end it.

    Raises:
        ModelNotDownloadedError: It is not here and cannot, or may not, be brought here.
        ModelNotFoundError: The hub does not know the model or the revision.
        PermissionDeniedError: The model is gated and this account has no access.
    """
    if reference.kind == "hub":
        from .hub import snapshot

        return snapshot(
            reference.place, reference.revision, offline=offline, cache_dir=cache_dir, check=check
        )
    folder = Path(reference.place)
    if not folder.is_dir():
        raise ModelNotDownloadedError(_no_folder(reference), provider="local")
    return folder.resolve()


def _no_folder(reference: ModelReference) -> str:
    if reference.kind == "builtin":
        return "the built-in storyteller is not part of this installation; install gensdk's wheel"
    return f"there is no folder {reference.place!r}; give the path of a saved model"
