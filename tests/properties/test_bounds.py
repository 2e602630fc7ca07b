"""Every reader of what others wrote ends in time, with little memory, and refuses in our own words at most.

python tests/properties/test_bounds.py READER       by hand, with all of the content
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from support.readers import MOST_BYTES, MOST_SECONDS, READERS, REFUSALS, hostile, lay_out  # noqa: E402 - run as a program

resource = pytest.importorskip("resource")


# What takes more than a line of time shows it at this size already.
SHORT_BYTES = 200_000


@pytest.mark.parametrize("first", range(6))
def test_readers_have_bounds(first: int) -> None:
    readers = list(READERS)[first::6]
    done = subprocess.run(
        [sys.executable, __file__, *readers, "--short"], stdout=-1, stderr=subprocess.STDOUT, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:].decode()
    assert json.loads(done.stdout.splitlines()[-1]) == {reader: {} for reader in readers}


def faults_of(reader: str, most_bytes: int | None) -> dict[str, str]:
    """Return what is wrong with what a reader does, for each content."""
    found = {}
    for title, content in hostile(reader).items():
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(folder), reader, content if content.startswith(b"PK") else content[:most_bytes])
            before = time.process_time()
            try:
                READERS[reader](Path(folder))
            except REFUSALS:
                pass
            except BaseException as error:  # noqa: BLE001 - all of them are told
                found[title] = f"{type(error).__name__}: {str(error)[:200]}"
            taken_s = time.process_time() - before
            if taken_s > MOST_SECONDS:
                found[title] = f"{taken_s:.1f} s"
    return found


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (500, 500))
    asked = [argument for argument in sys.argv[1:] if argument != "--short"]
    limit = SHORT_BYTES if "--short" in sys.argv else None
    print(json.dumps({reader: faults_of(reader, limit) for reader in asked}), flush=True)  # noqa: T201
    os._exit(0)
