"""The rows of pip."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .model import Expected, Row
from .situations import (
    DECOY,
    DYNAMIC,
    DYNAMIC_EMPTY,
    EMPTY,
    IN_TARGET,
    LOCAL,
    NEXT,
    PINNED,
    THERE,
    USER,
    USER_TOO,
)
from .tools import PIP, PIP_MIDDLE, PIP_OLD

GRAFT = Expected("2.8.0", "R1", "installed", "graft")
ASKED = Expected("2.8.0", "R1", "asked for", "present")
MAKER = Expected("2.8.0", "R3", "installed", "graft")
INTO_TARGET = Expected("2.9.0", "R1", "declared", "present")
PIPS_OWN = ("2.9.0",)
FROM_TARGET = "PYTHONPATH=target python -m ext"
FROM_PREFIX = f"PYTHONPATH=prefix/lib/python3.{sys.version_info.minor}/site-packages python -m ext"


def pip_rows() -> Iterator[Row]:
    """Yield the rows of every pip; what the old ones share with the newest is slow."""
    for tool in (PIP, PIP_OLD, PIP_MIDDLE):
        slow = tool is not PIP
        target, prefix = "pip install --target target ./ext", "pip install --prefix prefix ./ext"
        wheel, dist = "pip wheel --no-deps -w dist ./ext", ("pip install --no-deps dist/*.whl",)
        other = "consumer/bin/python"
        yield Row(tool, THERE, "pip install ./ext", GRAFT, slow=tool is PIP_MIDDLE)
        yield Row(tool, THERE, f"{target} --no-deps", GRAFT, use=FROM_TARGET, slow=slow)
        yield Row(tool, THERE, target, INTO_TARGET, use=FROM_TARGET, slow=slow)
        yield Row(tool, THERE, prefix, GRAFT, use=FROM_PREFIX, slow=slow)
        yield Row(tool, USER, "pip install --user ./ext", GRAFT, slow=slow)
        yield Row(tool, THERE, "pip install -e ./ext", GRAFT, slow=slow)
        yield Row(tool, THERE, wheel, GRAFT, after=dist, slow=slow)
        yield Row(tool, DECOY, f"pip --python {other} install ./ext", GRAFT, use=f"{other} -m ext", slow=slow)
    yield from _only_newest()


def _only_newest() -> Iterator[Row]:
    isolated = "pip install --use-feature=venv-isolation"
    yield Row(PIP, THERE, f"{isolated} ./ext", MAKER)
    # pip downloads what the package requires, and leaves it out since the folder has it.
    yield Row(PIP, IN_TARGET, f"{isolated} --target target ./ext", MAKER, use=FROM_TARGET, others=PIPS_OWN, slow=True)
    yield Row(PIP, IN_TARGET, "pip install --target target ./ext", GRAFT, use=FROM_TARGET, others=PIPS_OWN, slow=True)
    yield Row(PIP, USER_TOO, "pip install --user ./ext", GRAFT, slow=True)
    yield Row(PIP, LOCAL, "pip install ./ext", Expected("2.8.0+cu128", "R1", "installed", "graft"), slow=True)
    yield Row(PIP, DYNAMIC, "pip install ./ext", GRAFT, slow=True)
    yield Row(PIP, NEXT, "pip install --no-build-isolation ./ext", Expected("2.8.0", "R0", "installed", "present"))
    yield Row(PIP, EMPTY, "pip install torch==2.8.0 ./ext", ASKED)
    yield Row(PIP, EMPTY, "pip install ./ext", Expected("2.9.0", "R1", "declared", "present"), slow=True)
    yield Row(PIP, PINNED, "pip install -r requirements.txt ./ext", ASKED, slow=True)
    yield Row(PIP, PINNED, "pip install -c requirements.txt ./ext", ASKED, slow=True)
    yield Row(PIP, DYNAMIC_EMPTY, "pip install torch==2.8.0 ./ext", ASKED, slow=True)
    replaced = Expected("2.9.0", "R1", "asked for", "present")
    yield Row(PIP, THERE, "pip install torch==2.9.0 ./ext", replaced, slow=True)
    yield Row(PIP, DYNAMIC_EMPTY, "pip download --no-deps -d dist ./ext", None, slow=True)
