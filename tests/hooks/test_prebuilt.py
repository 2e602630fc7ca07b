"""Prebuilt wheels through the hooks, from a server on this machine over real TLS.

Whatever is wrong with one, the wheel is compiled from source instead, and it is said why.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import io
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.https import Server, content, partial_content, status
from support.wheels import write_wheel

PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"
PLATFORM = re.sub(r"[-. ]", "_", sysconfig.get_platform())
TAG = f"{PYTHON}-{PYTHON}-{PLATFORM}"
# flash-attn's naming scheme: the name of the file has a local version that is in no wheel.
SCHEME = "{name}-{version}+cu{cuda_major}torch{torch_minor}cxx11abi{cxx11abi}-{python}-{abi}-{platform}.whl"
FILE = f"ext-1.0+cu12torch2.8cxx11abiTRUE-{TAG}.whl"
PATH = f"/v1.0/{FILE}"
MARK = "prebuilt = True\n"
OTHER_SUFFIX = re.sub(r"\d+", "27", str(sysconfig.get_config_var("EXT_SUFFIX")), count=1)
# The constructor of c10::Error in the two C++ ABIs; in C, both are names like any other.
NEW_ABI = "_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
OLD_ABI = "_ZN3c105ErrorC1ENS_14SourceLocationESs"
OTHER = "_ZN2at9not_thereEv"
LOCAL = "cu.12.8.torch.2.8"
INDEX = '[[tool.torchgraft.prebuilt]]\nindex = "{}/simple"\nlocal = "cu.{{cuda}}.torch.{{torch_minor}}"\n'
PURE = {"setup.py": "import torch\nfrom setuptools import setup\nsetup(ext_modules=[])\n"}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with torch's libc10.so, and modules that need a function of it: ours, old and other."""
    folder = tmp_path_factory.mktemp("libraries")
    compile_library(folder / "libc10.so", f"void {NEW_ABI}(void) {{}}")
    for name, symbol in (("ours", NEW_ABI), ("old", OLD_ABI), ("other", OTHER)):
        code = f"void {symbol}(void); void *PyInit_ext_c(void) {{ {symbol}(); return 0; }}"
        compile_library(folder / f"{name}.so", code, f"-L{folder}", "-Wl,--allow-shlib-undefined", "-lc10")
    return folder


def compile_library(path: Path, code: str, *options: str) -> None:
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), *options]
    subprocess.run(command, input=code, text=True, check=True, timeout=60)


@dataclass
class Bench:
    """A project that names a server, and what its hooks did."""

    server: Server
    folder: Path
    make_project: Callable[..., Path]
    make_caller: Callable[..., Any]

    def prebuilt(self, **changes: Any) -> bytes:
        values = {"name": "ext", "version": "1.0", "tags": (TAG,), "files": {"ext.py": MARK}}
        values |= {"metadata": ("Requires-Dist: torch",), **changes}
        return write_wheel(self.folder / "made.whl", **values).read_bytes()

    def project(self, more: str = "", files: dict[str, str] | None = None) -> Path:
        extra = f'[[tool.torchgraft.prebuilt]]\nurl = "{self.server.address}/v{{version}}/{SCHEME}"\n{more}'
        return self.make_project({**PURE, **(files or {})}, extra=extra)

    def build(self, project: Path, *, prepare: bool = False, **variables: str) -> Result:
        caller = self.make_caller(project, SSL_CERT_FILE=str(self.server.authority), **variables)
        directory = None
        if prepare:
            (self.folder / "meta").mkdir()
            directory = str(self.folder / "meta" / caller.prepare_metadata_for_build_wheel(self.folder / "meta"))
        (self.folder / "out").mkdir()
        name = caller.build_wheel(self.folder / "out", metadata_directory=directory)
        assert [path.name for path in (self.folder / "out").iterdir()] == [name]
        return Result(self.folder / "out" / name)


@dataclass
class Result:
    wheel: Path

    def read(self, name: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            (found,) = (entry for entry in archive.namelist() if entry.endswith(name))
            return archive.read(found).decode()

    @property
    def is_prebuilt(self) -> bool:
        return self.read("ext.py") == MARK

    @property
    def record(self) -> Any:
        return json.loads(self.read(".dist-info/torchgraft.json"))

    @property
    def refusal(self) -> str:
        (tried,) = self.record["prebuilt"]
        assert not tried["used"]
        return str(tried["refused"])


@pytest.fixture
def bench(
    server: Server, tmp_path: Path, consumer: Path, libraries: Path, make_project: Any, make_caller: Any
) -> Bench:
    (torch,) = consumer.glob("lib/python*/site-packages/torch")
    (torch / "lib").mkdir()
    shutil.copy(libraries / "libc10.so", torch / "lib")
    return Bench(server, tmp_path, make_project, make_caller)


def check_record(wheel: Path) -> None:
    from installer.sources import WheelFile

    with WheelFile.open(wheel) as source:
        source.validate_record()


def test_a_wheel_that_fits(bench: Bench) -> None:
    data = bench.prebuilt()
    bench.server.serve(PATH, content(data))
    result = bench.build(bench.project())
    assert bench.server.requests == [PATH]
    assert result.is_prebuilt
    assert result.wheel.name == f"ext-1.0-{TAG}.whl"
    (tried,) = result.record["prebuilt"]
    assert tried["used"]
    assert tried["url"] == f"{bench.server.address}{PATH}"
    assert tried["sha256"] == [hashlib.sha256(data).hexdigest()]
    assert result.record["variables"] == []
    check_record(result.wheel)


def test_what_a_wheel_says_of_its_own_build_is_kept(bench: Bench, libraries: Path) -> None:
    built = {"record": 1, "torch": {"version": "2.8.0.dev1"}, "built": {"compilers": ["gcc 9.1"]}, "note": "\u00e9"}
    files = {
        "ext.py": MARK,
        "ext_c.so": (libraries / "ours.so").read_bytes(),
        "ext-1.0.dist-info/torchgraft.json": json.dumps(built, ensure_ascii=False),
        "ext-1.0.dist-info/sboms/torchgraft.cdx.json": "{}",
    }
    bench.server.serve(PATH, content(bench.prebuilt(files=files)))
    result = bench.build(bench.project(), TORCHGRAFT_SBOM="true")
    assert result.is_prebuilt
    (tried,) = result.record["prebuilt"]
    assert tried["record"] == built
    # What was found here, beside it.
    assert result.record["torch"]["version"] == "2.8.0+cu128"
    assert result.record["built"]["link"]["verdict"] == "links"
    assert result.read("sboms/torchgraft.cdx.json") == "{}"
    check_record(result.wheel)


@pytest.mark.parametrize("text", ["[]", "not JSON", "[" * 100_000])
def test_a_record_that_is_none_is_not_kept(bench: Bench, text: str) -> None:
    files = {"ext.py": MARK, "ext-1.0.dist-info/torchgraft.json": text}
    bench.server.serve(PATH, content(bench.prebuilt(files=files)))
    result = bench.build(bench.project())
    assert result.is_prebuilt
    assert "record" not in result.record["prebuilt"][0]


def test_what_was_prepared_is_what_is_in_the_wheel(bench: Bench) -> None:
    bench.server.serve(PATH, content(bench.prebuilt()))
    result = bench.build(bench.project(), prepare=True)
    assert result.is_prebuilt
    (metadata,) = (bench.folder / "meta").glob("*.dist-info/METADATA")
    assert result.read(".dist-info/METADATA") == metadata.read_text()
    check_record(result.wheel)


def test_other_requirements_than_were_prepared(bench: Bench) -> None:
    bench.server.serve(PATH, content(bench.prebuilt(metadata=("Requires-Dist: torch", "Requires-Dist: einops"))))
    result = bench.build(bench.project(), prepare=True)
    assert not result.is_prebuilt
    assert result.refusal.endswith("prepared: einops")


@pytest.mark.parametrize("has_it", [False, True])
def test_a_wheel_gets_the_requirement_that_was_added_to_the_metadata(
    bench: Bench,
    has_it: bool,  # noqa: FBT001 - a row of the table
) -> None:
    pin = "Requires-Dist: torch==2.8.*"
    requires = ("Requires-Dist: torch", *([pin] if has_it else []))
    bench.server.serve(PATH, content(bench.prebuilt(metadata=requires)))
    files = {"setup.py": "from setuptools import setup\nsetup(ext_modules=[], install_requires=['torch'])\n"}
    project = bench.project(files=files)
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text()
    assert 'dependencies = ["torch"]\n' in text
    text = text.replace('dependencies = ["torch"]\n', 'dynamic = ["dependencies"]\n')
    pyproject.write_text(f'{text}\n[tool.torchgraft]\nruntime-torch = "minor"\n')
    result = bench.build(project, prepare=True)
    assert result.is_prebuilt, result.record["prebuilt"]
    assert pin in result.read(".dist-info/METADATA").splitlines()


def wrong_name(bench: Bench) -> bytes:
    return bench.prebuilt(name="other")


def wrong_version(bench: Bench) -> bytes:
    return bench.prebuilt(version="1.1")


def wrong_tag(bench: Bench) -> bytes:
    return bench.prebuilt(tags=(f"cp27-cp27m-{PLATFORM}",))


def wrong_record(bench: Bench) -> bytes:
    return bench.prebuilt(after={"ext.py": "import evil\n"})


def no_wheel(_: Bench) -> bytes:
    return b"<html>Not found, but 200 OK</html>"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (wrong_name, "it is other 1.0, not ext 1.0"),
        (wrong_version, "it is ext 1.1, not ext 1.0"),
        (wrong_tag, "it is for cp27-cp27m"),
        (wrong_record, "its RECORD is wrong: hash / size of ext.py"),
        (no_wheel, "it is no wheel: BadZipFile"),
    ],
)
def test_a_wheel_that_does_not_fit_is_compiled_instead(
    bench: Bench, make: Callable[[Bench], bytes], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.server.serve(PATH, content(make(bench)))
    result = bench.build(bench.project())
    assert not result.is_prebuilt
    assert result.refusal.startswith(reason)
    assert f"is not used: {reason}" in capfd.readouterr().err
    check_record(result.wheel)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("ours", ""),
        ("old", "ext_c.so does not link with torch 2.8.0+cu128: it was compiled with the other C++ ABI; undefined: "),
        ("other", "ext_c.so does not link with torch 2.8.0+cu128: it was built for another version of torch"),
        ("damaged", "ext_c.so cannot be checked: it is damaged"),
    ],
)
def test_names_of_wheels_lie_and_symbols_do_not(bench: Bench, libraries: Path, module: str, reason: str) -> None:
    library = b"\x7fELF" + bytes(50) if module == "damaged" else (libraries / f"{module}.so").read_bytes()
    bench.server.serve(PATH, content(bench.prebuilt(files={"ext.py": MARK, "ext_c.so": library})))
    result = bench.build(bench.project())
    assert result.is_prebuilt is not bool(reason)
    assert not reason or result.refusal.startswith(reason)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("ext_c.so", b"", "ext_c.so is empty"),
        ("ext_c.so", b"version https://git-lfs.github.com/spec/v1\n", "ext_c.so is a pointer of Git LFS"),
        (f"ext_c{OTHER_SUFFIX}", None, f"ext_c{OTHER_SUFFIX} is for another Python"),
    ],
)
def test_tags_of_wheels_lie_and_modules_do_not(
    bench: Bench, libraries: Path, name: str, data: bytes | None, reason: str
) -> None:
    library = (libraries / "ours.so").read_bytes() if data is None else data
    bench.server.serve(PATH, content(bench.prebuilt(files={"ext.py": MARK, name: library})))
    result = bench.build(bench.project())
    assert not result.is_prebuilt
    assert result.refusal.startswith(reason)


@pytest.mark.parametrize(("version", "is_used"), [("2.8.*", True), ("2.7.*", False)])
def test_a_wheel_that_requires_another_torch_is_not_used_without_prepared_metadata(
    bench: Bench,
    version: str,
    is_used: bool,  # noqa: FBT001 - a row of the table
) -> None:
    bench.server.serve(PATH, content(bench.prebuilt(metadata=(f"Requires-Dist: torch=={version}",))))
    assert bench.build(bench.project()).is_prebuilt is is_used


def test_what_is_not_elf_is_used_and_said_not_to_be_checked(bench: Bench) -> None:
    files = {"ext.py": MARK, "ext_c.dylib": b"\xcf\xfa\xed\xfe" + bytes(28), "ext_d.pyd": b"MZ" + bytes(62)}
    bench.server.serve(PATH, content(bench.prebuilt(files=files)))
    result = bench.build(bench.project())
    assert result.is_prebuilt
    link = result.record["built"]["link"]
    assert link["verdict"] == "not checked"
    assert link["not_checked"] == {"ext_c.dylib": "Mach-O is not checked", "ext_d.pyd": "PE is not checked"}


def test_one_that_breaks_off(bench: Bench) -> None:
    data = bench.prebuilt()

    def broken(handler: Any) -> None:
        partial_content(data[:100], len(data))(handler)
        handler.close_connection = True

    bench.server.serve(PATH, broken)
    assert "IncompleteRead" in bench.build(bench.project()).refusal


def test_one_that_is_not_there(bench: Bench) -> None:
    assert bench.build(bench.project()).refusal == "the server says 404 Not Found"


def test_a_server_that_does_not_answer_is_asked_once(bench: Bench) -> None:
    address = "https://127.0.0.1:9"
    more = "".join(f'[[tool.torchgraft.prebuilt]]\nurl = "{address}/{number}/{SCHEME}"\n' for number in range(30))
    project = bench.make_project(PURE, extra=more)
    reasons = [tried["refused"] for tried in bench.build(project).record["prebuilt"]]
    assert "refused" in reasons[0]
    assert set(reasons[1:]) == {"not asked for, since 127.0.0.1 did not answer"}


def test_a_server_error_and_then_the_wheel(bench: Bench) -> None:
    bench.server.serve(PATH, status(500), content(bench.prebuilt()))
    assert bench.build(bench.project()).is_prebuilt


def test_a_redirect_away_from_https(bench: Bench) -> None:
    bench.server.serve(PATH, status(302, Location="http://127.0.0.1:9/x.whl"))
    assert "which is not HTTPS" in bench.build(bench.project()).refusal


@pytest.mark.parametrize("is_right", [True, False])
def test_a_digest(bench: Bench, is_right: bool) -> None:  # noqa: FBT001 - a row of the table
    data = bench.prebuilt()
    bench.server.serve(PATH, content(data))
    digest = hashlib.sha256(data).hexdigest() if is_right else "0" * 64
    result = bench.build(bench.project(f'sha256 = "{digest}"\n'))
    assert result.is_prebuilt is is_right
    assert is_right or f"not {'0' * 64}" in result.refusal


@pytest.mark.parametrize("name", [FILE, "another.whl"])
def test_a_file_of_digests_on_the_server(bench: Bench, name: str) -> None:
    data = bench.prebuilt()
    bench.server.serve(PATH, content(data))
    bench.server.serve("/v1.0/SHA256SUMS", content(f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()))
    hashes = f'hashes = "{bench.server.address}/v{{version}}/SHA256SUMS"\n'
    result = bench.build(bench.project(hashes), TORCHGRAFT_REQUIRE_HASHES="true")
    assert result.is_prebuilt is (name == FILE)


def test_a_file_of_digests_in_the_source_tree(bench: Bench) -> None:
    data = bench.prebuilt()
    bench.server.serve(PATH, content(data))
    sums = {"SHA256SUMS": f"{hashlib.sha256(data).hexdigest()}  {FILE}\n"}
    assert bench.build(bench.project('hashes = "SHA256SUMS"\n', sums)).is_prebuilt


def test_a_user_who_wants_none(bench: Bench) -> None:
    bench.server.serve(PATH, content(bench.prebuilt()))
    result = bench.build(bench.project(), TORCHGRAFT_PREBUILT="off")
    assert not result.is_prebuilt
    assert "prebuilt" not in result.record
    assert not bench.server.requests


def test_a_version_that_only_the_delegate_knows(bench: Bench) -> None:
    bench.server.serve(PATH, content(bench.prebuilt()))
    project = bench.project(files={"version.txt": "1.0\n"})
    text = (project / "pyproject.toml").read_text().replace('version = "1.0"\n', 'dynamic = ["version"]\n')
    (project / "pyproject.toml").write_text(f'{text}\n[tool.setuptools.dynamic]\nversion = {{file = "version.txt"}}\n')
    assert bench.build(project).is_prebuilt


@pytest.mark.parametrize("is_literal", [True, False])
def test_what_is_said_of_a_checkout_before_the_build_is_true_of_it(
    bench: Bench,
    capfd: pytest.CaptureFixture[str],
    is_literal: bool,  # noqa: FBT001 - a row of the table
) -> None:
    bench.server.serve(PATH, content(bench.prebuilt()))
    version = "'1.0'" if is_literal else "'.'.join('10')"
    script = f"import torch\nfrom setuptools import setup\nsetup(name='ext', version={version}, py_modules=['ext'])\n"
    project = bench.project(files={"setup.py": script})
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(re.sub(r"(?s)\[project\].*?(?=\[\[)", "", text))
    bench.make_caller(project, TORCHGRAFT_LOG="plan").get_requires_for_build_wheel()
    said = capfd.readouterr().err
    assert "is not tried" not in said
    assert (f"{bench.server.address}{PATH} is tried first" in said) is is_literal
    assert ("is looked for when the wheel is built: no file states {version}, so setup.py is asked" in said) is not (
        is_literal
    )
    assert bench.build(project).is_prebuilt


def test_nothing_of_a_proxy_gets_into_the_output_or_the_wheel(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    result = bench.build(bench.project(), https_proxy="http://someuser:S3/CRET@127.0.0.1:1", no_proxy="")
    assert result.refusal == "the address of the proxy is none"
    for text in (capfd.readouterr().err, result.read(".dist-info/torchgraft.json")):
        assert "someuser" not in text
        assert "S3" not in text


def test_where_nothing_can_be_compiled_and_no_wheel_fits(
    bench: Bench, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    project = bench.project('[[tool.torchgraft.when]]\ngcc = ">=1"\nerror = "no compiler will do"\n')
    compiler = tmp_path / "bin" / "gcc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho 12.2.0\n")
    compiler.chmod(0o755)
    (compiler.parent / "g++").symlink_to(compiler)
    variables = {"CC": str(compiler), "CXX": str(compiler.parent / "g++")}
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        bench.build(project, **variables)
    assert "error[rule-error]: ext: no compiler will do" in capfd.readouterr().err
    bench.server.serve(PATH, content(bench.prebuilt()))
    (bench.folder / "out").rmdir()
    assert bench.build(project, **variables).is_prebuilt


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_an_editable_wheel_is_of_the_source_tree(bench: Bench) -> None:
    bench.server.serve(PATH, content(bench.prebuilt()))
    caller = bench.make_caller(bench.project(), SSL_CERT_FILE=str(bench.server.authority))
    assert not caller.get_requires_for_build_editable()
    (bench.folder / "out").mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        caller.build_editable(bench.folder / "out")
    assert not bench.server.requests


def test_the_client_is_asked_for(bench: Bench) -> None:
    caller = bench.make_caller(bench.project())
    assert caller.get_requires_for_build_wheel() == ["urllib3>=2.3"]


# Places that are no address of HTTPS, and indexes.


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[str]:
    """Serve the folder `served` over HTTP, as `python -m http.server` does."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}"
        listener.shutdown()


def build_from(bench: Bench, extra: str) -> Any:
    project = bench.make_project({"setup.py": "from setuptools import setup\nsetup(ext_modules=[])\n"}, extra=extra)
    return bench.build(project, prepare=True)


def put(folder: Path, bench: Bench, name: str = FILE, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bench.prebuilt(**changes))
    return folder / name


def test_a_folder_of_this_machine(bench: Bench, tmp_path: Path) -> None:
    put(tmp_path / "dist", bench)
    result = build_from(bench, f'[[tool.torchgraft.prebuilt]]\nurl = "{(tmp_path / "dist").as_uri()}/{SCHEME}"\n')
    assert result.is_prebuilt
    check_record(result.wheel)


def test_a_folder_without_it(bench: Bench, tmp_path: Path) -> None:
    result = build_from(bench, f'[[tool.torchgraft.prebuilt]]\nurl = "{tmp_path.as_uri()}/{SCHEME}"\n')
    assert result.refusal == "No such file or directory"


def test_a_server_of_this_machine(bench: Bench, plain_server: str, tmp_path: Path) -> None:
    put(tmp_path / "served", bench)
    assert build_from(bench, f'[[tool.torchgraft.prebuilt]]\nurl = "{plain_server}/{SCHEME}"\n').is_prebuilt


def html(*files: Path) -> bytes:
    rows = [f'<a href="../../{f.name}#sha256={hashlib.sha256(f.read_bytes()).hexdigest()}">{f.name}</a>' for f in files]
    return f"<!doctype html><html><body>{' '.join(rows)}</body></html>".encode()


def test_an_index_whose_versions_say_for_which_torch(bench: Bench, server: Server, tmp_path: Path) -> None:
    wheels = [
        put(tmp_path / "made", bench, f"ext-1.0+{local}-{TAG}.whl", version=f"1.0+{local}", files={"ext.py": text})
        for local, text in (("cu.12.8.torch.2.9", "wrong"), (LOCAL, "prebuilt = True\n"), ("cpu.torch.2.8", "wrong"))
    ]
    for wheel in wheels:
        server.serve_file(f"/{wheel.name}", wheel)
    server.serve("/simple/ext/", content(html(*wheels)))
    result = build_from(bench, INDEX.format(server.address))
    assert result.is_prebuilt
    # It is the version that the front end has resolved.
    assert result.wheel.name == f"ext-1.0-{TAG}.whl"
    assert "\nVersion: 1.0\n" in result.read("ext-1.0.dist-info/METADATA")
    check_record(result.wheel)
    (tried,) = result.record["prebuilt"]
    assert tried["url"] == f"{server.address}/{wheels[1].name}"
    assert tried["sha256"] == [hashlib.sha256(wheels[1].read_bytes()).hexdigest()]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"files": []}, "it lists no wheel of 1.0+cu.12.8.torch.2.8 for this interpreter, but no other either"),
        (
            {"files": [{"filename": f"ext-1.0+cu.12.6.torch.2.8-{TAG}.whl", "url": "x"}]},
            "it lists no wheel of 1.0+cu.12.8.torch.2.8 for this interpreter, but 1.0+cu.12.6.torch.2.8 for cp",
        ),
        (
            {"files": [{"filename": f"ext-1.0+{LOCAL}-{TAG}.whl", "url": "x"}]},
            f"the index says no SHA-256 digest of ext-1.0+{LOCAL}-{TAG}.whl",
        ),
        (
            {"files": [{"filename": f"ext-1.0+{LOCAL}-{TAG}.whl", "url": "http://a.b/c", "hashes": {"sha256": "0"}}]},
            f"ext-1.0+{LOCAL}-{TAG}.whl is not at an address of HTTPS",
        ),
        (
            {"files": [{"filename": f"ext-1.0+{LOCAL}-{TAG}.whl", "url": "file:///etc/x", "hashes": {"sha256": "0"}}]},
            f"ext-1.0+{LOCAL}-{TAG}.whl is not at an address of HTTPS",
        ),
    ],
)
def test_an_index_without_one_that_fits(bench: Bench, server: Server, page: dict[str, Any], reason: str) -> None:
    server.serve("/simple/ext/", content(json.dumps(page).encode()))
    assert build_from(bench, INDEX.format(server.address)).refusal.startswith(reason)


def test_a_wheel_that_is_not_what_the_index_says(bench: Bench, server: Server, tmp_path: Path) -> None:
    wheel = put(tmp_path / "made", bench, f"ext-1.0+{LOCAL}-{TAG}.whl", version=f"1.0+{LOCAL}")
    server.serve("/simple/ext/", content(html(wheel)))
    put(tmp_path / "made", bench, wheel.name, version=f"1.0+{LOCAL}", files={"ext.py": "other"})
    server.serve_file(f"/{wheel.name}", wheel)
    assert "its SHA-256 is" in build_from(bench, INDEX.format(server.address)).refusal
