"""Texts with facts in them, such as `cu{cuda_major}torch{torch_minor}`: parsed strictly, filled by name.

May not use `str.format`: a text of somebody else's could reach attributes of our values with it. May not know the
value of a fact: `compile.plan_facts` does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

# In this order: doubled braces stand for one, a name in braces for a fact, and a brace that is left is a mistake.
_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}


class Fact(NamedTuple):
    """What a fact is. `of_machine`: it is about the machine that compiles, and known only when it does."""

    name: str
    doc: str
    example: str
    of_machine: bool = False


_FACTS = (
    Fact("torch", "torch's version without its local part", "2.8.0"),
    Fact("torch_minor", "its first two parts", "2.8"),
    Fact("torch_digits", "its first two parts without the dot", "28"),
    Fact("torch_local", "the local part of torch's version", "cu128"),
    Fact("accelerator", "what torch is built for: `cuda`, `rocm`, `xpu` or `cpu`", "cuda"),
    Fact("cuda", "the CUDA version that torch was built with", "12.8"),
    Fact("cuda_major", "its first part", "12"),
    Fact("cuda_digits", "its first two parts without the dot", "128"),
    Fact("hip", "the first two parts of the HIP version that torch was built with", "6.3"),
    Fact("cxx11abi", "whether torch uses the new C++ ABI: `TRUE` or `FALSE`", "TRUE"),
    Fact("python", "the interpreter, as wheels name it", "cp311"),
    Fact("python_minor", "the first two parts of its version", "3.11"),
    Fact("abi", "its ABI, as wheels name it", "cp311"),
    Fact("platform", "the platform, as wheels name it", "linux_x86_64"),
    Fact("machine", "the processor, as the system names it", "x86_64"),
    Fact("name", "the distribution, with underscores as in the names of wheels", "flash_attn"),
    Fact("version", "the version of the distribution", "2.8.3"),
    Fact("jobs", "how many compilers run at once", "8", of_machine=True),
    Fact("cuda_home", "the CUDA toolkit's folder", "/usr/local/cuda-12.8", of_machine=True),
    Fact("nvcc", "the CUDA toolkit's version", "12.8", of_machine=True),
    Fact("cuda_architectures", "what TORCH_CUDA_ARCH_LIST is set to", "8.0;9.0", of_machine=True),
)
FACTS = {fact.name: fact for fact in _FACTS}
# An address is the same on each machine that has the same torch.
ADDRESS_FACTS = tuple(fact.name for fact in _FACTS if not fact.of_machine)


def template_fault(text: str, known: Collection[str]) -> str:
    """Return what is wrong with a text; "" if nothing is.

    :param known: the names of facts that it may have
    """
    for token in _TOKEN.finditer(text):
        if token[1] is None and token[0] not in _DOUBLED:
            return f"a brace that stands for itself doubled, {token[0] * 2}, or the name of a fact between two"
        if token[1] is not None and token[1] not in known:
            return f"names of facts between braces; {{{token[1]}}} is none of: {', '.join(sorted(known))}"
    return ""


def template_names(text: str) -> tuple[str, ...]:
    """Return the names of the facts in a text, in order, each once."""
    return tuple(dict.fromkeys(token[1] for token in _TOKEN.finditer(text) if token[1] is not None))


def filled(text: str, facts: Mapping[str, str]) -> str:
    """Return a text with its facts in place.

    :param facts: must have a value for each of `template_names`
    """

    def value(token: re.Match[str]) -> str:
        return facts[token[1]] if token[1] is not None else _DOUBLED.get(token[0], token[0])

    return _TOKEN.sub(value, text)
