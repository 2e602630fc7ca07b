"""Words of command lines as they have to be typed.

May not know what a command does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def quoted(word: str) -> str:
    """Return a word for a shell, in ASCII: what front ends show is encoded again on its way.

    Other characters than ASCII are written as bash and zsh read them ($'...').
    """
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word.encode("utf-8", errors="surrogateescape"))) + "'"


def install_command(prefix: str | None, requirements: Iterable[str], *, by_uv: bool) -> str:
    """Return the command that installs into an environment, whatever is activated; into the activated one for None.

    uv makes environments without pip, and may be all that there is.
    """
    words = " ".join(quoted(requirement) for requirement in requirements)
    if by_uv:
        return f"uv pip install --python {quoted(prefix)} {words}" if prefix else f"uv pip install {words}"
    return f"pip --python {quoted(prefix)} install {words}" if prefix else f"pip install {words}"


def _escaped(byte: int) -> str:
    plain = 32 <= byte < 127 and chr(byte) not in "'\\"
    return chr(byte) if plain else f"\\{byte:03o}"
