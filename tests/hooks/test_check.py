"""`torchgraft check` of environments whose torch is one of two sets of real libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import torchgraft
from support.stub_libraries import NUMBERS, STABLE, STRINGS, StubTorch, make_module, make_torch, share
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


@pytest.fixture(autouse=True)
def long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")


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
    assert "numbers-ext 1.0: links, though built for another torch" in text
    assert f"  cure:    pip --python {environment.prefix} install --no-cache-dir --force-reinstall" in text
    # What is said is what happens.
    for name, links in (("strings", False), ("numbers", True), ("stable", True)):
        done = environment.python(f"import torch, {name}_ext.{name}")
        assert (done.returncode == 0) is links, done.stderr


def test_a_library_that_is_gone(
    environment: Environment, torches: tuple[StubTorch, StubTorch], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = share(tmp_path / "libspeed.so", 'extern "C" int speed() { return 5; }')
    flags = (f"-L{tmp_path}", "-lspeed", f"-Wl,-rpath,{tmp_path}")
    module = make_module(tmp_path / "made", torches[1], "ext", uses=NUMBERS, flags=flags)
    environment.install("ext", module)
    assert check(capsys, environment.prefix)[0] == 0
    library.rename(library.with_name("moved"))
    status, text = check(capsys, environment.prefix)
    assert status == 1
    assert "a library that it needs is not there" in text
    assert "    needs libspeed.so, which nothing here provides\n" in text
    assert environment.python("import torch, ext.ext").returncode != 0
    # A package that has it may load it first.
    environment.install("speed", library.with_name("moved").rename(library))
    library.unlink()
    assert check(capsys, environment.prefix)[0] == 0


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
    environment.install("pure", None, built=torches[0])
    status, text = check(capsys, environment.prefix)
    assert status == 0
    assert text.startswith(f"no torch in {environment.prefix} (as named)\n")
    environment.install("strings_ext", modules["strings"], built=torches[0])
    environment.install("foreign", modules["strings"], installer="conda")
    status, text = check(capsys, environment.prefix)
    assert status == 1
    rows = {line.split()[0]: line for line in text.splitlines()[4:7]}
    assert rows["pure"].endswith(" fits")
    assert rows["strings-ext"].endswith("2.8.0      does not link: no torch to link with")
    assert f"  cure:    pip --python {environment.prefix} install torch==2.8.0\n" in text
    other = f"install torch in {environment.prefix}, or name another environment: --consumer PATH"
    assert f"foreign 1.0: does not link: no torch to link with\n  cure:    {other}\n" in text
    assert check(capsys, "--consumer", environment.prefix, modules["strings"])[0] == 1


@pytest.mark.parametrize("has_links", [False, True])
@pytest.mark.parametrize(("versions", "links"), [(("GLIBCXX_3.4", "GLIBCXX_3.4.99"), True), (("GLIBCXX_3.4",), False)])
def test_in_an_environment_of_conda_its_own_libraries_count(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    versions: tuple[str, ...],
    links: bool,  # noqa: FBT001 - a row of the table
    has_links: bool,  # noqa: FBT001
) -> None:
    """The libraries of conda's torch are in the environment's lib, and so is the C++ library that they load."""
    # What is newer than the system's, and what only the system's has.
    newest = "GLIBCXX_3.4.99" if links else "GLIBCXX_3.4.21"
    other = cxx_library(tmp_path, (*versions, newest) if newest not in versions else versions)
    module = make_module(
        tmp_path,
        torches[1],
        "conda",
        uses=f"{STABLE} + newest()",
        flags=["-include", str(tmp_path / "newest.h"), "-nodefaultlibs", str(other)],
    )
    folder, own = environment.site / "torch" / "lib", environment.prefix / "lib"
    for library in sorted(folder.iterdir()):
        shutil.move(library, own)
        if has_links:
            library.symlink_to(own / library.name)
    # How torch finds them.
    share(environment.site / "torch" / "_C.so", "", "-Wl,-rpath,$ORIGIN/../../..")
    cxx_library(own, versions)
    environment.install("conda_ext", module)
    status, text = check(capsys, environment.prefix)
    assert (status == 0) is links, text
    assert links or f"needs {newest}, which libstdc++.so.6 here does not have" in text


def cxx_library(folder: Path, versions: tuple[str, ...]) -> Path:
    """Return a libstdc++.so.6 that defines these versions, the last of a function newest()."""
    (folder / "newest.h").write_text('extern "C" int newest();\n')
    script = folder / "versions.map"
    script.write_text("".join(f"{name} {{ {'global: newest;' * (name == versions[-1])} }};\n" for name in versions))
    source = 'extern "C" int newest() { return 1; }'
    return share(folder / "libstdc++.so.6", source, f"-Wl,--version-script={script}", "-nostdlib")


def test_a_module_that_was_built_for_musl(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    libc = share(tmp_path / "libc.musl-x86_64.so.1", "")
    flags = ("-nodefaultlibs", f"-L{tmp_path}", f"-l:{libc.name}")
    module = make_module(tmp_path, torches[1], "alpine", uses=STABLE, flags=flags)
    status, text = check(capsys, "--consumer", environment.prefix, module)
    assert status == 1
    assert f"  {module.name}: it was built for another C library\n    needs {libc.name}, which is musl" in text
    assert "GLIBC" not in text


@pytest.mark.parametrize("cut", [0, 3, 100, 3000, 10_000, None])
def test_a_damaged_library_is_not_checked(
    environment: Environment,
    modules: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    cut: int | None,
) -> None:
    """None: it is gone, and RECORD lists it."""
    environment.install("foreign", modules["numbers"])
    library = environment.site / "foreign" / modules["numbers"].name
    data = library.read_bytes()
    assert cut is None or cut < len(data)
    library.unlink()
    if cut is not None:
        library.write_bytes(data[:cut])
    status, text = check(capsys, environment.prefix)
    assert status == 0
    assert text.splitlines()[4] == "foreign 1.0  -          not checked"
    assert f"  foreign/{library.name}: it is" in text or f"  foreign/{library.name}: it cannot be read" in text
    assert environment.python(f"import torch, foreign.{modules['numbers'].name.partition('.')[0]}").returncode != 0
    if cut is not None:
        assert "not checked" in check(capsys, "--consumer", environment.prefix, library)[1]
        wheel = tmp_path / "foreign-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(library, f"foreign/{library.name}")
        assert "foreign 1.0  -          not checked" in check(capsys, "--consumer", environment.prefix, wheel)[1]


def test_what_is_called_a_library_and_is_none(
    environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script, text, other = tmp_path / "libx.so", tmp_path / "x.so", tmp_path / "x.dll"
    script.write_text("/* GNU ld script */\nINPUT(libx.so.1)\n")
    text.write_text("version https://git-lfs.github.com/spec/v1\n")
    other.write_bytes(b"MZ" + bytes(60) + b"torch_python.dll" + bytes(4))
    without = tmp_path / "y.dll"
    without.write_bytes(b"MZ" + bytes(60))
    # A linker script is nothing that an import finds.
    environment.install("linked", script)
    environment.install("other", without)
    assert check(capsys, environment.prefix) == (
        0,
        f"torch 2.9.0 in {environment.prefix} (as named)\nno package needs it\n",
    )
    environment.install("fetched", text)
    environment.install("foreign", other)
    status, said = check(capsys, environment.prefix)
    assert status == 0
    assert "fetched/x.so: it is no library" in said
    assert "foreign/x.dll: PE is not checked" in said
    for file, why in ((script, "it is no library"), (text, "it is no library"), (without, "PE is not checked")):
        status, said = check(capsys, "--consumer", environment.prefix, file)
        assert (status, f"{file.name}: {why}" in said) == (0, True)


def test_a_wheel_whose_record_is_damaged(
    environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ext-1.0.dist-info/torchgraft.json", json.dumps({"torch": {"version": "2.8.0"}}))
    data = bytearray(wheel.read_bytes())
    start = data.index(b"torchgraft.json") + len("torchgraft.json")
    said = set()
    for place in range(start, start + 30):
        for value in (0x00, 0x07, 0xFF):
            wheel.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            status = main(["check", "--consumer", str(environment.prefix), str(wheel)])
            said.add((status, capsys.readouterr().err.partition(":")[0]))
    assert (1, "error[bad-wheel]") in said
    assert {status for status, _ in said} <= {0, 1}


def test_a_module_that_only_the_system_is_too_old_for(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither another torch nor the same build once more would help."""
    newer = tmp_path / "newer"
    newer.mkdir()
    library = cxx_library(newer, ("GLIBCXX_3.4.21", "GLIBCXX_3.4.99"))
    flags = ["-include", str(newer / "newest.h"), "-nodefaultlibs", str(library)]
    module = make_module(tmp_path, torches[1], "late", uses=f"{STABLE} + newest()", flags=flags)
    environment.install("foreign", module)
    environment.install("ext", module, built=torches[1])
    status, text = check(capsys, environment.prefix)
    assert status == 1
    cures = [line for line in text.splitlines() if "cure:" in line]
    assert (
        cures
        == ["  cure:    a newer C++ library (conda: libstdcxx-ng), or a build made with this system's own compiler"] * 2
    )
    assert all(
        package["cures"] == [] for package in json.loads(check(capsys, "--json", environment.prefix)[1])["packages"]
    )


def test_editable_installations_whose_package_has_another_name(
    environment: Environment,
    torches: tuple[StubTorch, StubTorch],
    modules: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "source"
    (source / "src" / "cool").mkdir(parents=True)
    module = Path(shutil.copy(modules["strings"], source / "src" / "cool"))
    environment.install("my_dist", None, built=torches[0])
    info = environment.site / "my_dist-1.0.dist-info"
    (info / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}}))
    (environment.site / "_my_dist.pth").write_text(f"{source}/src\n")
    with (info / "RECORD").open("a") as file:
        file.write("_my_dist.pth,,\n")
    status, text = check(capsys, environment.prefix)
    assert (status, text.splitlines()[4]) == (1, "my-dist 1.0  2.8.0      does not link")
    # One that was left by another Python is not imported.
    module.rename(module.with_name("strings.cpython-39-x86_64-linux-gnu.so"))
    shutil.copy(modules["numbers"], source / "src" / "cool")
    status, text = check(capsys, environment.prefix)
    assert (status, text.splitlines()[4]) == (0, "my-dist 1.0  2.8.0      links, though built for another torch")
    # With nothing to look at, nothing fits.
    shutil.rmtree(source / "src")
    status, text = check(capsys, environment.prefix)
    assert (status, text.splitlines()[4]) == (0, "my-dist 1.0  2.8.0      not checked")
    assert f"  {source}/src: it is not there" in text


def test_two_environments_are_one_too_many(
    environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(environment.prefix), "--consumer", sys.prefix]) == 2
    said = capsys.readouterr().err
    assert (
        f"error[bad-argument]: two environments are named: {environment.prefix}, and {sys.prefix} by --consumer" in said
    )
    # A folder is an environment or none, whatever it is called.
    (tmp_path / "d.so").mkdir()
    assert main(["check", str(tmp_path / "d.so")]) == 2
    assert "error[no-environment]" in capsys.readouterr().err


def test_the_present_environment(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(environment.prefix))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    status, text = check(capsys)
    assert status == 0
    assert text == f"torch 2.9.0 in {environment.prefix} (VIRTUAL_ENV names it)\nno package needs it\n"


def test_a_file_that_is_no_library(
    environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "setup.py").write_text("import torch\n")
    status, text = check(capsys, str(tmp_path / "setup.py"), "--consumer", str(environment.prefix))
    assert status == 0
    assert "it is no library" in text


def test_a_tool_that_is_not_told_which_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "tool", symlinks=True)
    (tmp_path / "tool" / "uv-receipt.toml").touch()
    # Nobody's child, so that no environment of those who run the tests is activated for it.
    command = f"{tmp_path}/tool/bin/python -m torchgraft check; echo $?"
    entries = [str(Path(torchgraft.__file__).parents[1]), *sys.path]
    variables = {**os.environ, "VIRTUAL_ENV": "", "CONDA_PREFIX": "", "PYTHONPATH": os.pathsep.join(entries)}
    orphan = ["sh", "-c", f"(sleep 1; {command}) &"]
    done = subprocess.run(orphan, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "2\n", done.stderr
    said = done.stderr.splitlines()
    assert said[0] == "error[no-environment]: which environment is to be checked?"
    assert said[1] == "  found:  no environment is activated"
    # Where a long path is broken is no matter.
    found = f"found: {tmp_path} and the folders above have no .venv, and torchgraft runs in an environment of its own"
    assert "".join("".join(said[2:-1]).split()) == "".join(found.split())
    assert said[-1].startswith("  fix:    torchgraft check PATH   (")


def test_what_is_no_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "error[no-environment]" in capsys.readouterr().err
    (tmp_path / "x.whl").write_bytes(b"no")
    assert main(["check", "--consumer", sys.prefix, str(tmp_path / "x.whl")]) == 1
    assert "error[bad-wheel]: x.whl is not a wheel" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(tmp_path / "nothing")])
    assert "there is no" in capsys.readouterr().err
