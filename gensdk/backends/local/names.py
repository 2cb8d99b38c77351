"""What ``<hub id or folder>[@revision][+adapter]`` means.

A folder is written as a path: absolute, ``~/…``, ``./…`` or ``../…`` (or with more than one
slash, which no hub id has). Everything else is a hub id, so that a folder that happens to lie in
the working directory can never stand in for the model that was asked for. The built-in models,
``espeak`` and ``auto`` have names of one word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gensdk.errors import ModelNotDownloadedError, UnknownModelError
from gensdk.types import Ability

__all__ = [
    "AUTO",
    "BUILT_IN",
    "ENGINES",
    "ModelReference",
    "is_offline",
    "locate",
    "named",
    "parse_model",
]

AUTO = "auto"
"""Name that stands for the best model already on this machine."""

BUILT_IN: dict[str, Ability] = {"storyteller": "text", "painter": "image"}
"""Names of the built-in demonstration models, with what each does."""

ENGINES: dict[str, Ability] = {"espeak": "speech"}
"""Names of programs that answer without a model folder, with what each does."""

_DEMO = Path(__file__).parent / "demo"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][\w./-]*", re.ASCII)
_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One model on this machine, or to be brought here.

    Attributes:
        kind: Where it comes from.
        place: Hub id, the folder's absolute path, or the name of a program.
        revision: Branch, tag or commit of a hub model; None is the default branch.
        adapter: Hub id, or absolute path, of an adapter that is put on top for a call.
    """

    kind: Literal["hub", "folder", "builtin", "engine", "auto"]
    place: str
    revision: str | None = None
    adapter: str | None = None

    def __str__(self) -> str:
        """Return the name as it is written after ``local:``."""
        name = Path(self.place).name if self.kind == "builtin" else self.place
        name = f"{name}@{self.revision}" if self.revision else name
        return f"{name}+{self.adapter}" if self.adapter else name

    @property
    def base(self) -> ModelReference:
        """The model without its adapter: what is loaded, once for all adapters."""
        return replace(self, adapter=None) if self.adapter else self


def parse_model(model: str) -> ModelReference:
    """Read the model part of ``local:<model>``.

    Raises:
        UnknownModelError: It is neither a path nor a well-formed hub id.
    """
    if model == AUTO:
        return ModelReference("auto", AUTO)
    if model in ENGINES:
        return ModelReference("engine", model)
    model, adapter = _apart(model)
    if model in BUILT_IN:
        return ModelReference("builtin", str(_DEMO / model), adapter=adapter)
    if _is_path(model):
        return ModelReference("folder", _absolute(model), adapter=adapter)
    place, at, revision = model.partition("@")
    if not _HUB_ID.fullmatch(place) or (at and not _is_revision(revision)):
        raise UnknownModelError(
            f"{model!r} is no model on this machine: write a hub id ('org/name', "
            "'org/name@revision'), a folder ('./models/mine', '/models/mine'), 'auto', or one of "
            f"the built-in models ({', '.join((*BUILT_IN, *ENGINES))})",
            provider="local",
            model=model,
        )
    return ModelReference("hub", place, revision or None, adapter)


def named(model: str) -> ModelReference:
    """The one model in memory, or to be, that a name means; without its adapter.

    Raises:
        UnknownModelError: As ``parse_model``, or it is ``auto``, another model for each ability.
    """
    reference = parse_model(model)
    if reference.kind == "auto":
        raise UnknownModelError(
            "'auto' may be another model for each ability: name the one you mean "
            "(an answer of 'auto' has it in provider_details['auto'])",
            provider="local",
            model=model,
        )
    return reference.base


def _apart(model: str) -> tuple[str, str | None]:
    """The model and its adapter. A folder whose own name holds a ``+`` is that folder."""
    base, plus, adapter = model.rpartition("+")
    if not plus or (_is_path(base) and (_is_folder(model) or not _is_folder(base))):
        return model, None
    if _is_path(adapter):
        return base, _absolute(adapter)
    if not _HUB_ID.fullmatch(adapter):
        raise UnknownModelError(
            f"{model!r} names no adapter after its '+': write a hub id or a folder "
            "('org/name+./my-adapter')",
            provider="local",
            model=model,
        )
    return base, adapter


def _is_folder(path: str) -> bool:
    return Path(_absolute(path)).is_dir()


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


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
        return f"the built-in {reference} is not part of this installation; install gensdk's wheel"
    return f"there is no folder {reference.place!r}; give the path of a saved model"
