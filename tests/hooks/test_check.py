"""`torchgraft check` of environments whose torch is one of two sets of real libraries."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.stub_libraries import NUMBERS, STABLE, STRINGS, StubTorch, make_module, make_torch
from torchgraft.cli import main

PYTHON_FOLDER = f"python{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the libraries are ELF files")


@dataclass(frozen=True)
class Environment:
    prefix: Path

    @property
    def site(self) -> Path:
        return self.prefix / "lib" / PYTHON_FOLDER / "site-packages"

    def install(
        self, name: str, module: Path | None, *, built: StubTorch | None = None, installer: str = "pip"
    ) -> None:
        info = self.site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        files = [f"{info.name}/METADATA"]
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "INSTALLER").write_text(installer)
        if module is not None:
            (self.site / name).mkdir()
            shutil.copy(module, self.site / name)
            files.append(f"{name}/{module.name}")
        if built is not None:
            facts = {"version": VERSIONS[built], "cuda": None, "hip": None, "cxx11_abi": built.cxx11_abi}
            (info / "torchgraft.json").write_text(json.dumps({"torch": facts}))
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(self.site)!r})\n{code}"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


VERSIONS: dict[StubTorch, str] = {}


@pytest.fixture(scope="module")
def torches(tmp_path_factory: pytest.TempPathFactory) -> tuple[StubTorch, StubTorch]:
    """Make torch 2.8.0 with the old C++ ABI, and 2.9.0 with the new one."""
    made = tuple(
        make_torch(tmp_path_factory.mktemp(f"torch-{version}"), version, cxx11_abi=abi)
        for version, abi in (("2.8.0", False), ("2.9.0", True))
    )
    VERSIONS.update(zip(made, ("2.8.0", "2.9.0"), strict=True))
    return made[0], made[1]


@pytest.fixture(scope="module")
def modules(torches: tuple[StubTorch, StubTorch], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compile modules for the old torch: one that links with both, one that does not, one of the stable ABI."""
    folder = tmp_path_factory.mktemp("modules")
    uses = {"strings": STRINGS, "numbers": NUMBERS, "stable": STABLE}
    return {name: make_module(folder, torches[0], name, uses=use) for name, use in uses.items()}


@pytest.fixture
def environment(torches: tuple[StubTorch, StubTorch], tmp_path: Path) -> Environment:
    """Return one with the new torch."""
    made = Environment(tmp_path / "env")
    made.site.parent.mkdir(parents=True)
    shutil.copytree(torches[1].site, made.site)
    # The stable ABI is what the headers say.
    header = made.site / "torch" / "include" / "torch" / "csrc" / "stable" / "c" / "shim.h"
    header.parent.mkdir(parents=True)
    header.write_text("int aoti_torch_get_dim();\nint torch_list_size();\n")
    (made.prefix / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {sys.version.split()[0]}\n")
    return made


def check(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    status = main(["check", *map(str, words)])
    return status, capsys.readouterr().out


def test_every_verdict(
    environment: Environment,
    modules: dict[str, Path],
    torches: tuple[StubTorch, StubTorch],
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = torches[0]
    environment.install("strings_ext", modules["strings"], built=old, installer="uv")
    environment.install("numbers_ext", modules["numbers"], built=old)
    environment.install("stable_ext", modules["stable"], built=old)
    environment.install("foreign", modules["strings"])
    environment.install("pure", None)
    status, text = check(capsys, environment.prefix)
    assert status == 1
    rows = {line.split()[0]: line for line in text.splitlines()[4:8]}
    assert rows["strings-ext"].endswith("2.8.0      does not link")
    assert rows["numbers-ext"].endswith("2.8.0      links, though built for another torch")
    assert "2.8.0      fits (stable ABI, from torch " in rows["stable-ext"]
    assert rows["foreign"].endswith("-          does not link")
    assert "pure" not in text
    assert "it was compiled with the other C++ ABI" in text
    assert "std::string" in text
    assert "differs: version 2.8.0, here 2.9.0; C++11 ABI no, here yes" in text
    cure = f"uv pip install --python {environment.prefix} --no-cache --reinstall-package strings_ext strings_ext==1.0"
    assert f"  cure:    {cure}\n" in text
    assert "another build of foreign, made for torch 2.9.0" in text
    # What is said is what happens.
    for name, links in (("strings", False), ("numbers", True), ("stable", True)):
        done = environment.python(f"import torch, {name}_ext.{name}")
        assert (done.returncode == 0) is links, done.stderr


def test_all_well_is_0(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    modules: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.install("numbers_ext", modules["numbers"], built=torches[1])
    status, text = check(capsys, environment.prefix)
    assert status == 0
    assert text.splitlines()[-1].split() == ["numbers-ext", "1.0", "2.9.0", "fits"]


def test_json_has_every_symbol(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    modules: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.install("strings_ext", modules["strings"], built=torches[0])
    status, text = check(capsys, "--json", environment.prefix)
    data = json.loads(text)
    assert status == 1
    (package,) = data["packages"]
    (module,) = package["modules"]
    assert (package["fit"], module["verdict"]) == ("does not link", "does not link")
    assert any(symbol.startswith("_ZN3c105ErrorC1E") for symbol in module["missing"])


def test_one_library_and_one_wheel(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    modules: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, text = check(capsys, "--consumer", environment.prefix, modules["strings"])
    assert (status, "does not link" in text) == (1, True)
    assert check(capsys, "--consumer", environment.prefix, modules["numbers"])[0] == 0
    wheel = tmp_path / "ext-1.0-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(modules["strings"], "ext/strings.so")
        archive.writestr("ext-1.0.dist-info/torchgraft.json", json.dumps({"torch": {"version": VERSIONS[torches[0]]}}))
    status, text = check(capsys, "--consumer", environment.prefix, wheel)
    assert status == 1
    assert "ext 1.0  2.8.0      does not link" in text


def test_no_torch_to_compare_with(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    modules: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.rmtree(environment.site)
    environment.install("strings_ext", modules["strings"], built=torches[0])
    status, text = check(capsys, environment.prefix)
    assert status == 0
    assert text.startswith(f"no torch in {environment.prefix} (as told)\n")
    assert "not checked" in text


def test_the_present_environment(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(environment.prefix))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    status, text = check(capsys)
    assert status == 0
    assert text == f"torch 2.9.0 in {environment.prefix} (VIRTUAL_ENV names it)\nno package needs it\n"


def test_what_is_no_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert "error[no-environment]" in capsys.readouterr().err
    (tmp_path / "x.whl").write_bytes(b"no")
    assert main(["check", "--consumer", sys.prefix, str(tmp_path / "x.whl")]) == 1
    assert "error[bad-wheel]: x.whl is not a wheel" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(tmp_path / "nothing")])
    assert "there is no" in capsys.readouterr().err
