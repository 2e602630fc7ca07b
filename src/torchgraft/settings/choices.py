"""The words that settings may have where there are only some: one enum for each.

May not say what becomes of one.
"""

from __future__ import annotations

import enum


class Provide(enum.Enum):
    """How torch may be brought into the build."""

    AUTO = "auto"
    GRAFT = "graft"
    INSTALL = "install"
    OFF = "off"


class Cuda(enum.Enum):
    """Whether the project needs a CUDA toolkit."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class ArchFormat(enum.Enum):
    """How a package's own variable names architectures."""

    NUMBERS = "numbers"
    DOTTED = "dotted"
    SM = "sm"


class RuntimeTorch(enum.Enum):
    """Which torch a wheel says that it needs at run time."""

    EXACT = "exact"
    MINOR = "minor"
    AT_LEAST = "at-least"
    OFF = "off"


class Guarding(enum.Enum):
    """Which wheels are guarded: those whose torch was a guess, all, or none."""

    AUTO = "auto"
    ALWAYS = "true"
    NEVER = "false"


class CompilerCaching(enum.Enum):
    """Which program keeps what compilers make."""

    AUTO = "auto"
    CCACHE = "ccache"
    SCCACHE = "sccache"
    OFF = "off"


class Budgeting(enum.Enum):
    """Whether the compilers of all builds of a user share one budget."""

    AUTO = "auto"
    OFF = "off"


class UsePrebuilt(enum.Enum):
    """Whether wheels that are built already are used."""

    ON = "on"
    OFF = "off"


class Storing(enum.Enum):
    """Whether wheels of a package may be kept for the next build of the same."""

    AUTO = "auto"
    OFF = "off"


class Log(enum.Enum):
    """How much is said on stderr."""

    QUIET = "quiet"
    SUMMARY = "summary"
    PLAN = "plan"


class Showing(enum.Enum):
    """Where it is said how far a build is: `AUTO` is on the terminal unless CI is set, and in the log."""

    AUTO = "auto"
    OFF = "off"
    TTY = "tty"
    LOG = "log"
