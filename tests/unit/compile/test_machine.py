from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from support import sites
from torchgraft.compile.hardware import parse_cpu_list, parse_groups, read_machine
from torchgraft.model.hardware_values import Hardware

GIB = 1 << 30
NO_LIMIT_V1 = "9223372036854771712\n"


class Tree:
    """A machine of 16 processors and 64 GiB."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.cgroup = folder / "cgroup"
        self.cgroup.mkdir(parents=True)
        self.write_proc({"meminfo": f"MemTotal: 1 kB\nMemAvailable:   {64 * GIB // 1024} kB\n"})
        self.write_proc({"self/status": "Name:\tx\nCpus_allowed:\tffff\nCpus_allowed_list:\t0-7,16-23\n"})

    def write_proc(self, files: dict[str, str | bytes]) -> None:
        sites.write(self.proc, files)

    def groups(self, text: str) -> None:
        self.write_proc({"self/cgroup": text})

    def group(self, name: str, **files: object) -> Path:
        folder = self.cgroup / name if name else self.cgroup
        folder.mkdir(parents=True, exist_ok=True)
        sites.write(folder, {key.replace("_", ".", 1): f"{value}\n" for key, value in files.items()})
        return folder

    def read(self) -> Hardware:
        return read_machine(proc=self.proc, cgroup=self.cgroup)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_no_container(tree: Tree) -> None:
    assert tree.read() == Hardware(
        cores=16,
        cores_limit="the 16 processors that this process may use",
        memory_bytes=64 * GIB,
        memory_limit="the memory of this machine",
    )


def test_v2_own_group(tree: Tree) -> None:
    tree.groups("0::/app.slice/job\n")
    job = tree.group("app.slice/job", memory_max=8 * GIB, memory_current=3 * GIB, cpu_max="250000 100000")
    sites.write(job, {"memory.stat": f"anon 5\ninactive_file {2 * GIB}\nactive_file 7\n"})
    assert tree.read() == Hardware(
        cores=3,
        cores_limit=f"cpu.max of {job}: 2.5 processors",
        memory_bytes=7 * GIB,
        memory_limit=f"memory.max of {job}",
    )


@pytest.mark.parametrize("name", ["", "a", "a/b"])
def test_v2_every_ancestor_counts(tree: Tree, name: str) -> None:
    tree.groups("0::/a/b/c\n")
    tree.group("a/b/c", memory_max="max", memory_high="max", memory_current=1, cpu_max="max 100000")
    folder = tree.group(name, memory_max=GIB, memory_current=0, cpu_max="100000 100000")
    machine = tree.read()
    assert (machine.cores, machine.memory_bytes) == (1, GIB)
    assert machine.memory_limit == f"memory.max of {folder}"


def test_v2_the_lower_of_max_and_high(tree: Tree) -> None:
    tree.groups("0::/a\n")
    folder = tree.group("a", memory_max=8 * GIB, memory_high=6 * GIB, memory_current=GIB)
    assert (tree.read().memory_bytes, tree.read().memory_limit) == (5 * GIB, f"memory.high of {folder}")


def test_what_is_full_leaves_nothing(tree: Tree) -> None:
    tree.groups("0::/a\n")
    tree.group("a", memory_max=GIB, memory_high=GIB // 2, memory_current=GIB, cpu_max="1000 100000")
    assert (tree.read().memory_bytes, tree.read().cores) == (0, 1)


def test_a_limit_above_the_machines_is_none(tree: Tree) -> None:
    tree.groups("0::/a\n")
    tree.group("a", memory_max=512 * GIB, memory_current=0, cpu_max="6400000 100000")
    assert (tree.read().memory_limit, tree.read().cores) == ("the memory of this machine", 16)


def test_v1(tree: Tree) -> None:
    tree.groups("9:name=systemd:/\n4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n2:cpuset:/\n")
    tree.group("memory", memory_limit_in_bytes=NO_LIMIT_V1.strip(), memory_usage_in_bytes=20 * GIB)
    tree.group("memory/docker", memory_limit_in_bytes=16 * GIB, memory_usage_in_bytes=6 * GIB)
    tree.group("memory/docker/abc", memory_limit_in_bytes=NO_LIMIT_V1.strip(), memory_usage_in_bytes=5 * GIB)
    sites.write(tree.cgroup, {"memory/docker/memory.stat": f"inactive_file 3\ntotal_inactive_file {2 * GIB}\n"})
    tree.group("cpu,cpuacct", cpu_cfs_quota_us=-1, cpu_cfs_period_us=100_000)
    tree.group("cpu,cpuacct/docker/abc", cpu_cfs_quota_us=400_000, cpu_cfs_period_us=100_000)
    assert tree.read() == Hardware(
        cores=4,
        cores_limit=f"cpu.cfs_quota_us of {tree.cgroup}/cpu,cpuacct/docker/abc: 4.0 processors",
        memory_bytes=12 * GIB,
        memory_limit=f"memory.limit_in_bytes of {tree.cgroup}/memory/docker",
    )


def test_v1_an_ancestor_that_cannot_be_seen(tree: Tree) -> None:
    tree.groups("4:memory:/kubepods/pod1/c1\n")
    tree.group("memory", memory_limit_in_bytes=NO_LIMIT_V1.strip(), memory_usage_in_bytes=GIB)
    sites.write(tree.cgroup, {"memory/memory.stat": f"hierarchical_memory_limit {4 * GIB}\n"})
    machine = tree.read()
    assert machine.memory_bytes == 3 * GIB
    assert machine.memory_limit == f"hierarchical_memory_limit of {tree.cgroup}/memory"


def test_hybrid(tree: Tree) -> None:
    """As systemd mounts it: the controllers in v1, and v2 beside them without any."""
    tree.groups("4:memory:/job\n1:cpu:/\n0::/user.slice\n")
    tree.group("memory/job", memory_limit_in_bytes=2 * GIB, memory_usage_in_bytes=0)
    tree.group("unified/user.slice", cgroup_controllers="")
    tree.group("cpu", cpu_cfs_quota_us=-1)
    assert (tree.read().memory_bytes, tree.read().cores) == (2 * GIB, 16)


def test_hybrid_with_memory_in_v2(tree: Tree) -> None:
    tree.groups("1:cpu:/\n0::/user.slice\n")
    tree.group("cpu", cpu_cfs_quota_us=200_000, cpu_cfs_period_us=100_000)
    tree.group("unified/user.slice", memory_max=2 * GIB, memory_current=0)
    assert (tree.read().memory_bytes, tree.read().cores) == (2 * GIB, 2)


@pytest.mark.parametrize(
    ("path", "root"), [("/docker/abc", "/docker/abc"), ("/docker/abc", ""), ("/../../other", ""), ("/", "/")]
)
def test_the_own_group_is_what_is_mounted(tree: Tree, path: str, root: str) -> None:
    tree.groups(f"0::{path}\n")
    if root:
        tree.write_proc({"self/mountinfo": f"31 23 0:28 {root} {tree.cgroup} ro,nosuid - cgroup2 cgroup rw\n"})
    tree.group("", memory_max=GIB, memory_current=0)
    assert tree.read().memory_bytes == GIB


def test_a_group_below_what_is_mounted(tree: Tree) -> None:
    tree.groups("0::/docker/abc/job\n")
    tree.write_proc({"self/mountinfo": f"31 23 0:28 /docker/abc {tree.cgroup} ro - cgroup2 cgroup rw\nshort\n"})
    tree.group("", memory_max=8 * GIB, memory_current=0)
    tree.group("job", memory_max=GIB, memory_current=0)
    assert tree.read().memory_limit == f"memory.max of {tree.cgroup}/job"


@pytest.mark.parametrize("text", ["", "rubbish\n", "0::\n", "x:y:z\n", "0::/nowhere\n"])
def test_rubbish_limits_nothing(tree: Tree, text: str) -> None:
    tree.groups(text)
    tree.group("", memory_max="lots", cpu_max="a b", memory_current="")
    assert (tree.read().memory_bytes, tree.read().cores) == (64 * GIB, 16)


def test_without_proc_psutil_is_asked(tmp_path: Path) -> None:
    """As on macOS and Windows."""
    machine = read_machine(proc=tmp_path / "proc", cgroup=tmp_path / "cgroup")
    assert machine.cores == psutil.cpu_count()
    assert 0 < machine.memory_bytes <= psutil.virtual_memory().total
    assert "of this machine" in machine.cores_limit


def test_this_machine_answers_at_once() -> None:
    read_machine()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        machine = read_machine()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005
    assert machine.cores >= 1


@pytest.mark.parametrize(
    ("text", "count"), [("0", 1), ("0-3", 4), ("0-3,8,10-11", 7), ("", 0), ("a", 0), ("3-1", 0), ("1,", 0)]
)
def test_cpu_lists(text: str, count: int) -> None:
    assert parse_cpu_list(text) == count


def test_group_files() -> None:
    assert parse_groups("3:cpu,cpuacct:/a:b\n0::/c\n0::/d\nx::/e\n1:pids\n") == {
        "cpu": "/a:b",
        "cpuacct": "/a:b",
        "": "/c",
    }
