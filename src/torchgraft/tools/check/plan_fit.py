"""Whether an installed package fits the torch that is there.

May not look at a library: what links and what does not is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...link.linkage import LinkReport, Verdict
from ...model.observation import Torch
from .checked import Fit

_WORDS = {"version": "version", "cuda": "CUDA", "hip": "ROCm", "cxx11_abi": "C++11 ABI", "git_version": "commit"}
# "None" is an answer: there is none.
_MAY_BE_NONE = frozenset({"cuda", "hip"})


def plan_fit(report: LinkReport, *, differs: bool, lacks_torch: bool = False) -> Fit:
    """Return the verdict on a package.

    :param lacks_torch: whether it needs libraries of torch, and there is no torch
    :param differs: whether it was built for another torch; of a package without a record nobody knows
    """
    if lacks_torch:
        return Fit.NO_TORCH
    if report.verdict is Verdict.DOES_NOT_LINK:
        return Fit.DOES_NOT_LINK
    if report.verdict is Verdict.NOT_CHECKED:
        return Fit.NOT_CHECKED
    if not report.modules:
        # None of its libraries needs torch.
        return Fit.FITS
    # To the stable ABI, another torch is as good.
    return Fit.LINKS if differs and not report.stable_since else Fit.FITS


def differing_facts(built: Mapping[str, object], torch: Torch) -> tuple[str, ...]:
    """Return in which facts the torch of a record and the present one differ, of those that are known of both."""
    here: dict[str, object] = {key: getattr(torch, key) for key in _WORDS}
    found = []
    for key, word in _WORDS.items():
        is_known = key in _MAY_BE_NONE or (built.get(key) is not None and here[key] is not None)
        if key in built and is_known and built[key] != here[key]:
            found.append(f"{word} {_text(built[key])}, here {_text(here[key])}")
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)[:40]
