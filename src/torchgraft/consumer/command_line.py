"""The command line of a front end, taken apart: who it is, how it was started, its words, options and arguments.

May not know what any option means, only which of them take a value: those of pip 26, uv 0.13, pipx 1.18, poetry 2,
pdm 2.29, tox 4 and hatch 1 with their older spellings. An option that is not listed counts as one without a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..model.observation import FrontEndName
from ..values import dataclass

_SCRIPTS = {
    "pip": FrontEndName.PIP,
    "__pip-runner__": FrontEndName.PIP,  # pip --python starts this file of its own in the other environment
    "pip-compile": FrontEndName.PIP,  # of pip-tools, which runs pip's resolver in its own process
    "uv": FrontEndName.UV,
    "uvw": FrontEndName.UV,  # without a console, on Windows
    "uvx": FrontEndName.UV,
    "pyproject-build": FrontEndName.BUILD,
    "poetry": FrontEndName.POETRY,
    "pdm": FrontEndName.PDM,
    "hatch": FrontEndName.HATCH,
    "tox": FrontEndName.TOX,
    "nox": FrontEndName.NOX,
    "pipx": FrontEndName.PIPX,
}
# Too common a name for a script.
_MODULES = {**_SCRIPTS, "build": FrontEndName.BUILD, "piptools": FrontEndName.PIP}
# The subcommands that names stand for.
_IMPLIED: dict[str, tuple[str, ...]] = {"uvx": ("tool", "run"), "pip-compile": ("compile",)}
# python3.13t, python3.13_d and python3.13td (free-threaded, debug), python3-dbg (Debian's), pypy3, pythonw.
_PYTHON = re.compile(r"(?:python|pypy|graalpy)w?[0-9.]*t?d?(?:_d|-dbg)?")
_PYTHON_VALUES = frozenset("WX")

_VALUES = {
    name: frozenset(words.split())
    for name, words in {
        FrontEndName.PIP: """
            --abi --all-releases --annotation-style --build-constraint --cache-dir --cert --client-cert --config
            --config-settings --constraint --dest --download --editable --exists-action --extra --extra-index-url
            --find-links --global-option --group --implementation --index-url --install-option --keyring-provider --log
            --no-binary --only-binary --only-final --output --output-file --pip-args --platform --prefix --progress-bar
            --proxy --python --python-version --refresh-package --report --requirement --requirements-from-script
            --resolver --resume-retries --retries --root --root-user-action --src --target --timeout --trusted-host
            --upgrade-package --upgrade-strategy --uploaded-prior-to --use-deprecated --use-feature --wheel-dir -C -P
            -c -d -e -f -i -o -r -t -w
        """,
        FrontEndName.UV: """
            --allow-insecure-host --annotation-style --bounds --branch --build-constraint --build-constraints
            --cache-dir --cert --color --config-file --config-setting --config-settings --config-setting-package
            --config-settings-package --constraint --constraints --custom-compile-command --default-index --directory
            --editable --env-file --exclude --excludes --exclude-newer --exclude-newer-package --extra
            --extra-index-url --find-links --fork-strategy --format --from --group --index --index-strategy --index-url
            --keyring-provider --link-mode --marker --no-binary --no-binary-package --no-build-isolation-package
            --no-build-package --no-editable-package --no-emit-package --no-extra --no-group --no-install-package
            --no-sources-package --only-binary --only-group --optional --out-dir --output-file --output-format
            --override --overrides --package --prefix --prerelease --prerelease-package --project --prune --python
            --python-platform --python-version --refresh-package --reinstall-package --requirement --requirements
            --resolution --rev --script --tag --target --torch-backend --upgrade-group --upgrade-package --with
            --with-editable --with-executables-from --with-requirements -C -P -b -c -e -f -i -m -o -p -r -t -w
        """,
        FrontEndName.PIPX: """
            --app --backend --cooldown --fetch-python --include-resources-from --index-url --lock --output --pip-args
            --preinstall --python --python-args --requirement --spec --suffix --upgrade-strategy --with -i -r
        """,
        FrontEndName.POETRY: """
            --config-settings --directory --extras --format --group --local-version --markers --only --optional
            --output --platform --project --python --source --with --without -C -E -G -P -c -f -l -o
        """,
        FrontEndName.PDM: """
            --config-setting --dest --editable --group --lockfile --override --project --skip --venv --with --without
            -C -G -L -d -e -k -p
        """,
        FrontEndName.TOX: """
            --conf --discover --env --installpkg --override --result-json --root --runner --skip-env --workdir -c -e -f
            -m -x
        """,
        FrontEndName.HATCH: "--cache-dir --config --data-dir --env --project --target -e -p -t",
    }.items()
}
# Where the same spelling takes no value.
_FLAGS: dict[tuple[object, ...], frozenset[str]] = {
    (FrontEndName.UV, "run"): frozenset({"-m", "--script", "-s"}),
    **{(FrontEndName.UV, word): frozenset({"-e", "--editable"}) for word in ("add", "tool")},
    **{(FrontEndName.PDM, word): frozenset({"-d"}) for word in ("add", "install", "sync", "update")},
}
# What may follow a front end's name as its subcommand, and what follows that.
_WORDS = {
    name: frozenset(words.split())
    for name, words in {
        (FrontEndName.PIP,): "compile install wheel download lock uninstall",
        (FrontEndName.UV,): "add auth build cache export init lock pip publish python remove run self sync tool tree"
        " venv version",
        (FrontEndName.UV, "pip"): "compile install sync uninstall",
        (FrontEndName.UV, "tool"): "install run upgrade uvx",
        (FrontEndName.POETRY,): "add build check export install lock publish remove run self shell sync update",
        (FrontEndName.PDM,): "add build export install list lock publish remove run sync update",
        (FrontEndName.HATCH,): "build dep env fmt publish run shell test version",
        (FrontEndName.HATCH, "env"): "create run",
        (FrontEndName.TOX,): "run r run-parallel p devenv d exec e",
        (FrontEndName.PIPX,): "install inject run upgrade upgrade-all reinstall reinstall-all install-all",
    }.items()
}
# After these and one positional argument, all that follows is for another program.
_RUNNERS = frozenset({("run",), ("tool", "run")})
# Python's own parsers of options take any beginning that has but one end. These have no value, and are no beginnings.
_TAKE_BEGINNINGS = frozenset({FrontEndName.PIP, FrontEndName.PIPX, FrontEndName.PDM})
_WHOLE = frozenset({(FrontEndName.PIP, "--pre"), (FrontEndName.PIP, "--upgrade")})
# What works from no project of its own.
_WITHOUT_PROJECT = frozenset({"pip", "tool", "build", "venv", "python", "cache", "self", "auth", "init", "publish"})
# These options leave uv's project alone; what is asked for beside it is built all the same.
_UV_WITH = ("--with", "--with-editable", "--with-requirements", "-w")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """What a front end was told. `words` are the subcommand, as in ("pip", "install") of uv, and never an argument.

    `options` are in their order, with "" where they have no value. `started_as` is what came before all that, and
    `python_flags` the letters among it that its interpreter was given, as "I" for `python -I -m pip`.
    """

    program: FrontEndName
    words: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    positional: tuple[str, ...] = ()
    started_as: tuple[str, ...] = ()
    python_flags: str = ""

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of an option, by any of its spellings, in their order."""
        return tuple(value for name, value in self.options if name in names)

    def value(self, *names: str) -> str | None:
        """Return the last value of an option, by any of its spellings; None if it was not given."""
        return next((value for value in reversed(self.values(*names)) if value), None)

    def has(self, *names: str) -> bool:
        """Return whether an option was given, by any of its spellings."""
        return any(name in names for name, _ in self.options)

    @property
    def leaves_dependencies(self) -> bool:
        """Whether it installs what it names and nothing else."""
        return self.has("--no-deps", "--no-dependencies")

    @property
    def text(self) -> str:
        """The front end's name and its subcommand, as in "uv pip install": an argument may be anybody's business."""
        return " ".join((self.program.value, *self.words))

    @property
    def has_no_project(self) -> bool:
        """Whether it works from no project of its own, and so from no lock."""
        leaves_aside = self.program is FrontEndName.UV and self.has("--no-project", "--no-workspace")
        return leaves_aside or bool(_WITHOUT_PROJECT.intersection(self.words[:1]))

    @property
    def runs_with(self) -> bool:
        """Whether it is uv, adding distributions to an environment for one run."""
        return self.text == "uv run" and self.has(*_UV_WITH)

    @property
    def script(self) -> str | None:
        """The script that uv runs, adds to or locks, as it is named: it may have requirements of its own (PEP 723)."""
        if self.program is not FrontEndName.UV:
            return None
        if self.words != ("run",):
            return self.value("--script")
        if not self.positional or self.has("-m", "--module"):
            return None
        is_script = self.has("--script", "-s") or self.positional[0].endswith((".py", ".pyw"))
        return self.positional[0] if is_script else None


def parse_command_line(arguments: Sequence[str], *, executable: str = "") -> CommandLine | None:
    """Return the parts of a process's arguments, as the system shows them; None if it is no front end.

    :param executable: what it runs, where the first argument does not say so: a program may change that one
    """
    arguments = tuple(arguments) or (executable,)
    if _PYTHON.fullmatch(_program_name(arguments[0])):
        return _parse_python(arguments)
    stem = _program_name(arguments[0])
    stem = stem if stem in _SCRIPTS else _program_name(executable)
    return parse_arguments(_SCRIPTS[stem], arguments[1:], (arguments[0],), stem=stem) if stem in _SCRIPTS else None


def _parse_python(arguments: tuple[str, ...]) -> CommandLine | None:
    """Return the parts of the front end that an interpreter runs: a script or a module (`python -h`)."""
    flags = ""
    position = 1
    while position < len(arguments) and arguments[position].startswith("-"):
        argument = arguments[position]
        position += 1
        if argument.startswith("--"):
            position += argument == "--check-hash-based-pycs"
            continue
        for index, letter in enumerate(argument[1:], start=2):
            value = argument[index:]
            if letter == "m":
                position += not value
                module = value or next(iter(arguments[position - 1 : position]), "")
                return _parse_run(module.partition(".")[0], _MODULES, arguments, position, flags)
            if letter == "c":
                return None
            if letter in _PYTHON_VALUES:
                position += not value
                break
            flags += letter
        if argument == "-":
            return None
    if position >= len(arguments):
        return None
    # A folder is run by the __main__.py in it.
    path = re.sub(r"[/\\]+__main__\.py$", "/", arguments[position])
    names = _MODULES if path != arguments[position] else _SCRIPTS
    return _parse_run(_program_name(path), names, arguments, position + 1, flags)


def _parse_run(
    stem: str, names: dict[str, FrontEndName], arguments: tuple[str, ...], position: int, flags: str
) -> CommandLine | None:
    if stem not in names:
        return None
    return parse_arguments(names[stem], arguments[position:], arguments[:position], stem=stem, python_flags=flags)


def parse_arguments(
    program: FrontEndName,
    arguments: Sequence[str],
    started_as: tuple[str, ...] = (),
    *,
    stem: str = "",
    python_flags: str = "",
) -> CommandLine:
    """Return the parts of what follows a front end's name.

    :param stem: the name that it was started by: `uvx` is `uv tool run`, `pip-compile` counts as `pip compile`
    """
    words = _IMPLIED.get(stem, ())
    options: list[tuple[str, str]] = []
    positional: list[str] = []
    waiting = list(reversed(arguments))
    only_positional = False
    while waiting:
        argument = waiting.pop()
        if not only_positional and argument == "--":
            only_positional = True
        elif not only_positional and len(argument) > 1 and argument.startswith("-"):
            flags = _FLAGS.get((program, *words[:1]), frozenset())
            options += _options(program, argument, _VALUES.get(program, frozenset()) - flags, waiting)
        elif not positional and argument in _WORDS.get((program, *words), ()):
            # What the program uvx starts (uv, `crates/uv/src/bin/uvx.rs`).
            words = (*words, "run" if argument == "uvx" else argument)
        else:
            positional.append(argument)
            if words in _RUNNERS:
                break
    return CommandLine(
        program=program,
        words=words,
        options=tuple(options),
        positional=tuple(positional),
        started_as=started_as,
        python_flags=python_flags,
    )


def _options(
    program: FrontEndName, argument: str, values: frozenset[str], waiting: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield an option with its value, which is in the same argument or the next one; `-qr FILE` are two."""
    if argument.startswith("--"):
        name, equal, value = argument.partition("=")
        meant = [value for value in values if value.startswith(name) and (program, name) not in _WHOLE]
        name = meant[0] if program in _TAKE_BEGINNINGS and len(meant) == 1 else name
        if not equal and name in values and waiting:
            value = waiting.pop()
        yield name, value
        return
    name, rest = argument[:2], argument[2:]
    while values and name not in values and rest[:1].isalpha():
        yield name, ""
        name, rest = f"-{rest[0]}", rest[1:]
    if not rest and name in values and waiting:
        rest = waiting.pop()
    yield name, rest.removeprefix("=")


def _program_name(path: str) -> str:
    """Return the name of a program: pip for pip3.11, pip.exe, pip-script.py, pip.pyz and the folder pip/."""
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    for ending in (".exe", ".pyz", "-script.py", "-script.pyw", ".py"):
        name = name.removesuffix(ending)
    return re.sub(r"-?[0-9.]+$", "", name) if name.startswith("pip") else name
