"""What each front end's files have to say so that it takes adopted sdists and not those of the index.

May not read or write files: it is given texts, and returns them. What was measured of a front end stands at its part.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ...model.torch_values import required_name
from ...settings.sources import parse_pyproject
from ...untrusted import strings, table, tables
from .adopted_folder import CONSTRAINTS, AdoptedSdist, adopted_url
from .pyproject_text import edit_toml, inline_table, prune

INDEX = "adopted"
_GROUP = "adopted"
_OF_RESOLUTION = (
    *("index", "index-url", "extra-index-url", "index-strategy", "prerelease", "resolution", "exclude-newer"),
    *("constraint-dependencies", "override-dependencies", "dependency-metadata"),
)
_PDM_ROOT = "file:///${PROJECT_ROOT}/"
_EDGE = re.compile(r'(\{ name = "([^"]+)", version = "([^"]+)", source = \{ registry = )"[^"]*"')
_PACKAGE = re.compile(r"^\[\[package\]\]$", re.MULTILINE)


def uv_text(text: str, adopted: Collection[AdoptedSdist], place: str, *, undo: bool = False) -> str:
    """Return a pyproject.toml with which uv takes adopted sdists, and without what worked around their builds.

    The first index that has a package is the only one that is asked for it. `uv tool install .` reads no index of a
    project but what its sources name, so that direct dependencies of a program get a path there: with the name of an
    index uv writes an absolute address into the lock.

    :param place: the folder, relative to the project
    """
    names = {one.name: f"{place}/{one.file}" for one in adopted}

    def change(data: Any) -> None:
        tool = data.get("tool", {})
        is_wanted = not undo and bool(names)
        sources = table_in(tool, "uv", "sources")
        # A source comes before all indexes: one of another index, or of a file, is not the folder.
        stated = {key: canonicalize_name(key) for key, one in sources.items() if is_wanted and _is_of_file(one)}
        for key in (key for key, name in stated.items() if name in names and sources[key] != {"path": names[name]}):
            sources[key] = inline_table(path=names[stated[key]])
        _drop_sources(sources, place, kept=names.values() if is_wanted else ())
        uv = _made(data, "tool", "uv") if is_wanted else tool.get("uv", {})
        _set_index(uv, place, wanted=is_wanted)
        if is_wanted:
            project = data.get("project", {})
            by_path = names.keys() & {*stated.values()}
            told = {one.name for one in adopted if one.by_address}
            if project.get("scripts") or project.get("gui-scripts"):
                told |= names.keys() & _direct(project)
            for name in sorted(told - by_path):
                _made(uv, "sources")[name] = inline_table(path=names[name])
            by_path |= told
            if by_path:
                # With metadata that a project states for it, uv locks no digest of a path, and then wants one.
                _drop_named(uv, "dependency-metadata", by_path)
            _drop_workarounds(uv, names.keys())
        prune(data, "tool", "uv", "sources")

    return edit_toml(text, change, "pyproject.toml")


def uv_settings_with(text: str, adopted: Iterable[AdoptedSdist], place: str, *, undo: bool = False) -> str:
    """Return a uv.toml that says the same. Sources stand in pyproject.toml alone, so that it has none."""
    names = [one.name for one in adopted]

    def change(data: Any) -> None:
        _set_index(data, place, wanted=not undo and bool(names))
        _drop_workarounds(data, names)

    return edit_toml(text, change, "uv.toml")


def poetry_text(text: str, adopted: Collection[AdoptedSdist], place: str, *, undo: bool = False) -> str:
    """Return a pyproject.toml with which poetry takes adopted sdists.

    It has no source that is a folder. A path in a group of the project counts for whoever requires the package.
    """

    def change(data: Any) -> None:
        group = table_in(data, "tool", "poetry", "group", _GROUP, "dependencies")
        _drop_sources(group, place)
        if not undo and adopted:
            # Optional: what is in an extra or in another group is still only installed with that.
            _made(data, "tool", "poetry", "group", _GROUP)["optional"] = True
            made = _made(data, "tool", "poetry", "group", _GROUP, "dependencies")
            for one in adopted:
                made[one.name] = inline_table(path=f"{place}/{one.file}")
        elif not group:
            table_in(data, "tool", "poetry", "group", _GROUP).pop("optional", None)
        prune(data, "tool", "poetry", "group", _GROUP, "dependencies")

    return edit_toml(text, change, "pyproject.toml")


def pdm_text(text: str, adopted: Iterable[AdoptedSdist], place: str, *, undo: bool = False) -> str:
    """Return a pyproject.toml with which pdm takes adopted sdists.

    Of a source of type find_links and an index it takes the index for the same version; an override always counts.
    """

    def change(data: Any) -> None:
        overrides = table_in(data, "tool", "pdm", "resolution", "overrides")
        for name in [key for key, value in overrides.items() if str(value).startswith(f"{_PDM_ROOT}{place}/")]:
            del overrides[name]
        if not undo:
            for one in adopted:
                made = _made(data, "tool", "pdm", "resolution", "overrides")
                made[one.name] = f"{_PDM_ROOT}{place}/{one.file}"
        prune(data, "tool", "pdm", "resolution", "overrides")

    return edit_toml(text, change, "pyproject.toml")


def pixi_text(text: str, adopted: Iterable[AdoptedSdist], place: str, *, undo: bool = False) -> str:
    """Return a pixi.toml, or a pyproject.toml with pixi's tables, with which pixi takes adopted sdists: by path."""
    known = {} if undo else {one.name: f"{place}/{one.file}" for one in adopted}

    def change(data: Any) -> None:
        keys = ("tool", "pixi") if "pixi" in data.get("tool", {}) else ()
        root = _made(data, *keys)
        missing = set(known)
        for part in pixi_parts(root):
            listed = part.get("pypi-dependencies", {})
            for key, value in list(listed.items()):
                path = known.get(str(canonicalize_name(key)))
                if path is None and str(table(value).get("path", "")).startswith(f"{place}/"):
                    del listed[key]
                elif path is not None:
                    missing.discard(str(canonicalize_name(key)))
                    kept = {name: one for name, one in table(value).items() if name in {"extras", "env-markers"}}
                    entry = {"path": path, **kept}
                    listed[key] = value if value == entry else inline_table(**entry)
        for part in (*pixi_parts(root), root.get("workspace", {}), root.get("project", {})):
            options = part.get("pypi-options", {})
            if known and options.get("no-build-isolation") is True:
                del options["no-build-isolation"]
            elif known:
                _drop_named(options, "no-build-isolation", known.keys())
        prune(root, "pypi-dependencies")
        for name in sorted(missing):
            _made(root, "pypi-dependencies")[name] = inline_table(path=known[name])

    return edit_toml(text, change, "pixi.toml")


def pixi_parts(root: Any) -> Iterator[Any]:
    """Yield what may have dependencies of its own: the whole, a feature, a platform."""
    yield root
    for key in ("feature", "target"):
        for part in root.get(key, {}).values():
            yield from pixi_parts(part)


def uv_lock_text(text: str, adopted: Iterable[AdoptedSdist], place: str) -> str:
    """Return a uv.lock whose sdists are the adopted ones.

    Left alone uv takes the digests of the old lock for those of the folder, and stops; what is written here is what it
    would lock itself, with the digest. uv writes this file, so that its lines look as they do here.
    """
    known = {(one.name, one.version): one for one in adopted}
    starts = [match.start() for match in _PACKAGE.finditer(text)]
    parts = [text[: starts[0]]] if starts else [text]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
        parts.append(_uv_package(text[start:end], known, place))
    # An edge says the source of a package that has several entries.
    return _EDGE.sub(lambda edge: f'{edge[1]}"{place}"' if (edge[2], edge[3]) in known else edge[0], "".join(parts))


def _uv_package(block: str, known: Mapping[tuple[str, str], AdoptedSdist], place: str) -> str:
    (item,) = tables(parse_pyproject(block).get("package"))
    one = known.get((canonicalize_name(str(item.get("name"))), str(item.get("version"))))
    source, sdist = table(item.get("source")), table(item.get("sdist"))
    # uv itself locks what is in a folder without a digest.
    is_there = source.get("registry") == place and sdist.get("path") == one.file if one else False
    if one is None or "registry" not in source or (is_there and sdist.get("hash", "") in {"", f"sha256:{one.sha256}"}):
        return block
    block = re.sub(
        r"^source = .*$", lambda _: f'source = {{ registry = "{place}" }}', block, count=1, flags=re.MULTILINE
    )
    line = f'sdist = {{ path = "{one.file}", hash = "sha256:{one.sha256}" }}'
    block = re.sub(r"^sdist = .*$", lambda _: line, block, count=1, flags=re.MULTILINE)
    return re.sub(r"^wheels = \[\n(?:.*\n)*?\]\n", "", block, count=1, flags=re.MULTILINE)


def pylock_text(text: str, adopted: Iterable[AdoptedSdist], place: str) -> str:
    """Return a pylock.toml whose sdists are the adopted ones (PEP 751: a path is relative to the file)."""
    known = {(one.name, one.version): one for one in adopted}

    def change(data: Any) -> None:
        for item in data.get("packages", []):
            one = known.get((canonicalize_name(str(item.get("name"))), str(item.get("version"))))
            kind = next((key for key in ("sdist", "archive") if key in item), "")
            if one is not None and kind:
                for key in ("index", "wheels"):
                    item.pop(key, None)
                hashes = inline_table(sha256=one.sha256)
                item[kind] = inline_table(path=f"{place}/{one.file}", hashes=hashes)

    return edit_toml(text, change, "pylock.toml")


def requirements_text(
    text: str, adopted: Collection[AdoptedSdist], place: str, *, root: str = "", undo: bool = False
) -> str:
    """Return a requirements file that names the constraints of a folder; pip and uv read them relative to the file.

    :param root: the folder, relative to where pip is called: no constraint counts beside an address
    """
    text = hashes_text(text, adopted, undo=undo)
    for one in (one for one in adopted if one.by_address and not undo):
        text = _with_address(text, one.file, adopted_url(one, root))
    line = f"-c {place}/{CONSTRAINTS}"
    lines = [one for one in text.splitlines(keepends=True) if one.strip() != line]
    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    return "".join(lines) if undo else "".join([f"{line}{end}", *lines])


def _with_address(text: str, file: str, url: str) -> str:
    return re.sub(rf"(@\s*)\S+/{re.escape(file)}\S*", lambda match: f"{match[1]}{url}", text)


def hashes_text(text: str, adopted: Iterable[AdoptedSdist], *, undo: bool = False) -> str:
    """Return a requirements file in which the digests of adopted sdists stand for those that they were made from."""
    for one in adopted:
        was, now = (one.sha256, one.origin) if undo else (one.origin, one.sha256)
        text = text.replace(f"sha256:{was}", f"sha256:{now}") if was and now else text
    return text


def uv_settings_text(text: str, place: str, base: str) -> str:
    """Return a uv.toml that says what a file of uv's settings says of resolution, but for the folder of adopted sdists.

    :param base: the folder that addresses in it are relative to, as an address
    """
    import tomlkit

    data = parse_pyproject(text)
    uv = table(data, "tool", "uv") or data
    kept: dict[str, Any] = {key: uv[key] for key in _OF_RESOLUTION if key in uv}
    indexes = [dict(one) for one in tables(kept.pop("index", [])) if one.get("url") != place]
    for one in indexes:
        one["url"] = one["url"] if "://" in str(one.get("url")) else f"{base}/{one.get('url')}"
    return tomlkit.dumps({**kept, **({"index": indexes} if indexes else {})})


def _direct(project: Mapping[str, Any]) -> set[str]:
    """Return the names of what a project requires itself, extras included."""
    listed = [strings(list(project.get("dependencies", ())))]
    listed += [strings(list(texts)) for texts in table(project.get("optional-dependencies")).values()]
    return {required_name(str(text)) for texts in listed for text in texts} - {""}


def _is_first(indexes: Any, place: str) -> bool:
    """Return whether the folder comes before all indexes that are asked for every package; a default comes last."""
    asked = [one.get("url") for one in indexes if not one.get("default") and not one.get("explicit")]
    return asked[:1] == [place]


def _set_index(uv: Any, place: str, *, wanted: bool) -> None:
    """Have the folder be the first index, or none."""
    if wanted and _is_first(uv.get("index", []), place):
        return
    _drop(uv, "index", lambda one: one.get("url") == place)
    taken = {one.get("name") for one in uv.get("index", [])}
    numbered = (f"{INDEX}-{number}" for number in itertools.count(2))
    name = next(name for name in itertools.chain((INDEX,), numbered) if name not in taken)
    entry = {"name": name, "url": place, "format": "flat"}
    if wanted and "index" in uv:
        is_inline = not hasattr(uv["index"], "body")
        uv["index"].insert(0, inline_table(**entry) if is_inline else entry)
    elif wanted:
        uv["index"] = [entry]


def _is_of_file(source: Any) -> bool:
    """Return whether a source is an index, or one file."""
    place = str(table(source).get("path") or table(source).get("url") or "")
    return "index" in table(source) or place.endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"))


def _drop_sources(sources: Any, place: str, *, kept: Collection[str] = ()) -> None:
    """Take out what is taken from the folder, but for what is still in it."""
    paths = {name: str(table(one).get("path", "")) for name, one in sources.items()}
    for name in (name for name, path in paths.items() if path.startswith(f"{place}/") and path not in kept):
        del sources[name]


def _drop_workarounds(uv: Any, names: Iterable[str]) -> None:
    """Take out what had them built without isolation, or brought torch into their builds."""
    known = set(names)
    for part in (uv, uv.get("pip", {})):
        if known and part.get("no-build-isolation") is True:
            del part["no-build-isolation"]
        _drop_named(part, "no-build-isolation-package", known)
        builds = part.get("extra-build-dependencies", {})
        for name in [key for key in builds if canonicalize_name(key) in known]:
            del builds[name]
        prune(part, "extra-build-dependencies")


def _drop_named(part: Any, key: str, names: Collection[str]) -> None:
    """Take names, or tables that have them, out of a list."""
    _drop(part, key, lambda one: canonicalize_name(one if isinstance(one, str) else one.get("name", "")) in names)


def _drop(part: Any, key: str, is_dropped: Callable[[Any], bool]) -> None:
    """Take entries out of a list, and the list with the last of them."""
    listed = part.get(key, [])
    for number in reversed([n for n, one in enumerate(listed) if is_dropped(one)]):
        del listed[number]
    if key in part and not listed:
        del part[key]


def table_in(data: Any, *keys: str) -> Any:
    """Return a table below others, an empty one where there is none."""
    for key in keys:
        data = data.get(key, {})
    return data


def _made(data: Any, *keys: str) -> Any:
    """Return a table below others, which are made where they are not there."""
    for key in keys:
        if key not in data:
            data[key] = {}
        data = data[key]
    return data


def next_commands(kind: str, changed: Iterable[str]) -> Iterator[str]:
    """Yield what is typed next; `changed` are packages whose version another one takes the place of."""
    if kind == "uv":
        upgraded = " ".join(f"-P {name}" for name in changed)
        yield f"uv sync {upgraded}".strip()
    elif kind == "pixi":
        yield "pixi install"
    elif kind in {"poetry", "pdm"}:
        yield f"{kind} lock"
        yield f"{kind} install"
