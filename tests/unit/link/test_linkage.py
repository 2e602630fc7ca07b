from __future__ import annotations

import time

import pytest

from torchgraft.codec import json_text
from torchgraft.link.linkage import (
    CUDART,
    TORCH_LIBRARY,
    Format,
    Libraries,
    Library,
    LinkReport,
    Loading,
    Module,
    ModuleReport,
    Reason,
    Verdict,
    WhetherFound,
    is_of_stable_abi,
    is_of_torch,
)
from torchgraft.tools.from_json import from_json_text

OF_TORCH = [
    "_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    "_ZNK2at6Tensor5numelEv",
    "_ZN5torch8autograd12VariableInfoE",
    "_ZN6caffe28TypeMeta13typeMetaDatasEv",
    "_ZN4c10d12ProcessGroupD2Ev",
    "_ZTIN3c105ErrorE",
    "_ZTVN3c1010TensorImplE",
    "_ZThn16_N3c1010TensorImplD0Ev",
    "_ZN8pybind116detail11type_casterIN2at6TensorEvE4loadENS_6handleEb",
    "_Z16THPVariable_WrapN2at10TensorBaseE",
    "THPVariableClass",
    "aoti_torch_empty_strided",
    "torch_call_dispatcher",
]
OF_OTHERS = [
    "_ZNSt6vectorIN2at6TensorESaIS1_EE17_M_realloc_insertE",  # std's, instantiated for torch
    "_ZN15torch_tensorrt3logE",
    "_ZN3c1016mine3logE".replace("3c10", "4c10x"),
    "_ZN8pybind116handleE",
    "PyModule_Create2",
    "THPoint",
    "torchvision_init",
    "_Z8at_thing",
    "",
]


@pytest.mark.parametrize("symbol", OF_TORCH)
def test_symbols_of_torch(symbol: str) -> None:
    assert is_of_torch(symbol)


@pytest.mark.parametrize("symbol", OF_OTHERS)
def test_symbols_of_others(symbol: str) -> None:
    assert not is_of_torch(symbol)


def test_only_c_functions_are_of_the_stable_abi() -> None:
    assert [symbol for symbol in OF_TORCH if is_of_stable_abi(symbol)] == OF_TORCH[-2:]


def test_names_of_libraries() -> None:
    for name in ("libtorch.so", "libtorch_cuda.so", "libc10_hip.so", "libtorch_cpu.so.2"):
        assert TORCH_LIBRARY.fullmatch(name)
    for name in ("libtorchvision-1.so", "libc.so.6", "libcudart.so.12"):
        assert not TORCH_LIBRARY.fullmatch(name)
    for name in ("libcudart.so.12", "libcudart-d0da41ae.so.11.0"):
        match = CUDART.fullmatch(name)
        assert match
        assert match[1] in {"11", "12"}


def module(file: str, *, needed: tuple[str, ...] = (), undefined: tuple[str, ...] = (), **more: object) -> Module:
    return Module(file=file, format=Format.ELF, needed=needed, undefined=undefined, **more)  # type: ignore[arg-type]


def unresolved(found: Module, modules: tuple[Module, ...], libraries: tuple[Library, ...]) -> tuple[str, ...]:
    return Loading(modules, libraries).unresolved(found)


LIBRARIES = (
    Library(name="libtorch.so", file="", of_torch=True, needed=("libtorch_cpu.so",)),
    Library(name="libtorch_cpu.so", file="", of_torch=True, needed=("libc10.so",), defines=("_ZN2at1aE",)),
    Library(name="libc10.so", file="", of_torch=True, needed=("libtorch.so",), defines=("_ZN3c101bE",)),
    Library(name="libtorch_python.so", file="", of_torch=True, defines=("THPVariableClass",)),
)
ALL = ("THPVariableClass", "_ZN2at1aE", "_ZN3c101bE")


def test_what_libraries_need_is_looked_through_too() -> None:
    found = module("a.so", needed=("libtorch.so",), undefined=ALL)
    assert unresolved(found, (found,), LIBRARIES) == ("THPVariableClass",)


def test_nothing_is_found_in_what_is_not_needed() -> None:
    found = module("a.so", undefined=ALL)
    assert unresolved(found, (found,), LIBRARIES) == ALL


def test_a_library_beside_it_counts_by_its_soname() -> None:
    beside = module("lib/libmine.so.1.2", soname="libmine.so.1", defines=("_ZN2at1aE",))
    found = module("a.so", needed=("libmine.so.1",), undefined=("_ZN2at1aE",))
    assert unresolved(found, (found, beside), ()) == ()
    assert unresolved(found, (found,), ()) == ("_ZN2at1aE",)


def test_a_library_finds_what_those_need_that_are_linked_with_it() -> None:
    beside = module("libmine.so", undefined=ALL[1:])
    found = module("a.so", needed=("libmine.so", "libtorch.so"))
    assert unresolved(beside, (found, beside), LIBRARIES) == ()
    assert unresolved(beside, (beside,), LIBRARIES) == ALL[1:]


def test_modules_of_one_name_in_two_folders_each_find_their_own() -> None:
    one = module("a/_C.so", needed=("libtorch.so",), undefined=ALL[1:])
    other = module("b/_C.so", undefined=ALL[:1])
    assert unresolved(one, (one, other), LIBRARIES) == ()
    assert unresolved(other, (one, other), LIBRARIES) == ALL[:1]


def test_a_library_may_be_asked_for_by_its_file_too() -> None:
    beside = module("lib/libmine-0123.so", soname="libmine.so.1", defines=ALL[1:])
    found = module("a.so", needed=("libmine-0123.so",), undefined=ALL[1:])
    assert unresolved(found, (found, beside), ()) == ()


def test_who_is_loaded_is_found_once_for_a_thousand_modules() -> None:
    common = module("libcommon.so", undefined=("_ZN2at1aE",))
    modules = tuple(
        module(f"m{number}.so", needed=("libcommon.so", "libtorch.so"), undefined=(f"_ZN2at{number}E",))
        for number in range(1_000)
    )
    before = time.process_time()
    loading = Loading((*modules, common), LIBRARIES)
    assert [loading.unresolved(found) for found in modules] == [found.undefined for found in modules]
    assert loading.unresolved(common) == ()
    # Pair by pair it took seconds.
    assert time.process_time() - before < 1


def test_the_worst_verdict_counts() -> None:
    reports = tuple(ModuleReport(file=verdict.name, verdict=verdict) for verdict in Verdict)
    assert LinkReport(modules=reports).verdict is Verdict.DOES_NOT_LINK
    assert LinkReport(modules=reports[:2]).verdict is Verdict.NOT_CHECKED
    assert LinkReport().verdict is Verdict.LINKS


def test_a_report_survives_json() -> None:
    report = LinkReport(
        modules=(
            ModuleReport(
                file="a.so",
                verdict=Verdict.DOES_NOT_LINK,
                reasons=(Reason.VERSION,),
                missing=ALL,
                faults=("undefined",),
            ),
        ),
        symbols="sha256:0",
    )
    assert from_json_text(LinkReport, json_text(report), source="here") == report


def test_what_there_is_to_link_with_survives_json() -> None:
    libraries = Libraries(
        libraries=LIBRARIES, runtimes={"libcudart.so.12": WhetherFound.PERHAPS}, since={"torch_a": "2.10"}
    )
    assert from_json_text(Libraries, json_text(libraries), source="here") == libraries
