"""The key of a wheel: whatever decides one changes it, and nothing else that can be helped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.compiling import hardware, plan
from torchgraft.model.decision import Link, Plan, PlannedToolkit
from torchgraft.model.observation import Hook
from torchgraft.prebuilt.plan_prebuilt import _IDLE_SETTINGS
from torchgraft.prebuilt.store_key import deciding_variables, key_of, read_facts, read_tree
from torchgraft.prebuilt.surroundings import NoKeyError
from torchgraft.settings.config import ArchFormat, Config, Cuda, Provide
from torchgraft.settings.tables import When

SETUP = """
import os
from setuptools import setup
PREFIX = "EXT_"
if os.environ.get("FAST") or os.environ.get(PREFIX + "DEBUG") or os.getenv(f"{__name__.upper()}_FORCE_BUILD"):
    setup()
"""
FILES = {"setup.py": SETUP, "PKG-INFO": "Name: ext\n", "csrc/a.cu": "a", "csrc/b.cpp": "b", "ext/data/x.bin": "x"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "csrc" / "link.h").symlink_to("a.cu")
    return folder


@pytest.fixture
def torch(tmp_path: Path) -> Any:
    """Return a torch whose RECORD says which files it has."""
    site = tmp_path / "site"
    info = site / "torch-2.13.0+cpu.dist-info"
    info.mkdir(parents=True)
    (site / "torch").mkdir()
    rows = ["torch/version.py,sha256=aa,1", "torch/include/c10/x.h,sha256=bb,2", "torch/__init__.pyc,,"]
    (info / "RECORD").write_text("\n".join(rows))
    return dataclasses.replace(snapshots.CPU_TORCH, folder=str(site / "torch"))


def planned(torch: Any, **changes: Any) -> Plan:
    config = changes.pop("config", {})
    project = snapshots.project(passing=True, **changes.pop("project", {}))
    return plan(torch, hardware(**changes.pop("machine", {})), config=config, hook=Hook.BUILD_WHEEL, project=project)


def key(made: Plan, source: Path, *, user: Any = None, config_settings: Any = None, **variables: str) -> str:
    variables = {"PATH": os.environ["PATH"], **variables}
    return key_of(read_facts(made, source, variables=variables, user=user or {}, config_settings=config_settings))


def test_two_hundred_random_changes_of_the_sources_are_two_hundred_keys(source: Path) -> None:
    chance, found = random.Random(17), {read_tree(source).digest}  # noqa: S311 - no secret
    names = sorted(p for p in source.rglob("*") if p.is_file() and not p.is_symlink())
    for number in range(200):
        path = chance.choice(names)
        kind = chance.choice(["byte", "new", "empty folder", "mode", "link", "rename"])
        other = source.with_name(f"copy-{number}")
        shutil.copytree(source, other, symlinks=True)
        file = other / path.relative_to(source)
        match kind:
            case "byte":
                at = chance.randrange(len(file.read_bytes()) + 1)
                data = file.read_bytes()
                file.write_bytes(data[:at] + f"{number}".encode() + data[at:])
            case "new":
                (file.parent / f"new-{number}.py").write_text("")
            case "empty folder":
                (file.parent / f"folder-{number}").mkdir()
            case "mode":
                file.chmod(0o755)
                (other / f"mode-{number}").write_text("")
            case "link":
                (file.parent / f"link-{number}").symlink_to(file.name)
            case "rename":
                file.rename(file.with_name(f"{number}-{file.name}"))
        digest = read_tree(other).digest
        assert digest not in found, (kind, path)
        found.add(digest)
        shutil.rmtree(other)


# A value of each that is not the default one; what has no other here is one that does not decide a wheel.
OTHERS: dict[str, Any] = {
    "backend": "other.backend",
    "backend_path": ("tools",),
    "match": ("torch", "torchvision"),
    "borrow": ("scipy",),
    "requires": ("pybind11>=3",),
    "env": {"EXT_FLAG": "1"},
    "when": (When(env={"EXT_FLAG": "2"}),),
    "torch": ">=2.10",
    "provide": Provide.GRAFT,
    "cuda": Cuda.OFF,
    "cuda_components": ("curand",),
    "cuda_architectures": ("9.0",),
    "cuda_arch_variable": "EXT_ARCHS",
    "cuda_arch_format": ArchFormat.SM,
    "vocabulary": ("flash-attn",),
}


def test_every_setting_counts_unless_it_is_known_not_to(torch: Any, source: Path) -> None:
    """A new one has to be added above, or to those that say how fast or how loud."""
    assert {field.name for field in dataclasses.fields(Config)} - _IDLE_SETTINGS == set(OTHERS)
    made = [planned(torch, config={name: other}) for name, other in OTHERS.items()]
    assert all(one.store and one.store.facts for one in made)
    assert len({key(one, source) for one in (*made, planned(torch))}) == len(OTHERS) + 1


def test_two_hundred_random_changes_of_all_else_are_two_hundred_keys(
    torch: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the tests run with is large, and does not change.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if "site-packages" not in place])
    chance, found = random.Random(18), {key(planned(torch), source)}  # noqa: S311 - no secret
    kinds = ("setting", "torch", "header", "project", "gpu", "variable", "option", "program")
    record = Path(torch.folder).parent / "torch-2.13.0+cpu.dist-info" / "RECORD"
    rows = record.read_text()
    for number in range(200):
        changes, told, other = dict[str, Any](), dict[str, Any](), torch
        chosen = chance.sample(kinds, chance.randint(1, 3))
        for kind in chosen:
            match kind:
                case "setting":
                    name = chance.choice(["borrow", "cuda_components", "requires", "backend_path"])
                    changes["config"] = {name: (f"x{number}",)}
                case "torch":
                    name = chance.choice(["version", "git_version"])
                    other = dataclasses.replace(torch, **{name: f"2.13.{number}+cpu"})
                case "project":
                    changes["project"] = {"version": f"1.{number}"}
                case "gpu":
                    changes["machine"] = {"gpus": (f"{number}.0",)}
                case "variable":
                    name = chance.choice(["FAST", "EXT_DEBUG", "ANY_FORCE_BUILD", "CFLAGS", "CMAKE_ARGS", "MAX_X"])
                    told["user"] = {name: f"-DX={number}"}
                case "option":
                    told["config_settings"] = {"--build-option": f"{number}"}
        record.write_text(rows.replace("sha256=bb", f"sha256=b{number}") if "header" in chosen else rows)
        if "program" in chosen:
            (source.parent / f"cmake-{number}").mkdir()
            program = source.parent / f"cmake-{number}" / "nvcc"
            program.write_text(f"#!/bin/sh\n# {number}\n")
            program.chmod(0o755)
            told["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        made = planned(other, **changes)
        assert made.store
        assert made.store.facts
        one = key(made, source, **told)
        assert one not in found, chosen
        found.add(one)


def test_the_bit_that_makes_a_script_counts_and_what_umask_says_does_not(source: Path) -> None:
    before = read_tree(source).digest
    (source / "setup.py").chmod(0o600)
    assert read_tree(source).digest == before
    (source / "setup.py").chmod(0o755)
    assert read_tree(source).digest != before


@pytest.mark.parametrize("name", ["build/lib/ext/a.so", "build/temp.linux-x86_64/a.o", "ext/__pycache__/a.pyc"])
def test_what_builds_leave_does_not_count(source: Path, name: str) -> None:
    before = read_tree(source).digest
    (source / name).parent.mkdir(parents=True)
    (source / name).write_text("")
    assert read_tree(source).digest == before


def test_a_folder_of_the_package_s_own_that_is_called_build_does(source: Path) -> None:
    before = read_tree(source).digest
    (source / "build").mkdir()
    (source / "build" / "version.txt").write_text("1")
    assert read_tree(source).digest != before


def test_the_commit_and_the_tags_count_and_what_git_keeps_for_itself_does_not(source: Path) -> None:
    git = source / ".git"
    (git / "refs" / "tags").mkdir(parents=True)
    (git / "HEAD").write_text("0123\n")
    before = read_tree(source).digest
    (git / "index").write_text("changes with each checkout")
    (git / "packed-refs").write_text("ab refs/remotes/origin/main\n")
    assert read_tree(source).digest == before
    (git / "packed-refs").write_text("ab refs/tags/v2\n")
    tagged = read_tree(source).digest
    (git / "HEAD").write_text("4567\n")
    assert len({before, tagged, read_tree(source).digest}) == 3


def test_what_cannot_be_told_has_no_key(source: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").write_text("")
    (source / "out").symlink_to("../beside")
    with pytest.raises(NoKeyError, match="out leads out of the source tree"):
        read_tree(source)
    (source / "out").unlink()
    (source / "tool.py").write_text("for k, v in os.environ.items(): pass")
    with pytest.raises(NoKeyError, match=r"tool\.py may read all variables"):
        read_tree(source)
    (source / "tool.py").unlink()
    (source / ".git").write_text("gitdir: ../x")
    with pytest.raises(NoKeyError, match="git keeps"):
        read_tree(source)


def test_a_torch_that_does_not_say_which_files_it_has_has_no_key(source: Path, torch: Any) -> None:
    (Path(torch.folder).parent / "torch-2.13.0+cpu.dist-info" / "RECORD").write_text("torch/version.py,,\n")
    with pytest.raises(NoKeyError, match="nothing says which files"):
        key(planned(torch), source)


def test_variables_that_the_tree_names_in_whatever_way_count(source: Path) -> None:
    words = read_tree(source).words
    named = {"FAST": "1", "EXT_DEBUG": "1", "EXT_FORCE_BUILD": "1", "CFLAGS": "-O2", "NVCC_APPEND_FLAGS": "-G"}
    others = {"HOME": "/h", "GITHUB_RUN_ID": "7", "PIP_INDEX_URL": "x", "MAX_JOBS": "3", "SSH_AUTH_SOCK": "/s"}
    assert deciding_variables({**named, **others}, words) == named


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": {"gpus": ("9.0",)}},
        {"project": {"version": "2"}},
    ],
)
def test_project_and_machine_count(torch: Any, source: Path, changes: Any) -> None:
    assert key(planned(torch, **changes), source) != key(planned(torch), source)


@pytest.mark.parametrize("config", [{"max_jobs": 1}, {"log": "plan"}, {"timeout_s": 3}, {"cache_dir": "/elsewhere"}])
def test_how_fast_and_how_loud_does_not(torch: Any, source: Path, config: Any) -> None:
    assert key(planned(torch, config=config), source) == key(planned(torch), source)


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2.13.1+cpu"},
        {"git_version": "0"},
        {"cxx11_abi": False},
        {"debug": True},
        {"extension_suffix": ".so"},
    ],
)
def test_another_torch_is_another_key(torch: Any, source: Path, change: Any) -> None:
    assert key(planned(dataclasses.replace(torch, **change)), source) != key(planned(torch), source)


def test_the_same_version_with_another_header_is_another_key(torch: Any, source: Path) -> None:
    before = key(planned(torch), source)
    record = Path(torch.folder).parent / "torch-2.13.0+cpu.dist-info" / "RECORD"
    record.write_text(record.read_text().replace("sha256=bb", "sha256=cc"))
    assert key(planned(torch), source) != before


def test_what_the_delegate_is_told_and_user_variables_count(torch: Any, source: Path) -> None:
    made = planned(torch)
    user = {"FAST": "1"}
    keys = {
        key(made, source),
        key(made, source, user=user),
        key(made, source, config_settings={"--global-option": "x"}),
    }
    assert len(keys) == 3
    assert key(made, source, config_settings={}) in keys


def test_a_compiler_of_the_same_version_that_is_another_program_is_another_key(
    torch: Any, source: Path, tmp_path: Path
) -> None:
    made, found = planned(torch), set()
    for flags in ("-O2", "-O3"):
        compiler = tmp_path / "g++"
        compiler.write_text(f'#!/bin/sh\nexec c++ {flags} "$@"\n')
        compiler.chmod(0o755)
        found.add(key(made, source, CXX=str(compiler)))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "counts"),
    [("-march=native", True), ("f'-march={x}', 'native'", True), ("open('/proc/cpuinfo')", True), ("-O2", False)],
)
def test_a_build_that_asks_the_processor_is_for_that_one(source: Path, text: str, counts: bool) -> None:  # noqa: FBT001
    (source / "flags.py").write_text(f'"{text}"')
    assert read_tree(source).by_processor == counts


@pytest.mark.parametrize(("flags", "counts"), [("-O2", False), ("-march=native", True)])
def test_variables_that_name_the_processor_make_it_count(torch: Any, source: Path, flags: str, counts: bool) -> None:  # noqa: FBT001
    facts = read_facts(
        planned(torch), source, variables={"PATH": os.environ["PATH"]}, user={"CFLAGS": flags}, config_settings=None
    )
    assert bool(facts["processor"]) == counts


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("find_package(OpenCV)", "OpenCV_DIR"),
        ("os.environ['%s_METAL' % name]", "EXTRA_METAL"),
        ("$ENV{OTHER_${x}}", "OTHER_ANY"),
    ],
)
@pytest.mark.parametrize("file", ["tools/generate", "cmake/x.cmake", "tools/gen.pl", "rules.bzl"])
def test_whatever_may_run_names_variables(source: Path, text: str, name: str, file: str) -> None:
    assert name not in deciding_variables({name: "1"}, read_tree(source).words)
    (source / file).parent.mkdir(exist_ok=True)
    (source / file).write_text(text)
    assert name in deciding_variables({name: "1"}, read_tree(source).words)


@pytest.mark.parametrize("file", ["README.md", ".github/workflows/ci.py", "ci.yml", "csrc/x.cpp"])
def test_what_does_not_run_names_none(source: Path, file: str) -> None:
    (source / file).parent.mkdir(parents=True, exist_ok=True)
    (source / file).write_text("GITHUB_RUN_ID")
    assert not deciding_variables({"GITHUB_RUN_ID": "1"}, read_tree(source).words)


@pytest.mark.parametrize(
    "text",
    [
        "for name in os.environ: print(name)",
        "[n for n, v in sorted(os.environ.items())]",
        "sorted(os.environ)",
        "env = os.environ.copy()\nfor name in env: pass",
        "env = dict(os.environ)\nprint(env.items())",
    ],
)
def test_a_tree_that_may_read_all_variables_has_no_key(source: Path, text: str) -> None:
    (source / "tool.py").write_text(text)
    with pytest.raises(NoKeyError, match=r"tool\.py may read all variables"):
        read_tree(source)


@pytest.mark.parametrize(
    "text",
    [
        "if 'FORCE_CUDA' in os.environ: pass",
        "[x for x in os.environ['A'].split()]",
        "env = os.environ.copy()\nenv['A'] = '1'\nrun(x, env=env)",
        "env = os.environ.get('A')\nfor x in env.split(): pass",
    ],
)
def test_one_that_asks_for_its_own_has_one(source: Path, text: str) -> None:
    (source / "tool.py").write_text(text)
    read_tree(source)


def test_what_lies_in_build_lib_and_is_no_copy_came_with_the_sources(source: Path) -> None:
    before = read_tree(source).digest
    copied = source / "build" / "lib" / "ext" / "setup.py"
    copied.parent.mkdir(parents=True)
    copied.write_text(SETUP)
    assert read_tree(source).digest == before
    copied.with_name("more.py").write_text("x")
    assert read_tree(source).digest != before


def test_the_commit_of_a_submodule_counts(source: Path) -> None:
    module = source / ".git" / "modules" / "cutlass"
    (module / "refs").mkdir(parents=True)
    (module / "HEAD").write_text("0123\n")
    before = read_tree(source).digest
    (module / "HEAD").write_text("4567\n")
    assert read_tree(source).digest != before
    other = source.with_name("other")
    shutil.copytree(source, other, symlinks=True)
    assert read_tree(other).digest == read_tree(source).digest


def test_what_lies_at_places_that_variables_name_counts(torch: Any, source: Path, tmp_path: Path) -> None:
    header = tmp_path / "own" / "include" / "x.h"
    header.parent.mkdir(parents=True)
    header.write_text("1")
    made, user = planned(torch), {"CFLAGS": f"-O2 -I{header.parent}"}
    before = key(made, source, user=user)
    assert key(made, source, user=user) == before
    header.write_text("22")
    changed = key(made, source, user=user)
    (header.parent / "y.h").write_text("")
    assert len({before, changed, key(made, source, user=user)}) == 3
    with pytest.raises(NoKeyError, match=r"-I\.\./include leads out of the source tree"):
        key(made, source, user={"CFLAGS": "-I../include"})
    key(made, source, user={"LDFLAGS": "-Wl,-rpath,$ORIGIN/../torch/lib"})


def test_a_file_that_the_tree_names_counts(torch: Any, source: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (source / "site.py").write_text("open('~/.ext.cfg')")
    made, found = planned(torch), set[str]()
    for text in ("", "a", "b"):
        if text:
            (tmp_path / ".ext.cfg").write_text(text)
        found.add(key(made, source))
    (tmp_path / ".pydistutils.cfg").write_text("[build_ext]")
    assert len({*found, key(made, source)}) == 4


def test_a_header_of_torch_that_is_changed_in_place_is_another_key(torch: Any, source: Path) -> None:
    site = Path(torch.folder).parent
    header = site / "torch" / "include" / "c10" / "x.h"
    header.parent.mkdir(parents=True)
    header.write_text("ab")
    record = site / "torch-2.13.0+cpu.dist-info" / "RECORD"
    os.utime(header, (1, 1))
    before = key(planned(torch), source)
    header.write_text("cd")
    os.utime(header, (2**31, 2**31))
    changed = key(planned(torch), source)
    header.write_text("ab" * 2)
    os.utime(header, (1, 1))
    assert len({before, changed, key(planned(torch), source)}) == 3
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"abab").digest()).decode().rstrip("=")
    record.write_text(record.read_text().replace("sha256=bb,2", f"sha256={digest},4"))
    listed = key(planned(torch), source)
    os.utime(header, (2**31, 2**31))  # as in an environment that is a copy
    assert key(planned(torch), source) == listed


def test_a_build_requirement_of_the_same_version_with_other_files_is_another_key(
    torch: Any, source: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    info = tmp_path / "here" / "pybind11-3.0.dist-info"
    info.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(info.parent))
    found = set()
    for digest in ("aa", "bb"):
        (info / "RECORD").write_text(f"pybind11/x.h,sha256={digest},1\n../../bin/pybind11-config,sha256=cc,1\n")
        found.add(key(planned(torch), source))
    (info / "RECORD").write_text("pybind11/x.h,sha256=bb,1\n../../bin/pybind11-config,sha256=of another folder,1\n")
    assert len(found) == 2
    assert key(planned(torch), source) in found


def test_programs_that_the_build_looks_for_count(torch: Any, source: Path, tmp_path: Path, monkeypatch: Any) -> None:
    made, folder = planned(torch), tmp_path / "programs"
    folder.mkdir()

    def found() -> str:
        return key(made, source, PATH=f"{folder}:{os.environ['PATH']}")

    keys = {found()}
    for name, counts in (("nvcc", True), ("swig", False), ("ls", False)):
        (folder / name).write_text(f"#!/bin/sh\n# {name}")
        (folder / name).chmod(0o755)
        assert (found() not in keys) == counts, name
        keys.add(found())
    (source / "setup.py").write_text("run('swig')")
    keys.add(found())
    (folder / "swig").write_text("#!/bin/sh\n# of another version")
    assert found() not in keys
    keys.add(found())
    site = tmp_path / "lib" / "site-packages"
    (site / "swig-4.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))  # then it is a distribution's, which counts by its files
    beside = found()
    (folder / "swig").write_text("#!/of/another/folder")
    assert found() == beside


def test_a_compiler_behind_another_program_counts(torch: Any, source: Path, tmp_path: Path) -> None:
    made, found = planned(torch), set()
    for name in ("launch", "g++"):
        (tmp_path / name).write_text('#!/bin/sh\nexec "$@"\n' if name == "launch" else "")
        (tmp_path / name).chmod(0o755)
    for flags in ("-O2", "-O3"):
        (tmp_path / "g++").write_text(f'#!/bin/sh\nexec c++ {flags} "$@"\n')
        found.add(key(made, source, CXX=f"{tmp_path}/launch {tmp_path}/g++"))
    assert len(found) == 2


def test_without_a_toolkit_of_the_plan_the_user_s_counts(torch: Any, source: Path) -> None:
    assert key(planned(torch), source, user={"CUDA_HOME": "/opt/cuda"}) != key(planned(torch), source)


def test_a_toolkit_counts_by_its_nvcc_before_it_is_assembled_and_after(
    torch: Any, source: Path, tmp_path: Path
) -> None:
    """The key is asked for first: a compiler "that does not answer" kept every wheel for CUDA 13 out of the store."""
    home, kept, keys = tmp_path / "home", tmp_path / "kept", set()
    for environment in ("a", "b"):
        nvcc = tmp_path / environment / "bin" / "nvcc"
        nvcc.parent.mkdir(parents=True)
        nvcc.write_text("#!/bin/sh\necho nvcc: release 13.0, V13.0.88")
        nvcc.chmod(0o755)
        copies = (Link(name=str(kept), target=str(nvcc.parent.parent)),)
        for more in ({"layers": (str(nvcc.parent.parent),)}, {"layers": (str(kept),), "copies": copies}):
            toolkit = PlannedToolkit(home=str(home / environment), version="13.0", reason="", **more)
            keys.add(key(dataclasses.replace(planned(torch), toolkit=toolkit), source))
    shutil.copytree(tmp_path / "a", home / "a")
    toolkit = PlannedToolkit(home=str(home / "a"), version="13.0", reason="", layers=(str(tmp_path / "a"),))
    made = dataclasses.replace(planned(torch), toolkit=toolkit)
    assert {key(made, source)} == keys
    (home / "a" / "bin" / "nvcc").write_text("#!/bin/sh\necho nvcc: release 13.0, V13.0.99")
    assert key(made, source) not in keys
