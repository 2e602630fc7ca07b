"""Since when torch has had the functions of its stable ABI, read from its own headers.

May not compile anything: the headers state it in conditions of one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..files import names_in, read_text

# What stands in no such condition was there with the first release that let extensions use it: torch.stable came with
# 2.9, and TORCH_TARGET_VERSION cannot name an earlier one (torch/csrc/stable/version.h).
FIRST_STABLE = "2.9"
# Those of accelerators other than CUDA come without a condition in every release: of them nothing is known.
_OF_OTHER_ACCELERATORS = re.compile(r"aoti_torch_(?:mps|xpu)_\w+")
# These came without a condition too, and got one later or none at all. Found by comparing the headers in the wheels of
# 2.9.0, 2.9.1, 2.10.0, 2.11.0, 2.12.0 and 2.13.0 (torch/csrc/inductor/aoti_torch): with this, all give the same.
_LATER_BY_VERSION = {
    "2.10": (
        "aoti_torch_aten_full",
        "aoti_torch_aten_subtract_Tensor",
        "aoti_torch_cuda__scaled_grouped_mm",
        "aoti_torch_cuda_caching_allocator_raw_alloc",
        "aoti_torch_cuda_caching_allocator_raw_delete",
        "aoti_torch_delete_c10_value_object",
        "aoti_torch_int64_to_ivalue",
        "aoti_torch_str_to_ivalue",
        "aoti_torch_strlist_to_ivalue",
        "aoti_torch_tensor_to_ivalue",
    ),
    "2.11": (
        "aoti_torch_cpu_nonzero_static",
        "aoti_torch_cuda__flash_attention_forward_quantized",
        "aoti_torch_cuda__scaled_dot_product_flash_attention_quantized",
        "aoti_torch_cuda_mm_dtype_out",
        "aoti_torch_cuda_nonzero_static",
    ),
    "2.12": (
        "aoti_torch_cpu__grouped_mm",
        "aoti_torch_cpu_rand_like",
        "aoti_torch_cpu_rand_like_generator",
        "aoti_torch_cpu_randint_like",
        "aoti_torch_cpu_randint_like_low_dtype",
        "aoti_torch_cpu_randn_like",
        "aoti_torch_cpu_randn_like_generator",
        "aoti_torch_cuda__flash_attention_forward_no_dropout_inplace",
        "aoti_torch_cuda__flash_attention_forward_no_dropout_inplace_v2",
        "aoti_torch_cuda__flash_attention_forward_v2",
        "aoti_torch_cuda__grouped_mm",
        "aoti_torch_cuda_rand_like",
        "aoti_torch_cuda_rand_like_generator",
        "aoti_torch_cuda_randint_like",
        "aoti_torch_cuda_randint_like_low_dtype",
        "aoti_torch_cuda_randn_like",
        "aoti_torch_cuda_randn_like_generator",
    ),
}
_LATER = {name: version for version, names in _LATER_BY_VERSION.items() for name in names}
_FOLDERS = (
    "torch/csrc/stable/c",
    "torch/csrc/inductor/aoti_torch/c",
    "torch/csrc/inductor/aoti_torch/generated",
    "torch/csrc/inductor/aoti_torch/generated/extend",
)
_LARGEST_BYTES = 4_000_000
_IF = re.compile(r"\s*#\s*if")
_ELSE = re.compile(r"\s*#\s*el")
_END = re.compile(r"\s*#\s*endif")
_SINCE = re.compile(r"TORCH_FEATURE_VERSION\s*>=\s*TORCH_VERSION_(\d+)_(\d+)_\d+")
_FUNCTION = re.compile(r"\b((?:aoti_torch|torch)_\w+)\s*\(")


def read_since(torch: Path) -> Mapping[str, str]:
    """Return the version, such as 2.10, from which on torch has had each of its functions; none without headers.

    Of a function of which that is not known, nothing is said.
    """
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in names_in(torch / "include" / folder):
            if name.endswith(".h"):
                for function, version in parse_since(
                    read_text(torch / "include" / folder / name, _LARGEST_BYTES).splitlines()
                ):
                    found.setdefault(function, version)
    return found


def parse_since(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the functions that a header declares, each with the version of the innermost condition around it."""
    conditions: list[str] = []
    for line in lines:
        if _IF.match(line):
            found = _SINCE.search(line)
            conditions.append(f"{found[1]}.{found[2]}" if found else "")
        elif _ELSE.match(line) and conditions:
            conditions[-1] = ""
        elif _END.match(line) and conditions:
            conditions.pop()
        else:
            since = next((version for version in reversed(conditions) if version), "")
            for name in _FUNCTION.findall(line.partition("//")[0]):
                if since or not _OF_OTHER_ACCELERATORS.fullmatch(name):
                    yield name, since or _LATER.get(name, FIRST_STABLE)
