"""Facts about models and servers as dated, cited rows; unknown models pass through.

Rule of the room: data and pure look-ups. No I/O, no clock (the caller says what day it is), and
no decision about a request: a row says what a model can do, the backend says what follows.
"""

from .abilities import ABILITY_ROWS, AbilityRow, abilities_of
from .lifecycle import LifecycleRow, ending_of, lifecycle
from .models import DEFAULTS, DefaultRow, TextModelRow, text_model

__all__ = [
    "ABILITY_ROWS",
    "DEFAULTS",
    "AbilityRow",
    "DefaultRow",
    "LifecycleRow",
    "TextModelRow",
    "abilities_of",
    "ending_of",
    "lifecycle",
    "text_model",
]
