"""What happens while a setup.py runs, as far as its syntax tree says: which imports are reached, what is asked.

May not run it. It is followed as if no variable of the environment were set: what a package does only when a variable
says so is no part of an ordinary build. Where a condition cannot be known, both ways are followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from ...project.syntax import IMPORT_ERRORS, TRUE, UNKNOWN, Function, catches_import_error, name_of, truth_of
from .evaluator import Evaluator, Reached, Stop

_MOST_STEPS = 10_000


class _TooLongError(Exception):
    """The script takes more steps than anybody wants to wait for."""


def follow(tree: ast.Module) -> Reached:
    """Return what running a module reaches; everything that it names if that cannot be told."""
    walk = _Walk(tree)
    try:
        walk.block(tree.body)
    except (_TooLongError, RecursionError):
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                walk.reached.imports.setdefault(node, False)
    return walk.reached


class _Walk(Evaluator):
    """Follows statements, with what is known of the names that they bind."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self._steps = 0

    def block(self, statements: Iterable[ast.stmt]) -> Stop | None:
        """Follow statements; return how they ended, None if they fall through."""
        for statement in statements:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise _TooLongError
            stop = self.visit(statement)
            if isinstance(stop, Stop):
                return stop
        return None

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.reached.imports[node] = bool(self.guards) and self.reached.imports.get(node, True)
        for alias in node.names:
            if alias.name != "TYPE_CHECKING":
                self.bind((alias.asname or alias.name).partition(".")[0], UNKNOWN)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._define(node)

    def _define(self, node: Function) -> None:
        for expression in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(expression)
        if node.decorator_list or self.functions.get(node.name) is not node:
            # One inside of another, or that something else may call.
            self.perhaps_call(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for expression in (*node.bases, *(keyword.value for keyword in node.keywords), *node.decorator_list):
            self.visit(expression)
        self.scopes.append({})
        self.block(node.body)  # its methods are bound to no global name, so that they are followed there
        self.scopes.pop()
        self.bind(node.name, TRUE)

    def visit_Return(self, node: ast.Return) -> Stop:
        return Stop(None if node.value is None else self.visit(node.value))

    def visit_Raise(self, node: ast.Raise) -> Stop:
        for expression in (node.exc, node.cause):
            if expression is not None:
                self.visit(expression)
        return Stop()

    def visit_Assign(self, node: ast.Assign) -> None:
        value = self.visit(node.value)
        if isinstance(node.value, ast.Name) and isinstance(value, (list, dict)):
            self.forget_name(node.value.id)  # two names for one list
            value = UNKNOWN
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bind(target.id, value)
            else:
                self.forget(target)
                self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            value = self.visit(node.value)
            if isinstance(node.target, ast.Name):
                self.bind(node.target.id, value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self.forget(node.target)

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.globals[name] = UNKNOWN
            self.scopes[-1].pop(name, None)

    def visit_If(self, node: ast.If) -> Stop | None:
        truth = truth_of(self.visit(node.test))
        if truth is not None:
            return self.block(node.body if truth else node.orelse)
        return self._either([node.body, node.orelse])

    def visit_While(self, node: ast.While) -> None:
        self.forget(*node.body)
        if truth_of(self.visit(node.test)) is not False:
            self._either([node.body, []])
        self.block(node.orelse)

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._loop(node)

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.forget(node.target, *node.body)
        self._either([node.body, []])
        self._either([node.orelse, []])

    def visit_With(self, node: ast.With) -> Stop | None:
        guarded = False
        for item in node.items:
            self.visit(item.context_expr)
            call = item.context_expr
            if isinstance(call, ast.Call) and name_of(call.func) == "suppress":
                guarded = any(name_of(argument) in IMPORT_ERRORS for argument in call.args)
            if item.optional_vars is not None:
                self.forget(item.optional_vars)
        self.guards += guarded
        stop = self.block(node.body)
        self.guards -= guarded
        return self._joined([stop, None]) if guarded else stop

    def visit_Try(self, node: ast.Try) -> Stop | None:
        return self._try(node)

    def visit_TryStar(self, node: Any) -> Stop | None:
        return self._try(node)

    def _try(self, node: ast.Try) -> Stop | None:
        guarded = any(catches_import_error(handler) for handler in node.handlers)
        before = self.state()
        self.guards += guarded
        stop = self.block(node.body)
        self.guards -= guarded
        stops = [stop if stop is not None else self.block(node.orelse)]
        for handler in node.handlers:
            self.restore(before)
            self.forget(*node.body)
            stops.append(self.block(handler.body))
        self.forget(*node.body, *node.orelse, *node.handlers)
        last = self.block(node.finalbody)
        if last is not None:
            return last
        if len(stops) == 1:
            return stops[0]
        return self._joined(stops)

    def visit_Match(self, node: ast.Match) -> Stop | None:
        self.visit(node.subject)
        return self._either([*(case.body for case in node.cases), []])

    def _either(self, blocks: list[list[ast.stmt]]) -> Stop | None:
        """Follow blocks of which one will run; afterwards nothing is known of what any of them binds."""
        before = self.state()
        stops = []
        for statements in blocks:
            self.restore(before)
            stops.append(self.block(statements))
        self.restore(before)
        for statements in blocks:
            self.forget(*statements)
        return self._joined(stops)

    def _joined(self, stops: list[Stop | None]) -> Stop | None:
        """Return how one of several blocks ended."""
        if all(stop is not None for stop in stops):
            return Stop()
        if any(stop is not None for stop in stops):
            self.left_early[-1] = True
        return None
