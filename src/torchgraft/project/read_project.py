"""What the files of the source tree say about the project.

May not run any of it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from ..files import find_text, walk
from ..model.source_tree import NOT_SOURCES, Project, SetupScript
from ..untrusted import parse_version, requirement_lines, strings, table, text_of
from ..values import dataclass
from .setup_script import LARGEST_SCRIPT_BYTES, Constants, parse_script, parse_setup_script, setup_calls

if TYPE_CHECKING:
    import configparser

_MOST_FILES = 20_000
_FIELD = r"(?im)^(metadata-version|name|version):[ \t]*(\S+)"
_DYNAMIC = r"(?im)^dynamic:[ \t]*requires-dist\b"
_REQUIRED = r"(?im)^requires-dist:[ \t]*(.*\S)"
# What meson-python takes of project() into the metadata (mesonpy/__init__.py, `Project`), and what guards the reading.
_KEPT = frozenset({"version", "license", "license_files", "meson_version"})
_PROJECT_CALL = r"(?:\s|#[^\n]*(?:\n|\Z))*project\s*\("
_KEYWORD = r"(?:\s|#[^\n]*\n)*(\w+)\s*:"
# A comment, a long string, a string, or one other character (meson's mparser.py, `Lexer`).
_PIECE = r"(?s)#[^\n]*|'''.*?'''|'(?:[^'\\\n]|\\.)*'|."
# Where setuptools is told in which files it finds what is dynamic.
_DYNAMIC_FILES = ("tool", "setuptools", "dynamic")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def read_project(folder: Path, pyproject: Mapping[str, Any]) -> Project:
    """Return the facts of a source tree that a plan may depend on."""
    setup_cfg = parse_setup_cfg(_text(folder / "setup.cfg"))
    script_text = _text(folder / "setup.py")
    script = None if script_text is None else parse_setup_script(script_text)
    project = table(pyproject.get("project"))
    static = _is_static(pyproject)
    name, version = project.get("name"), project.get("version")
    # setuptools takes that of setup.py first.
    other_name = (script.name if script else None) or next(iter(setup_cfg.get("name", ())), None)
    found = Project(
        folder=str(folder),
        name=name if isinstance(name, str) else other_name,
        version=version if isinstance(version, str) else _other_version(pyproject, setup_cfg, script),
        requires=strings(table(pyproject.get("build-system")).get("requires")),
        dependencies=_dependencies(folder, pyproject, setup_cfg, script),
        setup_cfg_requires=setup_cfg.get("setup_requires", ()),
        setup_script=script,
        static_metadata=static,
        idle_script=static and not project.get("dynamic") and script is not None and script.only_compiles,
        cuda_sources=_cuda_sources(folder, script, pyproject),
        meson=meson_project_alone(_text(folder / "meson.build") or "") is not None,
        run_paths=_run_paths(folder, script),
        writable=os.access(folder, os.W_OK),
    )
    is_stated = isinstance(name, str) and isinstance(version, str) and found.dependencies is not None
    return found if is_stated else with_metadata(found, folder / "PKG-INFO", prepared=False)


@dataclass(frozen=True, kw_only=True)
class StatedRequirements:
    """What a project and its extras require, as its files say it; None for what only running its backend tells."""

    dependencies: tuple[str, ...] | None
    extras: Mapping[str, tuple[str, ...]] | None


def read_requirements(folder: Path, pyproject: Mapping[str, Any]) -> StatedRequirements:
    """Return what a project requires that is not the one being built: any backend's."""
    cfg_text, script_text = _text(folder / "setup.cfg") or "", _text(folder / "setup.py")
    project = table(pyproject.get("project"))
    stated = {str(name): strings(listed) for name, listed in table(project.get("optional-dependencies")).items()}
    dynamic = strings(project.get("dynamic")) if "project" in pyproject else ("dependencies", "optional-dependencies")
    backend = text_of(table(pyproject.get("build-system")).get("build-backend")) or "setuptools"
    # What wraps setuptools goes by other names: torchgraft, and backends in source trees.
    is_setuptools = backend.startswith("setuptools") or script_text is not None or bool(cfg_text)
    if not is_setuptools and "dependencies" in dynamic:
        return StatedRequirements(dependencies=None, extras=None if "optional-dependencies" in dynamic else stated)
    script = None if script_text is None else parse_setup_script(script_text)
    dependencies = _dependencies(folder, pyproject, parse_setup_cfg(cfg_text), script)
    if "optional-dependencies" not in dynamic:
        return StatedRequirements(dependencies=dependencies, extras=stated)
    of_script = {} if script_text is None else _script_extras(script_text)
    files = table(pyproject, *_DYNAMIC_FILES, "optional-dependencies")
    of_files = {str(name): _lines_of(folder, table(entry).get("file")) for name, entry in files.items()}
    extras = None if of_script is None else {**stated, **of_script, **_cfg_extras(cfg_text), **of_files}
    return StatedRequirements(dependencies=dependencies, extras=extras)


def _script_extras(text: str) -> dict[str, tuple[str, ...]] | None:
    """Return what the extras of a setup.py require: none if it certainly has none, None if they are not literal."""
    script = parse_script(text)
    calls = [] if script is None else setup_calls(script[1])
    if script is None or len(calls) != 1:
        return None
    constants = Constants(*script)
    given = next((keyword.value for keyword in calls[0].keywords if keyword.arg == "extras_require"), None)
    if given is None:
        return None if any(keyword.arg is None for keyword in calls[0].keywords) else {}
    try:
        found = {name: constants.strings(value) for name, value in (constants.table(given) or {"": given}).items()}
    except RecursionError:
        return None
    known = {name: requirement_lines(listed) for name, listed in found.items() if listed is not None and name}
    return known if len(known) == len(found) else None


def _lines_of(folder: Path, named: object) -> tuple[str, ...]:
    """Return the requirements in files that a project names: one, or a list."""
    names = (named,) if isinstance(named, str) else strings(named)
    return requirement_lines(line for name in names for line in (_text(folder / name.strip()) or "").splitlines())


def with_metadata(project: Project, metadata: Path, *, prepared: bool) -> Project:
    """Return a project with the name and version that metadata say, and with its requirements where no file does.

    None of them may be another in the wheel (core metadata 2.2, PEP 517), so that they need not be computed again. An
    sdist says of those that may be that they are dynamic, since metadata 2.2.

    :param prepared: whether they were prepared for this very wheel
    """
    text = _text(metadata)
    return project if text is None else with_metadata_text(project, text, prepared=prepared)


def with_metadata_text(project: Project, text: str, *, prepared: bool) -> Project:
    """Return the same, of metadata that stand in no file of their own."""
    head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    fields = {key.lower(): value for key, value in re.findall(_FIELD, head)}
    identity = replace(project, name=fields.get("name", project.name), version=fields.get("version", project.version))
    release = parse_version(fields.get("metadata-version"))
    is_static = prepared or (release is not None and release >= Version("2.2") and not re.search(_DYNAMIC, head))
    if project.dependencies is not None or not is_static:
        return identity
    return replace(identity, dependencies=tuple(re.findall(_REQUIRED, head)), in_metadata=True)


def _other_version(
    pyproject: Mapping[str, Any], setup_cfg: Mapping[str, tuple[str, ...]], script: SetupScript | None
) -> str | None:
    """Return the literal version of a project without `[project]`, as setuptools has it from the same two files.

    With `[project]`, what is dynamic may come from anywhere; tags for a build are added to what both files say.
    """
    tags = {*setup_cfg.get("tag_build", ()), *setup_cfg.get("tag_date", ())} - {"0", "no", "false", "off"}
    if "project" in pyproject or tags:
        return None
    if script is not None and script.version != "":
        return script.version
    stated = next(iter(setup_cfg.get("version", ())), "")
    return stated if stated and ":" not in stated else None  # attr: or file:


def _cuda_sources(folder: Path, script: SetupScript | None, pyproject: Mapping[str, Any]) -> str:
    """Return what shows that a project needs a CUDA toolkit: its setup.py, else the first source in the tree.

    Else that CMake looks for torch: a CUDA build of torch is not found without a toolkit, whatever is compiled
    (Caffe2Config.cmake). Beside a setup.py that starts no cmake these files are for users of C++ alone.
    """
    if script is not None and script.names_cuda:
        return "CUDAExtension in setup.py"
    for parent, names in source_folders(folder):
        found = next((name for name in names if name.endswith((".cu", ".cuh"))), None)
        if found:
            return (parent / found).relative_to(folder).as_posix()
    if script is None or script.starts_cmake:
        from .cmake import find_torch_search

        found = find_torch_search(folder, texts_in(pyproject.get("tool")))
        return f"find_package(Torch) by {found}" if found else ""
    return ""


def source_folders(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders that may hold sources, with the names of the files in each."""
    count = 0
    for parent, folders, files in walk(folder):
        folders[:] = sorted(name for name in folders if _has_sources(Path(parent), name))
        yield Path(parent), sorted(files)
        count += len(files)
        if count > _MOST_FILES:
            return


def texts_in(data: object) -> Iterator[str]:
    """Yield all keys and texts of a table."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, (dict, list)):
        for item in data:
            yield from texts_in(item)
        yield from texts_in(list(data.values()) if isinstance(data, dict) else None)


def _has_sources(parent: Path, name: str) -> bool:
    """Return whether a folder may hold sources of the project: environments have those of others, torch's too."""
    marks = (parent / name / mark for mark in ("pyvenv.cfg", "conda-meta"))
    return not name.startswith(".") and name not in NOT_SOURCES and not any(mark.exists() for mark in marks)


def _run_paths(folder: Path, script: SetupScript | None) -> str:
    """Return what shows that libraries may be linked with run paths: CMake gives them to all that it builds.

    What setup.py imports of its own tree may start it, too.
    """
    if script is not None and script.run_paths:
        return f"{script.run_paths} in setup.py"
    modules = () if script is None or script.starts_cmake else script.imports
    if modules and not any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for name in modules):
        return ""
    return next((name for name in ("CMakeLists.txt", "meson.build") if (folder / name).is_file()), "")


def _is_static(pyproject: Mapping[str, Any]) -> bool:
    """Return whether `[project]` has all metadata, or says in which files setuptools finds the rest."""
    project, known = table(pyproject, "project"), table(pyproject, *_DYNAMIC_FILES)
    dynamic = strings(project.get("dynamic"))
    return "name" in project and "version" in (*project, *dynamic) and known.keys() >= {*dynamic}


def _dependencies(
    folder: Path, pyproject: Mapping[str, Any], setup_cfg: Mapping[str, tuple[str, ...]], script: SetupScript | None
) -> tuple[str, ...] | None:
    """Return the run-time requirements where they are static; None where only running setup.py tells.

    A `[project]` table that does not name dependencies as dynamic has none but its own (PEP 621); one that does may
    have some of them (PEP 808).
    """
    project = table(pyproject.get("project"))
    stated = strings(project.get("dependencies"))
    if "project" in pyproject and "dependencies" not in strings(project.get("dynamic")):
        return stated
    of_script = () if script is None else script.install_requires
    of_files = _lines_of(folder, table(pyproject, *_DYNAMIC_FILES, "dependencies").get("file"))
    of_cfg = setup_cfg.get("install_requires", ())
    if of_cfg and of_cfg[0].startswith("file:"):
        of_cfg = _lines_of(folder, of_cfg[0].removeprefix("file:").split(","))
    return None if of_script is None else stated + of_script + of_files + of_cfg


def parse_setup_cfg(text: str | None) -> dict[str, tuple[str, ...]]:
    """Return what is read of a setup.cfg, by its keys."""
    if not text:
        return {}
    parser = _parsed_cfg(text)
    keys = {
        "metadata": ("name", "version"),
        "egg_info": ("tag_build", "tag_date"),
        "options": ("setup_requires", "install_requires"),
    }
    listed = ((section, key) for section, names in keys.items() for key in names if parser.has_option(section, key))
    return {key: _listed_in(parser, section, key) for section, key in listed}


def _cfg_extras(text: str) -> dict[str, tuple[str, ...]]:
    parser, section = _parsed_cfg(text), "options.extras_require"
    return {name: _listed_in(parser, section, name) for name in parser.options(section)} if section in parser else {}


def _parsed_cfg(text: str) -> configparser.ConfigParser:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    # As setuptools takes them.
    parser.optionxform = lambda optionstr: optionstr.lower().replace("-", "_")  # type: ignore[method-assign]
    with contextlib.suppress(configparser.Error):  # setuptools reads it too, and says what is wrong with it
        parser.read_string(text)
    return parser


def _listed_in(parser: configparser.ConfigParser, section: str, key: str) -> tuple[str, ...]:
    value = parser.get(section, key)
    lines = value.splitlines() if "\n" in value else value.split(";")  # as setuptools splits them
    return requirement_lines(lines)


def _text(path: Path) -> str | None:
    return find_text(path, LARGEST_SCRIPT_BYTES)


def meson_project_alone(text: str) -> str | None:
    """Return a meson.build of the same name, version and licence that finds and builds nothing; None if it is not one.

    project() has to be its first statement. The languages go too: for each of them meson looks for a compiler.
    """
    start = re.match(_PROJECT_CALL, text)
    arguments = None if start is None else _arguments(text, start.end())
    if not arguments:
        return None
    named = {match[1]: argument for argument in arguments[1:] if (match := re.match(_KEYWORD, argument))}
    kept = [arguments[0], *(argument for name, argument in named.items() if name in _KEPT)]
    # Each on lines of its own: an argument may end in a comment.
    return "project(\n" + "\n,\n".join(kept) + "\n)\n"


def _arguments(text: str, begin: int) -> list[str] | None:
    """Return the arguments of a call from behind its opening bracket; None where it has no end."""
    arguments: list[str] = []
    closing = [")"]
    for match in re.compile(_PIECE).finditer(text, begin):
        piece = match[0]
        if piece == "'":
            return None  # a string without an end
        if piece in _PAIRS:
            closing.append(_PAIRS[piece])
        elif piece == closing[-1]:
            closing.pop()
        if not closing or (piece == "," and len(closing) == 1):
            arguments.append(text[begin : match.start()].strip())
            begin = match.end()
        if not closing:
            return list(filter(None, arguments))
    return None
