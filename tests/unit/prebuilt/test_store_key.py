"""The key of a wheel: whatever decides one changes it, and nothing else that can be helped."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.compiling import hardware, plan
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Hook
from torchgraft.prebuilt.store_key import NoKeyError, deciding_variables, read_tree, wheel_key

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


def key(made: Plan, source: Path, *, user: Any = None, config_settings: Any = None) -> str:
    variables = {"PATH": os.environ["PATH"]}
    return wheel_key(made, source, variables=variables, user=user or {}, config_settings=config_settings)


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


def test_the_bit_that_makes_a_script_counts_and_what_umask_says_does_not(source: Path) -> None:
    before = read_tree(source).digest
    (source / "setup.py").chmod(0o600)
    assert read_tree(source).digest == before
    (source / "setup.py").chmod(0o755)
    assert read_tree(source).digest != before


@pytest.mark.parametrize("name", ["build/lib/ext/a.py", "build/temp.linux-x86_64/a.o", "ext/__pycache__/a.pyc"])
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
        {"config": {"borrow": ("scipy",)}},
        {"config": {"cuda_components": ("curand",)}},
        {"config": {"env": {"X": "1"}}},
        {"config": {"backend": "other"}},
        {"machine": {"gpus": ("9.0",)}},
        {"project": {"version": "2"}},
    ],
)
def test_settings_and_machine_count(torch: Any, source: Path, changes: Any) -> None:
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
        variables = {"PATH": os.environ["PATH"], "CXX": str(compiler)}
        found.add(wheel_key(made, source, variables=variables, user={}, config_settings=None))
    assert len(found) == 2


@pytest.mark.parametrize(("text", "counts"), [("-march=native", True), ("open('/proc/cpuinfo')", True), ("-O2", False)])
def test_a_build_that_asks_the_processor_is_for_that_one(source: Path, text: str, counts: bool) -> None:  # noqa: FBT001
    (source / "flags.py").write_text(f'"{text}"')
    assert read_tree(source).by_processor == counts
