"""The facts that variables and addresses may name between braces, as in `cu{cuda_major}`: their names and meanings.

May not know a value: `decide.facts` does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What a fact is. `of_machine`: it is about the machine that compiles, and known only when it does."""

    name: str
    doc: str
    example: str
    of_machine: bool = False


_FACTS = (
    Fact(name="torch", doc="torch's version without its local part", example="2.8.0"),
    Fact(name="torch_minor", doc="its first two parts", example="2.8"),
    Fact(name="torch_digits", doc="its first two parts without the dot", example="28"),
    Fact(name="torch_local", doc="the local part of torch's version", example="cu128"),
    Fact(name="accelerator", doc="what torch is built for: `cuda`, `rocm`, `xpu` or `cpu`", example="cuda"),
    Fact(name="cuda", doc="the CUDA version that torch was built with", example="12.8"),
    Fact(name="cuda_major", doc="its first part", example="12"),
    Fact(name="cuda_digits", doc="its first two parts without the dot", example="128"),
    Fact(name="hip", doc="the first two parts of the HIP version that torch was built with", example="6.3"),
    Fact(name="cxx11abi", doc="whether torch uses the new C++ ABI: `TRUE` or `FALSE`", example="TRUE"),
    Fact(name="python", doc="the interpreter, as wheels name it", example="cp311"),
    Fact(name="python_minor", doc="the first two parts of its version", example="3.11"),
    Fact(name="abi", doc="its ABI, as wheels name it", example="cp311"),
    Fact(name="platform", doc="the platform, as wheels name it", example="linux_x86_64"),
    Fact(name="machine", doc="the processor, as the system names it", example="x86_64"),
    Fact(name="name", doc="the distribution, with underscores as in the names of wheels", example="flash_attn"),
    Fact(name="version", doc="the version of the distribution", example="2.8.3"),
    Fact(name="jobs", doc="how many compilers run at once", example="8", of_machine=True),
    Fact(name="cuda_home", doc="the CUDA toolkit's folder", example="/usr/local/cuda-12.8", of_machine=True),
    Fact(name="nvcc", doc="the CUDA toolkit's version", example="12.8", of_machine=True),
    Fact(
        name="cuda_architectures",
        doc="what TORCH_CUDA_ARCH_LIST is set to",
        example="8.0;9.0",
        of_machine=True,
    ),
)
FACTS = {fact.name: fact for fact in _FACTS}
# An address is the same on each machine that has the same torch.
ADDRESS_FACTS = tuple(fact.name for fact in _FACTS if not fact.of_machine)
