"""Whatever stands in files and variables about the machine, looking at it raises nothing."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import sites
from torchgraft.compile.compilers import find_compilers, find_rocm
from torchgraft.compile.gpus import Drivers, find_gpus
from torchgraft.compile.hardware import read_machine
from torchgraft.compile.nvcc import (
    parse_architectures,
    parse_dry_run,
    parse_highest_gcc,
    parse_profile,
    parse_wrapper,
    resolve_nvcc,
)
from torchgraft.compile.plan_needs import Looking
from torchgraft.compile.toolkits import find_toolkits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the folders are those of Linux")

RUBBISH = st.none() | st.binary(max_size=99) | st.text(max_size=99).map(lambda t: t.encode("utf-8", "surrogatepass"))
TOOLKIT = st.fixed_dictionaries(
    {
        "version.json": RUBBISH
        | st.sampled_from([b"[" * 9999, b'{"cuda": 1}', b'{"cuda": {"version": "1e9"}}', b"null"]),
        "version.txt": RUBBISH | st.just(b"CUDA Version 99999999999.1"),
        "include/cuda.h": RUBBISH | st.integers().map(lambda n: b"#define CUDA_VERSION %d\n" % n),
        "include/crt/host_config.h": RUBBISH | st.integers().map(lambda n: b"#if __GNUC__ > %d\n" % n),
        # Never a script: nothing that was made up is run.
        "bin/nvcc": st.none() | st.binary(max_size=20).map(lambda b: b"\0" + b),
        "bin/nvcc.profile": RUBBISH | st.text(max_size=20).map(lambda t: ("TOP = /" + t).encode("utf-8", "replace")),
    }
)


@given(TOOLKIT, st.sampled_from([(), ("12.8",), ("13", "")]), st.text(max_size=9))
def test_any_toolkit(files: dict[str, bytes | None], cudas: tuple[str, ...], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "nvidia" / "cu13"
        sites.write(home, {name: content for name, content in files.items() if content is not None})
        if (home / "bin" / "nvcc").exists():
            (home / "bin" / "nvcc").chmod(0o755)
        variables = {"CUDA_HOME": str(home), "CUDA_PATH": name, "CUDACXX": name}
        looking = Looking(search_paths=(folder,), prefixes=(folder,), cudas=cudas)
        found = find_toolkits(variables, looking, places=(f"{home.parent}/*",))
    assert len(found.toolkits) <= 1


@given(st.text() | st.text().map(lambda text: "#!/bin/sh\n" + text))
def test_any_text_about_nvcc(text: str) -> None:
    parse_architectures(text)
    parse_dry_run(text)
    parse_highest_gcc(text)
    parse_profile(text, "/opt/cuda/bin")
    assert parse_wrapper(text) is None or text.startswith("#!")
    assert resolve_nvcc(f"/nowhere/{text}", {"PATH": text}) is None


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_compiler_variables(cc: str, cxx: str, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = find_compilers({"CC": cc, "CXX": cxx, "PATH": path}, f"/nowhere/{path}:{folder}")
    assert all(not compiler.name for compiler in found)


@given(st.binary(max_size=60) | st.integers().map(lambda n: b"gfx_target_version %d\n" % n), st.text(max_size=20))
def test_any_gpu(content: bytes, visible: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sites.write(Path(folder), {"1/properties": content})
        drivers = Drivers(nvml=("libnowhere.so.1",), cuda=("libnowhere.so.1",), smi="no-such-smi", kfd=Path(folder))
        variables = {"CUDA_VISIBLE_DEVICES": visible, "ROCR_VISIBLE_DEVICES": visible}
        found = find_gpus(variables, drivers=drivers)
    assert all(name.startswith("gfx") for name in found.capabilities)


LINE = st.none() | st.binary(max_size=50) | st.integers().map(lambda n: b"%d" % n) | st.just(b"max 100000")
MACHINE = st.fixed_dictionaries(
    {
        "proc/meminfo": LINE | st.integers().map(lambda n: b"MemAvailable: %d kB\n" % n),
        "proc/self/status": LINE | st.text("0123456789,-", max_size=9).map(lambda t: f"Cpus_allowed_list:\t{t}\n"),
        "proc/self/cgroup": LINE | st.text(max_size=20).map(lambda t: f"0::/{t}\n4:memory:/{t}/..\n"),
        "proc/self/mountinfo": LINE,
        **{
            f"{folder}/{name}": LINE
            for folder in ("cgroup", "cgroup/a", "cgroup/memory")
            for name in ("memory.max", "memory.current", "memory.stat", "cpu.max", "memory.limit_in_bytes")
        },
    }
)


@given(MACHINE)
def test_any_machine(files: dict[str, str | bytes | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        contents = {name: text for name, text in files.items() if text is not None}
        sites.write(
            Path(folder),
            {
                n: text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
                for n, text in contents.items()
            },
        )
        machine = read_machine(proc=Path(folder, "proc"), cgroup=Path(folder, "cgroup"))
    assert machine.cores >= 1
    assert machine.memory_bytes >= 0


@given(st.binary(max_size=50), st.text(max_size=20))
def test_any_rocm(version: bytes, variable: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "rocm"
        sites.write(home, {".info/version": version, "bin/hipcc": b""})
        found = find_rocm({"ROCM_HOME": str(home), "ROCM_PATH": variable, "PATH": variable}, places=())
    assert len(found) == 1
