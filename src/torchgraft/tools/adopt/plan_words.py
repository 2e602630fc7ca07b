"""Which words of the vocabulary a project that adopts torchgraft may want.

May not set them: those of a package's own name are set anyway (`decide.vocabulary`).
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from ...settings.vocabulary import words_of
from ...settings.vocabulary_words import VOCABULARY


def asked_words(name: str | None) -> Iterator[str]:
    """Yield what the vocabulary could set for a package, and sets only where it is told to."""
    own = canonicalize_name(name) if name else ""
    applied = words_of(name, ())
    for word in VOCABULARY:
        if own in word.packages and word.asked and word not in applied:
            yield f'vocabulary = ["{own}"] also sets {word.variable}: {word.why}'


def relative_in_vocabulary(strings: tuple[str, ...]) -> str:
    """Return the package of the vocabulary whose own variables a setup.py reads, "" if there is none.

    Two of them at least, of which one is no other package's.
    """
    packages = sorted({package for word in VOCABULARY for package in word.packages})
    named = set(strings)
    read = {
        package: {word.variable for word in VOCABULARY if package in word.packages and word.variable in named}
        for package in packages
    }
    best = max(packages, key=lambda package: len(read[package]))
    rivals = [package for package in packages if read[package] == read[best]]
    common = {word.variable for word in VOCABULARY if not word.packages}
    own = read[best] - common
    return best if len(read[best]) > 1 and own and len(rivals) == 1 else ""
