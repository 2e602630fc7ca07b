from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import json
import pickle
import shutil
import sys
import sysconfig
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from torchgraft.link import linkage
from torchgraft.model.torch_values import Origin, Torch
from torchgraft.wheel import guarding
from torchgraft.wheel.guard import EXPLANATION_NAME, explanation_text, finder_text, guard_files, module_text
from torchgraft.wheel.guarding import built_torch, cures, differences, explained, torch_cure, torch_here
from torchgraft.wheel.plan_finishing import Guard, GuardedModule

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
INFO = "ext-1.0.dist-info"
BUILT: dict[str, Any] = {
    "version": "2.8.0+cu126",
    "cuda": "12.6",
    "hip": None,
    "cxx11_abi": True,
    "git_version": "aaaa",
    "accelerator": "cuda",
}
WHL = "https://download.pytorch.org/whl"
SYMBOL = b"_ZN3c105ErrorC1E"
# What a module needs that is initialised in two phases; its name has as many letters.
TWO_PHASES = b"PyModuleDef_Init"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the extension modules are ELF files")


def extension() -> Path:
    """Return an extension module of the standard library."""
    folder = Path(sysconfig.get_path("stdlib"), "lib-dynload")
    for name in ("_bisect", "_heapq", "_struct", "_csv"):
        path = folder / f"{name}{SUFFIX}"
        if path.is_file() and TWO_PHASES in path.read_bytes():
            return path
    pytest.skip("this Python has its extension modules inside")


Package = Callable[..., str]


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import from a site folder, and forget it."""
    before, finders = set(sys.modules), list(sys.meta_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith(("ext", "_", "torch", "space")):
            del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Install a guarded extension module, one that lacks a symbol if `broken`, and return its name."""

    def install(
        where: str = "ext.inner", *, broken: bool = False, record: object = None, guess: Torch | None = None
    ) -> str:
        source = extension()
        name = source.name.partition(".")[0]
        folder = tmp_path.joinpath(*filter(None, where.split(".")))
        folder.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        (folder / f"{name}.guarded{SUFFIX}").write_bytes(data.replace(TWO_PHASES, SYMBOL) if broken else data)
        (folder / f"{name}.py").write_text(module_text(f"{name}.guarded{SUFFIX}", info=INFO, guess=guess))
        info = tmp_path / INFO
        info.mkdir(exist_ok=True)
        (info / EXPLANATION_NAME).write_text(explanation_text())
        (info / "torchgraft.json").write_text(json.dumps({"torch": BUILT} if record is None else record))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ext\nVersion: 1.0\n\nName: no\n")
        (info / "INSTALLER").write_text("uv\n")
        importlib.invalidate_caches()
        return f"{where}.{name}" if where else name

    return install


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Import another torch than the recorded one."""
    made = types.ModuleType("torch")
    version = types.ModuleType("torch.version")
    made.__dict__.update(__version__="2.9.0+cu126", __file__="/site/torch/__init__.py", version=version)
    version.__dict__.update(cuda="12.6", hip=None, git_version="bbbb")
    monkeypatch.setitem(sys.modules, "torch", made)
    return made


@pytest.mark.parametrize("where", ["", "ext", "ext.inner"])
def test_the_extension_takes_the_place_of_the_python_module(where: str, package: Package, tmp_path: Path) -> None:
    name = package(where)
    if not where:
        sys.modules.pop(name, None)
    module = importlib.import_module(name)
    stem = name.rpartition(".")[2]
    file = tmp_path.joinpath(*filter(None, where.split(".")), f"{stem}.guarded{SUFFIX}")
    assert sys.modules[name] is module
    assert module.__file__ == str(file)
    assert module.__spec__
    assert (module.__spec__.name, module.__spec__.origin) == (name, str(file))
    assert isinstance(module.__loader__, importlib.machinery.ExtensionFileLoader)
    assert module.__spec__.loader is module.__loader__
    assert (module.__name__, module.__package__) == (name, where)
    assert "_torchgraft_load" not in vars(module)
    if where:
        assert getattr(importlib.import_module(where), stem) is module


def test_a_function_is_pickled_by_its_module(package: Package) -> None:
    name = package()
    module = importlib.import_module(name)
    function = next(v for v in vars(module).values() if isinstance(v, types.BuiltinFunctionType))
    assert function.__module__ == name
    assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301


def test_reload_changes_nothing(package: Package) -> None:
    module = importlib.import_module(package())
    # As an extension may have it.
    vars(module)["__getattr__"] = {}.__getitem__
    before = dict(vars(module))
    assert importlib.reload(module) is module
    after = {key: value for key, value in vars(module).items() if key != "__builtins__"}
    assert after.keys() == before.keys()
    unchanged = before.keys() - {"__spec__", "__loader__"}
    assert all(after[key] is before[key] or after[key] == before[key] for key in unchanged)
    assert after["__spec__"].origin == before["__file__"]


def test_the_python_module_answers_for_the_extension(package: Package) -> None:
    """Who executes a spec has the Python module in hand, as threads have it that got it from sys.modules before."""
    name = package()
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.loader
    held = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(held)
    module = sys.modules[name]
    assert held is not module
    names = vars(module).keys() - {"__doc__"}
    assert {key: getattr(held, key) for key in names} == {key: vars(module)[key] for key in names}
    assert held.__all__ == [key for key in dir(module) if key[0] != "_"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = held.nothing
    sys.modules[name] = held
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = held.nothing


def test_threads_get_a_module_that_is_ready(package: Package) -> None:
    name = package()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(importlib.import_module(name))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert set(map(id, seen)) == {id(sys.modules[name])}
    assert sys.modules[name].__spec__._initializing is False  # type: ignore[union-attr]


@pytest.mark.usefixtures("torch")
def test_another_torch_is_named_with_the_cure(package: Package) -> None:
    name = package(broken=True)
    with pytest.raises(ImportError, match="does not link") as caught:
        importlib.import_module(name)
    assert str(caught.value).splitlines() == [
        f"{name} was built for torch 2.8.0+cu126, and does not link with torch 2.9.0+cu126",
        "  torch:  /site/torch",
        f"  cure:   uv pip install --python {sys.prefix} --no-cache --reinstall-package ext ext==1.0",
    ]
    assert SYMBOL.decode() in str(caught.value.__cause__)
    assert caught.value.path == caught.value.__cause__.path  # type: ignore[union-attr]
    assert name not in sys.modules


def test_only_what_differs_is_named(package: Package, torch: types.ModuleType) -> None:
    torch.__dict__["__version__"] = BUILT["version"]
    torch.__dict__["_C"] = types.SimpleNamespace(_GLIBCXX_USE_CXX11_ABI=False)
    with pytest.raises(ImportError, match=r"built for torch 2\.8\.0\+cu126, C\+\+11 ABI True, .*, C\+\+11 ABI False\n"):
        importlib.import_module(package(broken=True))


def test_another_build_of_the_same_version(package: Package, torch: types.ModuleType) -> None:
    torch.__dict__["__version__"] = BUILT["version"]
    with pytest.raises(ImportError, match=r"torch 2\.8\.0\+cu126, commit aaaa, .* torch 2\.8\.0\+cu126, commit bbbb\n"):
        importlib.import_module(package(broken=True))


@pytest.mark.parametrize("record", [{"torch": None}, [], {}])
@pytest.mark.usefixtures("torch")
def test_without_a_record_the_loader_speaks(record: object, package: Package) -> None:
    with pytest.raises(ImportError, match="undefined symbol") as caught:
        importlib.import_module(package(broken=True, record=record))
    assert caught.value.__cause__ is None


def test_with_the_very_torch_the_loader_speaks(package: Package, torch: types.ModuleType) -> None:
    torch.__dict__["__version__"] = BUILT["version"]
    torch.__dict__["version"].git_version = BUILT["git_version"]
    with pytest.raises(ImportError, match="undefined symbol"):
        importlib.import_module(package(broken=True))


@pytest.mark.usefixtures("torch")
def test_another_torch_that_links_is_silent(package: Package) -> None:
    assert importlib.import_module(package()).__file__


@pytest.mark.usefixtures("torch")
def test_what_is_no_matter_of_linking_stays(package: Package, tmp_path: Path) -> None:
    name = package()
    (file,) = tmp_path.rglob("*.guarded*")
    file.write_bytes(b"\x7fELF" + b"\0" * 100)
    with pytest.raises(ImportError) as caught:
        importlib.import_module(name)
    assert "built for torch" not in str(caught.value)


@pytest.mark.usefixtures("torch")
def test_a_package_that_has_lost_its_dist_info(package: Package, tmp_path: Path) -> None:
    name = package(broken=True)
    shutil.rmtree(tmp_path / INFO)
    with pytest.raises(ImportError, match="undefined symbol"):
        importlib.import_module(name)


def missing_library() -> ImportError:
    return ImportError("libc10.so: cannot open shared object file: No such file or directory")


@pytest.fixture
def info(package: Package, tmp_path: Path) -> str:
    package()
    return str(tmp_path / INFO)


def test_a_library_of_torch_that_is_missing_before_torch_was_imported(
    info: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    (Path(info).parent / "torch.py").touch()
    importlib.invalidate_caches()
    assert explained(missing_library(), "ext", info) is None


def test_where_torch_has_to_be_imported_first_the_guard_says_only_that(
    info: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    folder = tmp_path / "torch"
    folder.mkdir()
    built = json.loads(Path(info, "torchgraft.json").read_text())["torch"]
    facts = "".join(f"{key} = {built.get(key)!r}\n" for key in ("cuda", "hip", "git_version"))
    (folder / "version.py").write_text(f"__version__ = {built['version']!r}\n{facts}")
    (folder / "__init__.py").touch()
    importlib.invalidate_caches()
    said = str(explained(missing_library(), "ext", info))
    assert said == f"ext needs libraries that come with torch: import torch first\n  torch:  {folder}"


@pytest.mark.usefixtures("torch")
def test_a_library_that_is_missing_though_torch_is_there(info: str) -> None:
    assert "built for torch 2.8.0" in str(explained(missing_library(), "ext", info))


def test_a_torch_that_is_not_imported_is_read_from_its_files(
    info: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    folder = tmp_path / "torch"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "version.py").write_text(
        "from typing import Optional\n__all__ = ['x']\n__version__ = '2.9.0'\ndebug = False\n"
        "cuda: Optional[str] = None\ngit_version = 'bbbb'\nhip: Optional[str] = None\n"
    )
    importlib.invalidate_caches()
    assert torch_here() == {
        "version": "2.9.0",
        "cuda": None,
        "hip": None,
        "git_version": "bbbb",
        "folder": str(folder),
    }
    error = explained(ImportError("x.so: undefined symbol: _ZN3c10"), "ext", info)
    assert "built for torch 2.8.0+cu126, CUDA 12.6, and does not link with torch 2.9.0, CUDA None" in str(error)


def test_no_torch_at_all(info: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [])
    assert torch_here() == {}
    assert explained(ImportError("undefined symbol: x"), "ext", info) is None


@pytest.mark.parametrize(
    ("installer", "cure"), [("pip", "pip --python P install"), ("uv", "uv pip install --python P")]
)
def test_a_library_of_torch_where_there_is_none(
    info: str, monkeypatch: pytest.MonkeyPatch, installer: str, cure: str
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [])
    Path(info, "INSTALLER").write_text(installer)
    said = str(explained(missing_library(), "ext", info))
    assert said == (
        "ext was built for torch 2.8.0+cu126, and there is no torch here\n"
        f"  cure:   {cure.replace('P', sys.prefix)} --index-url {WHL}/cu126 torch==2.8.0+cu126"
    )
    # That of another package is not torch's fault.
    assert explained(ImportError("libother.so: cannot open shared object file"), "ext", info) is None
    assert explained(ImportError("/libtorch.so/_C.so: undefined symbol: _ZN3c105ErrorD1Ev"), "ext", info) is None


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.8.0+cpu", f"--index-url {WHL}/cpu torch==2.8.0+cpu"),
        ("2.8.0+rocm6.4", f"--index-url {WHL}/rocm6.4 torch==2.8.0+rocm6.4"),
        ("2.9.0.dev20250801+cu118", f"--index-url {WHL}/nightly/cu118 torch==2.9.0.dev20250801+cu118"),
        ("2.8.0", "torch==2.8.0"),
        # Compiled by somebody: no index is called so.
        ("2.9.0a0+git5811a8d", "torch==2.9.0a0"),
        ("2.8.0a0+cu126.nv25.06", "torch==2.8.0a0"),
        ("", "torch"),
    ],
)
def test_the_index_of_a_torch_is_that_of_its_build(version: str, words: str) -> None:
    cure = torch_cure(version, by_uv=False, prefix=Path("/env"))
    assert cure == f"pip --python /env install {words}"


# What loaders say, as glibc's dl-lookup.c, dl-version.c and dl-load.c have it, and dyld.
TORCHS = [
    "/s/_C.so: undefined symbol: _ZN3c105ErrorC2E",
    "/s/_C.so: undefined symbol: THPVariableClass",
    "/s/_C.so: undefined symbol: aoti_torch_empty",
    "/s/_C.so: symbol _ZN3c105ErrorC2E, version T not defined in file libc10.so with link time reference",
    "/s/_C.so: symbol other, version T not defined in file libtorch.so with link time reference",
    "/s/torch/lib/libc10.so: version `T' not found (required by /s/_C.so)",
    "libtorch_cuda_linalg.so: cannot open shared object file: No such file or directory",
    "libc10.so: cannot open shared object file: No such file or directory",
    "dlopen(/s/_C.so, 0x0002): Symbol not found: __ZN3c105ErrorC2E\n  Referenced from: <1> /s/_C.so\n",
    "dlopen(/s/_C.so, 0x0002): symbol not found in flat namespace '__ZN2at4_ops5emptyE'",
    "dlopen(/s/_C.so, 0x0002): Library not loaded: @rpath/libtorch_cpu.dylib\n  Referenced from: <1> /s/_C.so\n",
]
OTHERS = [
    "/s/_C.so: undefined symbol: foo_new",
    "/s/_C.so: undefined symbol: _ZN3foo3barEN2at6TensorE",
    "/s/_C.so: undefined symbol: PyUnstable_Long_IsCompact",
    "/s/torch/_C.so: symbol foo, version FOO_2 not defined in file libfoo.so.1 with link time reference",
    "/s/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommResume",
    "/s/torch/lib/libtorch_python.so: undefined symbol: _ZN3c105ErrorC2E",
    "/lib/libm.so.6: version `GLIBC_2.38' not found (required by /s/torch_ext/_C.so)",
    "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /s/torch/lib/libc10.so)",
    "libfoo.so.1: cannot open shared object file: No such file or directory",
    "libtorch_sparse.so: cannot open shared object file: No such file or directory",
    # The torch that is here is for the same CUDA.
    "libcudart.so.12: cannot open shared object file: No such file or directory",
    "/s/_C.so: undefined symbol: cudaNew, version libcudart.so.12",
    "/s/_C.so: invalid ELF header",
    "dlopen(/s/_C.so, 0x0002): Symbol not found: _foo\n  Expected in: <2> /s/torch/lib/libfoo.dylib",
    "dlopen(/s/_C.so, 0x0002): Library not loaded: @rpath/libfoo.dylib\n  Reason: tried: '/libc10.dylib/libfoo.dylib'",
    # It may be any library.
    "DLL load failed while importing _C: The specified procedure could not be found.",
    "DLL load failed while importing _C: The specified module could not be found.",
    "",
]


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("said", TORCHS)
def test_what_torch_would_have_is_explained(info: str, said: str) -> None:
    assert "does not link with torch 2.9.0" in str(explained(ImportError(said), "ext", info))


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("said", OTHERS)
def test_the_fault_of_another_library_stays_as_it_is(info: str, said: str) -> None:
    assert explained(ImportError(said), "ext", info) is None


@pytest.mark.parametrize("said", [said for said in OTHERS if "libcudart" in said])
def test_a_torch_for_another_cuda_has_another_libcudart(info: str, torch: types.ModuleType, said: str) -> None:
    torch.__dict__["version"].cuda = "13.0"
    assert "CUDA 12.6, and does not link with torch 2.9.0+cu126, CUDA 13.0" in str(
        explained(ImportError(said), "ext", info)
    )


def test_the_symbols_of_torch_are_those_of_the_check() -> None:
    for name in ("_OF_TORCH", "_C_OF_TORCH", "_PYTHON_OF_TORCH"):
        assert vars(guarding)[name].pattern == vars(linkage)[name].pattern
    assert vars(guarding)["_CUDART"].pattern.replace(r"\d+(", r"(\d+)(", 1) == linkage.CUDART.pattern


@pytest.mark.parametrize(
    ("record", "torch"),
    [
        ({}, {}),
        ({"torch": None}, {}),
        ({"torch": BUILT}, BUILT),
        ({"torch": BUILT, "prebuilt": [{"used": True}]}, BUILT),
        ({"torch": BUILT, "prebuilt": [{"used": False, "record": {"torch": {"version": "1"}}}]}, BUILT),
        ({"torch": {"version": "1"}, "prebuilt": [{"used": False}, {"used": True, "record": {"torch": BUILT}}]}, BUILT),
        ({"torch": BUILT, "prebuilt": [{"used": True, "record": {"torch": None}}]}, {}),
        ({"torch": BUILT, "prebuilt": {"used": True}}, BUILT),
        ({"torch": BUILT, "prebuilt": [None, {"used": True, "record": []}]}, BUILT),
    ],
)
def test_which_torch_a_package_was_built_for(record: dict[str, object], torch: dict[str, object]) -> None:
    assert built_torch(record) == torch


@pytest.mark.usefixtures("torch")
def test_a_prebuilt_wheel_was_built_for_the_torch_of_its_own_record(package: Package) -> None:
    here = {**BUILT, "version": "2.9.0+cu126", "git_version": "bbbb"}
    record = {"torch": here, "prebuilt": [{"used": True, "record": {"torch": BUILT}}]}
    with pytest.raises(ImportError, match=r"was built for torch 2\.8\.0\+cu126, and does not link"):
        importlib.import_module(package(broken=True, record=record))


# A torch that was a guess.

GUESSED = Torch(version=BUILT["version"], folder="", origin=Origin.WHEEL, cuda="12.6")


@pytest.mark.usefixtures("torch")
def test_another_torch_than_the_guessed_one_is_refused_though_it_links(package: Package) -> None:
    name = package(guess=GUESSED)
    with pytest.raises(ImportError, match="a guess") as caught:
        importlib.import_module(name)
    assert str(caught.value).splitlines() == [
        f"{name} was built for torch 2.8.0+cu126, which was a guess, and meets torch 2.9.0+cu126",
        "  torch:  /site/torch",
        f"  cure:   uv pip install --python {sys.prefix} --no-cache --reinstall-package ext ext==1.0",
    ]
    assert name not in sys.modules


@pytest.mark.usefixtures("torch")
def test_a_torch_that_was_certain_is_not_said_to_be_a_guess(package: Package) -> None:
    name = package(guess=GUESSED, record={"guess": None, "torch": BUILT})
    with pytest.raises(ImportError, match=r"for torch 2\.8\.0\+cu126, and meets torch 2\.9\.0\+cu126\n"):
        importlib.import_module(name)


@pytest.mark.parametrize(
    ("here", "is_refused"),
    [
        ({}, False),
        ({"version": "2.8.1+cu126", "git_version": "bbbb"}, False),
        ({"version": "2.8.0+cu129", "cuda": "12.9"}, False),
        ({"version": "2.9.0+cu126"}, True),
        ({"version": "2.80.0+cu126"}, True),
        ({"version": "2.8.0+cu130", "cuda": "13.0"}, True),
        ({"version": "2.8.0+cpu", "cuda": None}, True),
        ({"version": "2.8.0+rocm6.4", "cuda": None, "hip": "6.4"}, True),
        # A nightly is like no other.
        ({"version": "2.8.0.dev20250601+cu126"}, True),
        ({"version": "2.8.0a0+git1234"}, True),
    ],
)
def test_which_torch_is_another(
    package: Package, torch: types.ModuleType, here: dict[str, str | None], *, is_refused: bool
) -> None:
    facts = {**BUILT, **here}
    torch.__dict__["__version__"] = facts["version"]
    for key in ("cuda", "hip", "git_version"):
        setattr(torch.__dict__["version"], key, facts[key])
    name = package(guess=GUESSED)
    if is_refused:
        with pytest.raises(ImportError, match=r"built for torch 2\.8\.0\+cu126.*, which was a guess"):
            importlib.import_module(name)
    else:
        assert importlib.import_module(name).__file__


def test_a_guess_with_another_abi(package: Package, torch: types.ModuleType) -> None:
    torch.__dict__["__version__"] = "2.8.1+cu126"
    torch.__dict__["_C"] = types.SimpleNamespace(_GLIBCXX_USE_CXX11_ABI=False)
    with pytest.raises(ImportError, match=r"C\+\+11 ABI True, which was a guess, and meets .*, C\+\+11 ABI False\n"):
        importlib.import_module(package(guess=GUESSED))


def test_a_guess_without_any_torch(package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    name = package(guess=GUESSED)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(Path(json.__file__).parents[1])])
    assert importlib.import_module(name).__file__


@pytest.mark.usefixtures("torch")
def test_a_guess_of_which_nothing_is_recorded(package: Package) -> None:
    assert importlib.import_module(package(guess=GUESSED, record={})).__file__


@pytest.mark.usefixtures("torch")
def test_a_guess_of_an_editable_installation(package: Package, tmp_path: Path) -> None:
    source = extension().name.replace(SUFFIX, "")
    link = {"link": {"modules": [f"ext/inner/{source}{SUFFIX}"]}}
    name = package(record={"torch": BUILT, "built": link})
    package("ext.other", record={"torch": BUILT, "built": link})
    (tmp_path / INFO / "direct_url.json").write_text(
        json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    )
    for file in tmp_path.rglob("*.guarded*"):
        file.rename(file.with_name(file.name.replace(".guarded", "")))
    for shim in tmp_path.rglob(f"{source}.py"):
        shim.unlink()
    finder = tmp_path / "__editable___ext_guard.py"
    finder.write_text(finder_text(("ext",), info=INFO, guess=GUESSED))
    importlib.invalidate_caches()
    importlib.import_module(finder.stem)
    with pytest.raises(ImportError, match="which was a guess"):
        importlib.import_module(name)
    # It needs no torch.
    assert importlib.import_module(f"ext.other.{source}").__file__


@pytest.mark.parametrize(("version", "is_refused"), [("2.8.0+cu126", False), ("2.9.0+cu126", True)])
def test_a_package_that_loads_its_libraries_itself_is_watched(
    package: Package, torch: types.ModuleType, tmp_path: Path, version: str, *, is_refused: bool
) -> None:
    torch.__dict__["__version__"] = version
    package("other")
    for name in ("space/ext", "ext_beside"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    guard = Guard(guessed=GUESSED, watched=("space.ext",), tops=("space",))
    files = guard_files(guard, info=INFO).added
    finder, pth = "__torchgraft___ext_1_0_guard", "__torchgraft__.ext-1.0.guard.pth"
    assert sorted(files) == [pth, f"{finder}.py", f"{INFO}/{EXPLANATION_NAME}"]
    (tmp_path / f"{finder}.py").write_bytes(files[f"{finder}.py"])
    importlib.invalidate_caches()
    importlib.import_module(finder)
    assert importlib.util.find_spec("space")
    importlib.import_module("ext_beside")
    if is_refused:
        with pytest.raises(
            ImportError, match=r"^space\.ext was built for torch 2\.8\.0\+cu126, which was a guess, and"
        ):
            importlib.import_module("space.ext")
        assert "space.ext" not in sys.modules
    else:
        assert importlib.import_module("space.ext").__file__


def test_what_is_not_known_does_not_differ() -> None:
    unknown = {**BUILT, "cxx11_abi": None, "git_version": None}
    assert differences(BUILT, unknown) == []
    assert differences(unknown, BUILT) == []
    assert differences(BUILT, {**BUILT, "cuda": None}) == ["cuda"]


def test_a_guard_costs_less_than_a_module_of_the_standard_library(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    name = package()
    stem = name.rpartition(".")[2]
    # The other is the same library, without a guard.
    plain = tmp_path / "ext" / "plain"
    plain.mkdir()
    shutil.copy(extension(), plain / f"{stem}{SUFFIX}")
    importlib.invalidate_caches()

    def seconds(module: str) -> float:
        sys.modules.pop(module, None)
        before = time.perf_counter()
        importlib.import_module(module)
        return time.perf_counter() - before

    importlib.import_module("ext.plain")
    guarded = min(seconds(name) for _ in range(20))
    unguarded = min(seconds(f"ext.plain.{stem}") for _ in range(20))
    assert guarded - unguarded < min(seconds("textwrap") for _ in range(20))


# The finder of an editable installation.


def edit(tmp_path: Path, name: str, tops: tuple[str, ...] = ("ext",)) -> None:
    """Take the module out of its guard, and watch it by a finder."""
    (file,) = tmp_path.rglob("*.guarded*")
    file.rename(file.with_name(file.name.replace(".guarded", "")))
    (file.parent / f"{name.rpartition('.')[2]}.py").unlink()
    finder = tmp_path / "__editable___ext_guard.py"
    finder.write_text(finder_text(tops, info=INFO))
    importlib.invalidate_caches()
    importlib.import_module(finder.stem)


@pytest.mark.usefixtures("torch")
def test_an_editable_installation_is_explained(package: Package, tmp_path: Path) -> None:
    name = package(broken=True)
    edit(tmp_path, name)
    with pytest.raises(ImportError, match=f"{name} was built for torch 2.8.0") as caught:
        importlib.import_module(name)
    assert SYMBOL.decode() in str(caught.value.__cause__)


def test_an_editable_installation_is_what_it_is_without(package: Package, tmp_path: Path) -> None:
    name = package()
    edit(tmp_path, name)
    module = importlib.import_module(name)
    assert Path(str(module.__file__)).name == f"{name.rpartition('.')[2]}{SUFFIX}"
    assert type(module.__loader__) is importlib.machinery.ExtensionFileLoader
    assert "create_module" not in vars(module.__loader__)
    assert importlib.reload(module) is module


@pytest.mark.usefixtures("torch")
def test_two_finders_for_one_namespace(package: Package, tmp_path: Path) -> None:
    name = package(broken=True)
    edit(tmp_path, name)
    second = tmp_path / "__editable___other_guard.py"
    second.write_text(finder_text(("ext",), info=INFO))
    importlib.invalidate_caches()
    importlib.import_module(second.stem)
    with pytest.raises(ImportError, match=f"{name} was built for torch 2.8.0"):
        importlib.import_module(name)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ext.nothing")


EDITABLE = {"dir_info": {"editable": True}}


def two_trees(tmp_path: Path, package: Package, *, below: str = "") -> str:
    """Install two editable distributions that have a namespace in common, and return the second's broken module.

    :param below: where the second's tree is in the first's; "" for beside it
    """
    name = package("ext.two", broken=True)
    first, second = tmp_path / "first", tmp_path / ("first" if below else "") / (below or "second")
    edit(tmp_path, name)
    (second / "ext").mkdir(parents=True)
    (tmp_path / "ext" / "two").rename(second / "ext" / "two")
    (tmp_path / "ext").rmdir()
    for tree, info, version in ((first, INFO, "2.7.0"), (second, "two-1.0.dist-info", "2.8.0")):
        tree.mkdir(exist_ok=True)
        (tree / "pyproject.toml").touch()
        (tmp_path / info).mkdir(exist_ok=True)
        (tmp_path / info / EXPLANATION_NAME).write_text(explanation_text())
        (tmp_path / info / "direct_url.json").write_text(json.dumps({"url": tree.as_uri(), **EDITABLE}))
        (tmp_path / info / "torchgraft.json").write_text(json.dumps({"torch": {**BUILT, "version": version}}))
    sys.path.append(str(second))
    return name


def watch(tmp_path: Path, finder: str, info: str) -> None:
    (tmp_path / f"{finder}.py").write_text(finder_text(("ext",), info=info))
    importlib.invalidate_caches()
    importlib.import_module(finder)


@pytest.mark.usefixtures("torch")
def test_an_editable_installation_says_nothing_of_others(package: Package, tmp_path: Path) -> None:
    name = two_trees(tmp_path, package)
    with pytest.raises(ImportError, match="undefined symbol") as caught:
        importlib.import_module(name)
    assert caught.value.__cause__ is None
    assert "built for" not in str(caught.value)


@pytest.mark.parametrize("below", ["", "packages/second"])
@pytest.mark.usefixtures("torch")
def test_each_of_two_editable_installations_speaks_of_its_own(package: Package, tmp_path: Path, below: str) -> None:
    name = two_trees(tmp_path, package, below=below)
    # Whichever comes first.
    watch(tmp_path, "__editable___two_guard", "two-1.0.dist-info")
    for _ in range(2):
        with pytest.raises(ImportError, match=f"{name} was built for torch 2.8.0"):
            importlib.import_module(name)
        sys.meta_path[:2] = reversed(sys.meta_path[:2])


@pytest.mark.parametrize(
    ("direct", "record", "speaks"),
    [
        ({"url": "TREE", **EDITABLE}, "", True),
        ({"url": "TREE/other", **EDITABLE}, "", False),
        (EDITABLE, "", False),
        # scikit-build-core installs libraries, and only their Python modules are in the tree.
        ({"url": "file:///elsewhere", **EDITABLE}, "ext/a,b.py,,\next/_C.so,sha256=x,9\n", True),
        ({"url": "file:///elsewhere", **EDITABLE}, "ext/_C.so.py,,\n", False),
        # Of what is not editable, only its own guard asks.
        ({"url": "file:///elsewhere", "dir_info": {}}, "", True),
    ],
)
@pytest.mark.usefixtures("torch")
def test_whose_module_it_is(info: str, tmp_path: Path, direct: dict[str, object], record: str, *, speaks: bool) -> None:
    url = str(direct.get("url", "")).replace("TREE", tmp_path.as_uri())
    Path(info, "direct_url.json").write_text(json.dumps({**direct, "url": url}))
    Path(info, "RECORD").write_text(record)
    error = ImportError("undefined symbol: _ZN3c105ErrorC2E", path=str(tmp_path / "ext" / "_C.so"))
    assert (explained(error, "ext._C", info) is not None) == speaks


# The cures.


def distribution(folder: Path, *, installer: str = "pip", direct: object = None, info: str = INFO) -> Path:
    path = folder / info
    path.mkdir(parents=True)
    (path / "INSTALLER").write_text(f"{installer}\n")
    if direct is not None:
        (path / "direct_url.json").write_text(json.dumps(direct))
    return path


PIP = "pip --python PREFIX install --no-cache-dir --force-reinstall --no-deps "
UV = "uv pip install --python PREFIX --no-cache --reinstall-package ext "


@pytest.mark.parametrize(
    ("installer", "direct", "commands"),
    [
        ("pip", None, [f"{PIP}ext==1.0"]),
        ("conda", None, [f"{PIP}ext==1.0"]),
        ("uv", None, [f"{UV}ext==1.0"]),
        ("uv", [], [f"{UV}ext==1.0"]),
        ("pip", {"url": "file:///a%20b/ext", "dir_info": {}}, ["rm -rf '/a b/ext/build'", f"{PIP}'/a b/ext'"]),
        (
            "uv",
            {"url": "file:///src/ext", "dir_info": {"editable": True}},
            [f"{UV}-e /src/ext"],
        ),
        (
            "pip",
            {"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "e"},
            [f"{PIP}'ext @ git+https://h/r.git@abc#subdirectory=e'"],
        ),
        ("pip", {"url": "https://h/ext-1.0.tar.gz", "archive_info": {}}, [f"{PIP}'ext @ https://h/ext-1.0.tar.gz'"]),
        # It would be the same wheel once more.
        ("pip", {"url": "https://h/ext-1.0-cp311-none-any.whl", "archive_info": {}}, [f"{PIP}ext==1.0"]),
    ],
)
def test_the_cure_is_that_of_the_front_end(tmp_path: Path, installer: str, direct: object, commands: list[str]) -> None:
    info = distribution(tmp_path / "env", installer=installer, direct=direct)
    prefix = tmp_path / "env"
    assert cures(info, prefix=prefix) == [command.replace("PREFIX", str(prefix)) for command in commands]


def test_of_a_package_with_a_record_nothing_has_to_be_removed(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    info = distribution(prefix, installer="pip", direct={"url": "file:///src/ext", "dir_info": {}})
    (info / "torchgraft.json").write_text("{}")
    assert cures(info, prefix=prefix) == [f"{PIP}/src/ext".replace("PREFIX", str(prefix))]


@pytest.mark.parametrize(
    ("folder", "locked", "command"),
    [
        (".venv", "My_Ext", "uv sync --inexact --project PROJECT --no-cache --reinstall-package My_Ext"),
        # What uv sync knows nothing of, it would not build.
        (".venv", "other", "uv pip install --python PROJECT/.venv --no-cache --reinstall-package My_Ext My_Ext==1.0"),
        ("env", "My_Ext", "uv pip install --python PROJECT/env --no-cache --reinstall-package My_Ext My_Ext==1.0"),
    ],
)
def test_the_cure_in_a_uv_project(tmp_path: Path, folder: str, locked: str, command: str) -> None:
    info = distribution(tmp_path / folder, installer="uv", info="My_Ext-1.0.dist-info")
    name = locked.lower().replace("_", "-")
    (tmp_path / "uv.lock").write_text(f'version = 1\r\n\r\n[[package]]\r\nname = "{name}"\r\nversion = "1.0"\r\n')
    assert cures(info, prefix=tmp_path / folder) == [command.replace("PROJECT", str(tmp_path))]


def test_the_cure_in_a_uv_tool(tmp_path: Path) -> None:
    info = distribution(tmp_path / "mytool", installer="uv")
    (tmp_path / "mytool" / "uv-receipt.toml").touch()
    cure = "uv tool upgrade mytool --no-cache --reinstall-package ext"
    assert cures(info, prefix=tmp_path / "mytool") == [cure]


def test_the_cure_where_uv_shows_its_environment_to_nobody(tmp_path: Path) -> None:
    info = distribution(tmp_path / "uv" / "archive-v0" / "V6slEc6q", installer="uv")
    assert cures(info, prefix=tmp_path / "uv" / "builds-v0" / ".tmpNM1Oga") == ["uv cache clean ext", "uv cache prune"]


def test_what_is_copied_into_wheels_needs_nothing_but_python() -> None:
    nodes = [node for node in ast.walk(ast.parse(explanation_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {n.names[0].name if isinstance(n, ast.Import) else "." * n.level + str(n.module) for n in nodes}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


MODULE = GuardedModule(name="ext._C", file="ext/_C.so", moved="ext/_C.guarded.so", shim="ext/_C.py")


def test_what_becomes_of_a_wheel() -> None:
    files = guard_files(Guard(modules=(MODULE,)), info=INFO)
    assert files.moved == {"ext/_C.so": "ext/_C.guarded.so"}
    assert sorted(files.added) == [f"{INFO}/{EXPLANATION_NAME}", "ext/_C.py"]
    assert b"'_C.guarded.so'" in files.added["ext/_C.py"]


def test_what_becomes_of_an_editable_wheel() -> None:
    files = guard_files(Guard(tops=("ext",)), info=INFO)
    assert files.moved == {}
    finder, pth = "__editable___ext_1_0_guard", "__editable__.ext-1.0.guard.pth"
    assert sorted(files.added) == [pth, f"{finder}.py", f"{INFO}/{EXPLANATION_NAME}"]
    assert files.added[pth] == f"import {finder}\n".encode()


def test_nothing_guarded_nothing_changed() -> None:
    files = guard_files(Guard(), info=INFO)
    assert (files.moved, files.added) == ({}, {})
