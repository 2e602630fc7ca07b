"""This machine without its CUDA toolkits, for one command at a time.

May not change anything that another process sees: toolkits are hidden in a mount namespace of the command's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Where toolkits are installed. Not enough to empty them: torch takes /usr/local/cuda if it is there at all.
PARENTS = ("/usr/local", "/opt")
_TIMEOUT_S = 60

# $1 are the parents, $2 every nvcc on PATH, one a line. A parent is made anew, of all that it has but toolkits.
_HIDE = """\
set -e
parents=$1 programs=$2 new=$(mktemp -d)
shift 2
mount -t tmpfs none "$new"
for parent in $parents; do
    made=$new/$(basename "$parent")
    mkdir "$made"
    for entry in "$parent"/*; do
        name=$(basename "$entry")
        case $name in cuda*) continue ;; esac
        if [ -L "$entry" ]; then cp -P "$entry" "$made/"
        elif [ -d "$entry" ]; then mkdir "$made/$name"; mount --rbind "$entry" "$made/$name"
        elif [ -e "$entry" ]; then touch "$made/$name"; mount --bind "$entry" "$made/$name"
        fi
    done
    mount --rbind "$made" "$parent"
done
IFS='
'
for program in $programs; do
    if [ -e "$program" ]; then mount --bind /dev/null "$program"; fi
done
unset IFS
umount -l "$new"
rmdir "$new"
exec "$@"
"""
_LOOK = """\
if command -v nvcc; then exit 1; fi
for place in /usr/local/cuda* /opt/cuda*; do if [ -e "$place" ]; then echo "$place"; exit 1; fi; done
"""


def plain_path() -> str:
    """Return PATH without the environment that runs this."""
    own = {str(Path(sys.prefix) / "bin"), str(Path(sys.executable).parent)}
    return os.pathsep.join(e for e in os.environ.get("PATH", os.defpath).split(os.pathsep) if e and e not in own)


def masked(command: Sequence[str | Path]) -> list[str]:
    """Return a command that runs this one where no CUDA toolkit is installed."""
    parents = [parent for parent in PARENTS if any(Path(parent).glob("cuda*"))]
    named = (os.path.join(entry, "nvcc") for entry in plain_path().split(os.pathsep))  # noqa: PTH118
    programs = dict.fromkeys(os.path.realpath(nvcc) for nvcc in named if os.path.isfile(nvcc))  # noqa: PTH113
    # Without root, a namespace of users makes one of this user, in that namespace alone.
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    return [*unshare, "sh", "-c", _HIDE, "sh", " ".join(parents), "\n".join(programs), *map(str, command)]


def why_not_masked() -> str:
    """Return why toolkits cannot be hidden on this machine; "" if they can."""
    if shutil.which("unshare") is None:
        return "there is no unshare(1), a program of util-linux"
    done = subprocess.run(
        masked(["sh", "-c", _LOOK]),
        env={"PATH": plain_path()},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode == 0:
        return ""
    said = (done.stdout + done.stderr).strip()
    return f"{said} (a namespace of mounts needs root, or user namespaces; containers often have neither)"


def own_toolkit() -> tuple[str, str]:
    """Return the home of the nvcc on PATH, and its version like 13.0; ("", "") if there is none."""
    nvcc = shutil.which("nvcc", path=plain_path())
    if nvcc is None:
        return "", ""
    said = _ask(nvcc, "--version")
    release = re.search(r"release (\d+\.\d+)", said)
    top = re.search(r"^#\$ TOP=(.+)$", _ask(nvcc, "--dryrun", "-x", "cu", os.devnull), re.MULTILINE)
    return (os.path.realpath(top[1].strip()), release[1]) if release and top else ("", "")


def _ask(*command: str) -> str:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.stdout
