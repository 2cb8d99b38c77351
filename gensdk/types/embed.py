"""Embeddings: the request, the vectors and the response."""

from __future__ import annotations

import array as arrays
import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, overload

from pydantic import Field, GetCoreSchemaHandler, field_validator
from pydantic_core import CoreSchema, core_schema

from .base import Ability, Request, Response, Text, none_blank, several_texts

if TYPE_CHECKING:
    import numpy

__all__ = ["EmbedRequest", "EmbedResponse", "EmbedTask", "Vectors"]

EmbedTask = Literal["query", "document", "similarity", "classification", "clustering"]


class EmbedRequest(Request):
    """Ask a model for vectors.

    Attributes:
        inputs: Texts, any number of them; a single text is taken too.
        dimensions: Length of the vectors, where the model lets one choose.
        task: What the vectors are for, where the model makes a difference.
    """

    ability: ClassVar[Ability] = "embed"

    inputs: Annotated[tuple[Text, ...], Field(min_length=1)]
    dimensions: Annotated[int, Field(ge=1)] | None = None
    task: EmbedTask | None = None
    user_id: Text | None = None

    @field_validator("inputs", mode="before")
    @classmethod
    def _one_input(cls, value: Any) -> Any:
        return several_texts(value)

    @field_validator("inputs", mode="after")
    @classmethod
    def _no_empty_input(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return none_blank(value)

    @classmethod
    def answer_type(cls) -> type[EmbedResponse]:
        """The class of its answers."""
        return EmbedResponse


class Vectors(Sequence[Sequence[float]]):
    """``n`` vectors of ``dim`` numbers, kept as one float32 block.

    A sequence of float vectors; ``vectors[i]`` is a ``memoryview`` of 32-bit floats without a
    copy, and ``array()`` gives the whole as numpy ``float32 [n, dim]``. In JSON: the shape and
    the little-endian block as base64.
    """

    __slots__ = ("_block", "dim")

    def __init__(self, block: arrays.array[float], dim: int) -> None:
        """Take a flat block of ``n * dim`` floats (typecode ``f``)."""
        if block.typecode != "f" or dim < 1 or len(block) % dim:
            raise ValueError(f"{len(block)} floats are no whole number of vectors of {dim}")
        self._block = block
        self.dim = dim

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Vectors:
        """Build from rows of numbers, all of one length."""
        if not rows:
            raise ValueError("no vectors")
        dim = len(rows[0])
        block = arrays.array("f")
        for row in rows:
            if len(row) != dim:
                raise ValueError(f"vectors of {dim} and of {len(row)} numbers do not mix")
            block.extend(row)
        return cls(block, dim)

    def __len__(self) -> int:
        """Number of vectors."""
        return len(self._block) // self.dim

    @overload
    def __getitem__(self, index: int) -> Sequence[float]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[float]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """One vector as a view, or several as a list of views."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        start = (index % len(self)) * self.dim
        return memoryview(self._block)[start : start + self.dim]

    def __iter__(self) -> Iterator[Sequence[float]]:
        """Yield the vectors as views."""
        for index in range(len(self)):
            yield self[index]

    def __eq__(self, other: object) -> bool:
        """Equal shape and equal numbers."""
        if not isinstance(other, Vectors):
            return NotImplemented
        return self.dim == other.dim and self._block == other._block

    def __hash__(self) -> int:
        """Hash of shape and bytes."""
        return hash((self.dim, self._block.tobytes()))

    def __repr__(self) -> str:
        """Show the shape."""
        return f"Vectors(n={len(self)}, dim={self.dim})"

    def tolist(self) -> list[list[float]]:
        """All numbers as nested lists."""
        flat = self._block.tolist()
        return [flat[start : start + self.dim] for start in range(0, len(flat), self.dim)]

    def array(self) -> numpy.ndarray[Any, numpy.dtype[numpy.float32]]:
        """The whole as numpy ``float32 [n, dim]``, sharing memory. Needs numpy."""
        import numpy

        return numpy.frombuffer(self._block, dtype=numpy.float32).reshape(len(self), self.dim)

    @property
    def block(self) -> arrays.array[float]:
        """The flat block of ``n * dim`` floats."""
        return self._block

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate from an instance, from rows, or from the JSON form."""
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls._dump, when_used="json"
            ),
        )

    @classmethod
    def _validate(cls, value: Any) -> Vectors:
        if isinstance(value, Vectors):
            return value
        if isinstance(value, dict):
            if not isinstance(value.get("float32"), str) or not isinstance(value.get("dim"), int):
                raise ValueError("the JSON form of vectors is {dim: int, float32: base64}")
            block = arrays.array("f")
            block.frombytes(base64.b64decode(value["float32"], validate=True))
            return cls(block, value["dim"])
        if not isinstance(value, Sequence):
            raise ValueError("give Vectors, or rows of numbers")
        try:
            return cls.of(value)
        except TypeError as error:
            raise ValueError(f"rows of vectors are numbers: {error}") from error

    def _dump(self) -> dict[str, Any]:
        return {"dim": self.dim, "float32": base64.b64encode(self._block.tobytes()).decode()}


class EmbedResponse(Response):
    """Vectors, one for each input, in the order of the inputs."""

    vectors: Vectors

    def array(self) -> numpy.ndarray[Any, numpy.dtype[numpy.float32]]:
        """The vectors as numpy ``float32 [n, dim]``."""
        return self.vectors.array()
