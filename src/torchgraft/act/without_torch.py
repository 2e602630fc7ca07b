"""What takes torch's place while metadata and sdists are made where there is none.

May not be used while a wheel is built.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..codec import json_text
from ..errors import Evidence, Problem
from ..planned import StandIn

_FILES = Path(__file__).parent / "stand_in" / "torch"


@dataclass(frozen=True, kw_only=True)
class StandInFolder:
    """A folder to import the stand-in from."""

    path: Path

    def reads(self) -> tuple[str, ...]:
        """Return the facts that were read of it, in the order of their names."""
        return tuple(sorted(set(_text(self.path / "torch" / "reads").splitlines())))

    def problem(self) -> Problem | None:
        """Return why it could not answer; None if it could."""
        what = _text(self.path / "torch" / "refused")
        if not what:
            return None
        return Problem(
            code="needs-torch",
            headline=f"setup.py asks for {what}, and there is no torch to answer",
            evidence=(Evidence(label="asked", text="while metadata or an sdist was made, which should need no torch"),),
            why="an answer that was made up would go into the metadata",
            fixes=(
                "pip install torch   (first; then the metadata is made with it)",
                "state name, version and dependencies in [project]   (then setup.py is not run for them)",
            ),
        )


@contextlib.contextmanager
def made_stand_in(facts: StandIn) -> Iterator[StandInFolder]:
    """Make a stand-in that answers with `facts`, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as name:
        folder = Path(name)
        shutil.copytree(_FILES, folder / "torch", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "torch" / "facts.json").write_text(json_text(facts), encoding="ascii")
        info = folder / f"torch-{facts.version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: torch\nVersion: {facts.version}\n"
        (info / "METADATA").write_text(metadata, encoding="ascii")
        yield StandInFolder(path=folder)


@contextlib.contextmanager
def source_without_setup_py(source: Path) -> Iterator[Path]:
    """Make a folder of links to everything in a source tree but setup.py, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as name:
        # The last part stays what it is: setuptools guesses names from it.
        folder = Path(name) / source.name
        folder.mkdir()
        for entry in source.iterdir():
            # What setuptools writes has to be written here.
            if entry.name not in {"setup.py", "build"} and not entry.name.endswith(".egg-info"):
                (folder / entry.name).symlink_to(entry)
        yield folder


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
