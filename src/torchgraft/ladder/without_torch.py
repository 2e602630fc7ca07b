"""What takes torch's place while metadata and sdists are made where there is none.

May not be used while a wheel is built.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..codec import json_text
from ..errors import DelegateError, Problem, install_command
from ..files import read_text
from ..model.decision import Plan
from ..model.observation import FrontEndName, Way
from ..model.torch_values import Knowledge, Origin, Torch, required_name
from ..project.read_project import meson_project_alone
from ..values import dataclass
from .plan_way import GUESSES

_LARGEST_BYTES = 2_000_000
_FILES = Path(__file__).parent / "stand_in" / "torch"


# What a setup.py is told to learn what it requires of torch: what differs follows the torch that it sees.
TWO_TORCHES = tuple(
    Torch(version=version, folder="", origin=Origin.WHEEL, known=Knowledge.GUESSED) for version in GUESSES[:2]
)


def computed_metadata(found: Sequence[str]) -> str:
    """Return metadata made with two torches as one: what follows the torch is met by any; "" where one was not made."""
    if len(found) < len(TWO_TORCHES):
        return ""
    one, other = ([line for line in text.splitlines() if _is_on_torch(line)] for text in found)
    lines = [line for line in found[0].splitlines() if one == other or line not in one]
    at = lines.index("") if "" in lines else len(lines)
    return "\n".join([*lines[:at], *([] if one == other else ["Requires-Dist: torch"]), *lines[at:], ""])


def _is_on_torch(line: str) -> bool:
    field, _, text = line.partition(":")
    return field.lower() == "requires-dist" and required_name(text.strip()) == "torch"


@dataclass(frozen=True, kw_only=True)
class StandInFolder:
    """A folder to import the stand-in from."""

    path: Path

    def reads(self) -> tuple[str, ...]:
        """Return the facts that were read of it, in the order of their names."""
        return tuple(sorted(set(read_text(self.path / "torch" / "reads", _LARGEST_BYTES).splitlines())))

    def problem(self, plan: Plan) -> Problem | None:
        """Return why it could not answer; None if it could."""
        what = read_text(self.path / "torch" / "refused", _LARGEST_BYTES).strip()
        if not what:
            return None
        return Problem.of(
            code="needs-torch",
            headline=f"setup.py asks for {what}, and there is no torch to answer",
            asked="while metadata or an sdist was made, which should need no torch",
            why="an answer that was made up would go into the metadata",
            fixes=(
                f"{_torch_first(plan)}   (first; then the metadata is made with it)",
                "state name, version and dependencies in [project]   (then setup.py is not run for them)",
            ),
        )


@contextlib.contextmanager
def made_stand_in(facts: Torch, *, hides_version: bool = False) -> Iterator[StandInFolder]:
    """Make a stand-in that answers with `facts` for the block; importlib.metadata finds it unless `hides_version`."""
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as name:
        folder = Path(name)
        shutil.copytree(_FILES, folder / "torch", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "torch" / "facts.json").write_text(json_text(facts), encoding="ascii")
        if not hides_version:
            info = folder / f"torch-{facts.resolved_version}.dist-info"
            info.mkdir()
            metadata = f"Metadata-Version: 2.1\nName: torch\nVersion: {facts.resolved_version}\n"
            (info / "METADATA").write_text(metadata, encoding="ascii")
        yield StandInFolder(path=folder)


@contextlib.contextmanager
def lack_of_torch_told(plan: Plan) -> Iterator[None]:
    """Say that there is no torch where an sdist fails without one.

    setuptools makes one from files; meson-python configures the whole project for it, and CMake looks for torch then.
    """
    try:
        yield
    except DelegateError as error:
        if plan.way not in {Way.ABSENT, Way.INSTALL}:
            raise
        raise DelegateError(*error.problems, _no_torch_for_sdist(plan)) from None


def _no_torch_for_sdist(plan: Plan) -> Problem:
    return Problem.of(
        code="needs-torch",
        headline=f"{plan.delegate.backend} made no sdist, and there is no torch here",
        because=plan.way_reason,
        why="an sdist should need no torch; a backend that configures the project for it may look for one",
        fixes=(f"{_torch_first(plan)}   (first; then the sdist is made with it)",),
    )


def _torch_first(plan: Plan) -> str:
    by_uv = plan.front_end.name is FrontEndName.UV
    return install_command(plan.consumer.text if plan.consumer else None, ["torch"], by_uv=by_uv)


@contextlib.contextmanager
def source_of_metadata(source: Path) -> Iterator[Path]:
    """Make a folder of links to a source tree, without setup.py, and of meson.build with project() alone."""
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as name:
        # The last part stays what it is: setuptools guesses names from it.
        folder = Path(name) / source.name
        folder.mkdir()
        for entry in source.iterdir():
            # What setuptools writes has to be written here.
            if entry.name not in {"setup.py", "build"} and not entry.name.endswith(".egg-info"):
                (folder / entry.name).symlink_to(entry)
        project = meson_project_alone(read_text(source / "meson.build", _LARGEST_BYTES))
        if project is not None:
            (folder / "meson.build").unlink()
            (folder / "meson.build").write_text(project, encoding="utf-8")
        yield folder


@contextlib.contextmanager
def metadata_alone(directory: Path, *, from_files: bool) -> Iterator[None]:
    """Remove what else came into the folder for metadata while the block lasted.

    A WHEEL that was made `from_files` has the tags of a project without its modules.

    Where the delegate lacks the hook, pyproject_hooks leaves the wheel there that it took them from, and would hand it
    out as the wheel (pyproject_hooks/_in_process.py, `_find_already_built_wheel`).
    """
    before = set(directory.iterdir())
    yield
    for path in set(directory.iterdir()) - before:
        if path.is_file():
            path.unlink()
        else:
            (path / "RECORD").unlink(missing_ok=True)
            if from_files:
                (path / "WHEEL").unlink(missing_ok=True)
