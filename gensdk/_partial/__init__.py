"""Answers to ``output=`` while they grow: a reader of JSON, and what may be shown of it.

Rule of the room: nothing here speaks to anybody or knows streams; events come in, values go out.
"""

from .document import GrowingOutput
from .shapes import MISSING

__all__ = ["MISSING", "GrowingOutput"]
