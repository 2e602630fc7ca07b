"""Every reader of what others wrote, as a function of a folder in which one file has the content.

Beside them stands what they are held to, and content that is made to hurt.
"""

from __future__ import annotations

import contextlib
import functools
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from support import sites, snapshots
from torchgraft.compile.compilation import begins_with
from torchgraft.compile.compilers import find_rocm
from torchgraft.compile.hardware import parse_cpu_list, parse_groups
from torchgraft.compile.nvcc import (
    parse_architectures,
    parse_dry_run,
    parse_highest_gcc,
    parse_profile,
    parse_wrapper,
)
from torchgraft.consumer.command_line import parse_arguments, parse_command_line
from torchgraft.consumer.environment import pth_folders, read_environment, read_pyvenv_cfg, started_modules
from torchgraft.consumer.front_end import maker_of, project_venv
from torchgraft.errors import TorchgraftError, printable_text
from torchgraft.hook.diagnoses import TellingLines, diagnose
from torchgraft.installed.dist_info import parse_file_list, parse_header
from torchgraft.installed.markers import MarkerError, marker_holds
from torchgraft.installed.torch import read_architectures, read_torch
from torchgraft.link.libraries import read_since
from torchgraft.link.modules import read_file_modules
from torchgraft.link.system_libraries import configured_folders
from torchgraft.model.decision import PlannedPrebuilt
from torchgraft.model.observation import FrontEndName, Snapshot
from torchgraft.prebuilt.inspect import inspect_prebuilt
from torchgraft.prebuilt.plan_prebuilt import UnfitError, parse_hashes
from torchgraft.prebuilt.store import read_about
from torchgraft.prebuilt.store_key import read_tree
from torchgraft.prebuilt.surroundings import NoKeyError
from torchgraft.project.read_project import read_project, read_requirements
from torchgraft.redaction import without_secrets
from torchgraft.settings.sources import read_pyproject
from torchgraft.tools.adopt.adoptable import read_adoptable
from torchgraft.tools.adopt.package_index import parse_index_page
from torchgraft.tools.adopt.sdist import unpack_sdist
from torchgraft.tools.adopt.stale_lines import find_stale_lines
from torchgraft.tools.check.packages import may_need_torch, read_modules, read_package_file
from torchgraft.tools.from_json import from_json_text
from torchgraft.tools.front_end_settings import find_front_end_settings
from torchgraft.tools.vendor.vendored_copy import read_copy
from torchgraft.wanted.arguments import read_asked_for
from torchgraft.wanted.command_sources import read_injected, read_receipts
from torchgraft.wanted.lock_files import read_lock
from torchgraft.wanted.settings_files import pip_settings, read_uv_settings
from torchgraft.wheel.contents import read_wheel_contents
from torchgraft.wheel.record import read_record, read_record_of

# What a reader may take of a processor and of memory, whatever it is given.
MOST_SECONDS = 10
MOST_BYTES = 2_000_000_000
# How it may refuse what it is given.
REFUSALS = (TorchgraftError, MarkerError, UnfitError, NoKeyError)

# A tag stands for the product of its parts, here for 64 million.
_TAGS = b"-".join([b".".join(b"a%d" % n for n in range(400))] * 3)

Reader = Callable[[Path], object]
_PYTHON = snapshots.PYTHON
_WANTED = PlannedPrebuilt(url="https://x.example/a-1.0-py3-none-any.whl", name="a", version="1.0")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _all(found: Iterator[object]) -> list[object]:
    return list(found)


def _project(folder: Path) -> object:
    pyproject: Mapping[str, Any] = {}
    return read_project(folder, pyproject), read_requirements(folder, pyproject)


def _lock(name: FrontEndName) -> Reader:
    return lambda folder: read_lock(str(folder), command=parse_arguments(name, ()), python=_PYTHON, extra_files=())


def _torch(folder: Path) -> object:
    return read_torch((str(folder),)), read_architectures(folder / "torch")


def _asked(*arguments: str) -> Reader:
    command = parse_arguments(FrontEndName.PIP, arguments)
    return lambda folder: read_asked_for(command, folder=str(folder), variables={}, python=_PYTHON)


def _output(folder: Path) -> object:
    telling = TellingLines()
    for line in (folder / "output").read_bytes().splitlines(keepends=True):
        telling.see(line)
    return diagnose(telling.lines), printable_text(without_secrets(_text(folder / "output")))


def _record(folder: Path) -> object:
    with contextlib.suppress(ValueError):
        return parse_file_list((folder / "RECORD").read_bytes())
    return None


def _startup_code(folder: Path) -> object:
    sites.write(folder, {"pyvenv.cfg": "", "lib/python3.11/site-packages/a.pth": "import a_module"})
    return read_environment(str(folder), python=_PYTHON)


def _rocm(folder: Path) -> object:
    sites.write(folder, {"rocm/bin/hipcc": ""})
    return find_rocm({}, places=(str(folder / "rocm"),))


def _library(folder: Path) -> object:
    package = read_package_file(folder / "libx.so")
    return may_need_torch(package, read_modules(package))


def _nvcc(folder: Path) -> object:
    text = _text(folder / "nvcc")
    return (
        parse_dry_run(text),
        parse_architectures(text),
        parse_highest_gcc(text),
        parse_profile(text, "/x"),
        parse_wrapper(text),
    )


READERS: Mapping[str, Reader] = {
    "pyproject.toml": read_pyproject,
    "pyproject.toml of a project": lambda folder: read_project(folder, read_pyproject(folder)),
    "setup.py": _project,
    "setup.cfg": _project,
    "CMakeLists.txt": _project,
    "meson.build": _project,
    "setup.py to adopt": read_adoptable,
    "uv.lock": _lock(FrontEndName.UV),
    "poetry.lock": _lock(FrontEndName.POETRY),
    "pdm.lock": _lock(FrontEndName.PDM),
    "pylock.toml": lambda folder: read_lock(
        str(folder), command=parse_arguments(FrontEndName.PIP, ()), python=_PYTHON, extra_files=("pylock.toml",)
    ),
    "requirements.txt": _asked("install", "-r", "requirements.txt"),
    "constraints.txt": _asked("install", "torch", "-c", "constraints.txt"),
    "uv.toml": lambda folder: _all(read_uv_settings({"XDG_CONFIG_HOME": "/x"}, folder, Path("/x"))),
    "pip.conf": lambda folder: _all(pip_settings({"PIP_CONFIG_FILE": str(folder / "pip.conf")}, Path("/x"))),
    "uv-receipt.toml": lambda folder: _all(read_receipts((folder,), [], "torch")),
    "torch/version.py": _torch,
    "torch/lib/libc10.so": _torch,
    "torch/lib/libtorch_cuda.so": _torch,
    "torch-2.8.0.dist-info/METADATA": _torch,
    "torch-2.8.0.dist-info/RECORD": _torch,
    "torch-2.8.0.dist-info/direct_url.json": _torch,
    "__editable___torch_2_8_0_finder.py": _torch,
    "torch.egg-link": _torch,
    "METADATA": lambda folder: parse_header((folder / "METADATA").read_bytes()),
    "RECORD": _record,
    "pyvenv.cfg": read_pyvenv_cfg,
    "a.pth": lambda folder: (_all(pth_folders(folder / "a.pth")), _all(started_modules(folder / "a.pth"))),
    "ld.so.conf": lambda folder: configured_folders(folder / "ld.so.conf"),
    "module.so": lambda folder: read_file_modules({"module.so": folder / "module.so"}),
    "a-1.0-py3-none-any.whl": lambda folder: inspect_prebuilt(folder / "a-1.0-py3-none-any.whl", _WANTED, None, None),
    "b-1.0-py3-none-any.whl": lambda folder: read_wheel_contents(folder / "b-1.0-py3-none-any.whl", folder),
    "torchgraft.json": read_record,
    "snapshot.json": lambda folder: from_json_text(Snapshot, _text(folder / "snapshot.json"), source="a file"),
    "hashes": lambda folder: parse_hashes(_text(folder / "hashes")),
    "page": lambda folder: parse_index_page(_text(folder / "page"), "https://x.example/"),
    "sdist.tar.gz": lambda folder: unpack_sdist(folder / "sdist.tar.gz", folder / "out"),
    "arguments": lambda folder: parse_command_line(("pip", *_text(folder / "arguments").split(" "))),
    "marker": lambda folder: marker_holds(_text(folder / "marker"), _PYTHON),
    "etc/pip.conf": lambda folder: find_front_end_settings({}, folder, etc=folder / "etc"),
    "README.md": lambda folder: find_stale_lines(folder, {}, None),
    ".venv": project_venv,
    "pyvenv.cfg of a venv": lambda folder: maker_of(_text(folder / "pyvenv.cfg")),
    "lib/python3.11/site-packages/a_module.py": _startup_code,
    "trash/venv-1-pipx-reinstall/pipx_metadata.json": lambda folder: _all(read_injected(folder / "venvs" / "venv")),
    "torch/include/torch/csrc/stable/library.h": lambda folder: read_since(folder / "torch"),
    "about.json": read_about,
    ".git/packed-refs": read_tree,
    "settings.json": read_tree,
    "c-1.0-py3-none-any.whl": lambda folder: (
        read_record_of(folder / "c-1.0-py3-none-any.whl"),
        read_package_file(folder / "c-1.0-py3-none-any.whl"),
    ),
    "libx.so": _library,
    "rocm/.info/version": _rocm,
    "_torchgraft/manifest.json": read_copy,
    "cpus": lambda folder: (parse_cpu_list(_text(folder / "cpus")), parse_groups(_text(folder / "cpus"))),
    "a.cpp": lambda folder: begins_with(folder / "a.cpp"),
    "output": _output,
    "nvcc": _nvcc,
}


_KERNEL = "/proc and /sys are the kernel's; what is parsed of other processes is in the list"
_OWN = "what we wrote ourselves, where nobody else can write"
_BACKEND = "what the project's own backend has just made, which may do as it likes"
_BOUNDED = "up to a bound, for one search"
_INSPECTED = "what was held to its bounds by a reader of the list just before"
# Functions that read, but are called by no reader of the list, or whole modules of them: why that is right.
OTHER_READERS: Mapping[str, str] = {
    "compile/cuda_home:_add_driver_stub": _BOUNDED,
    "compile/gpus": _KERNEL,
    "compile/hardware": _KERNEL,
    "compile/precompiled_header": "beside a compiler, which reads the same sources",
    "compile/precompiled_header:through_header": _OWN,
    "consumer/processes": _KERNEL,
    "consumer/uv:_outer": _BOUNDED,
    "hook/delegate:_read_killings": _KERNEL,
    "hook/run:_built_before": _OWN,
    "hook/run:_compiled_wheel": _BACKEND,
    "hook/run:_metadata_of_wheel": _BACKEND,
    "hook/run:_plan_with_dependencies": _BACKEND,
    "hook/ready_wheels:take_prebuilt": _INSPECTED,
    "hook/ready_wheels:take_from_store": _INSPECTED,
    "hook/source_lock": _OWN,
    "ladder/without_torch:problem": _OWN,
    "ladder/without_torch:reads": _OWN,
    "ladder/without_torch:source_of_metadata": _BOUNDED,
    "prebuilt/surroundings:processor": _KERNEL,
    "prebuilt/surroundings:machine_system": _BOUNDED,
    "prebuilt/surroundings:_digest_of_files": _BOUNDED,
    "prebuilt/store_server:_open": "up to a bound of time and size; a server that never ends has its test",
    "prebuilt/store_server:put_file": _OWN,
    "prebuilt/take:_expected": "a file that was downloaded up to a bound; its parser is in the list",
    "prebuilt/take:_without_local": _INSPECTED,
    "prebuilt/take:read_listed": "a page that was downloaded up to a bound; its parser is in the list",
    "supervisor:_members": _KERNEL,
    "tools/adopt/sdist:_publish": _INSPECTED,
    "tools/adopt/sdist:_rewrite_tar": _INSPECTED,
    "tools/adopt/sdist:_rewrite_zip": _INSPECTED,
    "tools/check/package_libraries:_named_paths": _BOUNDED,
    "tools/check/packages:_is_built_here": _BOUNDED,
    "tools/matrix/build_cells:_make_sdist": _BACKEND,
    "tools/shared_options:own_installer": _OWN,
    "tools/show_plan:_recorded": "up to a bound; its parser is in the list",
    "wheel/archive": _BACKEND,
    "wheel/guard:explanation_text": _OWN,
    "wheel/guarding:_text": _OWN,
    "wheel/guarding:_torch_on_path": "in a process that is about to import that torch",
    "wheel/metadata": _BACKEND,
    "wheel/reproducible:settle_sdist": _BACKEND,
}


def lay_out(folder: Path, reader: str, content: bytes) -> None:
    """Write what a reader is given into a new folder."""
    name = reader.partition(" ")[0]
    if name.startswith("torch"):
        sites.install_torch(folder)
    sites.write(folder, {name: content})


def hostile(reader: str) -> Mapping[str, bytes]:
    """Return content that is made to hurt a reader: deep, long, many, doubling."""
    if not reader.endswith((".whl", ".tar.gz")):
        return _texts()
    names = ("METADATA", "WHEEL", "RECORD", "torchgraft.json", "a.so")
    bombs = {f"a gigabyte of {name}": _archive(name, b"\n" * 1_000_000, 1000) for name in names}
    return {**bombs, "tags": _archive("WHEEL", b"Tag: " + _TAGS + b"\n", 1)}


def _texts() -> Mapping[str, bytes]:
    doubling = "a0 = 'x' * 1000\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(40))
    calls = (
        f"from setuptools import setup\n{doubling}__version__ = version = a40\nsetup(name=a40, install_requires=a40)\n"
    )
    return {
        "nothing": b"",
        "zeros": bytes(1_000_000),
        "brackets": b"[" * 100_000,
        "arrays": b"a = " + b"[" * 300 + b"]" * 300,
        "objects": b'{"a":' * 100_000,
        "parentheses": b"torch==2.8; " + b"(" * 100_000,
        "dotted keys": b".".join([b"a"] * 20_000) + b" = 1\n",
        "dotted tables": b"[" + b".".join([b"a"] * 20_000) + b"]\n",
        "many tables": b"".join(b"[[package]]\nname = 'torch'\nversion = '%d'\n" % n for n in range(10_000)),
        "a long line": b"torch" * 1_000_000,
        "tags": b"[[package]]\nname = 'torch'\nversion = '2.8.0'\nwheels = [{url = 'https://x.example/torch-2.8.0-"
        + _TAGS
        + b".whl'}]\n",
        "many lines": b"torch>=2\n" * 200_000,
        "blanks": b"torch" + b" " * 500_000 + b"x",
        "tabs and commas": b"a,\t" * 200_000,
        "digits": b"a = 1" + b"0" * 1_000_000,
        "a version": b"__version__ = '1." + b"0." * 300_000 + b"0'\n",
        "equals": b"a=" * 200_000,
        "backslashes": b"torch \\\n" * 100_000,
        "quotes": b"\"'" * 200_000,
        "nested requirements": b"-r requirements.txt\n-c constraints.txt\n" * 5_000,
        "doubling": doubling.encode(),
        "doubling calls": calls.encode(),
        "doubling lists": "".join(f"a{n + 1} = [*a{n}, *a{n}]\n" for n in range(40)).replace("a0", "[1]", 2).encode(),
        "powers": b"__version__ = str(9 ** 9 ** 9)\nversion = 'x' * 10 ** 12\n",
        "sums": b"x = " + b"1 + " * 50_000 + b"1\n",
        "ifs": b"".join(b"if(A%d)\n" % n for n in range(100_000)),
        "interpolations": b"[metadata]\nversion = %(version)s\n" + b"key = ${key}\n" * 100_000,
        "continued": b"[options]\ninstall_requires =\n" + b"  torch\n" * 100_000,
        "colons": b"error: " * 300_000,
        "compilers": b"a.cu(1): error: " * 50_000 + b"x\n" + b"FAILED: /x.o c++ -c x -o " * 20_000,
        "addresses": b"https://a:b@" * 100_000,
        "links": b'<a href="x.tar.gz#sha256=00">x</a>' * 100_000,
        "html": b"<" * 500_000,
        "ranges": b"0-999999999999," * 50_000,
        "elf": b"\x7fELF\x02\x01\x01" + b"\xff" * 100_000,
        "other encodings": "torch==2.8\n".encode("utf-16") * 50_000,
    }


@functools.cache
def _archive(padded: str, content: bytes, times: int) -> bytes:
    """Return an archive as a wheel is one, or as an sdist may be one, with more in one of its files."""
    data = io.BytesIO()
    texts = {
        "METADATA": "Metadata-Version: 2.1\nName: a\nVersion: 1.0\n\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
        "torchgraft.json": "{}",
        "a.so": "\x7fELF",
    }
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in texts.items():
            with archive.open(name if name == "a.so" else f"a-1.0.dist-info/{name}", "w", force_zip64=True) as member:
                member.write(text.encode())
                for _ in range(times if name == padded else 0):
                    member.write(content)
    return data.getvalue()
