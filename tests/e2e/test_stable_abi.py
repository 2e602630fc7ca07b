"""What is said of torch's stable ABI holds for the torch that is here."""

from __future__ import annotations

import hashlib

import pytest

from torchgraft.link.libraries import FIRST_STABLE, read_since

from .laboratory import Laboratory

pytestmark = pytest.mark.e2e


def test_the_first_functions_are_those_of_the_first_release(laboratory: Laboratory) -> None:
    """Where this fails, a release has new functions without a condition: they belong into the table of `look.shims`."""
    since = read_since(laboratory.environment().site_packages / "torch")
    first = sorted(name for name, version in since.items() if version == FIRST_STABLE)
    # Those in the headers of 2.9.0.
    assert len(first) == 475
    assert hashlib.sha256("\n".join(first).encode()).hexdigest().startswith("117243d54fcb1605")
    assert since["aoti_torch_int64_to_ivalue"] == "2.10"
