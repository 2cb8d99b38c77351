"""One row of Runway's table: what one endpoint takes for some models.

Rule of the room: the shape of a row and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["TaskRow", "task_row"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What one endpoint takes for some models.

    Attributes:
        endpoint: Below ``/v1``.
        models: Models it answers for.
        fields: Fields of the body beside model, prompt, shape and what is started from; None:
            not known, so everything is sent.
        ratios: Words of ``ratio``, the default first; most are sizes in pixels.
        ratio_needed: Whether the API refuses a body without one.
        durations: Lengths in seconds; empty where any whole number is taken.
        duration_needed: Whether the API refuses a body without one.
        resolutions: Words of ``resolution``.
        qualities: Words of ``quality``, lowest first.
        formats: Words of ``outputFormat`` or ``format``.
        backgrounds: Words of ``background``.
        counts: Numbers of pictures in one task; empty where it does not say.
        rates: Sample rates.
        last_frame: Whether a picture may stand at the end.
        video_field: Field of the video that is changed.
        pictures: Most reference pictures; None where it does not say.
    """

    endpoint: str
    models: tuple[str, ...]
    fields: frozenset[str] | None
    ratios: tuple[str, ...] = ()
    ratio_needed: bool = False
    durations: tuple[int, ...] = ()
    duration_needed: bool = False
    resolutions: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    rates: tuple[int, ...] = ()
    last_frame: bool = False
    video_field: str = "videoUri"
    pictures: int | None = None

    @property
    def known(self) -> bool:
        """Whether the table knows the model at this endpoint."""
        return self.fields is not None

    def takes(self, field: str) -> bool:
        """Whether a field of the body is taken, as far as it is known."""
        return self.fields is None or field in self.fields


def task_row(
    endpoint: str,
    models: str,
    fields: str,
    *,
    ratios: str = "",
    resolutions: str = "",
    qualities: str = "",
    formats: str = "",
    backgrounds: str = "",
    durations: Sequence[int] = (),
    counts: Sequence[int] = (),
    rates: tuple[int, ...] = (),
    ratio_needed: bool = False,
    duration_needed: bool = False,
    last_frame: bool = False,
    video_field: str = "videoUri",
    pictures: int | None = None,
) -> TaskRow:
    """A row whose words stand in one string each."""
    return TaskRow(
        endpoint,
        tuple(models.split()),
        frozenset(fields.split()),
        ratios=tuple(ratios.split()),
        resolutions=tuple(resolutions.split()),
        qualities=tuple(qualities.split()),
        formats=tuple(formats.split()),
        backgrounds=tuple(backgrounds.split()),
        durations=tuple(durations),
        counts=tuple(counts),
        rates=rates,
        ratio_needed=ratio_needed,
        duration_needed=duration_needed,
        last_frame=last_frame,
        video_field=video_field,
        pictures=pictures,
    )
