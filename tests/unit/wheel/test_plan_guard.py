from __future__ import annotations

import pytest

from support import snapshots
from torchgraft.wheel.plan_finishing import Guard, GuardedModule, plan_editable_guard, plan_guard, plan_guessed

SUFFIXES = (".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so")


@pytest.mark.parametrize(
    ("file", "init", "expected"),
    [
        (
            "ext/_C.cpython-311-x86_64-linux-gnu.so",
            "PyInit__C",
            ("ext._C", "ext/_C.guarded.cpython-311-x86_64-linux-gnu.so", "ext/_C.py"),
        ),
        ("ext_c.abi3.so", "PyInit_ext_c", ("ext_c", "ext_c.guarded.abi3.so", "ext_c.py")),
        ("a/b/c.so", "PyInit_c", ("a.b.c", "a/b/c.guarded.so", "a/b/c.py")),
        (
            "ext-1.0.data/platlib/ext/_C.so",
            "PyInit__C",
            ("ext._C", "ext-1.0.data/platlib/ext/_C.guarded.so", "ext-1.0.data/platlib/ext/_C.py"),
        ),
    ],
)
def test_an_extension_module_is_guarded(file: str, init: str, expected: tuple[str, str, str]) -> None:
    plan = plan_guard({file: {init, "PyInit_other"}}, [file], SUFFIXES)
    name, moved, shim = expected
    assert plan.modules == (GuardedModule(name=name, file=file, moved=moved, shim=shim),)
    assert plan.left == ()


@pytest.mark.parametrize(
    ("file", "beside", "watched"),
    [
        ("ext/libops.so", ("ext/__init__.py",), ("ext",)),
        ("ext/lib/libops.so", ("ext/__init__.py", "ext/lib/__init__.py"), ("ext",)),
        ("ext-1.0.data/platlib/ext/libops.so", ("ext-1.0.data/platlib/ext/__init__.py",), ("ext",)),
        # What shares a namespace is another's business.
        ("space/ext/libops.so", ("space/ext/__init__.py",), ("space.ext",)),
        ("space/libops.so", ("space/ext/__init__.py",), ("space.ext",)),
        ("libops.so", ("ext/__init__.py", "tool.py"), ("ext", "tool")),
    ],
)
def test_a_guess_watches_what_cannot_be_guarded(file: str, beside: tuple[str, ...], watched: tuple[str, ...]) -> None:
    guard = plan_guard({file: (), "ext/_C.so": ("PyInit__C",)}, [file, *beside], SUFFIXES)
    plan = plan_guessed(guard, snapshots.CPU_TORCH, [file, *beside])
    assert (plan.guessed, plan.watched, plan.modules) == (snapshots.CPU_TORCH, watched, guard.modules)
    assert plan.tops == tuple(package.partition(".")[0] for package in watched)


@pytest.mark.parametrize(
    ("file", "watched"),
    [
        ("ext/_C.cp311-win_amd64.pyd", ("ext",)),
        ("ext/_C.cpython-311-darwin.so", ("ext",)),
        ("ext/.dylibs/libomp.dylib", ("ext",)),
        ("ext-1.0.data/platlib/_C.cp311-win_amd64.pyd", ("_C", "ext", "ns.tool")),
        ("_C.cpython-311-darwin.so", ("_C", "ext", "ns.tool")),
        ("lib/libops.dylib", ("ext", "ns.tool")),
    ],
)
def test_a_guess_watches_what_may_need_torch(file: str, watched: tuple[str, ...]) -> None:
    others = (
        "ext/__init__.py",
        "ext/sub/mod.py",
        "ns/tool.py",
        "ext-1.0.dist-info/x.py",
        "ext-1.0.data/scripts/run.py",
    )
    plan = plan_guessed(Guard(), snapshots.CPU_TORCH, [file, *others], unread=[file])
    assert (plan.watched, plan.tops) == (watched, tuple(sorted({name.partition(".")[0] for name in watched})))
    editable = plan_guessed(plan_editable_guard("ext", ""), None, ["__editable___ext_finder.py"], unread=["ext/_C.pyd"])
    assert (editable.watched, editable.tops) == (("ext",), ("ext",))


@pytest.mark.parametrize(
    ("file", "inits", "beside", "reason"),
    [
        # In a prebuilt wheel that torchgraft has built elsewhere.
        ("ext/_C.guarded.so", ("PyInit__C",), ("ext/_C.py",), "it is guarded already"),
        ("ext/_C.guarded.so", ("PyInit__C",), (), "its name is not that of an extension module of this Python"),
        # As packages have it that call torch.ops.load_library.
        ("ext/_C.so", (), (), "it has no PyInit__C"),
        ("ext/_C.so", ("PyInit__D",), (), "it has no PyInit__C"),
        ("ext/libops.so.1", ("PyInit_libops",), (), "not that of an extension module"),
        ("ext/_C.cpython-310-x86_64-linux-gnu.so", ("PyInit__C",), (), "not that of an extension module"),
        ("ext-1.0.data/data/lib/_C.so", ("PyInit__C",), (), "not that of an extension module"),
        ("ext.libs/_C.so", ("PyInit__C",), (), "not that of an extension module"),
        # Cython in pure Python mode ships both.
        ("ext/_C.so", ("PyInit__C",), ("ext/_C.py",), "the wheel has ext/_C.py too"),
        ("ext/_C.so", ("PyInit__C",), ("ext/_C/__init__.py",), "the wheel has ext/_C/__init__.py too"),
        ("ext/_C.so", ("PyInit__C",), ("ext/_C.guarded.so",), "the wheel has ext/_C.guarded.so too"),
    ],
)
def test_what_is_left_alone(file: str, inits: tuple[str, ...], beside: tuple[str, ...], reason: str) -> None:
    plan = plan_guard({file: inits}, [file, *beside], SUFFIXES)
    assert plan.modules == ()
    ((left),) = plan.left
    assert left.text == file
    assert reason in left.reason


def test_an_editable_installation_is_watched() -> None:
    assert plan_editable_guard("my_ext", "ext\n\next_c\nno/path\n") == Guard(tops=("ext", "ext_c"))
    assert plan_editable_guard("my_ext", "") == Guard(tops=("my_ext",))
