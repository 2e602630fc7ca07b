"""For which torch a source tree was last built: where that is noted, and in which words.

setuptools keeps what it compiled in build/ and compares times of files, never torch: after torch has changed it would
hand out the old module as the new one. May not write the note.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..model.observation import Torch

UNKNOWN = "unknown"
_LONGEST_NOTE = 1000


def source_key(source: Path) -> str:
    """Return what names a source tree in the cache folder; `source` without symbolic links."""
    return hashlib.sha256(os.fsencode(source)).hexdigest()[:16]


def note_path(cache_folder: Path, source: Path, *, in_place: bool = False) -> Path:
    """Return the file that notes for which torch a source tree was last built.

    :param in_place: for editable installations: what setuptools compiles for them lies beside the sources. All else is
        in build/, and stays there when the other is built for another torch
    """
    return cache_folder / "locks" / f"{source_key(source)}{'.editable' * in_place}.torch"


def read_note(cache_folder: Path, source: Path) -> str:
    """Return for which torch a source tree was last built, as `build_identity` has it.

    `UNKNOWN` where nobody knows, or parts of it are for another torch; "" where nothing was built.
    """
    notes = [_read(note_path(cache_folder, source, in_place=in_place)) for in_place in (False, True)]
    if notes[0] is None and (source / "build").is_dir():
        return UNKNOWN
    known = {note for note in notes if note is not None}
    return (known or {""}).pop() if len(known) < 2 else UNKNOWN


def _read(note: Path) -> str | None:
    try:
        return note.read_text(encoding="utf-8", errors="replace")[:_LONGEST_NOTE].strip()
    except OSError:
        return None


def build_identity(torch: Torch | None) -> str:
    """Return what tells one build of torch from another, in one line; "" for none."""
    if torch is None:
        return ""
    facts = (torch.version, torch.cuda or torch.hip or torch.xpu, torch.cxx11_abi, torch.git_version)
    return " ".join("-" if fact is None else str(fact) for fact in facts)
