from __future__ import annotations

import dataclasses

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import sys_tags

from support.snapshots import PYTHON
from torchgraft.consumer.processes import take_python
from torchgraft.installed.markers import MarkerError, applies, marker_environment, marker_holds, wheel_ranks
from torchgraft.model.observation import Python

MAC = Python(
    version="3.13.1",
    implementation="cpython",
    abi="cp313",
    platform="macosx_11_0_universal2",
    extension_suffix=".cpython-313-darwin.so",
    system="darwin",
    machine="x86_64",
    platform_release="24.1.0",
    platform_version="Darwin Kernel Version 24.1.0",
    wheel_platform="macosx_15_0_x86_64",
)
MUSL = dataclasses.replace(PYTHON, wheel_platform="musllinux_1_2_x86_64")
PYPY = dataclasses.replace(PYTHON, implementation="pypy", abi="pypy311_pp73", implementation_version="7.3.19")


def test_the_running_interpreter_is_asked_nothing_that_another_would_answer_otherwise() -> None:
    """Whatever packaging would fill in is given, for any interpreter."""
    for python in (MAC, MUSL, PYPY, dataclasses.replace(PYTHON, platform="any")):
        assert default_environment().keys() <= marker_environment(python).keys()


def test_of_the_running_interpreter_they_say_what_packaging_says() -> None:
    own = take_python()
    assert dict(default_environment()).items() <= marker_environment(own).items()
    ranks = wheel_ranks(own)
    theirs = list(sys_tags())
    assert ranks.keys() == set(theirs)
    # Wheels of a build on this very machine came last before packaging 26.3.
    exact = [tag for tag in theirs if not tag.platform.startswith("linux_")]
    assert [tag for tag in sorted(ranks, key=ranks.__getitem__) if not tag.platform.startswith("linux_")] == exact


@pytest.mark.parametrize(
    ("marker", "python"),
    [
        ("sys_platform == 'darwin' and os_name == 'posix' and platform_system == 'Darwin'", MAC),
        ("platform_machine == 'x86_64' and python_version >= '3.13' and python_full_version == '3.13.1'", MAC),
        ("platform_release == '24.1.0' and 'Darwin Kernel' in platform_version", MAC),
        ("platform_machine == 'arm64'", dataclasses.replace(MAC, platform="macosx_11_0_arm64")),
        ("platform_machine == 'AMD64' and os_name == 'nt'", dataclasses.replace(PYTHON, platform="win_amd64")),
        ("platform_python_implementation == 'PyPy' and implementation_version == '7.3.19'", PYPY),
        ("implementation_name == 'cpython' and implementation_version == '3.11.7'", PYTHON),
    ],
)
def test_markers_are_those_of_the_given_interpreter(marker: str, python: Python) -> None:
    assert marker_holds(marker, python)
    assert applies(Requirement(f"torch; {marker}"), python)
    assert not applies(Requirement(f"torch; ({marker}) and python_version < '3'"), python)


def test_a_requirement_of_an_extra_is_none_of_the_distribution() -> None:
    requirement = Requirement("torch; extra == 'gpu'")
    assert not applies(requirement, PYTHON)
    assert applies(requirement, PYTHON, extra="gpu")


def test_what_cannot_be_compared_applies() -> None:
    text = "python_full_version ~= 'three'"
    assert applies(Requirement(f"torch; {text}"), PYTHON)
    with pytest.raises(MarkerError, match="cannot be read"):
        marker_holds(text, PYTHON)


@pytest.mark.parametrize(
    ("python", "tags", "others"),
    [
        (
            MAC,
            ["cp313-cp313-macosx_11_0_universal2", "cp38-abi3-macosx_10_9_x86_64"],
            ["cp313-cp313-macosx_11_0_arm64"],
        ),
        (MUSL, ["cp311-cp311-musllinux_1_0_x86_64"], ["cp311-cp311-manylinux_2_17_x86_64"]),
        (PYPY, ["pp311-pypy311_pp73-manylinux2014_x86_64", "py3-none-any"], ["cp311-cp311-linux_x86_64"]),
        (
            dataclasses.replace(PYTHON, wheel_platform="manylinux_2_28_x86_64"),
            ["cp311-abi3-manylinux_2_28_x86_64", "py3-none-manylinux1_x86_64"],
            ["cp311-cp311-manylinux_2_29_x86_64"],
        ),
        (dataclasses.replace(PYTHON, wheel_platform="linux_x86_64"), ["py3-none-linux_x86_64"], ["py3-none-win32"]),
    ],
)
def test_tags_of_wheels_are_those_of_the_given_interpreter(python: Python, tags: list[str], others: list[str]) -> None:
    known = set(map(str, wheel_ranks(python)))
    assert known.issuperset(tags)
    assert known.isdisjoint(others)
