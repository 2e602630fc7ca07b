"""Where torch/extension.h is precompiled, and what of a command line decides the header."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.compiling import GCC_12, hardware, plan
from torchgraft.compile.compilation import (
    Compilation,
    begins_with,
    count_beginning,
    first_include,
    header_flags,
    other_places,
    parse_compilation,
    parse_dependencies,
)
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import SetupScript

CLANG = dataclasses.replace(GCC_12, name="clang")


def planned(
    users: int, *, wanted: bool = True, sources: int = 0, backend: str = "setuptools.build_meta", **changes: Any
) -> Any:
    script = SetupScript(torch_sources=sources) if sources else None
    project = snapshots.project(header_users=users, setup_script=script)
    changes = {"hook": Hook.BUILD_WHEEL, "seen": hardware(), **changes}
    return plan(
        snapshots.CPU_TORCH, config={"precompiled_headers": wanted, "backend": backend}, project=project, **changes
    )


def test_four_files_are_enough() -> None:
    made = planned(4, sources=4)
    assert made.precompiled is not None
    assert "header     torch/extension.h is precompiled: precompiled-headers (default); 4 files begin" in plan_text(
        made
    )
    assert planned(4, wanted=False).precompiled is None
    assert planned(4, hook=Hook.GET_REQUIRES_FOR_BUILD_WHEEL).precompiled is None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (planned(3), "of 4 C++ files that have to begin with it there are 3"),
        (planned(9, sources=2), "of 4 C++ files that have to begin with it there are 2"),
        (planned(9, seen=hardware(compilers=(CLANG,))), "only gcc on Linux"),
        (planned(9, seen=hardware(compilers=())), "only gcc on Linux"),
        (planned(9, backend="mesonpy", hook=Hook.BUILD_EDITABLE), "called again by what is installed"),
    ],
)
def test_the_plan_says_why_not(made: Any, said: str) -> None:
    assert made.precompiled is None
    assert any(said in note for note in made.notes)


FOLDERS = (("-I", "/x/include"), ("-isystem", "/y"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        # As torch's ninja has it.
        (
            "-MMD -MF a.o.d -O3 -I/x/include -isystem /y -c -c a.cpp -o a.o -DTORCH_EXTENSION_NAME=_C -std=c++20",
            Compilation("a.cpp", FOLDERS, ("-O3", "-DTORCH_EXTENSION_NAME=_C", "-std=c++20"), "a.o.d"),
        ),
        ("-D X=1 --param a=1 -c a.cc", Compilation("a.cc", (), ("-DX=1", "--param", "a=1"))),
        ("-c a.c -o a.o", None),
        ("a.o -o x.so -L/x -lc10", None),
        ("a.cpp -o a", None),
        ("-c a.cpp b.cpp", None),
        ("-E -c a.cpp", None),
        ("-c -x cu a.cpp", None),
        ("-include b.h -c a.cpp", None),
        ("@flags -c a.cpp", None),
        ("-MMD -c a.cpp", None),
        ("-v", None),
    ],
)
def test_command_lines(line: str, found: Compilation | None) -> None:
    assert parse_compilation(line.split()) == found


def test_what_differs_from_build_to_build_decides_nothing() -> None:
    flags = ("-g", "-DTORCH_EXTENSION_NAME=a", "-ffile-prefix-map=/home/src=.", "-ffile-prefix-map=/t/torch=torch")
    compilation = Compilation("a.cpp", (), flags)
    kept = header_flags(compilation, folder="/home/src/build", header="/t/torch/include/torch/extension.h")
    assert kept == ("-g", "-ffile-prefix-map=/t/torch=torch")


def test_rules_of_make() -> None:
    assert parse_dependencies("a.o: a.cpp \\\n /x\\ y/b.h /c$$d.h\n") == ("a.cpp", "/x y/b.h", "/c$d.h")


def test_where_other_headers_would_be() -> None:
    assert list(other_places({"ATen", "b.h"}, ["/x/ATen/a.h", "/x/b.h", "/x/c.h"])) == ["ATen/a.h", "b.h"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("#include <torch/extension.h>", "<torch/extension.h>"),
        ('/* a\n b */ // c\n#pragma once\n#ifdef X\n# include "a.h"\n', '"a.h"'),
        ("int x;\n#include <a>", ""),
        ("", ""),
        ("/*", ""),
    ],
)
def test_what_a_file_includes_first(text: str, name: str) -> None:
    assert first_include(text) == name


def test_files_that_begin_with_the_header(tmp_path: Path) -> None:
    texts = {
        "a.cpp": "#include <torch/extension.h>",
        "csrc/b.cc": '#include "common.h"',
        "csrc/common.h": "#pragma once\n#include <torch/extension.h>",
        "c.cpp": "#include <vector>\n#include <torch/extension.h>",
        "d.cpp": '#include "d.cpp"',
        "e.cu": "#include <torch/extension.h>",
        "build/f.cpp": "#include <torch/extension.h>",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_beginning(tmp_path) == 2
    assert not begins_with(tmp_path / "gone.cpp")
