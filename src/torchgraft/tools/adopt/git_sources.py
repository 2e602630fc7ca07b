"""The packages that a lock takes from git, what they say of their build, and what is to be done where one needs torch.

May not run any of it: a commit is fetched, its files are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from packaging.utils import canonicalize_name

from ...errors import quoted
from ...programs import find_programs, take_answer
from ...redaction import without_credentials
from ...untrusted import read_toml, table, tables, text_of
from ...values import dataclass

_LONGEST_S = 300
_DIGEST = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class GitSource:
    """A package that a lock takes from a commit of a repository."""

    name: str
    url: str
    commit: str


def read_git_sources(file: Path) -> tuple[GitSource, ...]:
    """Return the packages that a lock has from git."""
    data = read_toml(file)
    found = []
    for item in [*tables(data.get("package")), *tables(data.get("packages"))]:
        source, vcs, revision = table(item.get("source")), table(item.get("vcs")), text_of(item.get("revision"))
        of_uv, of_pdm = text_of(source.get("git")), text_of(item.get("git"))
        if of_uv:
            url, _, commit = of_uv.partition("#")
            url = url.partition("?")[0]
        elif source.get("type") == "git" or vcs.get("type") == "git":
            url = text_of(source.get("url")) or text_of(vcs.get("url")) or ""
            commit = text_of(source.get("resolved_reference")) or text_of(vcs.get("commit-id")) or ""
        else:
            url, commit = of_pdm or "", revision or ""
        if url and commit:
            found.append(GitSource(name=canonicalize_name(text_of(item.get("name")) or ""), url=url, commit=commit))
    return tuple(found)


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
