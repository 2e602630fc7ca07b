"""What a package that comes from git says of its build, and what is to be done where it needs torch.

May not run any of it: a commit is fetched, its files are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import quoted
from ...programs import find_programs, take_answer
from ...redaction import without_credentials
from .locked_sdists import GitSource

_LONGEST_S = 300
_DIGEST = re.compile(r"[0-9a-f]{40}")


def fetch_commit(source: GitSource, folder: Path) -> Path | None:
    """Return the files of a commit, without submodules; None if it cannot be had."""
    git = next(iter(find_programs("git", os.environ)), "")
    if not git or source.url.startswith("-") or source.commit.startswith("-"):
        return None
    folder.mkdir(parents=True)
    # Nobody is asked for a password, and nothing that the repository names is run or fetched.
    variables = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    for words in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth", "1", source.url, source.commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        take_answer([git, "-C", str(folder), *words], variables, timeout_s=_LONGEST_S)
    return folder if any(one.name != ".git" for one in folder.iterdir()) else None


def git_text(source: GitSource, reason: str) -> str:
    """Return what is said of a package that needs torch and comes from git."""
    why = f"{source.name} comes from git, not from an sdist that could be changed ({reason})"
    return f"{why}: {git_commands(source)}, then depend on that folder, or on a fork with its commit"


def git_commands(source: GitSource) -> str:
    """Return what makes a clone of it, and adopts that."""
    name, url = source.name, quoted(without_credentials(source.url))
    commit = source.commit[:12] if _DIGEST.fullmatch(source.commit) else source.commit
    checkout = f" && git -C {name} checkout {quoted(commit)}" if commit else ""
    return f"git clone {url} {name}{checkout} && torchgraft adopt {name} --write"
