"""Which conditions of a setup.py ask whether torch is there, or for hardware that torchgraft never builds for.

May not follow statements: `follow_script` does.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping

from ...project.setup_script import name_of
from .known_values import UNKNOWN, Unknown
from .plan_need import OF_SETUPTOOLS

_OTHER_HARDWARE = frozenset(
    {
        *("ascend", "diopi", "dipu", "gaudi", "gcu", "habana", "hpu", "ipu"),
        *("mlu", "musa", "neuronx", "npu", "sdaa", "tpu", "xla"),
    }
)


def tries_torch_alone(statements: list[ast.stmt]) -> bool:
    """Return whether all that statements import is torch, which is there where torchgraft builds."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    tops = {name.partition(".")[0] for name in found} - OF_SETUPTOOLS - sys.stdlib_module_names
    return tops == {"torch"}


def torch_flags(tree: ast.Module) -> dict[str, bool]:
    """Return the names, of functions too, that say whether torch is there; for each, whether nothing else decides it.

    What asks torch for more than its presence (`torch.cuda.is_available()`) may be false where torch is.
    """
    flags = {"find_spec": True} if _finds_torch(tree) else {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            tries = any(isinstance(part, ast.Try) and tries_torch_alone(part.body) for part in ast.walk(node))
            if tries or _finds_torch(node):
                returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
                flags[node.name] = all(map(_asks_presence, returned))
        elif (isinstance(node, ast.Try) and tries_torch_alone(node.body)) or (
            isinstance(node, (ast.Assign, ast.AnnAssign)) and _finds_torch(node)
        ):
            for part in ast.walk(node):
                for name in (p.id for p in ast.walk(part) if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)):
                    is_sure = not isinstance(part, (ast.Assign, ast.AnnAssign)) or _asks_presence(part.value)
                    flags[name] = flags.get(name, True) and is_sure
    return flags


def _asks_presence(value: ast.expr | None) -> bool:
    return value is None or isinstance(value, ast.Constant) or (_finds_torch(value) and not _has_more(value))


def _has_more(test: ast.expr) -> bool:
    return any(isinstance(part, ast.BoolOp) for part in ast.walk(test))


def _finds_torch(tree: ast.AST) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) == "find_spec"]
    return any(isinstance(call.args[0], ast.Constant) and call.args[0].value == "torch" for call in calls if call.args)


def branches_of(node: ast.If, flags: Mapping[str, bool]) -> tuple[list[list[ast.stmt]], int, bool]:
    """Return what may run where a condition is not known, whether it is one (0 or 1), and whether it asks for torch.

    Who adopts has torch, and its CUDA extensions are for ROCm elsewhere: to ask for either is no condition on CUDA.

    :param flags: the names that say whether torch is there, and whether nothing else decides that
    """
    blocks = [block for block in (node.body, node.orelse) if not is_for_absent_hardware(block)]
    asked = {name_of(part) for part in ast.walk(node.test) if isinstance(part, ast.expr)} & flags.keys()
    is_alone = bool(asked) and all(flags[name] for name in asked) and not _has_more(node.test)
    return blocks, int(not is_alone and not _words(node.test) & {"hip", "rocm"}), bool(asked)


def asks_for_cuda(test: ast.expr) -> bool:
    """Return whether a condition is that there is a GPU, or what compiles for one; not which version of it."""
    operators = {type(one) for part in ast.walk(test) if isinstance(part, ast.Compare) for one in part.ops}
    return bool(_words(test) & {"cuda", "gpu", "nvcc"}) and operators <= {ast.Is, ast.IsNot}


def absent_hardware(node: ast.expr) -> Unknown:
    """Return what is known of an expression: asking for hardware that torchgraft never builds for finds none."""
    is_denied = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return Unknown(truth=is_denied) if _is_of_other_hardware(node) else UNKNOWN


def is_for_absent_hardware(block: list[ast.stmt]) -> bool:
    """Return whether a block imports what only such hardware has: torch_mlu, torch_npu."""
    imports = [node for node in block if isinstance(node, (ast.Import, ast.ImportFrom))]
    return any(map(_is_of_other_hardware, imports))


def _is_of_other_hardware(node: ast.AST) -> bool:
    words = _words(node)
    return bool(words & _OTHER_HARDWARE) and not words & {"cuda", "gpu"}


def _words(node: ast.AST) -> set[str]:
    """Return all words in the names and texts of an expression or an import."""
    texts = []
    for part in ast.walk(node):
        if isinstance(part, ast.Constant):
            texts.append(str(part.value))
        else:
            texts += [str(getattr(part, key, None) or "") for key in ("id", "attr", "name", "module")]
    return {word for text in texts for word in re.split(r"[^a-z0-9]+", text.lower())}
