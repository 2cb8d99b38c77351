"""Every check in one class: those that need no HTTP, and all."""

from __future__ import annotations

from .answers import Answers
from .documented import Documented
from .faults import Faults
from .leaving import Leaving
from .life import Life
from .options import Options

__all__ = ["BackendConformance", "HTTPBackendConformance"]


class BackendConformance(Answers, Options, Life):
    """What every backend passes. See ``Stage`` for what to fill in."""


class HTTPBackendConformance(BackendConformance, Faults, Documented, Leaving):
    """What every backend of an HTTP service passes. See ``WireStage`` for what to fill in."""
