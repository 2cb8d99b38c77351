"""Models that know classes rather than words: which class a prompt names."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from gensdk.errors import InvalidRequestError

__all__ = ["class_count", "class_label"]


def class_count(pipe: Any) -> int | None:
    """Number of classes a pipeline paints, None where it paints whatever it likes."""
    for name, field in (("transformer", "num_embeds_ada_norm"), ("unet", "num_class_embeds")):
        count = getattr(getattr(getattr(pipe, name, None), "config", None), field, None)
        if isinstance(count, int) and count > 0:
            return count
    return None


def class_label(prompt: str, labels: Mapping[str, int], count: int | None) -> int:
    """The class a prompt names, by its number or by one of its names.

    Raises:
        InvalidRequestError: It names none; the message has near matches.
    """
    text = prompt.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        number = int(text)
        if count is None or number < count:
            return number
        raise InvalidRequestError(
            f"this model paints {count} classes, numbered from 0; there is no {number}",
            param="prompt",
        )
    by_name = {name.lower(): number for name, number in labels.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    near = get_close_matches(text.lower(), by_name, n=5, cutoff=0.5) or list(by_name)[:5]
    known = f"; near: {', '.join(near)}" if near else ""
    raise InvalidRequestError(
        f"this model paints classes, and {text!r:.80} is none of them; give the name or the number "
        f"of a class{known}",
        param="prompt",
    )
