"""The arguments of a front end, split into words, options and positional arguments.

May not know what any option means, only which of them take a value: those of pip 26, uv 0.13, pipx 1.18, poetry 2 and
pdm 2.29 with their older spellings. An option that is not listed counts as one without a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..model.observation import FrontEndName

_PROGRAMS = {
    "pip": FrontEndName.PIP,
    "__pip-runner__": FrontEndName.PIP,
    "uv": FrontEndName.UV,
    "uvx": FrontEndName.UV,
    "pipx": FrontEndName.PIPX,
    "poetry": FrontEndName.POETRY,
    "pdm": FrontEndName.PDM,
}
_PYTHON = re.compile(r"(python|pypy|python_d|pythonw)[0-9.]*t?")
# Options of the interpreter itself that have a value.
_PYTHON_VALUES = frozenset({"-W", "-X", "--check-hash-based-pycs"})

_PIP = """
    --abi --all-releases --build-constraint --cache-dir --cert --client-cert --config-settings --constraint --dest
    --download --editable --exists-action --extra-index-url --find-links --global-option --group --implementation
    --index-url --install-option --keyring-provider --log --no-binary --only-binary --only-final --output --platform
    --prefix --progress-bar --proxy --python --python-version --refresh-package --report --requirement
    --requirements-from-script --resume-retries --retries --root --root-user-action --src --target --timeout
    --trusted-host --upgrade-strategy --uploaded-prior-to --use-deprecated --use-feature --wheel-dir
    -C -c -d -e -f -i -o -r -t -w
"""
_UV = """
    --allow-insecure-host --annotation-style --bounds --branch --build-constraint --build-constraints --cache-dir
    --cert --color --config-file --config-setting --config-settings --config-setting-package
    --config-settings-package --constraint --constraints --custom-compile-command --default-index --directory
    --editable --env-file --exclude --excludes --exclude-newer --exclude-newer-package --extra --extra-index-url
    --find-links --fork-strategy --format --from --group --index --index-strategy --index-url --keyring-provider
    --link-mode --marker --no-binary --no-binary-package --no-build-isolation-package --no-build-package
    --no-editable-package --no-emit-package --no-extra --no-group --no-install-package --no-sources-package
    --only-binary --only-group --optional --out-dir --output-file --output-format --override --overrides --package
    --prefix --prerelease --prerelease-package --project --prune --python --python-platform --python-version
    --refresh-package --reinstall-package --requirement --requirements --resolution --rev --script --tag --target
    --torch-backend --upgrade-group --upgrade-package --with --with-editable --with-executables-from
    --with-requirements -C -P -b -c -e -f -i -m -o -p -r -t -w
"""
_PIPX = """
    --app --backend --cooldown --fetch-python --include-resources-from --index-url --lock --output --pip-args
    --preinstall --python --python-args --requirement --spec --suffix --upgrade-strategy --with -i -r
"""
_POETRY = """
    --config-settings --directory --extras --format --group --local-version --markers --only --optional --output
    --platform --project --python --source --with --without -C -E -G -P -c -f -l -o
"""
_PDM = """
    --config-setting --dest --editable --group --lockfile --override --project --skip --venv --with --without
    -C -G -L -d -e -k -p
"""
_VALUES = {
    FrontEndName.PIP: frozenset(_PIP.split()),
    FrontEndName.UV: frozenset(_UV.split()),
    FrontEndName.PIPX: frozenset(_PIPX.split()),
    FrontEndName.POETRY: frozenset(_POETRY.split()),
    FrontEndName.PDM: frozenset(_PDM.split()),
}
# Where the same spelling takes no value.
_FLAGS = {
    (FrontEndName.UV, "run"): frozenset({"-m", "--script", "-s"}),
    (FrontEndName.PDM, "add"): frozenset({"-d"}),
    (FrontEndName.PDM, "install"): frozenset({"-d"}),
    (FrontEndName.PDM, "sync"): frozenset({"-d"}),
    (FrontEndName.PDM, "update"): frozenset({"-d"}),
}
_NESTED = {FrontEndName.UV: frozenset({"pip", "tool", "python", "cache", "self", "auth"})}
# What the program uvx starts (uv, `crates/uv/src/bin/uvx.rs`); it is `uv tool run`.
_UVX = ("tool", "uvx")
# After these and one positional argument, all that follows is for another program.
_RUNNERS = frozenset({("run",), ("tool", "run")})


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """What a front end was told. `words` are the subcommand, as in ("pip", "install") of uv.

    `options` are in their order, with "" where they have no value; `program` is None where its name is not known.
    """

    program: FrontEndName | None
    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    positional: tuple[str, ...]

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of an option, by any of its spellings, in their order."""
        return tuple(value for name, value in self.options if name in names)

    def has(self, *names: str) -> bool:
        """Return whether an option was given, by any of its spellings."""
        return any(name in names for name, _ in self.options)


def parse_command_line(name: FrontEndName, arguments: Sequence[str]) -> CommandLine:
    """Return the parts of a front end's arguments.

    :param arguments: as the system shows them, with the interpreter and the program in front, or without these
    """
    program, implied, rest = _without_program(name, tuple(arguments))
    values = _VALUES.get(program, frozenset())
    words = list(implied)
    options: list[tuple[str, str]] = []
    positional: list[str] = []
    waiting = list(reversed(rest))
    only_positional = False
    while waiting:
        argument = waiting.pop()
        if not only_positional and argument == "--":
            only_positional = True
        elif not only_positional and len(argument) > 1 and argument.startswith("-"):
            flags = _FLAGS.get((program, words[0]), frozenset()) if words else frozenset()
            options.append(_option(argument, values - flags, waiting))
        elif not words or (words[0] in _NESTED.get(program, ()) and len(words) < 2):
            words.append("run" if (*words, argument) == _UVX else argument)
        else:
            positional.append(argument)
            if tuple(words) in _RUNNERS:
                break
    return CommandLine(program=program, words=tuple(words), options=tuple(options), positional=tuple(positional))


def script_of(command: CommandLine) -> str | None:
    """Return the script that uv runs, adds to or locks, as it is named; None where there is none.

    It may have requirements of its own (PEP 723).
    """
    if command.program is not FrontEndName.UV:
        return None
    if command.words != ("run",):
        return next((value for value in reversed(command.values("--script")) if value), None)
    if not command.positional or command.has("-m", "--module"):
        return None
    is_script = command.has("--script", "-s") or command.positional[0].endswith((".py", ".pyw"))
    return command.positional[0] if is_script else None


def _option(argument: str, values: frozenset[str], waiting: list[str]) -> tuple[str, str]:
    """Return an option with its value, which is in the same argument or the next one."""
    if argument.startswith("--"):
        name, equal, value = argument.partition("=")
    else:
        name, equal, value = argument[:2], argument[2:3], argument[2:].removeprefix("=")
    if not equal and name in values and waiting:
        value = waiting.pop()
    return (name, value)


def _without_program(
    name: FrontEndName, arguments: tuple[str, ...]
) -> tuple[FrontEndName, tuple[str, ...], tuple[str, ...]]:
    """Return the program that the arguments belong to, the words that its name stands for, and the arguments."""
    rest = arguments
    if rest and _PYTHON.fullmatch(_stem(rest[0])):
        rest = rest[1:]
        while len(rest) > 1 and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[2:] if rest[0] in _PYTHON_VALUES else rest[1:]
        rest = rest[1:] if rest[:1] == ("-m",) else rest
    elif not rest or _PROGRAMS.get(_stem(rest[0])) is not name:
        return name, (), arguments
    program = _PROGRAMS.get(_stem(rest[0])) if rest else None
    if program is None:
        return name, (), rest[1:]
    return program, ("tool", "run") if _stem(rest[0]) == "uvx" else (), rest[1:]


def _stem(path: str) -> str:
    """Return the name of a program: pip for /usr/bin/pip3.11, pip.exe and .../site-packages/pip/__main__.py."""
    parts = path.replace("\\", "/").rstrip("/").split("/")
    last = parts[-2] if parts[-1] == "__main__.py" and len(parts) > 1 else parts[-1]
    last = last.removesuffix(".exe").removesuffix(".py").lower()
    return re.sub(r"[0-9.]+$", "", last) if last.startswith("pip") else last
