"""Where a command, or a file that it names, says which torch: each place, with each front end, whatever is installed.

What is said is torch 2.8.0, which is not the newest, or the torch of another index. May not do anything but lay out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .situations import INSTALLABLE_APP
from .tools import PIP, PIP_OLD, UV

if TYPE_CHECKING:
    from .bench import Bench
    from .model import Tool

SAME, OTHER = "2.8.0", "2.9.0"
FRONT_ENDS = ("pip", "uv pip", "uv tool", "uvx", "uv run", "uv sync")
STATES = ("nothing", "the same", "another")
"""What is installed when the command is typed."""

_APP = "app"
_PINS = {
    "pip.conf": "[global]\nconstraint = {work}/constraints.txt\n",
    "requirements.txt": "torch==2.8.0\n",
    "constraints.txt": "torch==2.8.0\n",
    "overrides.txt": "torch==2.8.0\n",
    "requirements.in": "torch==2.8.0\next==1.0\n",
    "script.py": '# /// script\n# dependencies = ["torch==2.8.0"]\n# ///\n',
}
SCRIPT = """# /// script
# dependencies = [{torch}"ext @ file://{work}/ext"]
# ///
from ext.__main__ import main

main()
"""
_FROM_CU128 = """[tool.uv.sources]
torch = { index = "cu128" }

[[tool.uv.index]]
name = "cu128"
url = "{cu128}"
explicit = true
"""
FROM_FOLDER = '[tool.uv.sources.ext]\npath = "../ext"\n'
_GROUP = '[dependency-groups]\ngpu = ["torch==2.8.0"]\n'
_EXTRA = '[project.optional-dependencies]\ngpu = ["torch==2.8.0"]\n'


@dataclass(frozen=True, kw_only=True)
class Saying:
    """How one front end is told of torch in one place.

    :param app: what the application's pyproject.toml says of torch in its dependencies; None where there is none
    :param more: what else stands there, or in the package's own
    :param own: what the package's own dependencies say, where that is more than "torch"
    :param before: what another uv does in the folder of the application
    """

    place: str
    tool: Tool
    front_end: str
    command: str
    app: str | None = None
    more: str = ""
    own: str = ""
    before: tuple[str, ...] = ()
    same: str = SAME
    other: str = OTHER

    @property
    def shown(self) -> str:
        """The front end as the page has it."""
        return self.front_end if self.tool is UV else f"{self.front_end} {self.tool.version}"

    @property
    def project(self) -> str:
        """Where the environment is that uv makes for a project; "" where there is none."""
        return self.command.removeprefix("cd ").partition(" && ")[0] if self.command.startswith("cd ") else ""

    @property
    def use(self) -> str:
        """The command that runs the installed package; "" where the command itself does."""
        if self.front_end in {"uvx", "uv run"}:
            return ""
        if self.front_end == "uv tool":
            return f"../home/.local/bin/{'app' if self.app is not None else 'ext'}"
        if self.front_end == "uv sync":
            return f"{self.project}/.venv/bin/python -m ext" if self.project else "uv run --no-sync --script script.py"
        return "python -m ext"


@dataclass(frozen=True)
class Cell:
    """One cell: what is typed, and what is installed by then."""

    saying: Saying
    state: str

    def __str__(self) -> str:
        return f"{self.saying.place}: {self.saying.shown}: {self.saying.command}: {self.state}"

    @property
    def installed(self) -> str:
        return dict(zip(STATES, ("", self.saying.same, self.saying.other), strict=True))[self.state]

    def lay_out(self, bench: Bench) -> None:
        """Write the files that the command needs, and make the environment that it finds."""
        saying = self.saying
        folder = bench.package()
        shutil.copy(bench.grounds.extension, folder / "ext")
        if saying.app is not None:
            _write_app(bench, saying)
        else:
            pyproject = folder / "pyproject.toml"
            text = pyproject.read_text(encoding="utf-8")
            text = text.replace('["torch"]', f'["{saying.own}"]') if saying.own else text
            pyproject.write_text(f"{text}\n{saying.more}", encoding="utf-8")
        typed = " ".join((saying.command, *saying.before))
        for name, text in _PINS.items():
            if name in typed:
                bench.write(name, text)
                typed += text  # it may name another
        for words in saying.before:
            bench.prepare(*words.split(), where=_APP if saying.app is not None else ".")
        _FIND[saying.front_end](bench, self)


def _write_app(bench: Bench, saying: Saying) -> None:
    torch = f'"{saying.app}", ' if saying.app else ""
    ext = '"ext @ file://{work}/ext"' if saying.tool.name == "pip" else '"ext"'
    more = saying.more + ("" if saying.tool.name == "pip" else "\n" + FROM_FOLDER)
    text = INSTALLABLE_APP.format(dependencies=torch + ext, script="ext.__main__:main")
    bench.write("app/pyproject.toml", f"{text}\n{more}\n")
    bench.write("app/app.py", "")


def _torch(version: str) -> list[str]:
    return [f"torch=={version}"] if version else []


def _activated(bench: Bench, cell: Cell) -> None:
    tool = cell.saying.tool
    own = [] if tool.requires else sorted({f"{tool.name}=={tool.version}", "pip"})
    bench.environment("consumer", *_torch(cell.installed), *own, activate=True)


def _in_project(bench: Bench, cell: Cell) -> None:
    if cell.saying.project and cell.installed:
        bench.environment(f"{cell.saying.project}/.venv", *_torch(cell.installed))
    elif "script.py" in cell.saying.command:
        # What the script required when it was run before.
        if cell.installed:
            bench.write("script.py", SCRIPT.replace("{torch}", f'"torch=={cell.installed}"'))
            text = (bench.work / "script.py").read_text(encoding="utf-8")
            bench.write("script.py", text.replace(f'"ext @ file://{bench.work}/ext"', ""))
            bench.run("uv sync --script script.py").succeeded()
        bench.write("script.py", SCRIPT.replace("{torch}", '"torch==2.8.0", '))
    elif not cell.saying.project:
        _activated(bench, cell)


def _as_tool(bench: Bench, cell: Cell) -> None:
    """Install the version before, which had nothing to build."""
    if cell.installed:
        name = "app" if cell.saying.app is not None else "ext"
        index = " --index $CU128" if "+" in cell.installed else ""
        bench.run(f"uv tool install{index} {name}==0.9 --with torch=={cell.installed}").succeeded()


_FIND: Mapping[str, Callable[[Bench, Cell], None]] = {
    "pip": _activated,
    "uv pip": _activated,
    "uv tool": _as_tool,
    "uvx": _activated,
    "uv run": _in_project,
    "uv sync": _in_project,
}

# What each command is without anything that names torch.
_PIP = "pip install ./ext"
_UV_PIP = "uv pip install ./ext"
_TOOL = "uv tool install ./ext"
_RUN = "uv run --with ./ext python -m ext"
_UVX = "uvx --from ./ext ext"
_SYNC = "cd app && uv sync"
_RUN_APP = "cd app && uv run python -m ext"


def _sayings() -> Iterator[Saying]:
    argument = "torch==2.8.0"
    yield from _with_options("an argument", argument, with_=f"--with {argument}")
    yield from _with_options("a requirements file", "-r requirements.txt", with_="--with-requirements requirements.txt")
    yield from _with_options("standard input", "-r -", with_="--with-requirements -", end=" < requirements.txt")
    yield from _functions()
    yield from _constraints_and_overrides()
    yield from _projects()
    yield from _locks()
    yield from _others()
    yield from _its_own()
    yield from _scripts()
    yield from _indexes()
    yield from _settings()
    yield from _nowhere()


def _pips(place: str, command: str, *, old: bool = True, **more: Any) -> Iterator[Saying]:
    """Yield the newest pip, and an old one if it has what is typed."""
    yield Saying(place=place, tool=PIP, front_end="pip", command=command, **more)
    if old:
        yield Saying(place=place, tool=PIP_OLD, front_end="pip", command=command, **more)


def _uv(place: str, command: str, **more: Any) -> Saying:
    words = command.rpartition("&& ")[2].split()
    words = [word for word in words if not word.startswith("UV_")]
    front_end = "uvx" if words[0] == "uvx" else f"uv {words[1]}"
    return Saying(place=place, tool=UV, front_end=front_end, command=command, **more)


def _with_options(place: str, option: str, *, with_: str, end: str = "") -> Iterator[Saying]:
    yield from _pips(place, f"pip install {'-r /dev/stdin' if end else option} ./ext{end}")
    for command in (
        f"uv pip install {option} ./ext",
        f"uv tool install ./ext {with_}",
        f"uvx --from ./ext {with_} ext",
        f"uv run {with_} --with ./ext python -m ext",
    ):
        yield _uv(place, command + end)


def _functions() -> Iterator[Saying]:
    call = 'import pip; pip.main(["install", "torch==2.8.0", "./ext"])'
    yield from _pips("a program that calls pip", f"python -c '{call}'", old=False)


def _constraints_and_overrides() -> Iterator[Saying]:
    place, file = "constraints", "-c constraints.txt"
    yield from _pips(place, f"pip install {file} ./ext")
    for command in (f"uv pip install {file} ./ext", f"{_TOOL} {file}", f"uvx --from ./ext {file} ext"):
        yield _uv(place, command)
    more = '[tool.uv]\nconstraint-dependencies = ["torch==2.8.0"]\n'
    for command in ("cd app && uv pip install ../ext", _RUN_APP, _SYNC):
        yield _uv(place, command, app="torch", more=more)
    place, file = "overrides", "--overrides overrides.txt"
    for command in (f"uv pip install {file} ./ext", f"{_TOOL} {file}", f"uvx --from ./ext {file} ext"):
        yield _uv(place, command)
    for command in ("cd app && uv pip install ../ext", _RUN_APP, _SYNC):
        yield _uv(place, command, app="torch", more=more.replace("constraint", "override"))


def _projects() -> Iterator[Saying]:
    place, pin = "a project that is named", "torch==2.8.0"
    yield from _pips(place, "pip install ./app", app=pin)
    commands = ("uv pip install ./app", "uv tool install ./app", "uvx --from ./app app")
    for command in (*commands, "uv run --with ./app app", _RUN_APP, _SYNC):
        yield _uv(place, command, app=pin)
    place = "an extra"
    yield from _pips(place, "pip install ./ext[gpu]", more=_EXTRA)
    for command in ("uv pip install ./ext[gpu]", "uv tool install ./ext[gpu]"):
        yield _uv(place, command, more=_EXTRA)
    yield _uv(place, "uvx --from ./app[gpu] app", app="", more=_EXTRA)
    yield _uv(place, "uv run --with ./app[gpu] app", app="", more=_EXTRA)
    yield _uv(place, "cd app && uv sync --extra gpu", app="", more=_EXTRA)
    place = "a dependency group"
    yield from _pips(place, "cd app && pip install --group gpu ../ext", old=False, app="", more=_GROUP)
    for command in ("pip install --group gpu ../ext", "run --group gpu python -m ext", "sync --group gpu"):
        yield _uv(place, f"cd app && uv {command}", app="", more=_GROUP)


def _locks() -> Iterator[Saying]:
    place = "a lock"
    lock = ("pip compile requirements.in -o pylock.toml",)
    yield from _pips(place, "pip install -r pylock.toml", old=False, before=lock)
    yield _uv(place, "uv pip sync pylock.toml", before=lock)
    lock = ("lock --upgrade-package torch==2.8.0",)
    for command in (_RUN_APP, _SYNC):
        yield _uv(place, command, app="torch", before=lock)


def _others() -> Iterator[Saying]:
    place, other = "another distribution", "pins-torch"
    yield from _pips(place, f"{_PIP} {other}")
    for command in (
        f"{_UV_PIP} {other}",
        f"{_TOOL} --with {other}",
        f"uvx --from ./ext --with {other} ext",
        f"uv run --with {other} --with ./ext python -m ext",
    ):
        yield _uv(place, command)
    yield _uv(place, _SYNC, app=other)


def _its_own() -> Iterator[Saying]:
    place, pin = "the package itself", "torch==2.8.0"
    yield from _pips(place, _PIP, own=pin)
    for command in (_UV_PIP, _TOOL, _UVX, _RUN, "cd ext && uv sync"):
        yield _uv(place, command, own=pin)


def _scripts() -> Iterator[Saying]:
    place = "a script's metadata"
    yield from _pips(place, "pip install --requirements-from-script script.py ./ext", old=False)
    with_ = "--with-requirements script.py"
    for command in (
        "uv pip install -r script.py ./ext",
        f"{_TOOL} {with_}",
        f"uvx --from ./ext {with_} ext",
        "uv run script.py",
        "uv sync --script script.py",
    ):
        yield _uv(place, command)


def _indexes() -> Iterator[Saying]:
    place, of_index = "an index", {"same": "2.9.0+cu128", "other": "2.8.0"}
    yield from _pips(place, "pip install --extra-index-url $CU128 ./ext", **of_index)
    option = "--index $CU128"
    for command in (
        f"uv pip install {option} ./ext",
        f"{_TOOL} {option}",
        f"uvx {option} --from ./ext ext",
        f"uv run {option} --with ./ext python -m ext",
    ):
        yield _uv(place, command, **of_index)
    yield _uv(place, _SYNC, app="torch", more=_FROM_CU128, **of_index)


def _settings() -> Iterator[Saying]:
    place = "a variable"
    yield from _pips(place, f"PIP_CONSTRAINT=constraints.txt {_PIP}")
    for command in (_UV_PIP, _TOOL, _UVX):
        yield _uv(place, f"UV_CONSTRAINT=constraints.txt {command}")
    yield from _pips("a setting of pip", f"PIP_CONFIG_FILE=pip.conf {_PIP}")
    place, option = "a setting of this backend", "-C torchgraft.torch=2.8.0"
    yield from _pips(place, f"pip install {option} ./ext")
    for command in (
        f"uv pip install {option} ./ext",
        f"{_TOOL} {option}",
        f"uvx {option} --from ./ext ext",
        f"uv run {option} --with ./ext python -m ext",
    ):
        yield _uv(place, command)
    yield _uv(place, f"{_SYNC} {option}", app="torch")


def _nowhere() -> Iterator[Saying]:
    place = "nowhere"
    yield from _pips(place, _PIP)
    for command in (_UV_PIP, _TOOL, _UVX, _RUN):
        yield _uv(place, command)
    yield _uv(place, _SYNC, app="torch")


SAYINGS = tuple(_sayings())
CELLS = tuple(Cell(saying, state) for saying in SAYINGS for state in STATES)
