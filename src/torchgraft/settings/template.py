"""Texts with facts in them, such as `cu{cuda_major}torch{torch_minor}`: parsed strictly, filled by name.

May not use `str.format`: a text of somebody else's could reach attributes of our values with it. May not know the
value of a fact: `compile.plan_facts` does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

# In this order: doubled braces stand for one, a name in braces for a fact, and a brace that is left is a mistake.
_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}


# What texts may have between braces; of the machine that compiles, what is known only when it does.
OF_MACHINE = ("jobs", "cuda_home", "nvcc", "cuda_architectures")
# An address is the same on each machine that has the same torch.
ADDRESS_FACTS = (
    *("torch", "torch_minor", "torch_digits", "torch_local", "accelerator", "cuda", "cuda_major", "cuda_digits"),
    *("hip", "cxx11abi", "python", "python_minor", "abi", "platform", "machine", "name", "version"),
)
FACTS = (*ADDRESS_FACTS, *OF_MACHINE)


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
