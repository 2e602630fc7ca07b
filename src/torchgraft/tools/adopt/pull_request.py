"""The text with which somebody proposes to a project that it adopt torchgraft, and the job that shows it installs.

May not send it anywhere, nor change a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from packaging.utils import canonicalize_name

from ...errors import shown
from ..terminal import diff_text
from .adoption import Adoptable, Adoption, Advice, adoption_text
from .stale_lines import StaleLine

_NONE = """\
{reason}, and an isolated build has none: users have to install torch and the build tools by hand, and to turn isolation
off, which `uv sync`, `uv tool install` and `uvx` make hard or impossible.
"""
_ANOTHER = """\
{reason}: an isolated build downloads a torch of its own, the newest that this allows, whichever one the package will
run with. Users who need theirs have to turn isolation off and to install the build tools by hand, which `uv sync`, `uv
tool install` and `uvx` make hard or impossible.
"""
_HOW = """\
[torchgraft][1] is a build backend that calls the one of today, with the very torch in place that the package will run
with: the one that is installed, by links, or else the one that a lock or the command names.

Nothing but `pyproject.toml` has to change. `--no-build-isolation` still works, with torchgraft among what is installed
by hand.

[1]: https://pypi.org/project/torchgraft/
"""
_JOBS = """\
name: install
on: [push, pull_request]
permissions: { contents: read }
# A runner has no CUDA toolkit: without this, a package that always compiles CUDA sources would stop there.
env: { TORCHGRAFT_CUDA: "off" }
jobs:
"""
_JOB = """\
  {name}:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
{submodules}      - uses: astral-sh/setup-uv@fac544c07dec837d0ccb6301d7b5580bf5edae39 # v8.2.0
      - run: uv venv --seed && uv pip install torch --index-url https://download.pytorch.org/whl/cpu
      - run: {install}
      - run: .venv/bin/python -I -c "import {module}"
"""


def workflow_text(name: str, *, submodules: bool) -> str:
    """Return a workflow that installs a project beside a CPU torch, isolated, by pip and by uv.

    :param name: of the distribution; what is imported is guessed from it
    """
    module = canonicalize_name(name).replace("-", "_")
    commands = {"pip": ".venv/bin/pip install .", "uv": "uv pip install ."}
    checkout = "        with: { submodules: recursive }\n" if submodules else ""
    jobs = (
        _JOB.format(name=key, install=command, module=module, submodules=checkout) for key, command in commands.items()
    )
    return _JOBS + "".join(jobs)


def pull_request_text(
    found: Adoptable, adoption: Adoption, stale: Iterable[StaleLine], *, submodules: bool = False
) -> str:
    """Return the text of a pull request, in Markdown, and below it the differences of what is stale."""
    # It goes into commands, and anything can stand in a file.
    name = found.name if re.fullmatch(r"[A-Za-z0-9][\w.-]*", found.name or "", re.ASCII) else None
    name = name or "the package"
    stale = tuple(stale)
    if adoption.verdict is Advice.NOT_NEEDED:
        return adoption_text(found, adoption)
    changes = [shown(f"| `{change.text}` | {change.reason} |") for change in adoption.changes]
    is_required = '"' in adoption.reason  # and not only imported
    why, reason = (_ANOTHER, f"`{adoption.reason}`") if is_required else (_NONE, adoption.reason)
    lines = [f"Build {name} in isolation: plain `pip install {name}` and `uv add {name}`", ""]
    lines += [why.format(reason=shown(reason)), _HOW] if adoption.verdict is not Advice.ADOPTED else []
    lines += ["## What changes in pyproject.toml", "", "| | |", "| --- | --- |", *changes, ""] if changes else []
    lines += [shown(f"- {note}") for note in adoption.notes] + [""] * bool(adoption.notes)
    if stale:
        lines += ["## What users no longer have to type", ""]
        lines += [shown(f"- {line.file}:{line.number} `{line.text.strip()}`: {line.reason}") for line in stale]
        lines += [""]
    lines += ["## A job that shows it", "", "`.github/workflows/install.yml`:", "", "```yaml"]
    lines += [workflow_text(name, submodules=submodules) + "```"]
    return "\n".join(lines)


def stale_diffs(stale: Iterable[StaleLine], texts: dict[str, str]) -> str:
    """Return the differences of what can be changed without a person, by file, as patch and git take them."""
    parts = []
    for file, lines in groupby((line for line in stale if line.after is not None), key=lambda line: line.file):
        after = {line.number: line.after for line in lines}
        rows = texts[file].split("\n")
        kept = [after.get(number, row) for number, row in enumerate(rows, start=1) if after.get(number, row) or not row]
        parts.append(diff_text(texts[file], "\n".join(row or "" for row in kept), file))
    return "\n".join(parts)
