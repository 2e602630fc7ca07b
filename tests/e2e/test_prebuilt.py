"""Prebuilt wheels through real front ends, in isolation: the client is a build requirement, the server has real TLS."""

from __future__ import annotations

import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from support.https import Server, serve_https
from support.wheels import write_wheel

from .laboratory import Environment, Laboratory, Workplace

pytestmark = pytest.mark.e2e

UV = uv.find_uv_bin()
TAG = "cp{0}{1}-cp{0}{1}-{2}".format(*sys.version_info[:2], re.sub(r"[-. ]", "_", sysconfig.get_platform()))
SCHEME = "{name}-{version}+torch{torch_minor}cxx11abi{cxx11abi}-{python}-{abi}-{platform}.whl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_https(tmp_path_factory.mktemp("https")) as made:
        yield made


@pytest.mark.parametrize("front", ["pip", "uv"])
def test_a_front_end_installs_what_is_built_already(
    front: str, server: Server, laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment(*(["pip"] if front == "pip" else []))
    source = laboratory.project("tiny")
    pyproject = source / "pyproject.toml"
    table = f'\n[[tool.torchgraft.prebuilt]]\nurl = "{server.address}/v{{version}}/{SCHEME}"\n'
    pyproject.write_text(pyproject.read_text(encoding="utf-8") + table, encoding="utf-8")
    minor = ".".join(laboratory.torch_release.split(".")[:2])
    wheel = write_wheel(
        workplace.folder / "served.whl",
        name="tiny",
        version="1.0",
        tags=(TAG,),
        files={"tiny/__init__.py": "BUILT_FOR_TORCH = 'prebuilt'\n"},
        metadata=("Requires-Dist: torch>=2.4",),
    )
    path = f"/v1.0/tiny-1.0+torch{minor}cxx11abiTRUE-{TAG}.whl"

    # Not there yet: compiled.
    server.requests.clear()
    assert install(front, source, consumer, workplace, server) == f"{laboratory.torch_release}+cpu"
    assert server.requests == [path]
    assert "404" in record(consumer)["prebuilt"][0]["refused"]

    server.serve_file(path, wheel)
    assert install(front, source, consumer, workplace, server) == "prebuilt"
    assert record(consumer)["prebuilt"][0]["used"]
    del server.answers[path]


def install(front: str, source: Path, consumer: Environment, place: Workplace, server: Server) -> str:
    """Return which torch the package says that it was built for."""
    command = {
        "pip": [consumer.python, "-m", "pip", "install", "--force-reinstall", "--no-deps", source],
        "uv": [UV, "pip", "install", "--python", consumer.python, "--reinstall-package=tiny", "--no-deps", source],
    }[front]
    place.run(command, SSL_CERT_FILE=str(server.authority)).succeeded()
    return place.run([consumer.python, "-c", "import tiny; print(tiny.BUILT_FOR_TORCH)"]).succeeded().said.strip()


def record(consumer: Environment) -> dict[str, list[dict[str, str]]]:
    (file,) = consumer.site_packages.glob("tiny-1.0.dist-info/torchgraft.json")
    found: dict[str, list[dict[str, str]]] = json.loads(file.read_text(encoding="utf-8"))
    return found
