from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.link.linkage import Format, Module, WhetherFound
from torchgraft.link.system_libraries import configured_folders, read_runtimes, run_path_folders

NAME = "libcudart.so.12"
MODULE = Module(file="ext/_C.so", format=Format.ELF, needed=("libc10.so", NAME))


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a torch in an environment, where nothing else is found."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "inherited"))
    folder = tmp_path / "lib" / "python3.11" / "site-packages" / "torch"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str = NAME) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


def with_run_path(*entries: str) -> Module:
    return Module(file="ext/_C.so", format=Format.ELF, needed=("libc10.so", NAME), run_path=entries)


def found(torch: Path, *modules: Module, **more: Path) -> WhetherFound:
    return read_runtimes(modules, torch, loaded="", folders=more and {"ext/_C.so": more["folder"]})[NAME]


def test_a_runtime_that_is_nowhere(torch: Path) -> None:
    assert found(torch, MODULE) is WhetherFound.NOWHERE


@pytest.mark.parametrize("place", ["inherited", "lib"])
def test_a_runtime_in_a_folder_of_the_system(torch: Path, tmp_path: Path, place: str) -> None:
    put(tmp_path / place)
    assert found(torch, MODULE) is WhetherFound.HERE


def test_a_runtime_to_which_a_run_path_leads(torch: Path, tmp_path: Path) -> None:
    put(tmp_path / "cuda" / "lib64")
    assert found(torch, with_run_path(str(tmp_path / "cuda" / "lib64"))) is WhetherFound.HERE
    put(tmp_path / "away" / "libs")
    (tmp_path / "away" / "ext").mkdir()
    assert found(torch, with_run_path("$ORIGIN/../libs"), folder=tmp_path / "away" / "ext") is WhetherFound.HERE


def test_a_wheel_is_taken_to_be_installed_beside_torch(torch: Path) -> None:
    put(torch.parent / "nvidia" / "cuda_runtime" / "lib")
    reaching = with_run_path("${ORIGIN}/../nvidia/cuda_runtime/lib")
    assert found(torch, reaching) is WhetherFound.HERE
    # Without a run path, its package may load it.
    assert found(torch, MODULE) is WhetherFound.PERHAPS


def test_a_run_path_that_leaves_the_wheel_may_lead_to_it(torch: Path, tmp_path: Path) -> None:
    leaving = with_run_path("$ORIGIN/../nvidia/cuda_runtime/lib")
    assert found(torch, leaving) is WhetherFound.PERHAPS
    # Where the module is, it is known what is there.
    assert found(torch, leaving, folder=tmp_path / "ext") is WhetherFound.NOWHERE
    assert found(torch, with_run_path("$ORIGIN", "$ORIGIN/../ext/lib", "$ORIGIN/../torch/lib")) is WhetherFound.NOWHERE


def test_an_old_run_path_counts_for_what_is_needed_in_turn(torch: Path, tmp_path: Path) -> None:
    put(tmp_path / "cuda")
    path = (str(tmp_path / "cuda"),)
    old = Module(file="ext/a.so", format=Format.ELF, needed=("lib_C.so",), run_path=path, old_run_path=True)
    new = Module(file="ext/a.so", format=Format.ELF, needed=("lib_C.so",), run_path=path)
    assert found(torch, MODULE, old) is WhetherFound.HERE
    assert found(torch, MODULE, new) is WhetherFound.NOWHERE


def test_what_a_wheel_brings_and_what_torch_loads_is_not_looked_for(torch: Path) -> None:
    brought = Module(file=f"ext.libs/{NAME}", format=Format.ELF)
    assert read_runtimes((MODULE, brought), torch, loaded="", folders={}) == {}
    assert read_runtimes((MODULE,), torch, loaded=NAME, folders={}) == {}


def test_the_folders_of_ldconfig_with_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "ld.so.conf").write_text("# local\ninclude more/*.conf\n/opt/one  # here\nrelative\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.conf").write_text("/opt/two\ninclude ../ld.so.conf\n")
    (tmp_path / "more" / "a.txt").write_text("/opt/three\n")
    assert list(dict.fromkeys(configured_folders(tmp_path / "ld.so.conf"))) == ["/opt/one", "/opt/two"]
    assert configured_folders(tmp_path / "none") == []


def test_the_folders_of_a_run_path() -> None:
    path = ("$ORIGIN", "${ORIGIN}/../lib", "/opt/lib", "relative")
    assert run_path_folders(path, Path("/site/ext")) == [Path("/site/ext"), Path("/site/ext/../lib"), Path("/opt/lib")]
    assert run_path_folders(path, None) == [Path("/opt/lib")]
