"""Settings as a hook takes them, from a source tree and the process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from torchgraft.errors import ConfigError
from torchgraft.settings.sources import take_settings, take_shell_settings


@pytest.mark.parametrize("place", ["cache", "{source}", "{source}/deep/cache", "{source}/../project/cache"])
def test_a_cache_folder_in_the_source_tree_would_be_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    source = tmp_path / "project"
    source.mkdir()
    monkeypatch.chdir(source)
    with pytest.raises(ConfigError, match="is in the source tree") as caught:
        take_settings(source, {"torchgraft.cache-dir": place.format(source=source)})
    (problem,) = caught.value.problems
    assert problem.code == "cache-in-source"
    assert problem.evidence[0].text.endswith("(-C torchgraft.cache-dir)")


def test_a_cache_folder_beside_it_is_taken_as_it_is_named(tmp_path: Path) -> None:
    source, cache = tmp_path / "project", tmp_path / "project-cache"
    source.mkdir()
    assert take_settings(source, {"torchgraft.cache-dir": str(cache)}).cache_folder == cache


def test_a_tree_with_the_default_one_in_it_can_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody's home folder.
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert "torchgraft" in take_settings(tmp_path, None).cache_folder.parts


HOME = {"HOME": "/home/me"}


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", HOME, "/home/me/.cache/torchgraft"),
        ("linux", {"HOME": "/"}, "/.cache/torchgraft"),
        ("linux", {**HOME, "XDG_CACHE_HOME": "/big"}, "/big/torchgraft"),
        ("linux", {**HOME, "XDG_CACHE_HOME": ""}, "/home/me/.cache/torchgraft"),
        ("linux", {**HOME, "XDG_CACHE_HOME": "big"}, "/home/me/.cache/torchgraft"),  # relative: to be ignored
        ("linux", {**HOME, "XDG_CACHE_HOME": "~/big"}, "/home/me/.cache/torchgraft"),
        ("darwin", HOME, "/home/me/Library/Caches/torchgraft"),
        ("darwin", {**HOME, "XDG_CACHE_HOME": "/big"}, "/big/torchgraft"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/torchgraft/Cache"),
        ("linux", {"XDG_CACHE_HOME": "/big", "TORCHGRAFT_CACHE_DIR": "/named"}, "/named"),
    ],
)
def test_the_cache_is_where_the_system_keeps_a_users_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: Mapping[str, str], folder: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert take_shell_settings({}, variables).cache_folder == Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no database of users")
@pytest.mark.parametrize("variables", [{}, {"HOME": ""}, {"HOME": "me"}])
def test_a_home_that_is_no_full_path_is_that_of_the_database(variables: Mapping[str, str]) -> None:
    import pwd

    home = pwd.getpwuid(os.getuid()).pw_dir
    assert take_shell_settings({}, variables).cache_folder.is_relative_to(home)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no numbers of users")
def test_a_user_without_a_home_has_a_cache_folder(tmp_path: Path) -> None:
    # Containers that are run as any user: no HOME, and no entry in /etc/passwd.
    program = """
import os, sys
from pathlib import Path
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
import pwd
pwd.getpwuid = lambda number: {}[number]
from torchgraft.settings.sources import take_settings
print(take_settings(Path(sys.argv[1]), None).cache_folder)
"""
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    assert said.stdout.strip() == f"{tempfile.gettempdir()}/torchgraft-{os.getuid()}"
