"""Small changes to a module, each of which some test ought to notice. Used by ``mutants.py``.

Rule of the room: a change is made in the syntax tree, never in a file. Left alone are messages,
annotations, docstrings, imports, ``__all__`` and what only a type checker reads.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutation", "mutated", "mutations"]

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
REMOVABLE = (
    ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete,
)  # fmt: skip
TEXT_ONLY = re.compile(
    r"(Error|Warning|logger\.\w+|add_note|_note|TypeVar|cast|getattr|setattr|isinstance|Literal)$"
)
"""Calls whose strings are messages, names or types."""
UNREAD = {"annotation", "returns", "type_params", "ctx", "type_comment", "decorator_list"}

FALSE = {"None", "False", "0", "''", "()", "[]", "{}"}
"""Returned values that are as false as None is."""

Path = tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Mutation:
    """One change at one place of a module.

    Attributes:
        line: Where it is.
        path: Fields and indices that lead from the module to the node.
        kind: What is done there.
        what: The same in words.
        value: The operator or constant that takes the place of the old one.
    """

    line: int
    path: Path
    kind: str
    what: str
    value: object = None


def mutations(tree: ast.Module) -> list[Mutation]:
    """Every change to a module, in the order of its text."""
    return [
        mutation
        for index, node in enumerate(tree.body)
        for mutation in _walk(node, (("body", index),), inside=False, text=True)
    ]


def mutated(tree: ast.Module, mutation: Mutation) -> str:
    """The module's source with one change made."""
    tree = copy.deepcopy(tree)
    parent: ast.AST = tree
    node: ast.AST = tree
    for field, index in mutation.path:
        parent, node = node, _child(node, field, index)
    new = _change(node, mutation)
    field, index = mutation.path[-1]
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new
    return ast.unparse(ast.fix_missing_locations(tree))


def _child(node: ast.AST, field: str, index: int | None) -> ast.AST:
    value = getattr(node, field)
    return value if index is None else value[index]


def _change(node: ast.AST, mutation: Mutation) -> ast.AST:
    """The node that takes the place of another."""
    match mutation.kind, node:
        case "comparison", ast.Compare():
            node.ops = [mutation.value()]
        case "boolean", ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case "operator", ast.BinOp() | ast.AugAssign():
            node.op = mutation.value()
        case "not", ast.UnaryOp():
            return node.operand
        case "branches", ast.IfExp():
            node.body, node.orelse = node.orelse, node.body
        case "branches", ast.If() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case "constant", _:
            return ast.copy_location(ast.Constant(mutation.value), node)
        case "return", ast.Return():
            node.value = ast.Constant(None)
        case "remove", _:
            return ast.copy_location(ast.Pass(), node)
    return node


def _walk(node: ast.AST, path: Path, *, inside: bool, text: bool) -> Iterator[Mutation]:
    """The changes at a node and below it.

    Args:
        node: The node.
        path: Where it is.
        inside: Whether it is in a function: what runs at import is not removed.
        text: Whether strings here mean something to the program.
    """
    if _unread(node):
        return
    for kind, what, value in _here(node, inside=inside, text=text):
        yield Mutation(node.lineno, path, kind, what, value)
    text = text and not _is_message(node)
    inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for field, value in ast.iter_fields(node):
        if field in UNREAD:
            continue
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            if isinstance(
                item,
                ast.expr
                | ast.stmt
                | ast.excepthandler
                | ast.match_case
                | ast.keyword
                | ast.comprehension
                | ast.withitem
                | ast.arguments,
            ):
                step = (field, index if isinstance(value, list) else None)
                yield from _walk(item, (*path, step), inside=inside, text=text)


def _unread(node: ast.AST) -> bool:
    """Whether nothing of a node is worth a change."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr():
            return ast.unparse(node).startswith("logger.debug")
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.ClassDef(bases=bases):
            return any(ast.unparse(base).split("[")[0] == "Protocol" for base in bases)
        case ast.Assign(targets=[ast.Name(id=name)]):
            alias = name[:1].isupper() and not name.isupper()  # a name of a type
            return name in {"__all__", "__slots__", "logger"} or alias
    return False


def _is_message(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Call) and bool(TEXT_ONLY.search(ast.unparse(node.func)))


def _here(node: ast.AST, *, inside: bool, text: bool) -> Iterator[tuple[str, str, object]]:
    """Kind, words and new value of the changes at a node itself."""
    match node:
        case ast.Compare(ops=[operator]):
            for new in COMPARISONS[type(operator)]:
                yield "comparison", f"{type(operator).__name__} -> {new.__name__}", new
        case ast.BoolOp():
            yield "boolean", "and <-> or", None
        case ast.UnaryOp(op=ast.Not()):
            yield "not", "not removed", None
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in OPERATORS:
            new_operator = OPERATORS[type(operator)]
            words = f"{type(operator).__name__} -> {new_operator.__name__}"
            yield "operator", words, new_operator
        case ast.IfExp() | ast.If() | ast.While():
            yield "branches", "branches swapped", None
        case ast.Constant(value=value):
            yield from _constants(value, text=text)
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) not in FALSE:
            yield "return", "returns None", None
    if inside and isinstance(node, REMOVABLE):
        yield "remove", f"{type(node).__name__} removed", None


def _constants(value: object, *, text: bool) -> Iterator[tuple[str, str, object]]:
    match value:
        case bool():
            yield "constant", f"{value} -> {not value}", not value
        case int() | float():
            yield "constant", f"{value} -> {value + 1}", value + 1
        case str() if value and text:
            yield "constant", f"{value!r:.30} changed", f"{value}XX"
        case bytes() if value:
            yield "constant", f"{value!r:.30} changed", value + b"XX"
