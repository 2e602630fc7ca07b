"""The rows of pip."""

from __future__ import annotations

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

GRAFT = Expected(torch="2.8.0", rule="R1", rung="installed", way="graft")
IN_TARGET_FOLDER = "PYTHONPATH=target python -m ext"
IN_PREFIX_FOLDER = "PYTHONPATH={prefix} python -m ext"


def pip_rows() -> Iterator[Row]:
    """Yield the rows of every pip; what the old ones share with the newest is slow."""
    for tool in (PIP, PIP_OLD, PIP_MIDDLE):
        slow = tool is not PIP
        yield Row(tool=tool, situation=THERE, command="pip install ./ext", expected=GRAFT, slow=tool is PIP_MIDDLE)
        yield Row(
            tool=tool,
            situation=THERE,
            command="pip install --target target ./ext",
            expected=GRAFT,
            use=IN_TARGET_FOLDER,
            slow=slow,
        )
        yield Row(
            tool=tool,
            situation=THERE,
            command="pip install --prefix prefix ./ext",
            expected=GRAFT,
            use=IN_PREFIX_FOLDER,
            slow=slow,
        )
        yield Row(tool=tool, situation=USER, command="pip install --user ./ext", expected=GRAFT, slow=slow)
        yield Row(tool=tool, situation=THERE, command="pip install -e ./ext", expected=GRAFT, slow=slow)
        yield Row(
            tool=tool,
            situation=THERE,
            command="pip wheel --no-deps -w dist ./ext",
            expected=GRAFT,
            after=("pip install --no-deps dist/*.whl",),
            slow=slow,
        )
        yield Row(
            tool=tool,
            situation=DECOY,
            command="pip --python consumer/bin/python install ./ext",
            expected=GRAFT,
            use="consumer/bin/python -m ext",
            slow=slow,
        )
    yield from _newest()


def _newest() -> Iterator[Row]:
    maker = Expected(torch="2.8.0", rule="R3", rung="installed", way="graft")
    feature = "--use-feature=venv-isolation"
    yield Row(tool=PIP, situation=THERE, command=f"pip install {feature} ./ext", expected=maker, slow=True)
    yield Row(
        tool=PIP,
        situation=IN_TARGET,
        command=f"pip install {feature} --target target ./ext",
        expected=maker,
        use=IN_TARGET_FOLDER,
        slow=True,
    )
    yield Row(tool=PIP, situation=LOCAL, command="pip install ./ext", expected=_graft("2.8.0+cu128"), slow=True)
    yield Row(tool=PIP, situation=DYNAMIC, command="pip install ./ext", expected=GRAFT, slow=True)
    yield Row(
        tool=PIP,
        situation=IN_TARGET,
        command="pip install --target target ./ext",
        expected=GRAFT,
        use=IN_TARGET_FOLDER,
        slow=True,
    )
    yield Row(tool=PIP, situation=USER_TOO, command="pip install --user ./ext", expected=GRAFT, slow=True)
    yield Row(
        tool=PIP,
        situation=NEXT,
        command="pip install --no-build-isolation ./ext",
        expected=Expected(torch="2.8.0", rule="R0", rung="installed", way="present"),
    )
    yield Row(
        tool=PIP,
        situation=EMPTY,
        command="pip install torch==2.8.0 ./ext",
        expected=Expected(torch="2.8.0", rule="R1", rung="asked for", way="install"),
    )
    yield Row(
        tool=PIP,
        situation=EMPTY,
        command="pip install ./ext",
        expected=Expected(torch="2.9.0", rule="R1", rung="declared", way="install"),
        slow=True,
    )
    yield Row(
        tool=PIP,
        situation=PINNED,
        command="pip install -r requirements.txt ./ext",
        expected=Expected(torch="2.8.0", rule="R1", rung="asked for", way="install"),
        slow=True,
    )
    yield Row(
        tool=PIP,
        situation=PINNED,
        command="pip install -c requirements.txt ./ext",
        expected=Expected(torch="2.8.0", rule="R1", rung="asked for", way="install"),
        slow=True,
    )
    yield Row(
        tool=PIP,
        situation=THERE,
        command="pip install torch==2.9.0 ./ext",
        expected=Expected(torch="2.9.0", rule="R1", rung="asked for", way="install"),
        slow=True,
    )
    yield Row(
        tool=PIP,
        situation=DYNAMIC_EMPTY,
        command="pip install torch==2.8.0 ./ext",
        expected=Expected(torch="2.8.0", rule="R1", rung="asked for", way="install"),
        slow=True,
    )
    yield Row(
        tool=PIP,
        situation=DYNAMIC_EMPTY,
        command="pip download --no-deps --no-binary ext -d dist ./ext",
        expected=None,
        slow=True,
    )


def _graft(version: str) -> Expected:
    return Expected(torch=version, rule="R1", rung="installed", way="graft")
