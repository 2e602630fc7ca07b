"""What the files and variables of pip, uv and pixi say of the isolation of builds, with the line that says it.

May not run one of them, nor change a file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..consumer.front_end import is_switched_on
from ..consumer.uv import project_root
from ..files import UnreadableError, read_text
from ..untrusted import read_toml, strings, table
from ..values import dataclass
from ..wanted.settings_files import extra_torches, pip_settings, read_uv_settings

_ETC = Path("/etc")
_LARGEST_BYTES = 1_000_000
_ISOLATION = ("no-build-isolation", "no-build-isolation-package")
# Everything that turns isolation off by a variable, in pip and in uv, and whether it has to say yes or no for that.
# pip takes the value of its option for whether there is isolation: 0 turns it off, and 1 leaves it on (pip #5735).
_VARIABLES = {"PIP_NO_BUILD_ISOLATION": False, "UV_NO_BUILD_ISOLATION": True, "UV_NO_BUILD_ISOLATION_PACKAGE": True}
_BY_NO = "as pip reads it, it is 'no' that turns isolation off, and 'yes' that leaves it on"


@dataclass(frozen=True, kw_only=True)
class FrontEndSetting:
    """A setting of a front end that changes how builds are isolated: `name` as it is written, `source` where.

    `line` is that of its file, 0 where it is not known. `by_no` says that it is pip's, which is read the other way.
    """

    name: str
    value: str
    source: str
    line: int = 0
    by_no: bool = False

    @property
    def where(self) -> str:
        """The file with the line."""
        return f"{self.source}:{self.line}" if self.line else self.source


def setting_text(setting: FrontEndSetting) -> tuple[str, str]:
    """Return what a setting does, and what to do about it: "" for nothing."""
    value = f" = {setting.value}" if setting.value else ""
    said = f"{setting.name}{value} ({setting.where})"
    if "extra-build-dependencies" in setting.name and "match-runtime" in setting.value:
        package = setting.name.rpartition(".")[2]
        return f"{said}: torch is installed anew for each build of {package}, which torchgraft makes needless", ""
    if "extra-build-dependencies" in setting.name:
        text = f"{said}: a build gets whichever torch that is, be it another one than the environment's"
        return text, f'remove it from {setting.where}, or write {{ requirement = "torch", match-runtime = true }}'
    text = f"{said}: what is built without isolation finds only what is installed, torchgraft and setuptools included"
    text += f" ({_BY_NO})" if setting.by_no else ""
    if setting.source == "a variable":
        return text, f"unset {setting.name}"
    if setting.value:
        return text, f"take the packages that name torchgraft out of the list in {setting.where}"
    return text, f"remove it from {setting.where}"


def find_front_end_settings(
    variables: Mapping[str, str], folder: Path, *, etc: Path = _ETC
) -> tuple[FrontEndSetting, ...]:
    """Return what files and variables say of build isolation; values of variables are left out."""
    found = [
        FrontEndSetting(name=name, value="", source="a variable", by_no=not by_yes)
        for name, by_yes in _VARIABLES.items()
        if variables.get(name) and is_switched_on(variables[name]) is by_yes
    ]
    for file, settings in (*read_uv_settings(variables, folder, etc / "uv" / "uv.toml"), *_pixi_options(folder)):
        found += _read(settings, str(file))
    for file, section, key, value in pip_settings(variables, etc):
        if key == "no-build-isolation" and value and not is_switched_on(value):
            name = f"[{section}] no-build-isolation"
            found.append(FrontEndSetting(name=name, value="", source=str(file), by_no=True))
    return tuple(map(_with_line, found))


def _with_line(setting: FrontEndSetting) -> FrontEndSetting:
    """Return a setting with the line on which its key, or its package's, stands."""
    text = "" if setting.source == "a variable" else read_text(Path(setting.source), _LARGEST_BYTES)
    key = re.escape(setting.name.rpartition(" ")[2].rpartition(".")[2]).replace(r"\-", "[-_]")
    match = re.search(rf"""^[ \t]*(?:[\w.-]+\.)?["']?{key}["']?[ \t]*[=:]|["']?{key}["']?[ \t]*=""", text, re.MULTILINE)
    return replace(setting, line=text.count("\n", 0, match.start()) + 1 if match else 0)


def _pixi_options(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    root = project_root(folder) or folder
    for file, keys in ((root / "pixi.toml", ()), (root / "pyproject.toml", ("tool", "pixi"))):
        with contextlib.suppress(UnreadableError):
            settings = read_toml(file)
            for key in keys:
                settings = table(settings.get(key))
            for part in (settings, table(settings.get("workspace"))):
                yield file, table(part.get("pypi-options"))


def _read(settings: Mapping[str, Any], source: str) -> Iterator[FrontEndSetting]:
    for part, prefix in ((settings, ""), (table(settings.get("pip")), "pip.")):
        for name in _ISOLATION:
            value = part.get(name)
            names = strings(value)
            if value is True or names:
                yield FrontEndSetting(name=prefix + name, value=", ".join(names), source=source)
        for package, text, is_matched in extra_torches(part):
            value = f"{text}, match-runtime" if is_matched else text
            yield FrontEndSetting(name=f"{prefix}extra-build-dependencies.{package}", value=value, source=source)
