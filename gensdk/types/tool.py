"""Tools a model may call, and the schema its structured output must fit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
)

from .base import JsonObject, Value

__all__ = ["OutputSchema", "Tool", "ToolChoice"]

ToolFunction = Callable[..., Any] | Callable[..., Awaitable[Any]]

ToolChoice = Literal["auto", "none", "required"] | str
"""``auto``, ``none``, ``required``, or the name of the tool that must be called."""

_NO_ARGUMENTS: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class Tool(Value):
    """A tool by name, description and JSON schema of its arguments.

    ``Tool.of(function)`` derives all three from a plain Python function: its name, its docstring
    and its type hints.

    Attributes:
        name: 1 to 64 letters, digits, ``_`` or ``-``.
        description: What it does and when to use it, for the model.
        parameters: JSON schema of type ``object``.
        function: What to run; not part of the JSON form.
    """

    name: str
    description: str = ""
    parameters: JsonObject = Field(default_factory=lambda: dict(_NO_ARGUMENTS))
    function: ToolFunction | None = Field(default=None, exclude=True, repr=False)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.match(value):
            raise ValueError("a tool name is 1 to 64 letters, digits, '_' or '-'")
        return value

    @classmethod
    def of(cls, function: ToolFunction) -> Self:
        """Describe a Python function (plain or async) as a tool.

        Raises:
            TypeError: A parameter is positional-only, ``*args`` or ``**kwargs``, or its type has
                no JSON schema.
        """
        arguments = _arguments_model(function)
        schema = arguments.model_json_schema()
        schema.pop("title", None)
        for prop in schema.get("properties", {}).values():
            prop.pop("title", None)
        name = getattr(function, "__name__", type(function).__name__)
        summary, _ = _split_docstring(inspect.getdoc(function) or "")
        return cls(name=name, description=summary, parameters=schema, function=function)

    def validate_arguments(self, arguments: JsonObject) -> dict[str, Any]:
        """Check a model's arguments against the function's types and return Python values.

        Raises:
            ValueError: The arguments do not fit; the text says which and why.
        """
        if self.function is None:
            return dict(arguments)
        model = _arguments_model(self.function)
        try:
            checked = model.model_validate(arguments)
        except ValidationError as error:
            raise ValueError(_problems(error)) from error
        return {name: getattr(checked, name) for name in checked.model_fields_set}


class OutputSchema(Value):
    """The shape a structured answer must have.

    Attributes:
        name: Name the provider shows to the model.
        json_schema: JSON schema; its root is always an object.
        wrapped: True where a type that is no object (``list[str]``) was put into
            ``{"value": …}`` and comes out of it again.
        type: The Python type, where one was given; not part of the JSON form.
    """

    name: str
    json_schema: JsonObject
    wrapped: bool = False
    type: Any = Field(default=None, exclude=True, repr=False)

    @classmethod
    def of(cls, shape: Any) -> Self:
        """Take a pydantic model, any type pydantic understands, or a JSON schema."""
        if isinstance(shape, cls):
            return shape
        if isinstance(shape, dict):
            return cls(name=str(shape.get("title", "output")), json_schema=shape)
        schema = TypeAdapter(shape).json_schema()
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", getattr(shape, "__name__", "output")).strip("_")
        if schema.get("type") == "object" or _ref_is_object(schema):
            return cls(name=name[:64] or "output", json_schema=schema, type=shape)
        definitions = schema.pop("$defs", None)
        wrapper: dict[str, Any] = {
            "type": "object",
            "properties": {"value": schema},
            "required": ["value"],
            "additionalProperties": False,
        }
        if definitions:
            wrapper["$defs"] = definitions
        return cls(name=name[:64] or "output", json_schema=wrapper, wrapped=True, type=shape)

    def parse(self, text: str) -> Any:
        """Parse and validate the model's text.

        Returns:
            An instance of the Python type, or plain JSON where only a schema was given.

        Raises:
            ValueError: The text is not JSON or does not fit; one line per problem.
        """
        kind: Any = self.type
        if kind is None:
            return _parse_plain(text, self.json_schema)
        if self.wrapped:
            kind = create_model("Wrapped", __config__=_STRICT, value=(kind, ...))
        try:
            parsed: Any = TypeAdapter(kind).validate_json(text)
        except ValidationError as error:
            raise ValueError(_problems(error)) from error
        return parsed.value if self.wrapped else parsed


_STRICT = ConfigDict(extra="forbid")


def _ref_is_object(schema: dict[str, Any]) -> bool:
    target = str(schema.get("$ref", "")).rpartition("/")[2]
    return bool(target) and schema.get("$defs", {}).get(target, {}).get("type") == "object"


def _parse_plain(text: str, schema: JsonObject) -> Any:
    from pydantic_core import from_json

    value = from_json(text)
    try:
        import jsonschema
    except ImportError:
        if not isinstance(value, dict):
            raise ValueError("the root is not an object") from None
        return value
    validator = jsonschema.validators.validator_for(schema)(schema)
    lines = [
        f"{'.'.join(map(str, error.absolute_path)) or '(root)'}: {error.message}"
        for error in validator.iter_errors(value)
    ]
    if lines:
        raise ValueError("\n".join(lines))
    return value


def _problems(error: ValidationError) -> str:
    return "\n".join(
        f"{'.'.join(map(str, item['loc'])) or '(root)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _arguments_model(function: ToolFunction) -> type[BaseModel]:
    name = getattr(function, "__name__", type(function).__name__)
    hints = get_type_hints(function, include_extras=True)
    _, described = _split_docstring(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"tool {name!r}: parameter {parameter} cannot be passed by name")
        default = ... if parameter.default is parameter.empty else parameter.default
        info = Field(default, description=described.get(parameter.name))
        fields[parameter.name] = (hints.get(parameter.name, Any), info)
    return create_model(name, __config__=_STRICT, **fields)


def _split_docstring(doc: str) -> tuple[str, dict[str, str]]:
    """Split a Google-style docstring into its text and its ``Args:`` by name."""
    text, found, rest = doc.partition("\nArgs:\n")
    if not found:
        return doc.strip(), {}
    described: dict[str, str] = {}
    current = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        match = re.match(r"^ {2,4}(\w+)(?: \([^)]*\))?: (.*)$", line)
        if match:
            current = match[1]
            described[current] = match[2].strip()
        elif current and line.strip():
            described[current] += " " + line.strip()
    return text.strip(), described
