"""Give every reader of what others wrote whatever atheris makes of hostile content, until it breaks or time is over.

    python tests/fuzz/run.py [READER ...] [--seconds N]

Needs an environment with the tests' requirements and atheris (`pip install atheris`; Linux, CPython 3.11 to 3.13). The
readers are those of tests/support/readers.py; each has N seconds (60). What breaks one is written beside this file, and
the exit status is 1. tests/properties do the same with hypothesis, for a moment, in every run of the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def fuzz(reader: str, seconds: int) -> None:
    """Give one reader input until time is over. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["torchgraft"]):
        from support.readers import MOST_SECONDS, READERS, REFUSALS, hostile, lay_out

    def one(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(folder), reader, content)
            with contextlib.suppress(*REFUSALS):
                READERS[reader](Path(folder))

    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, content in enumerate(hostile(reader).values()):
        (corpus / str(number)).write_bytes(content[:4000])
    options = [f"-max_total_time={seconds}", f"-timeout={MOST_SECONDS}", "-rss_limit_mb=2000", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={HERE}/", str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    """Return 1 if a reader broke."""
    from support.readers import READERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", default=list(READERS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fuzz(given.readers[0], given.seconds)
    broken = []
    for reader in given.readers:
        command = [sys.executable, __file__, reader, "--child", f"--seconds={given.seconds}"]
        done = subprocess.run(
            command, check=False, stdout=-1, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
        )
        runs = next((line for line in done.stdout.splitlines()[::-1] if line.startswith("Done ")), "")
        print(f"{reader}: {runs or 'BROKEN'}", flush=True)
        if done.returncode:
            print(done.stdout[-3000:], flush=True)
            broken.append(reader)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
