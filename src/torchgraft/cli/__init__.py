"""The door for people: `torchgraft COMMAND`. One file per command; this one chooses among them."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from .. import __version__
from ..errors import REPORT_TO, TorchgraftError
from . import plan, snapshot

_OUR_OWN_BUG = 3
_INTERRUPTED = 130

_EPILOG = """exit status:
  0  all is well
  1  the machine must change (no torch, another Python, ...)
  2  the settings or arguments must change
  3  a bug in torchgraft
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="torchgraft",
        description="Build torch extensions against the PyTorch that they will run with.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"torchgraft {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (plan, snapshot):
        command.add_parser(commands)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except TorchgraftError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return 0
    except Exception:  # noqa: BLE001 - the one error boundary of the command line
        traceback.print_exc()
        print(f"torchgraft has a bug; please send what stands above to {REPORT_TO}", file=sys.stderr)
        return _OUR_OWN_BUG
