"""What a chat template may call: jinja's filters and tests and Python's methods, each measured.

Everything is on a list; what is not on it is refused, because nobody has measured it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .template_limits import Budget, TemplateTooLargeError, pieces_of

if TYPE_CHECKING:
    from .template import TemplateEnvironment

__all__ = ["call_method", "limited_filters", "limited_tests"]

_Function = Any  # jinja types its functions as ``FunctionType``

# Their cost does not depend on what lies inside the value.
_CHEAP = frozenset(
    {
        "abs", "attr", "capitalize", "count", "d", "default", "first", "float", "int", "items",
        "last", "length", "lower", "title", "trim", "upper", "wordcount",
    }
)  # fmt: skip
_LAZY = frozenset({"map", "reject", "rejectattr", "select", "selectattr"})
_WHOLE = frozenset(
    {"dictsort", "groupby", "max", "min", "random", "reverse", "sort", "string", "unique"}
)
_WIDTHS = {"batch": 10_000, "center": 10_000, "round": 20, "slice": 10_000, "truncate": 10**6}
_CHEAP_TESTS = frozenset(
    {
        "boolean", "callable", "defined", "false", "filter", "float", "integer", "iterable",
        "lower", "mapping", "none", "number", "sequence", "string", "test", "true", "undefined",
        "upper",
    }
)  # fmt: skip

_SHAPES = frozenset(
    {
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
        "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable",
        "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "rfind", "rindex", "rpartition", "rstrip", "startswith", "strip",
        "swapcase", "title", "upper",
    }
)  # fmt: skip
_PADS = frozenset({"center", "ljust", "rjust", "zfill"})
_SPLITS = frozenset({"rsplit", "split", "splitlines"})
_CONTAINERS: dict[type, frozenset[str]] = {
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
    float: frozenset({"is_integer"}),
    int: frozenset({"is_integer"}),
}
_WIDTH = 10_000
_INDENT = 16


def limited_filters(environment: TemplateEnvironment) -> dict[str, _Function]:
    """The filters a template has."""
    from jinja2.filters import FILTERS

    names = _CHEAP | _LAZY | _WHOLE | _WIDTHS.keys()
    own = {name: _measured(environment, name, FILTERS[name]) for name in names if name in FILTERS}
    return own | _own_filters(environment)


def limited_tests(environment: TemplateEnvironment) -> dict[str, _Function]:
    """Jinja's tests; those that compare look at the size of what they compare first."""
    from jinja2.tests import TESTS

    return {
        name: test if name in _CHEAP_TESTS else _measured(environment, name, test)
        for name, test in TESTS.items()
    }


def _measured(environment: TemplateEnvironment, name: str, function: _Function) -> _Function:
    @functools.wraps(function)  # also keeps the mark that asks jinja for the environment
    def call(*args: Any, **options: Any) -> Any:
        budget = environment.budget
        budget.tick()
        limit = _WIDTHS.get(name)
        if limit is not None:
            for value in (*args[1:], *options.values()):
                budget.width(value, limit)
        if name not in _CHEAP and name not in _LAZY:
            args = tuple(budget.settle(a) if isinstance(a, Iterator) else a for a in args)
            budget.weigh(*args, *options.values())
        result = function(*args, **options)
        if isinstance(result, str | list):
            budget.charge(budget.weigh(result))
        return result

    return call


def _own_filters(environment: TemplateEnvironment) -> dict[str, _Function]:
    from jinja2 import filters, pass_environment
    from markupsafe import escape

    def indent(text: object, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        budget, text = environment.budget, str(text)
        budget.width(width, 100)
        size = len(width) if isinstance(width, str) else width
        budget.charge(len(text) + (text.count("\n") + 1) * abs(size))
        return filters.do_indent(text, width, first, blank)

    def replace(text: object, old: str, new: str, count: int | None = None) -> str:
        environment.budget.weigh(text)
        environment.budget.replace(str(text), old, new)
        return str(text).replace(str(old), str(new), -1 if count is None else count)

    @pass_environment
    def join(env: Any, value: Any, d: str = "", attribute: Any = None) -> str:
        items: Any = value
        if attribute is not None:
            items = map(filters.make_attrgetter(env, attribute), value)
        return str(d).join(map(str, environment.budget.join(str(d), items)))

    @pass_environment
    def total(env: Any, iterable: Any, attribute: Any = None, start: Any = 0) -> Any:
        if not isinstance(start, int | float):
            raise TemplateTooLargeError("it adds up what are no numbers")
        return filters.do_sum(env, environment.budget.settle(iterable), attribute, start)

    def text_of(value: object) -> str:
        environment.budget.weigh(value)
        return str(value)

    def percent(value: object, *args: Any, **options: Any) -> str:
        environment.budget.percent(str(value), options or args)
        return str(value) % (options or args)

    return {
        "e": lambda value: str(escape(text_of(value))),
        "escape": lambda value: str(escape(text_of(value))),
        "format": percent,
        "indent": indent,
        "join": join,
        "list": lambda value: environment.budget.settle(value),
        "replace": replace,
        "safe": text_of,
        "sum": total,
        "tojson": functools.partial(_to_json, environment),
        "_concat": lambda values: _concatenated(environment.budget, values),
        "_slice": lambda value, *bounds: _sliced(environment.budget, value, bounds),
        "_weighed": lambda value: _weighed(environment.budget, value),
    }


def _to_json(
    environment: TemplateEnvironment,
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """What transformers calls ``tojson``: nothing is escaped for HTML."""
    budget = environment.budget
    for bound in (indent, *(separators or ())):
        budget.width(bound, _INDENT)
    budget.charge(2 * budget.weigh(value))
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _concatenated(budget: Budget, values: list[object]) -> str:
    budget.charge(budget.weigh(*values))
    return "".join(map(str, values))


def _sliced(budget: Budget, value: Any, bounds: tuple[Any, ...]) -> Any:
    part = value[slice(*bounds)]
    if isinstance(part, str):
        budget.charge(len(part))
    elif isinstance(part, list | tuple):
        budget.charge(budget.weigh(*([None] * len(part))))
    return part


def _weighed(budget: Budget, value: object) -> object:
    if not isinstance(value, str):
        budget.weigh(value)
    return value


def call_method(
    budget: Budget, owner: object, method: _Function, args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Call a method of one of Python's own types.

    Raises:
        SecurityError: A template may not call it.
        TemplateTooLargeError: What it would make is too large.
    """
    from jinja2.exceptions import SecurityError

    name = getattr(method, "__name__", "")
    if isinstance(owner, str):
        return _call_string(budget, owner, name, args, options)
    for kind, names in _CONTAINERS.items():
        if isinstance(owner, kind) and name in names:
            budget.weigh(*([owner] if name in {"count", "index"} else []))
            return method(*args, **options)
    raise SecurityError(f"a chat template may not call {type(owner).__name__}.{name}")


def _call_string(
    budget: Budget, text: str, name: str, args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    from jinja2.exceptions import SecurityError

    if name == "join":
        return text.join(budget.join(text, args[0]))
    if name == "replace":
        budget.replace(text, args[0], args[1])
    elif name in _PADS:
        budget.width(args[0], _WIDTH)
        budget.charge(len(text) + _WIDTH)
    elif name in _SPLITS:
        separator = options.get("sep", args[0] if args and name != "splitlines" else None)
        budget.charge(len(text) + pieces_of(text, separator))
    elif name in _SHAPES:
        budget.charge(len(text))
    else:
        raise SecurityError(f"a chat template may not call str.{name}")
    return getattr(text, name)(*args, **options)
