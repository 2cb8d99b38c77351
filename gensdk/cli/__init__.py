"""The ``gensdk`` command: every verb of the client from a terminal.

Rule of the room: only the public door of gensdk (``gensdk``, ``errors``, ``types``, ``spec``),
and ``catalog`` for what ``models`` and ``doctor`` show. Results go to stdout, everything about
them to stderr. Text of a model reaches a terminal only through ``escape``. This module imports
nothing heavy, so that it can say which extra is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = frozenset({"typer", "rich"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``docs/cli.md`` lists the codes.

    Args:
        argv: Arguments without the program's name; None takes those of the process.
    """
    try:
        from .app import run

        return run(argv)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        print(
            f"error: the gensdk command needs the package {missing!r}\n"
            '  next: pip install "gensdk[cli]"',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
