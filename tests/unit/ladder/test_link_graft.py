from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from torchgraft.errors import ActError
from torchgraft.ladder.graft import link_graft
from torchgraft.model.decision import Graft
from torchgraft.model.observation import Link

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these links are symbolic; Windows gets junctions")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "__init__.py").write_text("")
    (site / "nvidia" / "cublas").mkdir(parents=True)
    (site / "typing_extensions.py").write_text("")
    return site


def graft(tmp_path: Path, site: Path, name: str = "aa", *names: str) -> Graft:
    names = names or ("nvidia/cublas", "torch", "typing_extensions.py")
    return Graft(
        folder=str(tmp_path / "cache" / "grafts" / name),
        links=tuple(Link(name=entry, target=str(site / entry)) for entry in names),
        names=("torch",),
    )


def test_links_lead_to_the_consumer(tmp_path: Path, site: Path) -> None:
    folder = link_graft(graft(tmp_path, site))
    assert (folder / "torch" / "__init__.py").exists()
    assert (folder / "torch").readlink() == site / "torch"
    assert (folder / "nvidia").is_dir()
    assert not (folder / "nvidia").is_symlink()
    assert (folder / "nvidia" / "cublas").is_symlink()


def test_the_folders_are_the_users_own(tmp_path: Path, site: Path) -> None:
    folder = link_graft(graft(tmp_path, site))
    for path in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_second_call_changes_nothing(tmp_path: Path, site: Path) -> None:
    before = link_graft(graft(tmp_path, site))
    made = {path: path.lstat().st_ino for path in (before, *before.rglob("*"))}
    after = link_graft(graft(tmp_path, site))
    assert {path: path.lstat().st_ino for path in (after, *after.rglob("*"))} == made


def test_a_graft_that_lost_a_link_is_made_again(tmp_path: Path, site: Path) -> None:
    folder = link_graft(graft(tmp_path, site))
    (folder / "torch").unlink()
    assert (link_graft(graft(tmp_path, site)) / "torch").exists()


def test_a_link_that_leads_elsewhere_is_replaced(tmp_path: Path, site: Path) -> None:
    folder = link_graft(graft(tmp_path, site))
    (folder / "torch").unlink()
    (folder / "torch").symlink_to(tmp_path)
    assert (link_graft(graft(tmp_path, site)) / "torch").readlink() == site / "torch"


def test_ten_builds_at_once_see_one_whole_graft(tmp_path: Path, site: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        folders = list(pool.map(lambda _: link_graft(graft(tmp_path, site)), range(10)))
    assert len(set(folders)) == 1
    assert (folders[0] / "torch" / "__init__.py").exists()
    assert [path.name for path in folders[0].parent.iterdir()] == ["aa"]


def test_a_cache_folder_that_others_can_write_to_is_refused(tmp_path: Path, site: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(ActError, match="others can write to the cache folder") as caught:
        link_graft(graft(tmp_path, site))
    assert caught.value.problems[0].code == "cache-unusable"
    assert caught.value.problems[0].fixes[0] == f"chmod 700 {tmp_path / 'cache'}"
    # Who trusts them says so.
    assert link_graft(graft(tmp_path, site), trusted=[str(tmp_path / "cache")]).is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives folders away")
def test_who_may_not_close_a_cache_folder_is_not_told_to(tmp_path: Path, site: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    os.chown(tmp_path / "cache", 65534, 65534)
    with pytest.raises(ActError, match="others can write to the cache folder") as caught:
        link_graft(graft(tmp_path, site))
    assert [fix.partition(" ")[0] for fix in caught.value.problems[0].fixes] == ["export"]


def test_a_file_in_place_of_the_cache_folder(tmp_path: Path, site: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(ActError, match="cannot be used") as caught:
        link_graft(graft(tmp_path, site))
    assert "TORCHGRAFT_CACHE_DIR" in caught.value.problems[0].fixes[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path, site: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(ActError, match="cannot be used"):
        link_graft(graft(tmp_path, site))


def test_nothing_half_made_is_left_behind(tmp_path: Path, site: Path) -> None:
    broken = Graft(
        folder=str(tmp_path / "cache" / "grafts" / "aa"),
        links=(Link(name="torch", target=str(site / "torch")), Link(name="torch/x", target=str(site))),
        names=(),
    )
    with pytest.raises(ActError, match="cannot be used"):
        link_graft(broken)
    assert not list((tmp_path / "cache" / "grafts").iterdir())
    assert not (site / "torch" / "x").exists()
