"""What people see: commands, and a ten-file build in pip and in uv, as terminals of 80 and 120 columns show them.

    python benchmarks/captures.py WHEEL --torch ENVIRONMENT [--out captures] [--widths 80 120] [--only plan pip uv ...]

WHEEL is one of torchgraft, ENVIRONMENT has a torch; the build goes into a copy of it, of hard links where that works.
Each command runs in a pseudo terminal, whose screen `pyte` (pip install pyte uv) draws; a file is written for each, to
be looked at. The build takes some minutes: the lines that say how far it is come after twenty seconds. `watch` looks
at the build of uv.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from isolated_install import copied_environment, wheelhouse
from measuring import make_environment, run, uv, uv_program
from ten_files import path_without, write_ten_files

ROWS = 24
# So many bytes after its first one, a line is there, and what the front end draws next to it too.
ENOUGH = 3000
BEGINS = b"\x1bD"


def captured(command: list[str | Path], width: int, *, folder: Path, end_after_s: float = 0, **variables: str) -> bytes:
    """Return all that a command writes onto a terminal of this width."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, width, 0, 0))
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's job in the background ignores it
        for name in ("CI", "COLUMNS", "NO_COLOR"):
            os.environ.pop(name, None)
        os.environ.update({"TERM": "xterm-256color", **variables})
        os.execvp(command[0], list(map(str, command)))  # noqa: S606 - no shell is wanted
    if end_after_s:
        threading.Timer(end_after_s, os.kill, (child, signal.SIGINT)).start()
    chunks = []
    with contextlib.suppress(OSError):  # the terminal is closed with the last process
        while chunk := os.read(terminal, 65_536):
            chunks.append(chunk)
    os.waitpid(child, 0)
    os.close(terminal)
    return b"".join(chunks)


def moments(data: bytes, width: int) -> str:
    """Return what the terminal shows while the first and the last line on progress stand there, and at the end."""
    told = [match.start() for match in re.finditer(b"torchgraft: [a-z]+: ", data)]
    # Before the next line is written, or it is cleared; but soon: pip draws little, uv all again ten times a second.
    ends = [*(data.rfind(BEGINS, 0, start) for start in told[1:]), data.rfind(BEGINS)]
    places = [min(end, start + ENOUGH) for start, end in zip(told, ends, strict=False)]
    texts = [drawn(data[:place], width) for place in dict.fromkeys((*places[:1], *places[-1:], len(data)))]
    return f"{'-' * width}\n".join(texts)


def drawn(data: bytes, width: int) -> str:
    """Return what a terminal of this width shows after all of that, with what has left it at the top."""
    import pyte

    screen = pyte.HistoryScreen(width, ROWS, history=10_000)
    pyte.ByteStream(screen).feed(data)
    gone = ["".join(line[i].data for i in range(width)) for line in screen.history.top]
    return "\n".join(line.rstrip() for line in (*gone, *screen.display)).rstrip() + "\n"


def main() -> None:
    """Write a file for each capture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--torch", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("captures"))
    parser.add_argument("--widths", type=int, nargs="+", default=[80, 120])
    parser.add_argument("--only", nargs="+", default=["plan", "doctor", "check", "adopt", "cache", "pip", "uv"])
    parser.add_argument("--header", default="ATen/ATen.h", help="what each of the ten files includes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="captures-") as folder:
        capture_all(Path(folder), options)


def capture_all(folder: Path, options: argparse.Namespace) -> None:
    """Write a file for each capture.

    :param folder: a temporary one
    """
    consumer = copied_environment(options.torch.absolute() / "bin" / "python", folder / "venv")
    house = wheelhouse(options.wheel.resolve(), folder / "wheels")
    run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", house, "ninja")
    command_line = make_environment(folder / "cli", f"{options.wheel.resolve()}[cli]").parent / "torchgraft"
    uv("pip", "install", "--quiet", "--python", consumer, "--upgrade", "pip")
    project = write_ten_files(folder / "ten", options.header)
    old = folder / "old"
    shutil.copytree(project, old)
    (old / "pyproject.toml").unlink()
    variables = {
        "PATH": path_without("ninja", folder / "programs"),
        "TORCHGRAFT_CACHE_DIR": str(folder / "cache"),
        "VIRTUAL_ENV": str(folder / "venv"),
    }
    commands: dict[str, tuple[list[str | Path], Path]] = {
        "plan": ([command_line, "plan"], project),
        "doctor": ([command_line, "doctor"], project),
        "check": ([command_line, "check"], project),
        "cache": ([command_line, "cache", "list"], project),
        "adopt": ([command_line, "adopt"], old),
        "pip": ([consumer, "-m", "pip", "install", "--no-index", f"--find-links={house}", "--no-deps", "."], project),
        "uv": ([uv_program(), "pip", "install", "--no-cache", f"--find-links={house}", "--no-deps", "."], project),
    }
    for width in options.widths:
        for name in options.only:
            command, place = commands[name]
            shutil.rmtree(project / "build", ignore_errors=True)
            watching = None
            if name == "uv":
                watched = ([command_line, "watch"], width, options.out / f"watch-{width}.txt", folder)
                watching = threading.Thread(target=watch, args=watched, kwargs=variables)
                watching.start()
            text = moments(captured(command, width, folder=place, **variables), width)
            (options.out / f"{name}-{width}.txt").write_text(text, encoding="utf-8")
            print(f"--- {name}, {width} columns\n{text}")
            if watching:
                watching.join()


def watch(command: list[str | Path], width: int, file: Path, folder: Path, **variables: str) -> None:
    """Capture what watch shows after some time."""
    time.sleep(15)
    text = drawn(captured(command, width, folder=folder, end_after_s=15, **variables), width)
    file.write_text(text, encoding="utf-8")
    print(f"--- watch, {width} columns\n{text}")


if __name__ == "__main__":
    main()
