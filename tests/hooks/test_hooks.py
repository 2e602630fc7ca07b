"""All eight hooks through pyproject-hooks, and again from a copy of the package under another name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyproject_hooks
import pytest

from torchgraft.tools.vendor.vendored_copy import PACKAGE

from .conftest import ROOT, write_consumer

BACKENDS = ["torchgraft.build_meta", "vendored.torchgraft.build_meta"]


@pytest.fixture(params=BACKENDS, ids=["installed", "vendored"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def member(wheel: Path, name: str) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        (found,) = (entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}"))
        return archive.read(found).decode()


def test_requirements(make_project: Any, make_caller: Any, backend: str) -> None:
    caller = make_caller(make_project(backend=backend), backend=backend)
    assert caller.get_requires_for_build_wheel() == []
    assert caller.get_requires_for_build_editable() == []
    assert caller.get_requires_for_build_sdist() == []


def test_a_wheel(make_project: Any, make_caller: Any, backend: str, tmp_path: Path, consumer: Path) -> None:
    project = make_project(backend=backend)
    given = listing(project)
    before = listing(consumer)
    caller = make_caller(project, backend=backend)
    (tmp_path / "meta").mkdir()
    metadata = tmp_path / "meta" / caller.prepare_metadata_for_build_wheel(tmp_path / "meta")
    wheel = tmp_path / caller.build_wheel(tmp_path, metadata_directory=str(metadata))
    assert wheel.name.startswith("ext-1.0-cp3")
    record = json.loads(member(wheel, "torchgraft.json"))
    assert record["torch"]["version"] == "2.8.0+cu128"
    assert record["way"] == "graft"
    assert member(wheel, "METADATA") == (metadata / "METADATA").read_text()
    built = record.pop("built")
    assert built["link"]["verdict"] == "links"
    assert record == json.loads((metadata / "torchgraft.json").read_text())
    after = listing(project)
    assert {name: after[name] for name in given} == given
    assert listing(consumer) == before


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_an_editable_wheel(make_project: Any, make_caller: Any, backend: str, tmp_path: Path) -> None:
    caller = make_caller(make_project(backend=backend), backend=backend)
    (tmp_path / "meta").mkdir()
    name = caller.prepare_metadata_for_build_editable(tmp_path / "meta")
    assert (tmp_path / "meta" / name / "torchgraft.json").exists()
    wheel = tmp_path / caller.build_editable(tmp_path)
    assert json.loads(member(wheel, "torchgraft.json"))["torch"]["cuda"] == "12.8"


def test_an_sdist(make_project: Any, make_caller: Any, backend: str, tmp_path: Path) -> None:
    caller = make_caller(make_project(backend=backend), backend=backend)
    path = tmp_path / caller.build_sdist(tmp_path)
    with tarfile.open(path) as archive:
        assert "ext-1.0/setup.py" in archive.getnames()
        assert "ext-1.0/ext.c" in archive.getnames()


def test_config_settings_are_split_and_the_rest_reaches_the_delegate(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    delegate = """
    import json, os
    def build_wheel(directory, config_settings=None, metadata_directory=None):
        open(os.environ["SEEN"], "w").write(json.dumps(config_settings))
        raise SystemExit(1)
    def build_sdist(directory, config_settings=None): ...
    """
    extra = '[tool.torchgraft]\nbackend = "own_backend"\nbackend-path = ["tools"]'
    project = make_project({"tools/own_backend.py": delegate}, extra=extra)
    caller = make_caller(project, SEEN=str(tmp_path / "seen"))
    settings = {"torchgraft.log": "quiet", "--global-option": ["--x", "--y"], "other.key": "1"}
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        caller.build_wheel(tmp_path, settings)
    assert json.loads((tmp_path / "seen").read_text()) == {"--global-option": ["--x", "--y"], "other.key": "1"}


def test_a_delegate_with_the_mandatory_hooks_alone(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    delegate = """
    import zipfile, os, torch
    class UnsupportedOperation(Exception): ...
    def build_wheel(directory, config_settings=None, metadata_directory=None):
        print("BUILT with", metadata_directory)
        name = "ext-1.0-py3-none-any.whl"
        with zipfile.ZipFile(os.path.join(directory, name), "w") as z:
            z.writestr("ext.py", "")
            z.writestr("ext-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ext\\nVersion: 1.0\\n")
            z.writestr("ext-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
            z.writestr("ext-1.0.dist-info/RECORD", "ext.py,,\\next-1.0.dist-info/RECORD,,\\n")
        return name
    def build_sdist(directory, config_settings=None):
        raise UnsupportedOperation("there is no git")
    """
    extra = '[tool.torchgraft]\nbackend = "own_backend"\nbackend-path = ["tools"]'
    project = make_project({"tools/own_backend.py": delegate}, extra=extra)
    caller = make_caller(project)
    assert caller.get_requires_for_build_wheel() == []
    (tmp_path / "meta").mkdir()
    name = caller.prepare_metadata_for_build_wheel(tmp_path / "meta")
    info = tmp_path / "meta" / name
    assert (info / "METADATA").exists()
    # It is the whole wheel, which pyproject_hooks takes, and we do where it does not.
    assert "2.8.0" in member(tmp_path / caller.build_wheel(tmp_path, metadata_directory=str(info)), "torchgraft.json")
    (tmp_path / "other").mkdir()
    hook = f"import torchgraft.build_meta as b; b.build_wheel({str(tmp_path / 'other')!r}, None, {str(info)!r})"
    caller._subprocess_runner([sys.executable, "-c", hook], cwd=str(project))
    assert listing(tmp_path / "other") == {f"{name[:7]}-py3-none-any.whl": next(info.parent.glob("*.whl")).read_bytes()}
    assert capfd.readouterr().out.count("BUILT with None") == 1
    (info.parent / "PYPROJECT_HOOKS_ALREADY_BUILT_WHEEL").write_text("2.7.0 - - -")  # the torch is another one now
    caller._subprocess_runner([sys.executable, "-c", hook], cwd=str(project))
    assert capfd.readouterr().out.count("BUILT with None") == 1
    assert "2.8.0" in member(next((tmp_path / "other").iterdir()), "torchgraft.json")
    with pytest.raises(pyproject_hooks.UnsupportedOperation, match="there is no git"):
        caller.build_sdist(tmp_path)
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
        caller.build_editable(tmp_path)
    assert "error[delegate-lacks-hook]" in capfd.readouterr().err


def test_a_delegate_without_a_mandatory_hook(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    extra = '[tool.torchgraft]\nbackend = "own_backend"\nbackend-path = ["tools"]'
    caller = make_caller(make_project({"tools/own_backend.py": "print('mine')"}, extra=extra))
    for hook in (caller.build_wheel, caller.build_sdist):
        with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
            hook(tmp_path)
        out, err = capfd.readouterr()
        assert "mine" in out
        assert f"error[delegate-lacks-hook]: the backend own_backend has no hook {hook.__name__}\n" in err
        assert "Traceback" not in err


def test_the_legacy_delegate_sees_its_own_tree(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    files = {"setup.py": "import tools_of_mine\n" + "from setuptools import setup\nsetup()\n", "tools_of_mine.py": ""}
    extra = '[tool.torchgraft]\nbackend = "setuptools.build_meta:__legacy__"'
    caller = make_caller(make_project(files, extra=extra))
    assert caller.build_wheel(tmp_path).endswith(".whl")


def test_setup_requires_is_honoured(make_project: Any, make_caller: Any) -> None:
    script = """
    import torch
    from setuptools import setup
    setup(setup_requires=["psutil" if torch.version else "x", "ninja"])
    """
    caller = make_caller(make_project({"setup.py": script}))
    assert caller.get_requires_for_build_wheel() == ["psutil", "ninja"]


TORCH_AND_MORE = 'setup(setup_requires=["torch>=1.8.2", "Torch", "ninja"])\n'


def test_setup_requires_brings_no_torch(make_project: Any, make_caller: Any) -> None:
    script = f"import torch\nfrom setuptools import setup\n{TORCH_AND_MORE}"
    assert make_caller(make_project({"setup.py": script})).get_requires_for_build_wheel() == ["ninja"]


def test_setup_requires_brings_torch_where_the_build_is_to_have_none_of_ours(
    make_project: Any, make_caller: Any
) -> None:
    off = '[tool.torchgraft]\nprovide = "off"'
    caller = make_caller(make_project({"setup.py": f"from setuptools import setup\n{TORCH_AND_MORE}"}, extra=off))
    assert caller.get_requires_for_build_wheel() == ["torch>=1.8.2", "Torch", "ninja"]


def test_setup_py_is_not_run_where_it_cannot_matter(make_project: Any, make_caller: Any) -> None:
    caller = make_caller(make_project({"setup.py": "raise SystemExit('run')\nsetup()\n"}))
    assert caller.get_requires_for_build_wheel() == []


def test_children_find_torch(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    import importlib.metadata, os, subprocess, sys
    from setuptools import setup
    for command in ([sys.executable], [sys.executable, "-s"]):
        subprocess.check_call([*command, "-c", "import torch"])
    assert importlib.metadata.version("torch") == "2.8.0+cu128"
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
    setup()
    """
    assert make_caller(make_project({"setup.py": script})).build_wheel(tmp_path)


def test_bytecode_that_is_asked_for_is_in_the_wheel_and_none_in_the_consumer(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "sitecustomize.py").write_text("import builtins\nbuiltins.by_the_users_own = True\n")
    script = """
    import subprocess, sys
    import torch
    from setuptools import setup
    for command in ([sys.executable], [sys.executable, "-S"]):
        subprocess.check_call([*command, "-c", "import torch.version"])
    assert by_the_users_own
    setup()
    """
    config = "[install_lib]\ncompile = 1\noptimize = 1\n"  # the second is written by a Python of its own
    before = sorted(consumer.rglob("*"))
    caller = make_caller(
        make_project({"setup.py": script, "setup.cfg": config, "ext.py": ""}),
        PYTHONPATH=os.pathsep.join([str(tmp_path / "users"), str(ROOT / "src")]),
    )
    with zipfile.ZipFile(tmp_path / caller.build_wheel(tmp_path)) as archive:
        written = {name for name in archive.namelist() if name.endswith(".pyc")}
    tag = sys.implementation.cache_tag
    assert written == {f"__pycache__/ext.{tag}.pyc", f"__pycache__/ext.{tag}.opt-1.pyc"}
    assert sorted(consumer.rglob("*")) == before


def test_no_bytecode_goes_into_a_graft_of_a_torch_in_two_folders(tmp_path: Path) -> None:
    graft, theirs = tmp_path / "graft", tmp_path / "checkout" / "torch"
    (theirs / "nn").mkdir(parents=True)
    (theirs / "__init__.py").write_text("import torch.nn\n")
    (theirs / "nn" / "__init__.py").touch()
    (graft / "torch").mkdir(parents=True)
    for name in ("__init__.py", "nn"):
        (graft / "torch" / name).symlink_to(theirs / name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.py").touch()
    path = os.pathsep.join(map(str, (PACKAGE / "ladder" / "read_only", graft, tmp_path / "mine")))
    variables = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", "import torch, other"], env=variables, check=True, timeout=60)
    assert [found.parent.parent.name for found in tmp_path.rglob("*.pyc")] == ["mine"]


def test_the_users_variable_wins(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    import os
    from setuptools import setup
    assert (os.environ["FORCE_CUDA"], os.environ["A"], os.environ["B"]) == ("0", "users", "projects")
    setup()
    """
    project = make_project({"setup.py": script}, extra='[tool.torchgraft]\nenv = { A = "projects", B = "projects" }')
    assert make_caller(project, FORCE_CUDA="0", A="users").build_wheel(tmp_path)


def test_off_is_a_transparent_pass_through(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    from setuptools import setup
    try:
        import torch
    except ImportError:
        setup()
    """
    wheel = tmp_path / make_caller(make_project({"setup.py": script}), TORCHGRAFT_PROVIDE="off").build_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith("torchgraft.json")]


FAILURES: dict[str, tuple[dict[str, str], str, dict[str, str], str]] = {
    "unknown key": ({}, "[tool.torchgraft]\nmax-job = 1", {}, "error[unknown-key]"),
    "bad variable": ({}, "", {"TORCHGRAFT_LOG": "loud"}, "error[bad-value]"),
    "no delegate": ({}, '[tool.torchgraft]\nbackend = "nowhere.build"', {}, "error[no-delegate]"),
    "delegate fails": ({"setup.py": "raise SystemExit('oh no')"}, "", {}, "error[delegate-failed]"),
    "no consumer": ({}, "", {"TORCHGRAFT_CONSUMER": "/nowhere/at/all"}, "error[no-consumer]"),
    "unsupported": ({}, '[tool.torchgraft]\ntorch = "<2"', {}, "error[unsupported-torch]"),
    "disk is full": ({"setup.py": "raise SystemExit('No space left on device')"}, "", {}, "\n  disk:   /"),
    "cache": ({}, "", {"TORCHGRAFT_CACHE_DIR": "/dev/null/x"}, "error[cache-unusable]"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_messages(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, name: str) -> None:
    files, extra, variables, message = FAILURES[name]
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        make_caller(make_project(files, extra=extra), **variables).build_wheel(tmp_path)
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_misleading_words_are_rephrased(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    script = "raise ModuleNotFoundError(\"No module named 'torch'\")"
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        make_caller(make_project({"setup.py": script})).build_wheel(tmp_path)
    out, error = capfd.readouterr()
    assert "No module named 'torch'" not in out + error
    assert "torch cannot be imported here" in out + error


def test_ten_builds_at_once(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    script = """
    import os, time, torch
    from setuptools import setup
    # O_EXCL: fails if another build is running in this tree at the same time.
    os.close(os.open("at-work", os.O_CREAT | os.O_EXCL))
    time.sleep(0.05)
    os.unlink("at-work")
    setup()
    """
    caller = make_caller(make_project({"setup.py": script}))

    def build(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        return str(caller.build_wheel(folder))

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(build, range(10)))) == 1


MEMORY = """
import os, sys
from setuptools import setup
assert os.environ["CMAKE_BUILD_PARALLEL_LEVEL"]
if int(os.environ["MAX_JOBS"]) > {limit}:
    print("g++: fatal error: Killed signal terminated program cc1plus", file=sys.stderr)
    raise SystemExit(1)
setup()
"""


def test_a_build_goes_on_with_half_the_jobs_when_memory_gives_out(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    caller = make_caller(make_project({"setup.py": MEMORY.format(limit=2)}), MAX_JOBS="8")
    assert caller.build_wheel(tmp_path).endswith(".whl")
    error = capfd.readouterr().err
    assert error.index("going on with 4 jobs") < error.index("going on with 2 jobs")


def test_each_number_of_jobs_is_halved_by_itself(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    import os
    from setuptools import setup
    jobs = os.environ["MAX_JOBS"], os.environ["CMAKE_BUILD_PARALLEL_LEVEL"]
    if jobs == ("8", "2"):
        raise SystemExit("collect2: fatal error: ld terminated with signal 9 [Killed]")
    assert jobs == ("4", "1"), jobs
    setup()
    """
    caller = make_caller(make_project({"setup.py": script}), MAX_JOBS="8", CMAKE_BUILD_PARALLEL_LEVEL="2")
    assert caller.build_wheel(tmp_path).endswith(".whl")


def test_one_job_is_the_last_try(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    caller = make_caller(make_project({"setup.py": MEMORY.format(limit=0)}), MAX_JOBS="2")
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        caller.build_wheel(tmp_path)
    error = capfd.readouterr().err
    assert "going on with 1 jobs" in error
    assert "error[out-of-memory]" in error


# What asking for requirements must not import, nor anything that imports it; psutil is for systems without /proc.
HEAVY = {"setuptools", "torch", "installer", "elftools", "ssl", "urllib.request", "hashlib", "json", "csv", "shutil"}
ASK = """
import gc, sys, torchgraft.build_meta
before = gc.get_threshold(), gc.get_stats()[0]["collections"]
assert torchgraft.build_meta.get_requires_for_build_wheel() == []
assert (gc.get_threshold(), gc.get_stats()[0]["collections"]) == before
print(*sorted(sys.modules))
"""


def test_asking_for_requirements_imports_nothing_heavy(make_project: Any, consumer: Path, tmp_path: Path) -> None:
    variables = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "TORCHGRAFT_CONSUMER": str(consumer),
        "TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, check=True, cwd=make_project(), env=variables, timeout=60, stdout=subprocess.PIPE)
    imported = done.stdout.decode().split()
    assert not (HEAVY | {"psutil"} if sys.platform == "linux" else HEAVY) & set(imported)
    assert len([name for name in imported if name.partition(".")[0] == "torchgraft"]) <= 45


BUILT_FOR = """
import torch
from setuptools import Extension, setup

setup(ext_modules=[Extension("ext_c", ["ext.c"], define_macros=[("BUILT_FOR", '"' + torch.__version__ + '"')])])
"""
SAYS_IT = """
#include <Python.h>
const char *built_for = "built for " BUILT_FOR;
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
"""


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_a_tree_that_was_built_for_another_torch_is_compiled_anew(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    project = make_project({"setup.py": BUILT_FOR, "ext.c": SAYS_IT})
    modules = {}
    for number, version in enumerate(("2.8.0+cu128", "2.8.0+cu128", "2.9.0+cu128")):
        consumer = write_consumer(tmp_path / str(number), version)
        caller = make_caller(project, TORCHGRAFT_CONSUMER=str(consumer))
        (tmp_path / f"wheels-{number}").mkdir()
        name = caller.build_wheel(tmp_path / f"wheels-{number}")
        with zipfile.ZipFile(tmp_path / f"wheels-{number}" / name) as archive:
            (library,) = (entry for entry in archive.infolist() if entry.filename.startswith("ext_c"))
            assert f"built for {version}".encode() in archive.read(library)
        (made,) = (project / "build").glob("lib.*/ext_c*")
        modules[number] = made.stat().st_mtime_ns
        caller.build_editable(tmp_path / f"wheels-{number}")
        (beside,) = project.glob("ext_c*.so")
        assert f"built for {version}".encode() in beside.read_bytes()
    assert modules[0] == modules[1] < modules[2]


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_an_editable_installation_for_another_torch_leaves_what_is_in_build(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    project = make_project({"setup.py": BUILT_FOR, "ext.c": SAYS_IT})
    old, new = (write_consumer(tmp_path / version, version) for version in ("2.8.0+cu128", "2.9.0+cu128"))
    make_caller(project, TORCHGRAFT_CONSUMER=str(old)).build_wheel(tmp_path)
    caller = make_caller(project, TORCHGRAFT_CONSUMER=str(new))
    caller.build_editable(tmp_path)
    with zipfile.ZipFile(tmp_path / caller.build_wheel(tmp_path)) as archive:
        (library,) = (name for name in archive.namelist() if name.startswith("ext_c"))
        assert b"built for 2.9.0+cu128" in archive.read(library)
