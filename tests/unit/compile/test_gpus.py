from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import sites
from support.toolkits import script
from torchgraft.compile.gpus import Drivers, Gpus, find_gpus, gfx_name

CC = shutil.which("cc") or shutil.which("gcc")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the fake drivers are for Linux"),
    pytest.mark.skipif(CC is None, reason="the fake drivers are compiled"),
]

# Devices as "GPU-a=9.0;GPU-b=8.6;" in a variable, so that one library does for all tests.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int device(const char *variable, int index, char *uuid, int *major, int *minor) {
  const char *text = getenv(variable);
  for (; text && *text; text = strchr(text, ';') + 1)
    if (index-- == 0) return sscanf(text, "%95[^=]=%d.%d;", uuid, major, minor) == 3;
  return 0;
}
static int count(const char *variable) {
  char uuid[96]; int major, minor, n = 0;
  while (device(variable, n, uuid, &major, &minor)) n++;
  return n;
}
int nvmlInit_v2(void) { return getenv("FAKE_NVML") ? 0 : 9; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = count("FAKE_NVML"); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) { *handle = (void *)(0x100000000L + i); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
  char uuid[96];
  return device("FAKE_NVML", (int)((long)handle - 0x100000000L), uuid, major, minor) ? 0 : 2;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
  int major, minor;
  if (length < 96) return 7;
  return device("FAKE_NVML", (int)((long)handle - 0x100000000L), uuid, &major, &minor) ? 0 : 2;
}
int cuInit(unsigned flags) { return getenv("FAKE_CUDA") && !flags ? 0 : 100; }
int cuDeviceGetCount(int *n) { *n = count("FAKE_CUDA"); return 0; }
int cuDeviceGet(int *handle, int i) { *handle = i + 7; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int handle) {
  char uuid[96]; int major, minor;
  if (!device("FAKE_CUDA", handle - 7, uuid, &major, &minor)) return 101;
  *value = attribute == 75 ? major : attribute == 76 ? minor : -1;
  return 0;
}
"""
TWO = "GPU-aa=9.0;GPU-ab=8.6;"
SAME = "GPU-aa=9.0;GPU-ab=9.0;"
NONE = Drivers(nvml=("libnowhere.so.1",), cuda=("libnowhere.so.1",), smi="no-such-smi", kfd=Path("/nowhere"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(SOURCE)
    path = folder / "libdriver.so"
    command = [str(CC), "-shared", "-fPIC", "-o", str(path), str(folder / "driver.c")]
    subprocess.run(command, check=True, timeout=60)
    return str(path)


@pytest.fixture
def drivers(library: str) -> Drivers:
    return Drivers(nvml=("libnowhere.so.1", library), cuda=(library,), smi="no-such-smi", kfd=Path("/nowhere"))


def test_all_gpus_of_nvml(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML", TWO)
    assert find_gpus({}, drivers=drivers) == Gpus(capabilities=("9.0", "8.6"), source="NVML")


@pytest.mark.parametrize(
    ("visible", "capabilities"),
    [
        ("0", ("9.0",)),
        ("1", ("8.6",)),
        (" 1 , 0 ", ("8.6", "9.0")),
        ("GPU-ab", ("8.6",)),
        ("GPU-a", ()),  # two of them
        ("GPU-", ()),
        ("1,2,0", ("8.6",)),  # there is no 2
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("9.0",)),
        ("NoDevFiles", ()),
        ("99999999999999999999", ()),
        ("\N{SUPERSCRIPT TWO}", ()),
    ],
)
def test_visible_devices(
    drivers: Drivers, monkeypatch: pytest.MonkeyPatch, visible: str, capabilities: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FAKE_NVML", TWO)
    variables = {"CUDA_VISIBLE_DEVICES": visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert find_gpus(variables, drivers=drivers) == Gpus(
        capabilities=capabilities, source=f"NVML, CUDA_VISIBLE_DEVICES={visible}"
    )


def test_numbers_in_cudas_own_order_are_left_to_libcuda(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML", TWO)
    monkeypatch.setenv("FAKE_CUDA", "GPU-ab=8.6;")
    source = "libcuda, CUDA_VISIBLE_DEVICES=0"
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "0"}, drivers=drivers) == Gpus(capabilities=("8.6",), source=source)
    # Without it: all of them, since code for each runs on whichever it is.
    monkeypatch.delenv("FAKE_CUDA")
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "0"}, drivers=drivers).capabilities == ("9.0", "8.6")
    # GPUs of one kind need no order.
    monkeypatch.setenv("FAKE_NVML", SAME)
    found = find_gpus({"CUDA_VISIBLE_DEVICES": "0"}, drivers=drivers)
    assert found == Gpus(capabilities=("9.0",), source="NVML, CUDA_VISIBLE_DEVICES=0")


def test_parts_of_a_gpu_are_left_to_libcuda(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML", SAME)
    monkeypatch.setenv("FAKE_CUDA", "MIG-1=9.0;")
    assert find_gpus({"CUDA_VISIBLE_DEVICES": "MIG-1"}, drivers=drivers).capabilities == ("9.0",)


def test_libcuda_where_nvml_fails(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA", "GPU-a=12.0;")
    assert find_gpus({}, drivers=drivers) == Gpus(capabilities=("12.0",), source="libcuda")


def test_a_library_that_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int x;\n")
    subprocess.run([str(CC), "-shared", "-o", str(tmp_path / "x.so"), str(tmp_path / "x.c")], check=True, timeout=60)
    (tmp_path / "text.so").write_text("no library")
    for path in (tmp_path / "x.so", tmp_path / "text.so"):
        drivers = Drivers(nvml=(str(path),), cuda=(str(path),), smi="no-such-smi", kfd=tmp_path)
        assert find_gpus({}, drivers=drivers) == Gpus()


@pytest.mark.parametrize(
    ("visible", "capabilities"), [(None, ("9.0", "8.6")), ("1", ("8.6",)), ("GPU-aa", ("9.0",)), ("", ())]
)
def test_nvidia_smi_is_the_last_one_asked(tmp_path: Path, visible: str | None, capabilities: tuple[str, ...]) -> None:
    text = '#!/bin/sh\necho "$*" > "$(dirname "$0")/arguments"\nprintf "GPU-aa, 9.0\\nGPU-ab, 8.6\\nGPU-ac, [N/A]\\n"\n'
    script(tmp_path / "fake-smi", text)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    if visible is not None:
        variables["CUDA_VISIBLE_DEVICES"] = visible
    drivers = Drivers(nvml=NONE.nvml, cuda=NONE.cuda, smi="fake-smi", kfd=NONE.kfd)
    found = find_gpus(variables, drivers=drivers)
    assert found.capabilities == capabilities
    assert found.source.startswith("nvidia-smi")
    assert (tmp_path / "arguments").read_text() == "--query-gpu=uuid,compute_cap --format=csv,noheader\n"


def test_nvidia_smi_without_a_driver(tmp_path: Path) -> None:
    script(tmp_path / "fake-smi", "#!/bin/sh\necho NVIDIA-SMI has failed because 1.0, 2.0\nexit 9\n")
    drivers = Drivers(nvml=NONE.nvml, cuda=NONE.cuda, smi="fake-smi", kfd=NONE.kfd)
    assert find_gpus({"PATH": f"{tmp_path}:/bin"}, drivers=drivers) == Gpus()


def test_no_driver_answers_at_once() -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert find_gpus({"PATH": "/usr/bin:/bin"}, drivers=NONE) == Gpus()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01


@pytest.fixture
def kfd(tmp_path: Path) -> Drivers:
    versions = {"0": 0, "1": 90_010, "2": 110_000, "10": 100_302}
    files: dict[str, str | bytes] = {
        f"{name}/properties": f"cpu_cores_count 0\ngfx_target_version {version}\nunique_id {int(name) * 256}\n"
        for name, version in versions.items()
    }
    sites.write(tmp_path / "nodes", {**files, "3/properties": "", "4/name": "x"})
    return Drivers(nvml=NONE.nvml, cuda=NONE.cuda, smi=NONE.smi, kfd=tmp_path / "nodes")


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, ("gfx90a", "gfx1100", "gfx1032")),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, ("gfx1032", "gfx90a")),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "0"}, ("gfx1100",)),
        ({"ROCR_VISIBLE_DEVICES": "GPU-0000000000000200"}, ("gfx1100",)),
        ({"CUDA_VISIBLE_DEVICES": "0"}, ("gfx90a",)),
        ({"HIP_VISIBLE_DEVICES": ""}, ()),
    ],
)
def test_amd(kfd: Drivers, variables: dict[str, str], names: tuple[str, ...]) -> None:
    found = find_gpus(variables, drivers=kfd)
    assert found == (Gpus(capabilities=names, source=str(kfd.kfd)) if names else Gpus())


def test_gfx_names() -> None:
    versions = {90_006: "gfx906", 90_402: "gfx942", 90_500: "gfx950", 100_300: "gfx1030", 120_001: "gfx1201"}
    assert {version: gfx_name(version) for version in versions} == versions
