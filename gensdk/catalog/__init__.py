"""Facts about models and servers as dated, cited rows; unknown models pass through.

Rule of the room: data and pure look-ups. No I/O, no clock (the caller says what day it is), and
no decision about a request: a row says what a model can do, the backend says what follows.
"""

from .lifecycle import RETIRING_DAYS, LifecycleRow, lifecycle, lifecycle_warning
from .models import DEFAULTS, DefaultRow, TextModelRow, default_for, text_model

__all__ = [
    "DEFAULTS",
    "RETIRING_DAYS",
    "DefaultRow",
    "LifecycleRow",
    "TextModelRow",
    "default_for",
    "lifecycle",
    "lifecycle_warning",
    "text_model",
]
