"""What the backend of a project runs of its source tree, and what the tables of that backend ask for.

May not run any of it, nor decide what becomes of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...files import find_text
from ...model.torch_values import required_name
from ...project.read_project import parse_setup_cfg
from ...project.setup_script import LARGEST_SCRIPT_BYTES
from ...settings.config import TABLE
from ...untrusted import load_toml, strings, table, text_of
from .plan_need import MATCHED

# They never run a setup.py, whatever stands beside them.
_OTHER_BACKENDS = frozenset(
    {
        *("flit_core", "hatchling", "maturin", "mesonpy", "pdm", "poetry", "py_build_cmake", "scikit_build_core"),
        *("sipbuild", "uv_build"),
    }
)
# Crates that are made of torch-sys: it links with the torch of Python where a variable says so, else with another.
_CRATES = ("tch", "torch-sys", "pyo3-tch")


def script_file(pyproject: Mapping[str, Any]) -> str:
    """Return the script of a project that its backend runs, "" for one that runs none."""
    backend = _backend(pyproject)
    if backend.partition(".")[0] not in _OTHER_BACKENDS or backend.startswith("scikit_build_core.setuptools"):
        return "setup.py"
    tool = table(pyproject.get("tool"))
    of_hatch = table(tool, "hatch", "build")
    places = (of_hatch, table(of_hatch, "targets", "wheel"))
    paths = (text_of(table(one, "hooks", "custom").get("path")) for one in places)
    of_poetry, of_pdm = table(tool, "poetry").get("build"), table(tool, "pdm", "build")
    of_setuptools = "setup.py" if of_pdm.get("run-setuptools") is True else ""
    files = {
        "hatchling": next(filter(None, paths), "hatch_build.py"),
        "pdm": of_setuptools or text_of(of_pdm.get("custom-hook")) or "pdm_build.py",
        "poetry": text_of(of_poetry) or text_of(table(of_poetry).get("script")),
    }
    return files.get(backend.partition(".")[0]) or ""


def hook_modules(pyproject: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modules of the source tree that pyproject.toml says take part in a build, and where they are."""
    build, tool = table(pyproject.get("build-system")), table(pyproject.get("tool"))
    paths = strings(build.get("backend-path")) or strings(table(tool, TABLE).get("backend-path"))
    named = text_of(table(tool, TABLE).get("backend")) or text_of(build.get("build-backend")) or ""
    commands = table(tool, "setuptools", "cmdclass").values()
    modules = [name.rpartition(".")[0] for name in commands if isinstance(name, str)]
    modules.append(named.partition(":")[0] if paths else "")
    modules.append((text_of(table(tool, "pdm", "version").get("getter")) or "").partition(":")[0])
    plugins = [table(one) for one in table(tool, "scikit-build", "metadata").values()]
    modules += [text_of(one.get("provider")) or "" for one in plugins if one.get("provider-path")]
    return tuple(filter(None, modules)), (*paths, *filter(None, (text_of(one.get("provider-path")) for one in plugins)))


def version_attribute(folder: Path, pyproject: Mapping[str, Any]) -> str:
    """Return the dotted name that setuptools takes the version from, "" if there is none."""
    if _backend(pyproject).partition(".")[0] != "setuptools":
        return ""
    stated = text_of(table(pyproject, "tool", "setuptools", "dynamic", "version").get("attr"))
    of_cfg = next(iter(parse_setup_cfg(find_text(folder / "setup.cfg", LARGEST_SCRIPT_BYTES)).get("version", ())), "")
    return stated or (of_cfg.removeprefix("attr:").strip() if of_cfg.startswith("attr:") else "")


def asked_in_tables(folder: Path, pyproject: Mapping[str, Any], dependencies: tuple[str, ...] | None) -> str:
    """Return what shows that a backend which runs no script asks for torch by its own tables, "" if nothing does.

    :param dependencies: the requirements at run time, which hatchling can be told to build with
    """
    backend, tool = _backend(pyproject).partition(".")[0], table(pyproject.get("tool"))
    if backend == "hatchling":
        asked = _asked_by_hatch(table(tool, "hatch", "build"), "tool.hatch.build", dependencies or ())
        return next((f'[{where}] requires "{item}"' for where, item in asked if required_name(item) in MATCHED), "")
    if backend != "maturin":
        return ""
    file = text_of(table(tool.get("maturin")).get("manifest-path")) or "Cargo.toml"
    manifest: Mapping[str, Any] = {}
    with contextlib.suppress(ValueError):  # cargo says what is wrong with it
        manifest = load_toml(find_text(folder / file, LARGEST_SCRIPT_BYTES) or "")
    named = {*table(manifest.get("dependencies")), *table(manifest.get("build-dependencies"))}
    crate = next((crate for crate in _CRATES if crate in named), "")
    why = "which takes the torch of Python where LIBTORCH_USE_PYTORCH=1 is set"
    return f"{file} depends on {crate}, {why}" if crate else ""


def _asked_by_hatch(build: Mapping[str, Any], where: str, dependencies: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the requirements of the wheel and of its hooks, each with its table (hatch, "Build configuration")."""
    tables = {where: build, **{f"{where}.hooks.{name}": table(one) for name, one in table(build.get("hooks")).items()}}
    for name, one in tables.items():
        yield from ((name, item) for item in strings(one.get("dependencies")))
        if one.get("require-runtime-dependencies") is True:
            yield from ((name, item) for item in dependencies)
    wheel = table(build, "targets", "wheel")
    if wheel:
        yield from _asked_by_hatch(wheel, f"{where}.targets.wheel", dependencies)


def _backend(pyproject: Mapping[str, Any]) -> str:
    """Return the module of the backend that does the work."""
    build, tool = table(pyproject.get("build-system")), table(pyproject.get("tool"))
    named = text_of(build.get("build-backend")) or "setuptools.build_meta"
    return (text_of(table(tool.get(TABLE)).get("backend")) or named).partition(":")[0]
