"""Doubles for tests: of applications that use gensdk, and of gensdk itself.

Rule of the room: nothing here is imported by the rest of gensdk.
"""

from .jobs import ScriptedJob
from .scripted import Asked, Pause, ScriptedBackend, ScriptError, Step, say

__all__ = ["Asked", "Pause", "ScriptError", "ScriptedBackend", "ScriptedJob", "Step", "say"]
