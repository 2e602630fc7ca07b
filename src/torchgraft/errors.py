"""What went wrong, as data, the exceptions that carry it, and the words of the commands that cure it.

May not print, exit or look at the machine: a door renders these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .values import dataclass

E = TypeVar("E", bound="TorchgraftError")

REPORT_TO = "the issue tracker of torchgraft"
OUR_OWN_BUG = 3
INTERRUPTED = 130  # what shells say of what Ctrl-C has ended

_WIDTH = 80
_FIX_WIDTH = 90
_INDENT = "  "
_COLUMN = 8


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One thing that was seen, and where."""

    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason why there is no build, with what to do about it.

    `code` is explained in `error_codes`. `fixes` run as typed.
    """

    code: str
    headline: str
    evidence: tuple[Evidence, ...] = ()
    why: str = ""
    fixes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, *, code: str, headline: str, why: str = "", fixes: tuple[str, ...] = (), **evidence: str | Iterable[str]
    ) -> Problem:
        """Return a problem with its evidence by name, `torch="2.8.0 in ..."`, one line or several."""
        lines = ((label, [said] if isinstance(said, str) else said) for label, said in evidence.items())
        found = tuple(Evidence(label=label, text=text) for label, texts in lines for text in texts)
        return cls(code=code, headline=headline, evidence=found, why=why, fixes=fixes)


class TorchgraftError(Exception):
    """A build that cannot go on, for reasons that are known: all at once, so that nobody mends them one by one."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    @classmethod
    def of(  # noqa: PYI019 - Python 3.10 has no Self
        cls: type[E],
        *,
        code: str,
        headline: str,
        why: str = "",
        fixes: tuple[str, ...] = (),
        **evidence: str | Iterable[str],
    ) -> E:
        """Return the error of one problem."""
        return cls(Problem.of(code=code, headline=headline, why=why, fixes=fixes, **evidence))

    def __str__(self) -> str:
        return problems_text(self.problems)


class ConfigError(TorchgraftError):
    """The settings must change."""

    exit_code = 2


class PlanError(TorchgraftError):
    """The machine must change: what was seen allows no right build."""


class ActError(TorchgraftError):
    """The machine must change: the plan could not be carried out."""


class DelegateError(TorchgraftError):
    """The delegate failed; it has already said why."""


class LacksHookError(DelegateError):
    """The delegate lacks a hook: another one has to be named."""

    exit_code = 2


class UnsupportedOperation(Exception):  # noqa: N818 - PEP 517 has named it
    """The delegate makes no sdist here (PEP 517): front ends go on without one where they can."""


def printable_text(text: str) -> str:
    """Return `text` with what no terminal should be sent (control characters, changes of direction) written out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def ascii_text(text: str) -> str:
    """Return lines in ASCII: front ends encode what hooks say once more, each in its own way."""
    return text.encode("ascii", errors="backslashreplace").decode("ascii")


def shown(text: str) -> str:
    """Return `text` as it may be shown: printable, and without the credentials and queries of URLs."""
    from .redaction import without_secrets

    return printable_text(without_secrets(text))


def problem_text(problem: Problem) -> str:
    """Return the lines that a person reads: headline, evidence, why, fixes."""
    lines = [f"error[{problem.code}]: {shown(problem.headline)}"]
    column = max([_COLUMN, *(len(printable_text(item.label)) + 2 for item in problem.evidence)])
    for item in problem.evidence:
        lines += _labelled(item.label, item.text, column)
    if problem.why:
        lines += _labelled("why", problem.why, column)
    for fix in problem.fixes:
        # A command is never wrapped: it must run as typed.
        line = f"{_INDENT}{'fix:':<{column}}{shown(fix)}"
        command, gap, comment = line.partition("   (")
        is_long = bool(gap) and len(line) > _FIX_WIDTH
        head = " " * (len(_INDENT) + column)
        lines += [command, *_wrapped(f"({comment}", head, column, width=_FIX_WIDTH)] if is_long else [line]
    return "\n".join(lines)


def problems_text(problems: Iterable[Problem]) -> str:
    """Return all problems, a blank line between them."""
    return "\n\n".join(problem_text(problem) for problem in problems)


def _labelled(label: str, text: str, column: int) -> list[str]:
    return _wrapped(shown(text), f"{_INDENT}{printable_text(label) + ':':<{column}}", column)


def _wrapped(text: str, head: str, column: int, *, width: int = _WIDTH) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text,
        width=width,
        initial_indent=head,
        subsequent_indent=" " * (len(_INDENT) + column),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


def quoted(word: str) -> str:
    """Return a word for a shell, in ASCII: what front ends show is encoded again on its way.

    Other characters than ASCII are written as bash and zsh read them ($'...').
    """
    if word.isascii() and word.isprintable():
        import shlex

        return shlex.quote(word)
    plain = [byte for byte in range(32, 127) if chr(byte) not in "'\\"]
    data = word.encode("utf-8", errors="surrogateescape")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data) + "'"


def install_command(prefix: str | None, requirements: Iterable[str], *, by_uv: bool) -> str:
    """Return the command that installs into an environment, whatever is activated; into the activated one for None.

    uv makes environments without pip, and may be all that there is.
    """
    words = " ".join(quoted(requirement) for requirement in requirements)
    if by_uv:
        return f"uv pip install --python {quoted(prefix)} {words}" if prefix else f"uv pip install {words}"
    return f"pip --python {quoted(prefix)} install {words}" if prefix else f"pip install {words}"
