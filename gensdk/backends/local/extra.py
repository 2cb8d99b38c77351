"""Whether the optional packages of this room are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from gensdk.errors import MissingDependencyError

__all__ = ["NO_DIFFUSERS", "has_espeak", "missing_packages", "require_packages"]

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "jinja2")

NO_DIFFUSERS = "this model is a pipeline, which diffusers runs: pip install 'gensdk[local-image]'"


def missing_packages() -> tuple[str, ...]:
    """Names of the packages of the extra ``local`` that are not here; imports none of them."""
    return tuple(name for name in _PACKAGES if find_spec(name) is None)


def require_packages(folder: Path | None = None, *, demo: bool = False) -> None:
    """Refuse early where local models cannot run.

    Args:
        folder: Where the model is, if that is known: a pipeline needs diffusers as well.
        demo: Whether a built-in model is asked, which answers by itself where nothing is set up.

    Raises:
        MissingDependencyError: A package of the extra ``local``, or diffusers, is not installed.
    """
    missing = missing_packages()
    pipeline = folder is not None and (folder / "model_index.json").is_file()
    if missing:
        extra = "local-image" if pipeline else "local"
        instead = "; or name a hosted model, and set its provider's key" if demo else ""
        raise MissingDependencyError(
            f"local models need {', '.join(missing)}: pip install 'gensdk[{extra}]'{instead}",
            provider="local",
        )
    if pipeline and find_spec("diffusers") is None:
        raise MissingDependencyError(NO_DIFFUSERS, provider="local")


def has_espeak() -> bool:
    """Whether the extra ``espeak`` is installed; the system may have the library all the same."""
    return find_spec("espeakng_loader") is not None
