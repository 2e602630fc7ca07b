from __future__ import annotations

import pytest

from torchgraft.link.libraries import other_abi_starts, parse_since, read_libraries
from torchgraft.model.torch_values import Origin, Torch

PAIRS = {
    "an argument": (
        b"_ZN3c105ErrorC2ENS_14SourceLocationESs",
        b"_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    ),
    "a reference among arguments": (
        b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs",
        b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    ),
    "a part of an argument": (
        b"_ZN2at4joinERKSt6vectorISsSaISsEE",
        b"_ZN2at4joinERKSt6vectorINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESaIS6_EE",
    ),
    "what is returned": (b"_ZNK2at6Tensor8toStringEv", b"_ZNK2at6Tensor8toStringB5cxx11Ev"),
    "both": (
        b"_ZN5torch4textERKSs",
        b"_ZN5torch4textB5cxx11ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    ),
}


@pytest.mark.parametrize(("old", "new"), PAIRS.values(), ids=PAIRS)
def test_the_name_in_the_other_abi(old: bytes, new: bytes) -> None:
    assert any(new.startswith(start) for start in other_abi_starts(old))
    assert any(old.startswith(start) for start in other_abi_starts(new))


def test_a_word_with_two_capitals_is_no_string() -> None:
    starts = list(other_abi_starts(b"_ZN2at11ClassSsNameEv"))
    assert not any(b"_ZN2at11ClassSsNameEv".startswith(start) for start in starts)


HEADER = """
#include <torch/csrc/stable/version.h>
#ifdef __cplusplus
extern "C" {
#endif
AOTI_TORCH_EXPORT AOTITorchError aoti_torch_old(int x);
#if TORCH_FEATURE_VERSION >= TORCH_VERSION_2_10_0
AOTI_TORCH_EXPORT AOTITorchError
torch_new(int x); // and torch_in_a_comment(
#ifdef USE_CUDA
AOTI_TORCH_EXPORT void torch_new_cuda();
#endif
#endif // TORCH_FEATURE_VERSION >= TORCH_VERSION_2_10_0
#if TORCH_FEATURE_VERSION >= TORCH_VERSION_2_12_0
AOTI_TORCH_EXPORT void torch_newer();
#else
AOTI_TORCH_EXPORT void torch_else();
#endif
#ifdef __cplusplus
}
#endif
"""


def test_since_when_functions_are_there() -> None:
    assert dict(parse_since(HEADER.splitlines())) == {
        "aoti_torch_old": "2.9",
        "torch_new": "2.10",
        "torch_new_cuda": "2.10",
        "torch_newer": "2.12",
        "torch_else": "2.9",
    }


LATER = {
    "aoti_torch_int64_to_ivalue": "2.10",
    "aoti_torch_delete_c10_value_object": "2.10",
    "aoti_torch_cuda_mm_dtype_out": "2.11",
    "aoti_torch_cpu_rand_like": "2.12",
}


def test_a_function_without_a_condition_may_have_come_later() -> None:
    assert dict(parse_since(f"int {name}(int);" for name in LATER)) == LATER


def test_of_functions_of_other_accelerators_only_a_condition_tells() -> None:
    lines = ["void aoti_torch_xpu_cat();", "#if TORCH_FEATURE_VERSION >= TORCH_VERSION_2_14_0"]
    assert dict(parse_since([*lines, "void aoti_torch_xpu_topk();"])) == {"aoti_torch_xpu_topk": "2.14"}


def test_unbalanced_conditions_are_put_up_with() -> None:
    assert dict(parse_since(["#endif", "#else", "void torch_a();", "#if X"])) == {"torch_a": "2.9"}


def test_without_a_torch_or_its_libraries_there_is_nothing_to_compare_with(tmp_path: object) -> None:
    assert read_libraries(None, ()).fault == "no torch is known that they could be compared with"
    torch = Torch(version="2.8.0", folder=str(tmp_path), origin=Origin.WHEEL)
    assert read_libraries(torch, ()).fault == "torch is there without a libc10.so that could be read"
