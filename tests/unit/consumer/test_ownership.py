from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

from support import sites
from torchgraft.consumer.ownership import owner_of, read_exposures, read_graft_exposures
from torchgraft.installed.torch import read_torch
from torchgraft.model.observation import Consumer, Distribution, Link, Rule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
OTHER = 4242


def exposed(*paths: Path, **more: object) -> dict[str, str]:
    return {exposure.path: exposure.by for exposure in read_exposures(paths, **more)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o755, None), (0o777, "any user"), (0o1777, "any user"), (0o757, "any user")]
)
def test_a_folder_with_modules(tmp_path: Path, mode: int, expected: str | None) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site").chmod(mode)
    assert exposed(tmp_path / "site").get(str(tmp_path / "site")) == expected


@pytest.mark.parametrize(("mode", "expected"), [(0o755, None), (0o777, "any user"), (0o1777, None)])
def test_a_folder_on_the_way(tmp_path: Path, mode: int, expected: str | None) -> None:
    (tmp_path / "way" / "site").mkdir(parents=True)
    (tmp_path / "way").chmod(mode)
    assert exposed(tmp_path / "way" / "site").get(str(tmp_path / "way")) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps access lists in this attribute")
@pytest.mark.parametrize("allowed", [4, 6])
def test_an_access_list(tmp_path: Path, allowed: int) -> None:
    file = tmp_path / "torch.py"
    file.touch()
    # As `setfacl -m u:4242:r` and `u:4242:rw` make it: tag, rights and id of owner, user, group, mask, others.
    entries = (
        (1, 6, 0xFFFFFFFF),
        (2, allowed, OTHER),
        (4, 4, 0xFFFFFFFF),
        (16, allowed, 0xFFFFFFFF),
        (32, 4, 0xFFFFFFFF),
    )
    os.setxattr(file, "system.posix_acl_access", b"\2\0\0\0" + b"".join(struct.pack("<HHI", *one) for one in entries))
    assert exposed(file).get(str(file)) == ("users named in access lists" if allowed == 6 else None)


def test_what_is_below_that_is_not_deep_first(tmp_path: Path) -> None:
    (tmp_path / "torch" / "utils").mkdir(parents=True)
    for file in (tmp_path / "torch" / "a.py", tmp_path / "torch" / "utils" / "b.py"):
        file.touch()
        file.chmod(0o666)
    assert exposed(tmp_path / "torch") == {}
    assert list(exposed(tmp_path / "torch", most_below=2)) == [str(tmp_path / "torch" / "a.py")]
    assert len(exposed(tmp_path / "torch", most_below=9)) == 2


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "open" / "site").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to("open/site")
    assert exposed(tmp_path / "link") == {str(tmp_path / "open"): "any user"}


def test_what_is_turned_off_by_a_link_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "off.pth").symlink_to("/dev/null")
    assert "/dev/null" not in exposed(tmp_path / "off.pth")
    # Only of that one is it known that nothing comes out of it.
    (tmp_path / "on.pth").symlink_to("/dev/zero")
    assert "/dev/zero" in exposed(tmp_path / "on.pth")


def test_what_links_below_lead_to(tmp_path: Path) -> None:
    for name in ("torch", "elsewhere/folder", "sticky"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sticky").chmod(0o1777)
    for name in ("elsewhere/a.py", "elsewhere/folder/b.py"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o666)
    for name, target in (("a.py", "elsewhere/a.py"), ("b", "elsewhere/folder"), ("c", "sticky"), ("loop", "torch")):
        (tmp_path / "torch" / name).symlink_to(tmp_path / target)
    assert set(exposed(tmp_path / "torch", most_below=99)) == {
        *(str(tmp_path / name) for name in ("elsewhere/a.py", "torch/b/b.py", "sticky"))
    }
    assert list(exposed(tmp_path / "torch" / "c")) == [str(tmp_path / "sticky")]
    assert exposed(tmp_path / "torch" / "c", tmp_path / "torch" / "a.py", trusted=(str(tmp_path / "sticky"),)) == {
        str(tmp_path / "elsewhere" / "a.py"): "any user"
    }


@pytest.mark.parametrize(
    "name", ["torch-2.8.0.dist-info/entry_points.txt", "extra.pth", "__editable___torch_2_8_0_finder.py", "dep/a/b.py"]
)
def test_what_is_linked_beside_torch(tmp_path: Path, name: str) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    sites.install_torch(site)
    sites.write(site, {name: ""})
    (site / name).chmod(0o666)
    torch = read_torch((str(site),)).torch
    linked = ("torch", "torch-2.8.0.dist-info", "dep")
    links = tuple(Link(name=name, target=str(site / name)) for name in linked)
    consumer = Consumer(
        prefix=str(tmp_path),
        rule=Rule.TOLD,
        certain=True,
        why="",
        search_path=(str(site),),
        distributions=(Distribution(name="torch", version="2.8.0", links=links),),
        torch=torch,
    )
    assert [one.path for one in read_graft_exposures(consumer, compiles=True)] == [str(site / name)]


def test_what_is_trusted_with_what_is_above_it(tmp_path: Path) -> None:
    (tmp_path / "open" / "site").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    assert exposed(tmp_path / "open" / "site", trusted=(str(tmp_path / "open" / "site"),)) == {}
    assert exposed(tmp_path / "open", trusted=(str(tmp_path / "open" / "site"),)) != {}


def test_what_is_not_there_is_nobodys(tmp_path: Path) -> None:
    assert exposed(tmp_path / "gone" / "site", Path("bad\0"), most_below=9) == {}
    assert owner_of(tmp_path / "gone") is None


def test_one_that_cannot_be_looked_at_hides_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path
    while len(str(deep)) < 3800:
        deep /= "d" * 100
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)  # for what stands there under names with which their paths are longer than any may be
    for number in range(60):
        Path(f"{number:0>250}").touch()
    open_to_all = [deep / f"open{number}" for number in range(4)]
    for path in open_to_all:
        path.touch()
        path.chmod(0o666)
    assert exposed(deep, most_below=100) == {str(path): "any user" for path in open_to_all}


@ROOT
def test_owners_and_groups(tmp_path: Path) -> None:
    for name, mode, owner, group in (
        ("theirs", 0o755, OTHER, OTHER),
        ("shared", 0o775, 0, OTHER),
        ("private", 0o775, 0, 0),  # root's own group, as that of a user with umask 002
    ):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, owner, group)
        (tmp_path / name).chmod(mode)
    paths = [tmp_path / name for name in ("theirs", "shared", "private")]
    assert exposed(*paths) == {str(paths[0]): f"user {OTHER}", str(paths[1]): f"group {OTHER}"}
    assert exposed(*paths, owners=(OTHER,)) == {str(paths[1]): f"group {OTHER}"}
