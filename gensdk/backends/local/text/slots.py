"""Keys and values of the rows that run together: one dense buffer, every row ends at one column.

Rows have different lengths and no padding of their own: a row of length ``n`` fills the ``n``
columns before the common end, and the columns to its left are masked. So one step appends one
column for all rows, joining is a copy, leaving moves the last row into the gap, and when the
longest row leaves, the columns only it needed are given up without copying anything. The buffer
doubles when it is full and halves when three quarters of it are unused.

New memory is not cleared: a processor hands it out page by page as it is first written, and that
costs more than the numbers in it. Only what a mask hides is set to zero, since it must be a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KeysValues", "SlotLayer", "Slots", "size_of"]

KeysValues = list[tuple["Tensor", "Tensor"]]
"""For each layer keys and values, ``[1, heads, tokens, width]``."""

_LEAST_COLUMNS = 64


class SlotLayer:
    """One layer of the buffer, with the face of a transformers cache layer.

    ``update`` writes the new column and shows all that the step may look at.
    """

    is_compileable = False
    is_croppable = False
    is_sliding = False
    is_initialized = True

    def __init__(self, slots: Slots, keys: Tensor, values: Tensor) -> None:
        """Keep buffers ``[rows, heads, columns, width]``."""
        self._slots = slots
        self.keys = keys
        self.values = values

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write a step's columns for every row; returns keys and values up to them."""
        slots = self._slots
        rows, start, end = len(slots.lengths), slots.start, slots.end
        after = end + key_states.shape[2]
        self.keys[:rows, :, end:after] = key_states
        self.values[:rows, :, end:after] = value_states
        return self.keys[:rows, :, start:after], self.values[:rows, :, start:after]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """The buffers are there from the start: nothing is left to do."""

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self._slots.width

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns a step looks at, and where they begin."""
        return self._slots.width + query_length, 0

    def get_max_length(self) -> int:
        """There is no maximum."""
        return -1


@cache
def _layer_class() -> type[SlotLayer]:
    """The layer as a kind of transformers' own, which is what a transformers cache asks for."""
    from transformers.cache_utils import CacheLayerMixin

    return type("SlotLayer", (SlotLayer, CacheLayerMixin), {})


class Slots:
    """The rows of a batch and where their keys and values are.

    Attributes:
        lengths: Tokens of each row that are in the buffer.
        start: First column in use.
        end: Column the next step writes.
        sound: Whether all layers have the same shape; not so after memory ran out in between.
        coming: Rows that are about to join: room is made for all of them at once.
        layers: The buffers.
    """

    def __init__(self) -> None:
        """Begin with no rows and no memory."""
        self.lengths: list[int] = []
        self.start = self.end = 0
        self.sound = True
        self.coming = 0
        self.layers: list[SlotLayer] = []
        self._cache: Any = None

    @property
    def width(self) -> int:
        """Columns in use: the length of the longest row."""
        return self.end - self.start

    @property
    def memory_bytes(self) -> int:
        """Size of the buffers."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers)

    def cache(self) -> Any:
        """The buffers as a transformers cache, for one step; there must be room for it."""
        if self._cache is None:
            from transformers import Cache

            self._cache = Cache(layers=self.layers)
        return self._cache

    def join(self, parts: KeysValues) -> int:
        """Copy a row in; returns its number."""
        length = parts[0][0].shape[-2]
        self.coming = max(0, self.coming - 1)
        self._make_room(parts, len(self.lengths) + 1, max(self.width, length))
        row, first = len(self.lengths), self.end - length
        for layer, (keys, values) in zip(self.layers, parts, strict=True):
            for buffer, own in ((layer.keys, keys), (layer.values, values)):
                buffer[row, :, first : self.end] = own[0]
                buffer[row, :, self.start : first] = 0
                buffer[:row, :, first : self.start] = 0
        self.lengths.append(length)
        self.start = min(self.start, first)
        return row

    def leave(self, row: int) -> None:
        """Forget a row; the last one takes its number."""
        last = len(self.lengths) - 1
        used = slice(self.start, self.end)
        if row != last:
            self.sound = False
            for layer in self.layers:
                for buffer in (layer.keys, layer.values):
                    buffer[row, :, used] = buffer[last, :, used]
            self.sound = True
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()
        if self.lengths:
            self.start = self.end - max(self.lengths)
        else:
            self.clear()

    def clear(self) -> None:
        """Forget every row and free the memory."""
        self.lengths, self.layers, self._cache = [], [], None
        self.start = self.end = self.coming = 0
        self.sound = True

    def make_room_for_step(self, columns: int = 1) -> None:
        """See to it that so many columns can be written."""
        if self.layers and self.end + columns > self.layers[0].keys.shape[2]:
            self._rebuild(self.layers[0].keys.shape[0], self._columns_for(self.width + columns))

    def advance(self, columns: int = 1) -> None:
        """Take note that a step has written columns; what it wrote behind them is forgotten."""
        self.end += columns
        self.lengths = [length + columns for length in self.lengths]

    def give_back(self) -> None:
        """Halve the buffer where three quarters of its rows are unused."""
        rows = len(self.lengths) + self.coming
        if self.layers and rows * 4 < self.layers[0].keys.shape[0]:
            rows = 2 * _doubled(rows)  # not the least: one more must not move it again
            self._rebuild(rows, self._columns_for(self.width + 1))

    def _make_room(self, parts: KeysValues, rows: int, width: int) -> None:
        wanted = _doubled(rows + self.coming)
        if not self.layers:
            columns = self._columns_for(width + 1)
            self.layers = [
                _layer_class()(
                    self,
                    keys.new_empty((wanted, keys.shape[1], columns, keys.shape[3])),
                    values.new_empty((wanted, values.shape[1], columns, values.shape[3])),
                )
                for keys, values in parts
            ]
            self.start = self.end = width
            return
        held_rows, held_columns = self.layers[0].keys.shape[0], self.layers[0].keys.shape[2]
        if rows > held_rows or width > self.end:
            fits = width < held_columns
            columns = held_columns if fits else self._columns_for(width + 1)
            self._rebuild(held_rows if rows <= held_rows else wanted, columns, width)

    def _rebuild(self, rows: int, columns: int, width: int | None = None) -> None:
        """Move everything into buffers of another size, with ``width`` columns before the end."""
        used, count = self.width, len(self.lengths)
        end = max(used, width or used)
        self.sound = False
        for layer in self.layers:
            layer.keys = self._moved(layer.keys, rows, columns, end, count)
            layer.values = self._moved(layer.values, rows, columns, end, count)
        self.start, self.end = end - used, end
        self.sound = True

    def _moved(self, old: Tensor, rows: int, columns: int, end: int, count: int) -> Tensor:
        new = old.new_empty((rows, old.shape[1], columns, old.shape[3]))
        new[:count, :, end - self.width : end] = old[:count, :, self.start : self.end]
        return new

    @staticmethod
    def _columns_for(width: int) -> int:
        return max(_LEAST_COLUMNS, _doubled(width))

    def visible(self, device: str) -> Tensor | None:
        """Which columns each row may look at in a step, bool ``[rows, columns]``; None for all."""
        import torch

        shortest = min(self.lengths)
        if shortest == self.width:
            return None
        firsts = torch.tensor([self.width - length for length in self.lengths], device=device)
        return torch.arange(self.width + 1, device=device) >= firsts.unsqueeze(-1)

    def positions(self, device: str, columns: int = 1) -> Tensor:
        """Positions of each row's next tokens, ``[rows, columns]``."""
        import torch

        firsts = torch.tensor(self.lengths, device=device).unsqueeze(-1)
        return firsts if columns == 1 else firsts + torch.arange(columns, device=device)


def _doubled(size: int) -> int:
    return 1 << max(0, size - 1).bit_length()


def size_of(parts: Sequence[tuple[Tensor, Tensor]]) -> int:
    """Bytes of a row's keys and values."""
    return sum(keys.nbytes + values.nbytes for keys, values in parts)
