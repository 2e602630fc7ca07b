"""`torchgraft doctor`: whether this machine can build for its torch, and what to mend."""

from __future__ import annotations

import argparse
import json
import os

from ...codec import to_json
from ...errors import PlanError, printable_text
from ...redaction import redacted_json
from ..shared_options import add_consumer_argument
from ..show_snapshot import take_names
from ..terminal import Colour, line_width, painted, wrapped
from .plan_findings import is_well, plan_findings
from .take_checkup import DoctorLine, Health, take_checkup

DESCRIPTION = """Check everything that a build of a CUDA extension would use if you started it in this shell: the
front ends on PATH, the environment that a wheel would be for and its torch, GPUs and driver, the
CUDA toolkits and the one that would be used, compilers, memory, the cache folder. Nothing is
changed or downloaded, and no code of the environment is run, except that programs are asked for
their versions."""
EPILOG = """examples:
  torchgraft doctor
  torchgraft doctor --consumer ~/train/.venv
  torchgraft doctor --report                  to be pasted into a bug: without home folder, names of user and host

exit status: 0 if nothing keeps a build from working, 1 if there is a problem
"""
_COLOURS = {Health.OK: Colour.GREEN, Health.NOTE: Colour.YELLOW, Health.PROBLEM: Colour.RED}
_TOPIC = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_consumer_argument(parser, "the environment to look at, or its Python")
    parser.add_argument(
        "--report",
        action="store_true",
        help="print a block for a bug report, without home folder and names of user and host",
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 where there is a problem."""
    config, checkup = take_checkup(arguments.consumer)
    findings = plan_findings(config, checkup)
    names = take_names(os.environ) if arguments.report else None
    data = redacted_json([to_json(finding) for finding in findings], names)
    shown = tuple(
        DoctorLine(**{**item, "verdict": Health(item["verdict"]), "fixes": tuple(item["fixes"])}) for item in data
    )
    if arguments.json:
        print(json.dumps({"torchgraft": checkup.torchgraft, "well": is_well(findings), "findings": data}, indent=2))
    elif arguments.report:
        print(f"```text\n$ torchgraft doctor --report\n{findings_text(shown, coloured=False)}\n```")
    else:
        print(findings_text(shown))
    return 0 if is_well(findings) else PlanError.exit_code


def findings_text(findings: tuple[DoctorLine, ...], *, coloured: bool = True) -> str:
    """Return the findings as a person reads them: a line for each, its cure below it, the sum at the end."""
    lines = [line for finding in findings for line in _lines(finding, coloured=coloured)]
    problems, notes = (sum(f.verdict is one for f in findings) for one in (Health.PROBLEM, Health.NOTE))
    said = f"{problems} problem{'' if problems == 1 else 's'}" if problems else "no problem for a build"
    also = f", {notes} note{'' if notes == 1 else 's'}" if notes else ""
    return "\n".join([*lines, "", said + also])


def _lines(finding: DoctorLine, *, coloured: bool) -> list[str]:
    word = f"{finding.verdict.value:<8}"
    head = painted(word, _COLOURS[finding.verdict]) if coloured else word
    indent = " " * (len(word) + _TOPIC)
    tag = f" [{finding.problem}]" if finding.problem else ""
    first, *others = wrapped(finding.text + tag, line_width() - len(indent))
    # A command is never wrapped: it must run as typed.
    below = [*others, *(f"fix: {printable_text(fix)}" for fix in finding.fixes)]
    return [f"{head}{finding.topic:<{_TOPIC}}{first}", *(indent + line for line in below)]
