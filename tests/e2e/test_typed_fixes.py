"""Each fix of each error of the ladder, typed as it stands: then the command builds for the torch that it meets."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import torchgraft

from .laboratory import CHECKOUT, Environment, Outcome, Workplace, fetch_wheel
from .stub_projects import FORBIDDEN, PLAIN_REQUIRES, UV, Package, ask, environment
from .stub_torch import Stubs, make_wheel

pytestmark = pytest.mark.e2e

PIP, BY_UV = "pip", "uv"
# What the reader puts in place of the words in capitals.
VERSION = "2.8.0"
# Errors that nobody can meet here, or that name no cure, and fixes that are for another command.
NOT_MET = {
    "no-cuda-toolkit": "takes NVIDIA's toolkit; tests/e2e/test_late_toolkit.py has what is installed for it",
}
NOT_TYPED = {
    "-C torchgraft.consumer=PATH": "for a command that is for another environment",
    "leave torch out of [build-system] requires in pyproject.toml": "for the maintainers",
    "leave out --no-build-isolation": "said of the command itself",
    "state name, version and dependencies in [project]": "for the maintainers",
}


# What is typed in place of the command.
INSTEAD = {"python-mismatch", "delegate-lacks-hook"}
# The last setuptools with pkg_resources are those below 82; pip takes only one that is named.
OLD_SETUPTOOLS = "80.9.0"
# What a person does that is told so in words.
WORDS = (
    r"(?P<again>run the same command again)",
    r'add "(?P<requires>.+)" to requires in \[build-system\]',
    r"(?P<named>name the folder of an environment), .*",
    r"(?P<copied>cp -r .*) NEW_FOLDER",
)


@dataclass
class Desk:
    """A workplace with an environment, and what a reader types there."""

    place: Workplace
    stubs: Stubs
    by: str
    after: str = ""
    consumer: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.place.folder.joinpath("bin").mkdir()
        (self.place.folder / "bin/uv").symlink_to(UV)
        self.place.variables["PATH"] = f"{self.place.folder}/consumer/bin:{self.place.folder}/bin:{self.place.path}"

    def lay_out(self, *requirements: str, **package: object) -> str:
        """Make the environment and the package; return the command that installs it."""
        self.consumer = environment(self.place, self.stubs, *requirements, *(["pip"] if self.by == PIP else []))
        # Nothing that is typed may reach the interpreter that runs the tests.
        self.place.variables["UV_PYTHON"] = self.place.variables["VIRTUAL_ENV"] = str(self.consumer.prefix)
        Package(**package).write(self.place.folder / "ext")  # type: ignore[arg-type]
        return self.install("./ext")

    def install(self, words: str) -> str:
        return f"pip install {words}" if self.by == PIP else f"uv pip install --python consumer {words}"

    def wheel(self) -> str:
        """Return the command that makes a wheel; it goes into the environment afterwards."""
        self.after = self.install("--no-deps dist/*.whl")
        return "pip wheel --no-deps -w dist ./ext" if self.by == PIP else "uv build --wheel -o dist ext"

    def followed(self, words: Mapping[str, str], command: str) -> str:
        """Do what is said in words, and return what is typed then."""
        if requirement := words.get("requires"):
            pyproject = self.place.folder / "ext/pyproject.toml"
            text = pyproject.read_text(encoding="utf-8")
            pyproject.write_text(text.replace("requires = [", f'requires = ["{requirement}", ', 1), encoding="utf-8")
        if copy := words.get("copied"):
            return f"{copy} new; {self.install('./new')}"
        return command.replace("gone", "consumer") if words.get("named") else command  # again, or after an edit

    def write_script(self, before: str) -> None:
        """Put a line before all others of setup.py."""
        script = self.place.folder / "ext/setup.py"
        script.write_text(f"{before}\n{script.read_text(encoding='utf-8')}", encoding="utf-8")

    def run(self, script: str) -> Outcome:
        return self.place.run(["sh", "-c", script])


def no_torch(desk: Desk) -> str:
    return desk.lay_out(depends="")


def no_torch_but_a_dependency_that_decides(desk: Desk) -> str:
    folder = desk.stubs.indexes.folder / "default"
    make_wheel(folder, "decides", "1.0", {"decides.py": ""}, requires=("torch==2.8.0",))
    return desk.lay_out(depends="decides")


def no_torch_in_a_project(desk: Desk) -> str:
    desk.lay_out(depends="")
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["ext"]\n'
    text += '[tool.uv.sources]\next = { path = "ext" }\n'
    (desk.place.folder / "pyproject.toml").write_text(text, encoding="utf-8")
    desk.consumer = Environment(desk.place.folder / ".venv")
    return "uv sync"


def not_isolated(desk: Desk) -> str:
    return desk.lay_out(*PLAIN_REQUIRES, depends="torch==2.8.0") + " --no-build-isolation"


def replaced_without_isolation(desk: Desk) -> str:
    desk.lay_out("torch==2.9.0", *PLAIN_REQUIRES)
    return desk.install("torch==2.8.0 ./ext --no-build-isolation")


def said_on_standard_input(desk: Desk) -> str:
    desk.lay_out()
    file = "/dev/stdin" if desk.by == PIP else "-"
    return f"echo torch==2.8.0 | {desk.install(f'-r {file} ./ext')}"


def required_twice(desk: Desk) -> str:
    return desk.lay_out(requires=(*PLAIN_REQUIRES, "torch"), depends="torch==2.8.0")


def broken(desk: Desk) -> str:
    command = desk.lay_out("torch==2.8.0")
    (desk.consumer.site_packages / "torch/version.py").unlink()
    return command


def broken_in_a_folder(desk: Desk, *options: str) -> str:
    desk.lay_out(*PLAIN_REQUIRES)
    folder = desk.place.folder / options[-1]
    desk.run(desk.install(f"{' '.join(options)} torch==2.8.0")).succeeded()
    (version,) = folder.rglob("torch/version.py")
    desk.place.variables["PYTHONPATH"] = str(version.parent.parent)
    version.unlink()
    return desk.install(f"{' '.join(options)} ./ext")


def broken_below_a_prefix(desk: Desk) -> str:
    return broken_in_a_folder(desk, "--prefix", "prefix")


def broken_in_a_target(desk: Desk) -> str:
    return broken_in_a_folder(desk, "--target", "target")


def customized(desk: Desk) -> str:
    command = desk.lay_out(depends="torch==2.8.0")
    (desk.consumer.site_packages / "sitecustomize.py").touch()
    return command


def ambiguous(desk: Desk) -> str:
    desk.lay_out("torch==2.8.0", "build")
    other = environment(desk.place, desk.stubs, "torch==2.9.0", name="other")
    desk.after = desk.install("--no-deps dist/*.whl")
    desk.place.variables["VIRTUAL_ENV"] = str(other.prefix)
    return "python -m build --wheel -o dist ext"


def unsupported(desk: Desk) -> str:
    command = desk.lay_out("torch==2.9.0")
    with (desk.place.folder / "ext/pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.torchgraft]\ntorch = "<2.9"\n')
    return command


def contradicted(desk: Desk) -> str:
    desk.lay_out("torch==2.9.0", depends="torch==2.8.0")
    return desk.wheel()


def writable(desk: Desk) -> str:
    command = desk.lay_out("torch==2.8.0")
    desk.consumer.site_packages.chmod(0o777)
    return command


def no_folder_for_the_cache(desk: Desk) -> str:
    (desk.place.folder / "file").touch()
    desk.place.variables["TORCHGRAFT_CACHE_DIR"] = str(desk.place.folder / "file")
    return desk.lay_out("torch==2.8.0")


def sdist_that_asks_for_more(desk: Desk) -> str:
    install = desk.lay_out(dynamic=True)
    script = desk.place.folder / "ext/setup.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("import torch\n", "import torch\ntorch.get_num_threads()\n"), encoding="utf-8")
    desk.after = install
    return "pip download --no-deps -d dist ./ext" if desk.by == PIP else "uv build --sdist -o dist ext"


def no_consumer(desk: Desk) -> str:
    return f"{desk.lay_out('torch==2.8.0')} -C torchgraft.consumer=gone"


def read_only(desk: Desk) -> str:
    """Build what nobody may write to, root neither; who may not mount has the plan of it in tests/unit/hook."""
    command = desk.lay_out("torch==2.8.0")
    mounted = "mount --bind ext ext && mount -o remount,ro,bind ext"
    if desk.run(f"unshare -m sh -c '{mounted}'").status:
        pytest.skip("mounting takes root, and a machine that lets it")
    return f"unshare -m sh -c '{mounted} && {command}'"


def without_a_module(desk: Desk) -> str:
    command = desk.lay_out("torch==2.8.0")
    desk.write_script("import numpy")
    return command


def without_pkg_resources(desk: Desk) -> str:
    wheel = fetch_wheel(CHECKOUT / ".environments", "setuptools", OLD_SETUPTOOLS)
    there = desk.stubs.indexes.folder / "default" / wheel.name
    there.exists() or there.symlink_to(wheel)
    command = desk.lay_out("torch==2.8.0")
    desk.write_script("import pkg_resources")
    return command


def slow(desk: Desk) -> str:
    command = desk.lay_out("torch==2.8.0")
    with (desk.place.folder / "ext/pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.torchgraft]\ntimeout = "3s"\n')
    desk.write_script("import sys, time\nif 'bdist_wheel' in sys.argv: time.sleep(5)")
    return command


def not_made_editable(desk: Desk) -> str:
    desk.lay_out("torch==2.8.0")
    hooks = "build_wheel, build_sdist, get_requires_for_build_wheel, prepare_metadata_for_build_wheel"
    (desk.place.folder / "ext/own.py").write_text(f"from setuptools.build_meta import {hooks}\n", encoding="utf-8")
    with (desk.place.folder / "ext/pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.torchgraft]\nbackend = "own"\nbackend-path = ["."]\n')
    return desk.install("-e ./ext")


def upgraded_meanwhile(desk: Desk) -> str:
    """Put another torch into the environment while the first wheel is built."""
    command = desk.lay_out("torch==2.8.0")
    version = desk.consumer.site_packages / "torch/version.py"
    other = version.read_text(encoding="utf-8").replace("2.8.0", "2.9.0")
    script = f"import pathlib, sys\nversion, other = pathlib.Path({str(version)!r}), {other!r}\n"
    # It may be a link to a file of uv's cache.
    script += "if 'bdist_wheel' in sys.argv and version.read_text() != other:\n"
    desk.write_script(f"{script}    version.unlink()\n    version.write_text(other)\n")
    return command


def of_another_python(desk: Desk) -> str:
    desk.lay_out()
    desk.consumer = Environment(desk.place.folder / "other")
    others = (f"3.{minor}" for minor in (12, 13, 11) if minor != sys.version_info.minor)
    if not any(not desk.run(f"UV_PYTHON= uv venv -q --python {other} other").status for other in others):
        pytest.skip("takes a second version of Python")
    site = next((desk.place.folder / "other/lib").glob("python3.*")) / "site-packages"
    desk.run(f"uv pip install -q --python other --target {site} torch==2.8.0").succeeded()
    return f"{desk.install('./ext')} -C torchgraft.consumer=other"


LAYOUTS: tuple[tuple[str, Callable[[Desk], str], tuple[str, ...]], ...] = (
    ("no-torch", no_torch, (PIP, BY_UV)),
    ("no-torch", no_torch_but_a_dependency_that_decides, (PIP, BY_UV)),
    ("no-torch", no_torch_in_a_project, (BY_UV,)),
    ("torch-not-installed", not_isolated, (PIP, BY_UV)),
    ("torch-not-installed", replaced_without_isolation, (PIP, BY_UV)),
    ("torch-unclear", said_on_standard_input, (PIP, BY_UV)),
    ("torch-required-twice", required_twice, (PIP,)),
    ("broken-torch", broken, (PIP, BY_UV)),
    ("broken-torch", broken_below_a_prefix, (PIP, BY_UV)),
    ("broken-torch", broken_in_a_target, (PIP, BY_UV)),
    ("customized-consumer", customized, (PIP, BY_UV)),
    ("ambiguous-consumer", ambiguous, (PIP,)),
    ("unsupported-torch", unsupported, (PIP, BY_UV)),
    ("torch-contradicted", contradicted, (PIP, BY_UV)),
    ("writable-by-others", writable, (PIP, BY_UV)),
    ("cache-unusable", no_folder_for_the_cache, (PIP, BY_UV)),
    ("needs-torch", sdist_that_asks_for_more, (PIP, BY_UV)),
    ("no-consumer", no_consumer, (PIP, BY_UV)),
    ("source-read-only", read_only, (PIP, BY_UV)),
    ("delegate-failed", without_a_module, (PIP, BY_UV)),
    ("delegate-failed", without_pkg_resources, (PIP, BY_UV)),
    ("delegate-lacks-hook", not_made_editable, (PIP, BY_UV)),
    ("timed-out", slow, (PIP, BY_UV)),
    ("torch-changed", upgraded_meanwhile, (PIP, BY_UV)),
    ("python-mismatch", of_another_python, (PIP, BY_UV)),
)


def fixes_of(code: str, outcome: Outcome) -> list[str]:
    """Return the fixes of an error without their notes."""
    assert outcome.status, outcome.said
    assert FORBIDDEN not in outcome.said
    assert f"error[{code}]" in outcome.said, outcome.said
    block = outcome.said.partition(f"error[{code}]")[2].partition("error[")[0]
    return [re.sub(r"   \(.*", "", fix).strip() for fix in re.findall(r"fix: +(\S.*)", block)]


@pytest.mark.parametrize(
    ("code", "layout", "by"),
    [pytest.param(code, layout, by, id=f"{layout.__name__}-{by}") for code, layout, all_by in LAYOUTS for by in all_by],
)
def test_each_fix_cures(code: str, layout: Callable[[Desk], str], by: str, stubs: Stubs) -> None:
    first = Desk(stubs.workplace(), stubs, by)
    command = layout(first)
    found = fixes_of(code, first.run(command))
    assert found
    desk = first
    for fix in found:
        if fix in NOT_TYPED or (layout is no_torch_but_a_dependency_that_decides and fix != found[0]):
            continue
        if desk is not first or fix != found[0]:
            desk = Desk(stubs.workplace(), stubs, by)
            layout(desk)
        typed = fix.replace(str(first.place.folder), str(desk.place.folder))
        match = next(filter(None, (re.fullmatch(words, typed) for words in WORDS)), None)
        typed = typed.replace("FOLDER", str(desk.place.folder / "own")).replace("VERSION", VERSION)
        assert typed.startswith("pip ") <= (by == PIP)
        places = re.findall(r"(?<![\w.$}])/[^\s'\"]+", typed)
        assert all(place.startswith(str(desk.place.folder)) for place in places), typed
        print(f"$ {typed}")  # noqa: T201 - what pytest shows of a failure
        if code in INSTEAD:
            desk.run(typed).succeeded()
        elif match:
            desk.run(f"set -e; {desk.followed(match.groupdict(), command)}").succeeded()
        elif typed.startswith("-"):
            desk.run(f"{command} {typed}").succeeded()
        else:
            desk.run(f"set -e; {typed}; {command}").succeeded()
        if named := re.search(
            r"torchgraft\.consumer=([^'\s]+)", typed
        ):  # the wheel is for the environment that is named
            desk.consumer = Environment(Path(named[1]))
            desk.after = desk.after and f"uv pip install --python {named[1]} --no-deps dist/*.whl"
        if desk.after:
            desk.run(desk.after).succeeded()
        report = ask(desk.place, desk.consumer.python)
        assert report.built == report.meets


def test_no_error_of_the_ladder_is_left_out() -> None:
    """A new one needs a layout, or a reason."""
    codes = set()
    for file in (Path(torchgraft.__file__).parent / "ladder").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code":
                codes |= {one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant)}
    assert set(NOT_MET) <= codes <= {code for code, *_ in LAYOUTS} | set(NOT_MET)
