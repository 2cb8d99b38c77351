"""Tools a model may call, and the schema its structured output must fit."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic_core import from_json

from .base import JsonObject, SendableJson, Text, Value

__all__ = ["OutputSchema", "Tool", "ToolChoice"]

ToolFunction = Callable[..., Any] | Callable[..., Awaitable[Any]]

ToolChoice = Literal["auto", "none", "required"] | str
"""``auto``, ``none``, ``required``, or the name of the tool that must be called."""

_NO_ARGUMENTS: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


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

    name: Text
    description: Text = ""
    parameters: SendableJson = Field(default_factory=lambda: dict(_NO_ARGUMENTS))
    function: ToolFunction | None = Field(default=None, exclude=True, repr=False)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("a tool name is 1 to 64 letters, digits, '_' or '-'")
        return value

    @classmethod
    def of(cls, function: ToolFunction) -> Self:
        """Describe a Python function (plain or async) as a tool.

        Raises:
            TypeError: A parameter is positional-only, ``*args`` or ``**kwargs``, or its type has
                no JSON schema.
        """
        name = _name_of(function)
        if not _NAME.fullmatch(name):
            raise TypeError(f"{function!r} has no name that a tool may have: give it one with def")
        try:
            schema = _arguments_model(function).model_json_schema()
        except (PydanticUserError, NameError, ValueError) as error:
            raise TypeError(f"tool {name!r}: {error}") from error
        schema.pop("title", None)
        for prop in schema.get("properties", {}).values():
            prop.pop("title", None)
        summary, _ = _split_docstring(_doc_of(function))
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
        fields = type(checked).model_fields
        return {
            str(fields[name].alias): getattr(checked, name)
            for name in fields
            if name in checked.model_fields_set
        }


class OutputSchema(Value):
    """The shape a structured answer must have.

    Attributes:
        name: Name the provider shows to the model.
        json_schema: JSON schema; its root is always an object.
        wrapped: True where a type that is no object (``list[str]``) was put into
            ``{"value": …}`` and comes out of it again.
        type: The Python type, where one was given; not part of the JSON form.
    """

    name: Text
    json_schema: SendableJson
    wrapped: bool = False
    type: Any = Field(default=None, exclude=True, repr=False)

    @classmethod
    def of(cls, shape: Any) -> Self:
        """Take a pydantic model, any type pydantic understands, or a JSON schema.

        Raises:
            ValueError: It is none of these.
        """
        if isinstance(shape, cls):
            return shape
        if isinstance(shape, dict):
            schema, given = shape, str(shape.get("title", "output"))
        else:
            schema, given = _schema_of(shape), getattr(shape, "__name__", "output")
        kind = None if isinstance(shape, dict) else shape
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", given).strip("_")[:64] or "output"
        if _is_object(schema):
            return cls(name=name, json_schema=schema, type=kind)
        return cls(name=name, json_schema=_wrapper(schema), wrapped=True, type=kind)

    def parse(self, text: str) -> Any:
        """Parse and validate the model's text.

        Returns:
            An instance of the Python type, or plain JSON where only a schema was given.

        Raises:
            ValueError: The text is not JSON or does not fit; one line per problem.
        """
        kind: Any = self.type
        if kind is None:
            plain = _parse_plain(text, self.json_schema)
            return plain["value"] if self.wrapped else plain
        if self.wrapped:
            kind = create_model("Wrapped", __config__=_STRICT, value=(kind, ...))
        try:
            parsed: Any = TypeAdapter(kind).validate_json(text.encode(errors="replace"))
        except ValidationError as error:
            raise ValueError(_problems(error)) from error
        return parsed.value if self.wrapped else parsed


_STRICT = ConfigDict(extra="forbid")
_OTHER_ROOTS = frozenset({"anyOf", "oneOf", "enum", "const"})


def _schema_of(shape: Any) -> dict[str, Any]:
    if inspect.isroutine(shape):  # pydantic would take its parameters, and call it
        raise ValueError(f"output={shape!r} is a function; give a type or a JSON schema")
    if isinstance(shape, BaseModel):
        raise ValueError(f"output= wants a type: give {type(shape).__name__}, not an object of it")
    try:
        return TypeAdapter(shape).json_schema()
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"output={shape!r:.80} has no JSON schema: give a pydantic model, a type such as "
            f"list[str], or a JSON schema ({reason:.300})"
        ) from error


def _is_object(schema: dict[str, Any]) -> bool:
    """Whether the root is an object; a schema that does not say is taken for one."""
    if "$ref" in schema:
        target = str(schema["$ref"]).rpartition("/")[2]
        found = schema.get("$defs", {}).get(target, {})
        return isinstance(found, dict) and found.get("type") == "object"
    if "type" in schema:
        return bool(schema["type"] == "object")
    return not _OTHER_ROOTS & schema.keys()


def _wrapper(schema: dict[str, Any]) -> dict[str, Any]:
    inner = {key: value for key, value in schema.items() if key not in {"$defs", "$schema"}}
    wrapper: dict[str, Any] = {
        "type": "object",
        "properties": {"value": inner},
        "required": ["value"],
        "additionalProperties": False,
    }
    return wrapper | {key: schema[key] for key in ("$defs", "$schema") if key in schema}


def _parse_plain(text: str, schema: JsonObject) -> Any:
    value = from_json(text.encode(errors="replace"), allow_inf_nan=False)
    if not isinstance(value, dict):
        raise ValueError("(root): the answer is not a JSON object")
    missing = [name for name in _names(schema.get("required")) if name not in value]
    if missing:
        raise ValueError("\n".join(f"{name}: missing" for name in missing))
    try:
        import jsonschema
        import referencing.exceptions
    except ImportError:  # without the extra "schema" only the outermost level is checked
        return value
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    # A registry of our own: the default one would fetch a "$ref" to another site.
    validator = kind(schema, registry=referencing.Registry())
    try:
        kind.check_schema(schema)
        lines = [_plain_problem(error) for error in validator.iter_errors(value)]
    except (jsonschema.SchemaError, referencing.exceptions.Unresolvable) as error:
        raise ValueError(
            f"the schema itself is wrong: {str(error).partition(chr(10))[0]}"
        ) from None
    if lines:
        raise ValueError("\n".join(lines))
    return value


def _plain_problem(error: Any) -> str:
    path = ".".join(map(str, error.absolute_path)) or "(root)"
    return f"{path}: {error.message[:200]}"


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _problems(error: ValidationError) -> str:
    return "\n".join(
        f"{'.'.join(map(str, item['loc'])) or '(root)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _arguments_model(function: ToolFunction) -> type[BaseModel]:
    """A model with a field for each parameter; the parameter's name is the field's alias.

    A parameter may be called ``schema`` or ``_id``; a field may not.
    """
    name = _name_of(function)
    hints = get_type_hints(_plain_function(function), include_extras=True)
    _, described = _split_docstring(_doc_of(function))
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"tool {name!r}: parameter {parameter} cannot be passed by name")
        facts: dict[str, Any] = {"alias": parameter.name}
        if parameter.name in described:
            facts["description"] = described[parameter.name]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"field_{index}"] = (
            hints.get(parameter.name, Any),
            Field(default, **facts),
        )
    return create_model(name, __config__=_STRICT, **fields)


def _plain_function(function: ToolFunction) -> Any:
    """The function inside a ``partial`` or a callable object: the one with the type hints."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _name_of(function: ToolFunction) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _doc_of(function: ToolFunction) -> str:
    """The docstring of the function itself; that of a class says how to build it."""
    return inspect.getdoc(_plain_function(function)) or ""


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
        match = re.match(r"^ {2,4}(\w+)(?: \([^)]*\))?:(?: (.*))?$", line)
        if match:
            current = match[1]
            described[current] = (match[2] or "").strip()
        elif current and line.strip():
            described[current] = f"{described[current]} {line.strip()}".strip()
    return text.strip(), described
