from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import sites
from torchgraft.compile.cuda_home import assemble_cuda_home
from torchgraft.errors import ActError
from torchgraft.model.decision import PlannedToolkit
from torchgraft.model.observation import Link

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="toolkits are assembled on Linux alone"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="the stub of libcuda is compiled"),
]


def toolkit(home: Path, *layers: Path) -> PlannedToolkit:
    return PlannedToolkit(home=str(home), version="13.0", reason="", layers=tuple(map(str, layers)))


def copied(home: Path, place: Path, build: Path, *layers: Path) -> PlannedToolkit:
    copy = Link(name=str(place), target=str(build))
    return dataclasses.replace(toolkit(home, place, *layers), copies=(copy,))


def tree(folder: Path, files: dict[str, str | bytes]) -> Path:
    sites.write(folder, files)
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tree(
        tmp_path / "build" / "nvidia" / "cu13",
        {
            "bin/nvcc": "#!/bin/sh\n",
            "bin/nvcc.profile": "TOP = $(_HERE_)/..\n",
            "bin/crt/link.stub": "",
            "include/cuda_runtime.h": "build",
            "include/crt/host_config.h": "",
            "include/cccl/cub/cub.cuh": "",
            "lib/libcudart.so.13": b"",
            "nvvm/bin/cicc": "",
        },
    )


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    return tree(
        tmp_path / "env" / "nvidia" / "cu13",
        {
            "include/cusparse.h": "",
            "include/cuda_runtime.h": "consumer",
            "include/cccl/thrust/sort.h": "",
            "lib/libcusparse.so.12": b"",
            "lib/libcudart.so.13": b"",
        },
    )


def test_wheels_become_a_cuda_home(tmp_path: Path, build: Path, consumer: Path) -> None:
    home = assemble_cuda_home(toolkit(tmp_path / "cache" / "home", build, consumer), compiler="cc")
    assert not (home / "bin").is_symlink()
    assert (home / "bin" / "nvcc.profile").exists()
    assert (home / "bin" / "crt" / "link.stub").exists()
    assert (home / "include" / "cuda_runtime.h").read_text() == "build"
    assert (home / "include" / "cusparse.h").exists()
    assert (home / "include" / "cccl" / "cub" / "cub.cuh").exists()
    assert (home / "include" / "cccl" / "thrust" / "sort.h").exists()
    assert (home / "lib64").readlink() == Path("lib")
    assert (home / "lib64" / "libcudart.so").readlink() == Path("libcudart.so.13")
    assert (home / "lib" / "libcusparse.so").exists()
    assert (home / "nvvm" / "bin" / "cicc").exists()
    assert b"libcuda.so.1" in (home / "lib" / "stubs" / "libcuda.so").read_bytes()
    assert [path.name for path in home.parent.iterdir()] == ["home"]


def test_a_system_toolkit_first_and_the_consumers_headers_second(tmp_path: Path, consumer: Path) -> None:
    system = tree(
        tmp_path / "cuda-13.0",
        {
            "bin/nvcc": "",
            "targets/x86_64-linux/include/cuda_runtime.h": "system",
            "targets/x86_64-linux/lib/libcudart.so": b"",
            "targets/x86_64-linux/lib/stubs/libcuda.so": b"real stub",
        },
    )
    (system / "include").symlink_to("targets/x86_64-linux/include")
    (system / "lib64").symlink_to("targets/x86_64-linux/lib")
    home = assemble_cuda_home(toolkit(tmp_path / "home", system, consumer), compiler="cc")
    assert (home / "include" / "cuda_runtime.h").read_text() == "system"
    assert (home / "include" / "cusparse.h").exists()
    assert (home / "lib64" / "stubs" / "libcuda.so").read_bytes() == b"real stub"
    assert (home / "lib" / "libcudart.so").exists()


def test_nothing_is_written_into_the_trees(tmp_path: Path, build: Path, consumer: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assemble_cuda_home(toolkit(tmp_path / "home", build, consumer), compiler="cc")
    after = [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(tmp_path / "home")]
    assert after == before


def test_a_toolkit_in_one_place_stays_there(tmp_path: Path, build: Path) -> None:
    planned = PlannedToolkit(home=str(build), version="13.0", reason="")
    assert assemble_cuda_home(planned, compiler="cc") == build
    assert not (tmp_path / "cache").exists()


def test_a_second_call_changes_nothing(tmp_path: Path, build: Path) -> None:
    planned = toolkit(tmp_path / "home", build)
    one = assemble_cuda_home(planned, compiler="cc").stat()
    assert assemble_cuda_home(planned, compiler="cc").stat().st_ino == one.st_ino


def test_a_place_that_cannot_be_written(tmp_path: Path, build: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ActError, match="cannot be put together") as caught:
        assemble_cuda_home(toolkit(tmp_path / "file" / "home", build), compiler="cc")
    assert caught.value.problems[0].code == "toolkit-not-assembled"


def test_the_stub_of_the_driver_is_kept_by_linkers(tmp_path: Path, build: Path) -> None:
    names = "CUresult CUDAAPI cuInit(unsigned);\n#define cuMemAlloc cuMemAlloc_v2\nCUresult cuMemAlloc(void *);\n"
    sites.write(build, {"include/cuda.h": names})
    home = assemble_cuda_home(toolkit(tmp_path / "home", build), compiler="cc")
    source, made = tmp_path / "a.c", tmp_path / "a.so"
    source.write_text(
        "int cuInit(unsigned); int cuMemAlloc_v2(void *);\nint f() { return cuInit(0) + cuMemAlloc_v2(0); }"
    )
    options = ["-shared", "-fPIC", "-Wl,--as-needed", "-Wl,-z,defs", f"-L{home}/lib/stubs"]
    subprocess.run(["cc", *options, str(source), "-lcuda", "-o", str(made)], check=True, timeout=60)
    assert b"libcuda.so.1" in made.read_bytes()


def test_the_stub_stands_beside_those_of_the_toolkit(tmp_path: Path, build: Path) -> None:
    sites.write(build, {"lib/stubs/libnvidia-ml.so": b"theirs"})
    home = assemble_cuda_home(toolkit(tmp_path / "home", build), compiler="cc")
    assert (home / "lib" / "stubs" / "libnvidia-ml.so").read_bytes() == b"theirs"
    assert (home / "lib" / "stubs" / "libcuda.so").exists()
    assert not (build / "lib" / "stubs" / "libcuda.so").exists()


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler", "'"])
def test_a_compiler_that_fails_leaves_the_stub_to_one_that_works(tmp_path: Path, build: Path, compiler: str) -> None:
    planned = toolkit(tmp_path / "homes" / "home", build)
    stubs = assemble_cuda_home(planned, compiler=compiler) / "lib" / "stubs"
    assert os.listdir(stubs) == []  # noqa: PTH208 - the names are the point
    assemble_cuda_home(planned, compiler="cc")
    assert os.listdir(stubs) == ["libcuda.so"]  # noqa: PTH208


def test_what_comes_from_a_build_environment_outlives_it(tmp_path: Path, build: Path, consumer: Path) -> None:
    home, place = tmp_path / "toolkits" / "home", tmp_path / "toolkits" / "copy"
    assemble_cuda_home(copied(home, place, build, consumer), compiler="cc")
    shutil.rmtree(build)
    assert (home / "bin" / "nvcc").read_text() == "#!/bin/sh\n"
    assert (home / "include" / "cuda_runtime.h").read_text() == "build"
    assert (home / "include" / "cusparse.h").exists()
    made = (home / "bin").stat().st_mtime_ns
    os.utime(place, (0, 0))
    assemble_cuda_home(copied(home, place, build, consumer), compiler="cc")
    assert (home / "bin").stat().st_mtime_ns == made
    assert place.stat().st_mtime > 0  # it was used now


def test_links_of_an_installer_are_followed(tmp_path: Path, build: Path) -> None:
    cached = tmp_path / "cached"
    (build / "bin" / "nvcc").rename(cached)
    (build / "bin" / "nvcc").symlink_to(cached)
    place = tmp_path / "toolkits" / "copy"
    assemble_cuda_home(copied(tmp_path / "toolkits" / "home", place, build), compiler="cc")
    assert not (place / "bin" / "nvcc").is_symlink()


def test_without_room_for_a_copy_the_tree_itself_is_linked(tmp_path: Path, build: Path) -> None:
    home, place = tmp_path / "toolkits" / "home", tmp_path / "no-folder" / "copy"
    place.parent.write_text("")
    assemble_cuda_home(copied(home, place, build), compiler="cc")
    assert (home / "bin" / "nvcc").resolve() == (build / "bin" / "nvcc").resolve()
