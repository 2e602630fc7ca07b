from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support import sites
from support.toolkits import HOST_CONFIG, install_toolkit, runs, script
from torchgraft.compile.nvcc import (
    HEADERS,
    parse_dry_run,
    parse_highest_gcc,
    parse_profile,
)
from torchgraft.compile.plan_needs import Looking
from torchgraft.compile.toolkits import ToolkitSearch, find_toolkits, find_wheel_trees
from torchgraft.model.hardware_values import Toolkit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake nvcc is a shell script")

SYSTEM = "/usr/bin:/bin"
ARCHITECTURES = ("75", "80", "90", "90a", "100")


def search(
    variables: dict[str, str] | None = None,
    *,
    paths: tuple[Path, ...] = (),
    build: tuple[Path, ...] = (),
    prefixes: tuple[Path, ...] = (),
    places: tuple[Path, ...] = (),
    cudas: tuple[str, ...] = (),
) -> ToolkitSearch:
    looking = Looking(
        search_paths=tuple(map(str, paths)),
        prefixes=tuple(map(str, prefixes)),
        cudas=cudas,
        build_paths=tuple(map(str, build)),
    )
    return find_toolkits({"PATH": "/nowhere", **(variables or {})}, looking, places=tuple(map(str, places)))


def only(found: ToolkitSearch) -> Toolkit:
    assert found.faults == ()
    assert len(found.toolkits) == 1, found.toolkits
    return found.toolkits[0]


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_nothing_is_started_that_nobody_named_and_others_may_have_put_there(tmp_path: Path, mode: int) -> None:
    home, site = install_toolkit(tmp_path / "open" / "cuda-12.8", "12.8"), tmp_path / "site"
    (site / "nvidia").mkdir(parents=True)
    (site / "nvidia" / "cu13").symlink_to(home)
    (home / "bin").chmod(mode)
    for found in (search(places=(tmp_path / "open" / "cuda*",)), search(paths=(site,))):
        assert found.toolkits == ()
        assert "is not used: any user can change" in found.faults[0]
    assert runs(home) == []
    search({"CUDA_HOME": str(home)})
    assert runs(home)


@pytest.mark.parametrize(("version", "gcc"), [("12.4", 13), ("12.8", 14), ("13.0", 15), ("13.4", 16)])
def test_the_newest_gcc_that_a_toolkit_takes(version: str, gcc: int) -> None:
    assert parse_highest_gcc((HOST_CONFIG / f"{version}.h").read_text()) == gcc


def test_cuda_home_with_everything_is_asked_for_architectures_alone(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-12.8", "12.8")
    assert only(search({"CUDA_HOME": f"{home}/"})) == Toolkit(
        home=str(home),
        version="12.8",
        source="CUDA_HOME",
        nvcc=str(home / "bin" / "nvcc"),
        architectures=ARCHITECTURES,
        highest_gcc=14,
    )
    assert runs(home) == ["--list-gpu-arch"]


def test_each_toolkit_once_under_its_first_name(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "local" / "cuda-13.0")
    other = install_toolkit(tmp_path / "local" / "cuda-12.4", "12.4")
    (tmp_path / "local" / "cuda").symlink_to(home)
    found = search(
        {"CUDA_PATH": str(tmp_path / "local" / "cuda"), "PATH": f"{home}/bin"}, places=(tmp_path / "local" / "cuda*",)
    )
    assert [(t.home, t.version, t.source) for t in found.toolkits] == [
        (str(tmp_path / "local" / "cuda"), "13.0", "CUDA_PATH"),
        (str(other), "12.4", str(tmp_path / "local")),
    ]


def test_usual_places_are_named_by_their_real_folder(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    (tmp_path / "cuda").symlink_to(home)
    assert only(search(places=(tmp_path / "cuda*",))).home == str(home)


@pytest.mark.parametrize(
    "text",
    [
        '#!/bin/sh\nexec {nvcc} "$@"\n',
        '#!/bin/bash\n# was: /usr/local/cuda-9.0/bin/nvcc\nexec "{nvcc}" "$@"\n',
        "#!/bin/sh\n{nvcc}",
    ],
)
def test_a_wrapper_script_that_names_nvcc_is_read(tmp_path: Path, text: str) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    script(tmp_path / "bin" / "nvcc", text.format(nvcc=home / "bin" / "nvcc"))
    toolkit = only(search({"PATH": f"{tmp_path / 'bin'}:{SYSTEM}"}))
    assert (toolkit.home, toolkit.nvcc, toolkit.source) == (str(home), str(home / "bin" / "nvcc"), "nvcc on PATH")
    assert runs(home) == ["--list-gpu-arch"]


@pytest.mark.parametrize(
    "text",
    [
        '#!/bin/sh\nexec "$REAL_HOME/bin/nvcc" "$@"\n',
        '#!/bin/sh\ncase x in y) exec /opt/c/bin/nvcc "$@";; esac\nexec $REAL_HOME/bin/nvcc "$@"\n',
        '#!/bin/sh\n[ 1 = 2 ] && exec /opt/b/bin/nvcc /opt/a/bin/nvcc\nexec $REAL_HOME/bin/nvcc "$@"',
    ],
)
def test_another_wrapper_script_is_asked(tmp_path: Path, text: str) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    script(tmp_path / "bin" / "nvcc", text)
    toolkit = only(search({"PATH": f"{tmp_path / 'bin'}:{SYSTEM}", "REAL_HOME": str(home)}))
    assert (toolkit.home, toolkit.nvcc) == (str(home), str(home / "bin" / "nvcc"))
    assert len(runs(home)) == 2  # for its place, and for its architectures


def test_torchs_own_guess_for_a_wrapper_script_is_corrected(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    script(tmp_path / "bin" / "nvcc", f'#!/bin/sh\nexec {home}/bin/nvcc "$@"\n')
    found = search({"CUDA_HOME": str(tmp_path)})
    assert [toolkit.home for toolkit in found.toolkits] == [str(home)]
    assert found.faults == (f"CUDA_HOME={tmp_path} has no headers, its nvcc is that of {home}",)


def test_scripts_that_call_each_other(tmp_path: Path) -> None:
    a, b = tmp_path / "a" / "nvcc", tmp_path / "b" / "nvcc"
    script(a, f"#!/bin/sh\nexec {b}\n")
    script(b, f"#!/bin/sh\nexec {a}\n")
    found = search({"PATH": str(a.parent)})
    assert found == ToolkitSearch(faults=(f"{a} (nvcc on PATH) does not say which toolkit is behind it",))


def test_a_link_into_a_toolkit(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvcc").symlink_to(home / "bin" / "nvcc")
    assert only(search({"PATH": str(tmp_path / "bin")})).home == str(home)


def test_a_home_of_links_is_one_of_its_own(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0", without=["cusparse.h"])
    links = tmp_path / "links"
    (links / "bin").mkdir(parents=True)
    for name in ("nvcc", "nvcc.profile"):
        (links / "bin" / name).symlink_to(home / "bin" / name)
    install_toolkit(tmp_path / "full")
    (links / "include").symlink_to(tmp_path / "full" / "include")
    found = search({"CUDA_HOME": str(links), "PATH": str(home / "bin")})
    assert [(t.home, t.missing_headers) for t in found.toolkits] == [(str(links), ()), (str(home), ("cusparse.h",))]


def test_debians_home_is_usr(tmp_path: Path) -> None:
    """Debian 12, nvidia-cuda-toolkit 11.8: a script on PATH, nvcc in a folder of its own, a profile without TOP."""
    usr = tmp_path / "usr"
    home = install_toolkit(usr / "lib" / "nvidia-cuda-toolkit", "12.4")
    (home / "include").rename(usr / "include")
    (home / "bin" / "nvcc.profile").write_text(f"PATH\t\t+= {home}/bin:\n#INCLUDES\t+=\n")
    script(usr / "bin" / "nvcc", f'#!/bin/sh\nexec {home}/bin/nvcc "$@"\n')
    toolkit = only(search({"PATH": str(usr / "bin")}))
    assert (toolkit.home, toolkit.nvcc, toolkit.version) == (str(usr), str(usr / "bin" / "nvcc"), "12.4")
    assert (toolkit.highest_gcc, toolkit.missing_headers) == (13, ())


def test_cudacxx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    assert only(search({"CUDACXX": str(home / "bin" / "nvcc")})).source == "CUDACXX"
    assert only(search({"CUDACXX": "nvcc", "PATH": str(home / "bin")})).source == "CUDACXX"
    # The source tree is the working folder, and must not bring an nvcc of its own.
    monkeypatch.chdir(home / "bin")
    assert search({"CUDACXX": "nvcc"}) == ToolkitSearch(faults=("CUDACXX=nvcc is no program",))


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"version.json": json.dumps({"cuda": {"version": "12.6.3"}, "cuda_nvcc": {"version": "12.6.85"}})}, "12.6"),
        ({"version.json": json.dumps({"cuda": {"version": "12.6.3"}})}, "12.6"),
        ({"version.json": "[]", "version.txt": "CUDA Version 10.2.89\n"}, "10.2"),
        ({"include/cuda_runtime_api.h": "#define CUDART_VERSION  12060\n"}, "12.6"),
        ({"conda-meta/cuda-nvcc-tools-12.9.86-he02047a_1.json": "", "version.json": "{"}, "12.9"),
        ({"conda-meta/cuda-nvcc_linux-64-12.9.86-he0b4e1d_1.json": ""}, "12.9"),
        ({"conda-meta/cuda-cudart-12.9.79-5.json": ""}, "13.1"),
        ({}, "13.1"),
    ],
)
def test_where_versions_are_written(tmp_path: Path, files: dict[str, str | bytes], version: str) -> None:
    home = install_toolkit(tmp_path / "cuda", "13.1", written=False)
    sites.write(home, files)
    assert only(search({"CUDA_HOME": str(home), "PATH": SYSTEM})).version == version
    assert runs(home) == [*(["--version"] if version == "13.1" else []), "--list-gpu-arch"]


def test_conda(tmp_path: Path) -> None:
    prefix = install_toolkit(tmp_path / "env", "12.4", include="targets/x86_64-linux/include")
    assert search(prefixes=(prefix,)) == ToolkitSearch()
    sites.write(prefix, {"conda-meta/cuda-nvcc-12.4.131-0.json": ""})
    for found in (search(prefixes=(prefix, prefix)), search({"CONDA_PREFIX": str(prefix)})):
        toolkit = only(found)
        assert (toolkit.home, toolkit.source) == (str(prefix), f"the conda environment {prefix}")
        assert (toolkit.missing_headers, toolkit.highest_gcc) == ((), 13)


def test_headers_that_are_missing(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda", without=["cusparse.h", "cublas_v2.h", "thrust/version.h"])
    sites.write(home, {"include/cccl/thrust/version.h": ""})
    assert only(search({"CUDA_HOME": str(home)})).missing_headers == ("cublas_v2.h", "cusparse.h")


def test_only_the_toolkit_that_would_be_taken_is_started(tmp_path: Path) -> None:
    names = ("13.0", "13.2", "12.4")
    homes = {name: install_toolkit(tmp_path / f"cuda-{name}", name) for name in names}
    found = search(places=(tmp_path / "cuda-*",), cudas=("13.2",))
    assert [(t.version, t.architectures) for t in found.toolkits] == [
        ("12.4", ()),
        ("13.0", ()),
        ("13.2", ARCHITECTURES),
    ]
    assert {name: len(runs(home)) for name, home in homes.items()} == {"13.0": 0, "13.2": 1, "12.4": 0}
    search(places=(tmp_path / "cuda-*",), cudas=("13.2", "13.1", "13.2"))  # 13.2 is the nearest of both
    assert {name: len(runs(home)) for name, home in homes.items()} == {"13.0": 0, "13.2": 2, "12.4": 0}


def test_what_is_broken_is_said(tmp_path: Path) -> None:
    (tmp_path / "cuda-runtime" / "lib64").mkdir(parents=True)
    locked = install_toolkit(tmp_path / "cuda-locked")
    (locked / "bin" / "nvcc").chmod(0o644)
    silent = install_toolkit(tmp_path / "cuda-silent", written=False)
    script(silent / "bin" / "nvcc", "#!/bin/sh\nexit 1\n")
    rubbish = tmp_path / "cuda-rubbish"
    script(rubbish / "bin" / "nvcc", "\x7fELF rubbish")
    (tmp_path / "cuda-file").touch()
    found = search({"CUDA_HOME": "/nowhere/cuda", "CUDA_PATH": "", "PATH": SYSTEM}, places=(tmp_path / "cuda-*",))
    assert found.toolkits == ()
    assert set(found.faults) == {
        "CUDA_HOME=/nowhere/cuda has no bin/nvcc",
        f"{tmp_path / 'cuda-runtime'} has no bin/nvcc",
        f"{locked / 'bin' / 'nvcc'} ({tmp_path}) cannot be run: its nvcc is not executable",
        f"{silent} ({tmp_path}) does not say its version, and neither does its nvcc",
        f"{rubbish / 'bin' / 'nvcc'} ({tmp_path}) does not say which toolkit is behind it",
    }


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("not for this machine", "Exec format error"),
        ("#!/nowhere/sh\n", "No such file or directory"),
        ("#!/bin/sh\n", "it lists no architectures"),
        (
            '#!/bin/sh\necho; echo "nvcc: error while loading shared libraries: libx.so.1"; exit 127\n',
            "nvcc: error while loading shared libraries: libx.so.1",
        ),
    ],
)
def test_a_toolkit_whose_nvcc_does_not_start_gives_way_to_the_next(tmp_path: Path, program: str, said: str) -> None:
    broken, other = install_toolkit(tmp_path / "cuda-13.0"), install_toolkit(tmp_path / "cuda-13.2", "13.2")
    script(broken / "bin" / "nvcc", program)
    for cudas in (("13.0",), ()):
        found = search({"CUDA_HOME": str(broken)}, places=(other,), cudas=cudas)
        assert found.faults == (f"CUDA_HOME={broken} does not start: {said}",)
        assert [(t.home, t.architectures) for t in found.toolkits] == [(str(other), ARCHITECTURES)]
    # Of another major version, it would not be taken: nobody has to know.
    assert len(search({"CUDA_HOME": str(broken)}, cudas=("12.8",)).toolkits) == 1


def test_a_script_that_leads_to_an_nvcc_that_may_not_be_run(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda-13.0")
    (home / "bin" / "nvcc").chmod(0o644)
    script(tmp_path / "bin" / "nvcc", f'#!/bin/sh\nexec {home}/bin/nvcc "$@"\n')
    fault = f"{home / 'bin' / 'nvcc'} (nvcc on PATH) does not start: Permission denied"
    assert search({"PATH": str(tmp_path / "bin")}) == ToolkitSearch(faults=(fault,))


def wheels(site: Path, nvcc: str = "13.0.88", nvvm: str = "13.0.88") -> Path:
    install_toolkit(site / "nvidia" / "cu13", without=["cusparse.h"])
    for name, version in (("cuda_nvcc", nvcc), ("nvvm", nvvm)):
        (site / f"nvidia_{name}-{version}.dist-info").mkdir()
    return site


def test_wheels_of_both_environments(tmp_path: Path) -> None:
    consumer, build = wheels(tmp_path / "consumer", "13.2.9", "13.2.9"), wheels(tmp_path / "build")
    found = search(paths=(consumer, build), build=(build,))
    assert [(t.home, t.version, t.source) for t in found.toolkits] == [
        (str(build / "nvidia" / "cu13"), "13.0", "NVIDIA's wheels in the build environment"),
        (str(consumer / "nvidia" / "cu13"), "13.2", "NVIDIA's wheels in the consumer"),
    ]
    trees = find_wheel_trees((str(consumer), str(build)), build_paths=(str(build),))
    assert [tree.folder for tree in trees] == [t.home for t in found.toolkits]


def test_a_toolkit_of_wheels_is_spelled_as_among_the_trees(tmp_path: Path) -> None:
    site = wheels(tmp_path / "site")
    (tmp_path / "cuda").symlink_to(site / "nvidia" / "cu13")
    toolkit = only(search({"CUDA_HOME": str(tmp_path / "cuda")}, paths=(site,)))
    assert (toolkit.home, toolkit.source) == (str(site / "nvidia" / "cu13"), "CUDA_HOME")


def test_wheels_that_do_not_fit_each_other(tmp_path: Path) -> None:
    site = wheels(tmp_path / "a", nvvm="13.5.2")
    tree = f"{site / 'nvidia' / 'cu13'} (NVIDIA's wheels in the consumer)"
    fault = f"{tree} has nvcc 13.0 with nvvm 13.5: they have to be the same"
    found = search(paths=(site,))
    assert (found.toolkits, found.faults) == ((), (fault,))
    (site / "nvidia" / "cu13" / "nvvm" / "bin" / "cicc").unlink()
    (site / "nvidia" / "cu13" / "nvvm" / "bin").rmdir()
    fault = f"{tree} has nvcc without nvidia-nvvm, which holds half of the compiler"
    found = search(paths=(site,))
    assert (found.toolkits, found.faults) == ((), (fault,))


def test_which_folders_of_wheels_are_of_a_toolkit(tmp_path: Path) -> None:
    for name in ("cublas", "cuda_runtime", "cudnn", "nccl", "nvshmem", "cu13"):
        sites.write(tmp_path / "site" / "nvidia" / name, {"include/x.h": ""})
    sites.write(tmp_path / "site" / "nvidia" / "cufft", {"lib/libcufft.so.11": b""})
    paths = (str(tmp_path / "site"), str(tmp_path / "site"), "/nowhere")
    names = [Path(tree.folder).name for tree in find_wheel_trees(paths)]
    assert names == ["cu13", "cublas", "cuda_runtime"]
    found = search(paths=(tmp_path / "site",))
    assert (found.toolkits, found.faults) == ((), ())
    assert [Path(tree).name for tree in found.trees] == names


def test_each_header_is_looked_for_once() -> None:
    assert len(set(HEADERS)) == len(HEADERS)


@pytest.mark.parametrize("here", ["/opt/cuda/bin", "/opt/$x/bin"])
def test_profiles(here: str) -> None:
    assert parse_profile("TOP = $(_HERE_)/..\n", here) == f"{here}/.."
    assert parse_profile("TOP = /usr", here) == "/usr"
    assert parse_profile("TOP = $(WHERE)/..", here) is None
    assert parse_profile("TOPS = 3\n", here) is None


def test_dry_runs() -> None:
    text = "nvcc warning: x\n#$ _HERE_=/a/bin\n#$ TOP=/a/bin/..\n#$ gcc ...\n"
    assert parse_dry_run(text) == ("/a/bin", "/a/bin/..")
    assert parse_dry_run("gcc: No such file or directory\n") is None
