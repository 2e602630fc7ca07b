"""The rows of build, poetry, pdm, hatch, tox, nox and pipx."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Expected, Row
from .situations import (
    ACTIVATED,
    BY_UV,
    ELSEWHERE,
    EMPTY,
    FOLDER,
    HATCH_ENVIRONMENT,
    NEXT,
    NOX_PIP,
    NOX_UV,
    PDM_DYNAMIC,
    PDM_PROJECT,
    PDM_TORCH,
    POETRY_DYNAMIC,
    POETRY_PROJECT,
    POETRY_TORCH,
    THERE,
    TOOL,
    TOX_EDITABLE,
    TOX_SDIST,
    TOX_WHEEL,
    WITH_UV,
)
from .tools import BUILD, HATCH, NOX, PDM, PIPX, POETRY, TOX

# What get_requires asked for is there when the wheel is built.
NEWEST = Expected("2.9.0", "R3", "declared", "present")
IN_APP = "app/.venv/bin/python -m ext"
APP_S = "../home/.local/bin/ext"


def other_rows() -> Iterator[Row]:
    """Yield the rows of all but pip and uv; what a front end does by pip or uv in the same way is slow."""
    yield from _build_rows()
    yield from _poetry_rows()
    yield from _pdm_rows()
    yield from _runner_rows()
    yield from _pipx_rows()


def _build_rows() -> Iterator[Row]:
    graft = Expected("2.8.0", "R3", "installed", "graft")
    after = ("pip install --no-deps dist/*.whl",)
    wheel = "-m build --wheel --outdir dist ext"
    yield Row(BUILD, THERE, f"python {wheel}", graft, after=after)
    yield Row(BUILD, THERE, "python -m build --outdir dist ext", graft, after=after, slow=True)
    yield Row(BUILD, WITH_UV, f"python {wheel} --installer uv", graft, after=after)
    yield Row(BUILD, ELSEWHERE, f"tools/bin/python {wheel}", graft, after=after, slow=True)
    present = Expected("2.8.0", "R0", "installed", "present")
    yield Row(BUILD, NEXT, f"python {wheel} --no-isolation", present, after=after)
    yield Row(BUILD, EMPTY, f"python {wheel}", NEWEST, after=("pip install dist/*.whl",), slow=True)
    yield Row(BUILD, EMPTY, "python -m build --sdist --outdir dist ext", None)


def _poetry_rows() -> Iterator[Row]:
    install = "cd app && poetry install"
    graft = Expected("2.8.0", "R4", "installed", "graft")
    yield Row(POETRY, POETRY_PROJECT, install, graft, use=IN_APP, slow=True)
    yield Row(POETRY, POETRY_DYNAMIC, install, graft, use=IN_APP, slow=True)
    yield Row(POETRY, POETRY_TORCH, "cd app && poetry add ../ext", graft, before=(install,), use=IN_APP)
    yield Row(POETRY, POETRY_PROJECT, "cd app && poetry lock", None, slow=True)
    yield Row(POETRY, POETRY_DYNAMIC, "cd app && poetry lock", None, slow=True)


def _pdm_rows() -> Iterator[Row]:
    install = "cd app && pdm install"
    graft = Expected("2.8.0", "R1", "installed", "graft")
    yield Row(PDM, PDM_PROJECT, install, graft, use=IN_APP, slow=True)
    yield Row(PDM, PDM_DYNAMIC, install, graft, use=IN_APP, slow=True)
    yield Row(PDM, PDM_TORCH, "cd app && pdm add ../ext", graft, before=(install,), use=IN_APP)
    built = ("pip install --no-deps ext/dist/*.whl",)
    yield Row(PDM, ACTIVATED, "cd ext && pdm build", graft, after=built, slow=True)
    by_uv = Expected("2.8.0", "R2g", "installed", "graft")
    yield Row(PDM, BY_UV, "cd ext && pdm build", by_uv, after=built, slow=True)
    yield Row(PDM, PDM_PROJECT, "cd app && pdm lock", None, slow=True)
    yield Row(PDM, PDM_DYNAMIC, "cd app && pdm lock", None, slow=True)


def _runner_rows() -> Iterator[Row]:
    graft = Expected("2.8.0", "R1", "installed", "graft")
    asked = Expected("2.8.0", "R1", "asked for", "present")
    # hatch installs the project alone at first, with the newest torch; then what the environment says.
    yield Row(HATCH, HATCH_ENVIRONMENT, "cd ext && hatch run ext", asked, use="", others=("2.9.0",))
    yield Row(HATCH, HATCH_ENVIRONMENT, "cd ext && hatch build -t sdist", None, slow=True)
    built = ("pip install --no-deps ext/dist/*.whl",)
    activated = Expected("2.8.0", "R6", "installed", "graft")
    yield Row(HATCH, ACTIVATED, "cd ext && hatch build -t wheel", activated, after=built, slow=True)
    yield Row(TOX, TOX_SDIST, "cd ext && tox", graft, use="")
    tox = Expected("2.8.0", "R5", "installed", "graft")
    yield Row(TOX, TOX_WHEEL, "cd ext && tox", tox, use="", slow=True)
    yield Row(TOX, TOX_EDITABLE, "cd ext && tox", tox, use="", slow=True)
    yield Row(NOX, NOX_PIP, "nox", graft, use="")
    yield Row(NOX, NOX_UV, "nox", Expected("2.8.0", "R2", "installed", "graft"), use="", slow=True)


def _pipx_rows() -> Iterator[Row]:
    declared = Expected("2.9.0", "R1", "declared", "present")
    graft = Expected("2.8.0", "R1", "installed", "graft")
    yield Row(PIPX, FOLDER, "pipx install ./ext", declared, use=APP_S)
    yield Row(PIPX, FOLDER, "pipx install --preinstall torch==2.8.0 ./ext", graft, use=APP_S, slow=True)
    inject = ("pipx install ./ext", "pipx inject --force ext torch==2.8.0")
    again = Expected("2.8.0", "R1", "asked for", "present")
    # pipx installs the tool alone at first, with the newest torch; then what was injected.
    yield Row(PIPX, FOLDER, "pipx reinstall ext", again, before=inject, use=APP_S, others=("2.9.0",), slow=True)
    injected = {"before": ("pipx install ./app",), "use": "../home/.local/bin/app"}
    yield Row(PIPX, TOOL, "pipx inject app ./ext", graft, slow=True, **injected)
    yield Row(PIPX, FOLDER, "pipx run --spec ./ext ext", declared, use="", slow=True)
