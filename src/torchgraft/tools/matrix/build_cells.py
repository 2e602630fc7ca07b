"""Build the wheels of cells here: uv makes an environment with the torch of each, and builds one sdist for it.

May not choose a cell, nor write anywhere but in the folder that it is given. What is finished there is not built again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import parse_wheel_filename

from ...codec import to_json
from ...compile.plan_facts import plan_facts
from ...errors import ActError, shown
from ...files import digest_of, find_text
from ...hook.progress import duration_text
from ...ladder.plan_torch import Choice
from ...model.decision import Compiling
from ...model.observation import Hook, Way
from ...own_files import write_own_file
from ...prebuilt.plan_prebuilt import plan_prebuilt
from ...programs import find_programs, take_answer
from ...settings.config import UsePrebuilt, variable_name
from ...settings.sources import Settings, take_settings
from ...settings.tables import Prebuilt
from ...untrusted import json_table, table
from ...values import dataclass
from ..show_snapshot import take_shell_snapshot
from .plan_cells import Cell

HASHES, STATE = "wheels.sha256", "matrix.json"
_NAME = "{name}-{version}+{torch_local}torch{torch_minor}-{python}-{abi}-{platform}.whl"
_ANYWHERE = "https://example.com/wheels/v{version}"
_LARGEST_STATE_BYTES = 10_000_000
_LONGEST_S = 24 * 3600
_MOST_LINES = 8


@dataclass(frozen=True, kw_only=True)
class BuiltCell:
    """What became of a cell: its wheel with the digest, or why there is none. `before` says that it was there."""

    cell: Cell
    wheel: str = ""
    sha256: str = ""
    took_s: float = 0.0
    fault: str = ""
    before: bool = False


class Workplace:
    """Builds cells of a project, one after the other.

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
        self._sdist, self._sources = self._make_sdist()

    def build(self, cells: Sequence[Cell]) -> Iterator[BuiltCell]:
        """Yield what becomes of each; the files of digests and of finished cells are written after each of them."""
        text = find_text(self._out / STATE, _LARGEST_STATE_BYTES) or "{}"
        before = json_table(text)
        known = dict(table(before.get("cells"))) if before.get("sources") == self._sources else {}
        for cell in cells:
            done = self._finished(cell, table(known.get(cell.name))) or self._built(cell)
            if not done.fault:
                known[cell.name] = {"wheel": done.wheel, "sha256": done.sha256, "took_s": done.took_s}
            state = {"sources": self._sources, "cells": known}
            write_own_file(self._out / STATE, json.dumps(to_json(state), indent=2) + "\n")
            rows = sorted((item["wheel"], item["sha256"]) for item in known.values())
            write_own_file(self._out / HASHES, "".join(f"{digest}  {wheel}\n" for wheel, digest in rows))
            yield done

    def _finished(self, cell: Cell, known: Mapping[str, object]) -> BuiltCell | None:
        wheel, digest, took = (known.get(key) for key in ("wheel", "sha256", "took_s"))
        if not (isinstance(wheel, str) and isinstance(digest, str) and isinstance(took, float)):
            return None
        path = self._out / Path(wheel).name
        is_whole = path.is_file() and digest_of(path) == digest
        return BuiltCell(cell=cell, wheel=wheel, sha256=digest, took_s=took, before=True) if is_whole else None

    def _built(self, cell: Cell) -> BuiltCell:
        began = time.monotonic()
        environment = self._out / "environments" / cell.name
        log = self._out / "logs" / f"{cell.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        try:
            with tempfile.TemporaryDirectory(prefix="torchgraft-") as scratch:
                wheel = self._built_wheel(cell, environment, log, Path(scratch))
                target = self._out / self._published_name(wheel, environment)
                shutil.move(wheel, target)
        except LookupError as reason:
            return BuiltCell(cell=cell, took_s=time.monotonic() - began, fault=f"{reason.args[0]}: {log}")
        finally:
            shutil.rmtree(environment, ignore_errors=True)
        return BuiltCell(
            cell=cell, wheel=target.name, sha256=digest_of(target), took_s=round(time.monotonic() - began, 1)
        )

    def _built_wheel(self, cell: Cell, environment: Path, log: Path, scratch: Path) -> Path:
        """Return the wheel; raise LookupError with what cannot be had."""
        python = environment / "bin" / "python"
        self._ask(log, "venv", "--quiet", "--clear", "--python", cell.python, str(environment))
        if not python.exists():
            raise LookupError(f"there is no Python {cell.python}")
        index = ("--index", cell.index) if cell.index else ()
        self._ask(log, "pip", "install", "--quiet", "--python", str(python), *index, f"torch=={cell.torch}")
        if not list(environment.glob("lib/python*/site-packages/torch/version.py")):
            raise LookupError(f"torch {cell.torch} cannot be installed")
        told = {variable_name("consumer"): str(environment), variable_name("prebuilt"): UsePrebuilt.OFF.value}
        command = ("build", "--wheel", "--python", str(python), "--out-dir", str(scratch), str(self._sdist))
        self._ask(log, *command, **told)
        wheels = list(scratch.glob("*.whl"))
        if not wheels:
            raise LookupError("it cannot be built")
        return wheels[0]

    def _published_name(self, wheel: Path, environment: Path) -> str:
        """Return what the wheel is called where it is published: that of the project's template, for this torch."""
        name, version, _, _ = parse_wheel_filename(wheel.name)
        settings = take_settings(self._settings.source, {"torchgraft.consumer": [str(environment)]})
        snapshot = take_shell_snapshot(settings, hook=Hook.BUILD_WHEEL)
        snapshot = replace(snapshot, project=replace(snapshot.project, name=name, version=str(version)))
        torch = snapshot.consumer.torch if snapshot.consumer else None
        if torch is None:
            raise LookupError("its torch cannot be read")
        facts = plan_facts(snapshot, Choice(rungs=()), torch, Compiling())
        config = replace(settings.config, prebuilt=(replace(self.place, hashes=""),), use_prebuilt=UsePrebuilt.ON)
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
        answer = take_answer([self._uv, *arguments], {**self._variables, **variables}, timeout_s=_LONGEST_S)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ uv {' '.join(arguments)}\n{answer.text}{answer.fault}\n")


def built_text(done: BuiltCell) -> str:
    """Return a line that says what became of a cell."""
    head = f"torch {done.cell.public} {done.cell.build}, Python {done.cell.python}: "
    if done.fault:
        return shown(f"{head}FAILED, {done.fault}")
    return shown(f"{head}{'there already' if done.before else duration_text(done.took_s)}, {done.wheel}")


def prebuilt_text(place: Prebuilt) -> str:
    """Return the table that says where the wheels are."""
    return f'[[tool.torchgraft.prebuilt]]\nurl = {json.dumps(place.url)}\nhashes = "{place.hashes}"\n'
