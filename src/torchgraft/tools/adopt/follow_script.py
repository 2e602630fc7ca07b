"""What happens while a setup.py runs, as far as its syntax tree says: which imports are reached, what is asked.

May not run it. It is followed as if no variable of the environment were set: what a package does only when a variable
says so is no part of an ordinary build. Where a condition cannot be known, both ways are followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from ...project.setup_script import IMPORT_ERRORS, catches_import_error, gives_up, name_of
from .known_values import (
    TEXT_METHODS,
    TRUE,
    UNKNOWN,
    Function,
    KnownNames,
    Reached,
    Stop,
    bound_arguments,
    converted,
    is_environ_get,
    parameters,
    truth_of,
)
from .torch_conditions import absent_hardware, asks_for_cuda, branches_of, torch_flags, tries_torch_alone

_DEEPEST = 12
_MOST_STEPS = 10_000
# CUDAExtension raises the first where it finds no toolkit.
_CUDA_ERRORS = frozenset({"OSError", "EnvironmentError", "Exception", "BaseException"})


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


class _Walk(KnownNames):
    """Follows statements with what is known of the names that they bind, and what a call or a name leads to."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self.reached = Reached()
        self._perhaps_called: set[ast.AST] = set()
        self._running: list[ast.AST] = []
        self.left_early = [False]  # for each function that runs: it may have returned already, or raised
        self._returned = [False]  # it may have returned, without an error
        self.guards = 0
        self._conditions = 0  # around this place, of which nothing is known
        self._asked = 0  # conditions around this place that ask for CUDA
        self._raised = 0
        self._steps = 0
        self._flags = torch_flags(tree)

    # Expressions

    def generic_visit(self, node: ast.AST) -> object:
        """Follow all that is in a node; its value is not known."""
        super().generic_visit(node)
        return UNKNOWN

    def visit_Name(self, node: ast.Name) -> object:
        if isinstance(node.ctx, ast.Load) and node.id in self.functions:
            self.perhaps_call(self.functions[node.id])
            return TRUE
        return self.read(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> object:
        self.visit(node.value)
        self.lend(node.value)
        return False if node.attr == "TYPE_CHECKING" else absent_hardware(node)

    def visit_IfExp(self, node: ast.IfExp) -> object:
        truth = truth_of(self.visit(node.test))
        if truth is not None:
            return self.visit(node.body if truth else node.orelse)
        self._conditions += 1
        self.visit(node.body)
        self.visit(node.orelse)
        self._conditions -= 1
        return UNKNOWN

    def visit_Call(self, node: ast.Call) -> object:
        certain = not self._conditions and not any(self._returned)
        is_there = self.reached.ask(node, self.called(node.func), guarded=bool(self.guards), certain=certain)
        given = [self.visit(argument) for argument in node.args]
        named = {keyword.arg: self.visit(keyword.value) for keyword in node.keywords}
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.lend(argument)
        function = node.func
        if isinstance(function, ast.Name) and function.id in self.functions:
            return self._call(self.functions[function.id], given, named)
        if is_environ_get(function):
            return given[1] if len(given) > 1 else named.get("default")
        if isinstance(function, ast.Attribute):
            text = self.visit(function.value)
            self.lend(function.value)
            if function.attr in TEXT_METHODS and isinstance(text, str) and not given:
                return getattr(text, function.attr)()
        if isinstance(function, (ast.Name, ast.Attribute)):
            value = converted(function, given)
            return value if value is not UNKNOWN else is_there or absent_hardware(node)
        self.visit(function)
        return UNKNOWN

    def _call(self, function: Function, given: list[object], named: Mapping[str | None, object]) -> object:
        """Follow a call of a function of the script; return what it certainly returns."""
        if function in self._running or len(self._running) >= _DEEPEST or function.decorator_list:
            self.perhaps_call(function)
            return UNKNOWN
        return self._run(function, bound_arguments(function, given, named))

    def perhaps_call(self, function: Function) -> None:
        """Follow a function that something else may call, with arguments that are not known, once."""
        if function not in self._perhaps_called:
            self._perhaps_called.add(function)
            self._conditions += 1
            self._run(function, dict.fromkeys(parameters(function), UNKNOWN))
            self._conditions -= 1

    def _run(self, function: Function, scope: dict[str, object]) -> object:
        outer = self.scopes
        self.scopes = [self.globals, scope]
        self._running.append(function)
        self.left_early.append(False)
        self._returned.append(False)
        stop = self.block(function.body)
        if gives_up(function.body):  # what has not returned by then
            for test in (
                one for one in function.body if isinstance(one, ast.If) and isinstance(one.body[-1], ast.Return)
            ):
                self._give_up(test)
        self._returned.pop()
        perhaps_earlier = self.left_early.pop() or function.name in self.often
        self._running.pop()
        self.scopes = outer
        if perhaps_earlier or any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in ast.walk(function)):
            return UNKNOWN
        return None if stop is None else stop.value

    # Statements

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

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.reached.imports[node] = bool(self.guards) and self.reached.imports.get(node, True)
        for alias in node.names:
            self.bind_import(alias)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: Function) -> None:
        for expression in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(expression)
        if node.decorator_list or self.functions.get(node.name) is not node:
            # One inside of another, or that something else may call.
            self.perhaps_call(node)

    visit_AsyncFunctionDef = visit_FunctionDef

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
        self.generic_visit(node)
        self._raised += 1
        return Stop(failed=True)

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
        value = UNKNOWN if node.value is None else self.visit(node.value)
        if node.value is not None and isinstance(node.target, ast.Name):
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
        blocks, conditions, asks_torch = branches_of(node, self._flags)
        self.guards += asks_torch
        known = node.body if truth else node.orelse
        if truth is None and any(map(gives_up, blocks)):
            self._give_up(node)
        asks_cuda = truth is None and asks_for_cuda(node.test)
        self._asked += asks_cuda
        stop = self._either(blocks, conditions=conditions) if truth is None else self.block(known)
        self._asked -= asks_cuda
        self.guards -= asks_torch
        return stop

    def visit_Assert(self, node: ast.Assert) -> None:
        if truth_of(self.visit(node.test)) is None:
            self._give_up(node)

    def _give_up(self, node: ast.If | ast.Assert) -> None:
        if asks_for_cuda(node.test) and not self.guards and not self._asked:
            self.reached.without_cuda.append(node.lineno)

    def visit_While(self, node: ast.While) -> None:
        self.forget(*node.body)
        if truth_of(self.visit(node.test)) is not False:
            self._either([node.body, []])
        self.block(node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.forget(node.target, *node.body)
        self._either([node.body, []], conditions=0)
        self._either([node.orelse, []])

    visit_AsyncFor = visit_For

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
        going_on = [handler for handler in node.handlers if not self._raises(handler.body)]
        guarded = any(catches_import_error(handler) for handler in going_on)
        does_without_cuda = any(catches_import_error(handler, _CUDA_ERRORS) for handler in going_on)
        before = self.state()
        self.guards += guarded
        self._conditions += does_without_cuda
        stop = self.block(node.body)
        self._conditions -= does_without_cuda
        self.guards -= guarded
        stops = [stop if stop is not None else self.block(node.orelse)]
        after = self.state()
        for handler in node.handlers:
            self.restore(before)
            self.forget(*node.body)
            stops.append(self.block(handler.body))
        if guarded and tries_torch_alone(node.body):
            self.restore(after)  # who adopts has torch
            stops = stops[:1]
        else:
            self.forget(*node.body, *node.orelse, *node.handlers)
        last = self.block(node.finalbody)
        return last or (stops[0] if len(stops) == 1 else self._joined(stops))

    visit_TryStar = visit_Try

    def _raises(self, statements: list[ast.stmt]) -> bool:
        """Return whether statements may give up, as far as is known of their conditions."""
        before, count = self.state(), self._raised
        kept = (self.reached, set(self._perhaps_called))
        self.reached = Reached()
        self.block(statements)
        self.restore(before)
        self.reached, self._perhaps_called = kept
        return self._raised > count

    def visit_Match(self, node: ast.Match) -> Stop | None:
        self.visit(node.subject)
        return self._either([*(case.body for case in node.cases), []])

    def _either(self, blocks: list[list[ast.stmt]], *, conditions: int = 1) -> Stop | None:
        """Follow blocks of which one will run; afterwards nothing is known of what any of them binds."""
        before = self.state()
        stops = []
        self._conditions += conditions
        for statements in blocks:
            self.restore(before)
            stops.append(self.block(statements))
        self._conditions -= conditions
        self.restore(before)
        for statements in blocks:
            self.forget(*statements)
        return self._joined(stops)

    def _joined(self, stops: list[Stop | None]) -> Stop | None:
        """Return how one of several blocks ended."""
        if all(stop is not None for stop in stops):
            return Stop(failed=all(stop.failed for stop in stops if stop))
        if any(stop is not None for stop in stops):
            self.left_early[-1] = True
            self._returned[-1] |= not all(stop.failed for stop in stops if stop)
        return None
