"""Build the wheels of cells here: uv makes an environment with the torch of each, and builds one sdist for it.

May not choose a cell, nor write anywhere but in the folder that it is given. What is finished there is not built again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from ...child import run_child, say
from ...codec import to_json
from ...compile.hardware import read_machine
from ...compile.plan_facts import plan_facts
from ...errors import ActError, shown
from ...files import digest_of, find_text
from ...hook.progress import duration_text
from ...hook.workshop import hand_on
from ...ladder.plan_torch import Choice
from ...model.decision import Compiling
from ...model.observation import Hook, Snapshot, Way
from ...own_files import write_own_file
from ...prebuilt.plan_prebuilt import plan_prebuilt
from ...programs import find_programs, take_answer
from ...settings.config import CompilerCaching, UsePrebuilt, variable_name
from ...settings.sources import Settings, take_settings
from ...settings.tables import Prebuilt
from ...untrusted import json_table, table
from ...values import dataclass
from ..check.check_command import check_package
from ..check.checked import Fit
from ..check.packages import read_package_file
from ..show_snapshot import take_shell_snapshot
from .at_once import Turn, made_at_once, torch_of
from .plan_cells import Cell

HASHES, STATE = "wheels.sha256", "matrix.json"
_NAME = "{name}-{version}+{torch_local}torch{torch_minor}-{python}-{abi}-{platform}.whl"
_ANYWHERE = "https://example.com/wheels/v{version}"
_LARGEST_STATE_BYTES = 10_000_000
_LONGEST_S = 24 * 3600
_MOST_LINES = 8
_MOST_BUILDERS = 4
_KEPT = ("wheel", "sha256", "took_s", "original")


@dataclass(frozen=True, kw_only=True)
class BuiltCell:
    """What became of a cell: its wheel with the digest, or why there is none.

    `original` is what the wheel was called when it was built, with the tags that it has. `same_as` is the Python whose
    wheel it is, where that is for this one as well. `before` says that it was there.
    """

    cell: Cell
    wheel: str = ""
    original: str = ""
    sha256: str = ""
    took_s: float = 0.0
    fault: str = ""
    same_as: str = ""
    before: bool = False


class Workplace:
    """Builds cells of a project, several at once where that compiles nothing twice.

    :param out: where wheels, logs and what is known of finished cells are
    :param url: the folder that the wheels will be published in, "" for where the project says
    :raises ActError: without uv, or where no sdist can be made
    """

    def __init__(self, settings: Settings, out: Path, url: str) -> None:
        config, self._settings, self._out = settings.config, settings, out.absolute()
        self._variables = {**settings.variables, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
        self._variables.pop("VIRTUAL_ENV", None)
        self._uv = next(iter(find_programs("uv", self._variables)), "")
        if not self._uv:
            raise ActError.of(code="no-uv", headline="there is no uv to make environments", fixes=("pip install uv",))
        named = next((place.url for place in config.prebuilt if place.url), "")
        folder = (url or _ANYWHERE).rstrip("/")
        self.place = Prebuilt(url=named if named and not url else f"{folder}/{_NAME}", hashes=HASHES)
        self._done: dict[Cell, BuiltCell] = {}
        self._sdist, self._sources = self._make_sdist()

    def build(self, cells: Sequence[Cell]) -> Iterator[BuiltCell]:
        """Yield what becomes of each; the files of digests and of finished cells are written after each of them."""
        text = find_text(self._out / STATE, _LARGEST_STATE_BYTES) or "{}"
        before = json_table(text)
        known = dict(table(before.get("cells"))) if before.get("sources") == self._sources else {}
        found = (self._finished(cell, table(known.get(cell.name))) for cell in cells)
        self._done = {done.cell: done for done in found if done}
        todo = [cell for cell in cells if cell not in self._done]
        made = made_at_once(todo, self._made, builders=self._builders())
        for done in itertools.chain(tuple(self._done.values()), made):
            if not done.fault:
                known[done.cell.name] = {name: getattr(done, name) for name in _KEPT}
            state = {"sources": self._sources, "cells": known}
            write_own_file(self._out / STATE, json.dumps(to_json(state), indent=2) + "\n")
            rows = sorted({(item["wheel"], item["sha256"]) for item in known.values()})
            write_own_file(self._out / HASHES, "".join(f"{digest}  {wheel}\n" for wheel, digest in rows))
            yield done

    def _builders(self) -> int:
        """Return how many are built at once, so that none compiles what another one has compiled.

        With ccache, those of setuptools do not, wherever they are; CMake compiles in a temporary folder, and sccache
        knows what nvcc makes by real paths.
        """
        config = self._settings.config
        caching = config.compiler_cache
        names = {CompilerCaching.AUTO: ("ccache", "sccache"), CompilerCaching.OFF: ()}.get(caching, (caching.value,))
        cache = next((name for name in names if find_programs(name, self._variables)), "")
        is_shared = cache == "ccache" and config.backend.partition(".")[0] == "setuptools"
        return min(read_machine().cores, _MOST_BUILDERS) if is_shared or not cache else 1

    def _finished(self, cell: Cell, known: Mapping[str, object]) -> BuiltCell | None:
        wheel, digest, took, original = (known.get(key) for key in _KEPT)
        if not (isinstance(wheel, str) and isinstance(digest, str) and isinstance(took, float)):
            return None
        path = self._out / Path(wheel).name
        if not path.is_file() or digest_of(path) != digest:
            return None
        return BuiltCell(cell=cell, wheel=wheel, sha256=digest, took_s=took, original=str(original), before=True)

    def _made(self, cell: Cell, turn: Turn) -> BuiltCell:
        """Return what becomes of a cell: its environment is made at once, its wheel when it is its turn."""
        environment, log = self._out / "environments" / cell.name, self._out / "logs" / f"{cell.name}.log"
        began = time.monotonic()
        try:
            self._make_environment(cell, environment, log)
            with turn:
                began = time.monotonic()
                done = self._built(cell, environment, log)
        except LookupError as reason:
            return BuiltCell(cell=cell, took_s=time.monotonic() - began, fault=f"{reason.args[0]}: {log}")
        finally:
            shutil.rmtree(environment, ignore_errors=True)
        self._done[cell] = done = replace(done, took_s=round(time.monotonic() - began, 1))
        return done

    def _built(self, cell: Cell, environment: Path, log: Path) -> BuiltCell:
        with tempfile.TemporaryDirectory(prefix="torchgraft-") as scratch:
            others = [other for other in tuple(self._done.values()) if torch_of(other.cell) == torch_of(cell)]
            other = next((one for one in others if self._serves(one, cell, environment)), None)
            if other is None:
                say(shown(f"{_head(cell)}: building, log in {log}"))
            wheel = self._out / other.wheel if other else self._built_wheel(environment, log, Path(scratch))
            original = other.original if other else wheel.name
            target = self._out / self._published_name(original, environment)
            if wheel != target:
                named = Path(scratch, "published", target.name)
                named.parent.mkdir()
                shutil.copyfile(wheel, named)
                hand_on(named, str(self._out))
        same_as = other.cell.python if other else ""
        return BuiltCell(cell=cell, wheel=target.name, original=original, sha256=digest_of(target), same_as=same_as)

    def _serves(self, other: BuiltCell, cell: Cell, environment: Path) -> bool:
        """Return whether the wheel for another Python is for this one as well, and fits: one of the stable ABI."""
        try:
            *_, tags = parse_wheel_filename(other.original)
        except InvalidWheelFilename:
            return False
        major, minor = map(int, cell.python.split("."))
        platforms = sorted({tag.platform for tag in tags})
        fitting = (
            *cpython_tags((major, minor), platforms=platforms),
            *compatible_tags((major, minor), f"cp{major}{minor}", platforms),
        )
        if tags.isdisjoint(fitting):
            return False
        snapshot = self._snapshot(environment)
        torch = snapshot.consumer.torch if snapshot.consumer else None
        checked = check_package(read_package_file(self._out / other.wheel), torch, None)
        return checked is None or checked.fit is Fit.FITS

    def _make_environment(self, cell: Cell, environment: Path, log: Path) -> None:
        """Make an environment with the torch of a cell; raise LookupError with what cannot be had."""
        python = environment / "bin" / "python"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        self._ask(log, "venv", "--quiet", "--clear", "--python", cell.python, str(environment))
        if not python.exists():
            raise LookupError(f"there is no Python {cell.python}")
        index = ("--index", cell.index) if cell.index else ()
        self._ask(log, "pip", "install", "--quiet", "--python", str(python), *index, f"torch=={cell.torch}")
        if not list(environment.glob("lib/python*/site-packages/torch/version.py")):
            raise LookupError(f"torch {cell.torch} cannot be installed")

    def _built_wheel(self, environment: Path, log: Path, scratch: Path) -> Path:
        """Return the wheel that uv builds of the sdist; raise LookupError if it does not."""
        told = {variable_name("consumer"): str(environment), variable_name("prebuilt"): UsePrebuilt.OFF.value}
        python = str(environment / "bin" / "python")
        command = ("build", "--wheel", "--python", python, "--out-dir", str(scratch), str(self._sdist))
        self._ask(log, *command, **told)
        wheels = list(scratch.glob("*.whl"))
        if not wheels:
            raise LookupError("it cannot be built")
        return wheels[0]

    def _snapshot(self, environment: Path) -> Snapshot:
        settings = take_settings(self._settings.source, {"torchgraft.consumer": [str(environment)]})
        return take_shell_snapshot(settings, hook=Hook.BUILD_WHEEL)

    def _published_name(self, original: str, environment: Path) -> str:
        """Return what a wheel is called where it is published: that of the project's template, for this torch."""
        name, version, _, _ = parse_wheel_filename(original)
        snapshot = self._snapshot(environment)
        snapshot = replace(snapshot, project=replace(snapshot.project, name=name, version=str(version)))
        torch = snapshot.consumer.torch if snapshot.consumer else None
        if torch is None:
            raise LookupError("its torch cannot be read")
        facts = plan_facts(snapshot, Choice(rungs=()), torch, Compiling())
        place = replace(self.place, hashes="")
        config = replace(self._settings.config, prebuilt=(place,), use_prebuilt=UsePrebuilt.ON)
        (planned,) = plan_prebuilt(config, snapshot, facts, Way.GRAFT)
        if planned.refused:
            raise LookupError(planned.refused)
        return unquote(planned.file)

    def _make_sdist(self) -> tuple[Path, str]:
        """Return the sdist that all wheels are built from, and a digest of its content; raise ActError without one."""
        folder = self._out / "sdist"
        shutil.rmtree(folder, ignore_errors=True)
        command = [self._uv, "build", "--sdist", "--out-dir", str(folder), str(self._settings.source)]
        said = take_answer(command, self._variables, timeout_s=_LONGEST_S).text
        found = next(folder.glob("*.tar.gz"), None)
        if found is None:
            # What torchgraft says of it; uv's own last lines say only that a hook has failed.
            _, ours, more = said.rpartition("\nerror[")
            lines = (ours + more).strip().partition("\n\n")[0].splitlines() if ours else said.strip().splitlines()[-3:]
            raise ActError.of(
                code="no-sdist",
                headline="no sdist can be made, which the wheels are built from",
                uv=map(shown, lines[:_MOST_LINES]),
            )
        with tarfile.open(found) as archive:
            members = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
            parts = sorted((name, hashlib.sha256(file.read()).hexdigest()) for name, file in members if file)
        return found, hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _ask(self, log: Path, *arguments: str, **variables: str) -> None:
        """Run uv; what it says is added to a log as it comes."""
        with log.open("ab", buffering=0) as file:
            file.write(f"$ uv {' '.join(arguments)}\n".encode())

            def kept(line: bytes) -> bytes:
                file.write(line)
                return b""

            command, environment = [self._uv, *arguments], {**self._variables, **variables}
            run_child(command, folder=None, environment=environment, each_line=kept, timeout_s=_LONGEST_S)
            file.write(b"\n")


def _head(cell: Cell) -> str:
    return f"torch {cell.public} {cell.build}, Python {cell.python}"


def built_text(done: BuiltCell) -> str:
    """Return a line that says what became of a cell."""
    head = _head(done.cell)
    if done.fault:
        return shown(f"{head}: FAILED, {done.fault}")
    same = f"that of Python {done.same_as}" if done.same_as else ""
    return shown(f"{head}: {'there already' if done.before else same or duration_text(done.took_s)}, {done.wheel}")


def prebuilt_text(place: Prebuilt) -> str:
    """Return the table that says where the wheels are."""
    return f'[[tool.torchgraft.prebuilt]]\nurl = {json.dumps(place.url)}\nhashes = "{place.hashes}"\n'
