"""What is shown on a terminal while nothing else can be: a spinner, a bar, the time so far."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TimeElapsedColumn
from rich.text import Text

from gensdk.types import JobProgress

__all__ = ["Waiting"]


class Waiting:
    """A line on stderr that shows that work goes on; it leaves nothing behind.

    With no ``stream`` it shows nothing, so that callers need not ask.
    """

    def __init__(self, label: str, stream: TextIO | None, *, bar: bool) -> None:
        """Prepare the line; ``bar`` adds a bar that moves without a known end."""
        self._progress: Progress | None = None
        self._label = label
        if stream is None:
            return
        columns: list[ProgressColumn] = [SpinnerColumn(), _Label()]
        columns += [BarColumn(bar_width=24)] if bar else []
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(file=stream, markup=False, highlight=False, emoji=False),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(label, total=None)

    def start(self) -> None:
        """Show it."""
        if self._progress is not None:
            self._progress.start()

    def stop(self) -> None:
        """Take it away. May be called twice."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def loading(self, model: str | None) -> None:
        """Say that a model is loaded before the work begins; None takes it back."""
        if self._progress is not None:
            label = f"loading {model}, then {self._label}" if model else self._label
            self._progress.update(self._task, description=label)

    def job(self, progress: JobProgress) -> None:
        """Show how far a provider's job is; without a known share the bar just moves."""
        if self._progress is None:
            return
        share = progress.share
        done = f" {share:.0%}" if share is not None else ""
        self._progress.update(
            self._task,
            description=f"{self._label}: {progress.status}{done}",
            total=None if share is None else 1.0,
            completed=share or 0.0,
        )

    def above(self, text: str) -> bool:
        """Print a line above it; False where nothing is shown and the caller has to."""
        if self._progress is None:
            return False
        self._progress.console.print(Text(text), soft_wrap=True)
        return True


class _Label(ProgressColumn):
    """The description as plain text: a model's name is never read as markup."""

    def render(self, task: object) -> Text:
        """The description."""
        return Text(str(getattr(task, "description", "")))
