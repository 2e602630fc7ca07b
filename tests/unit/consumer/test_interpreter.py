from __future__ import annotations

import importlib.machinery
import platform

from packaging.tags import sys_tags
from packaging.version import Version

from torchgraft.codec import from_json_text, json_text
from torchgraft.consumer.processes import take_python
from torchgraft.model.observation import Python


def test_it_is_the_running_interpreter() -> None:
    python = take_python()
    assert Version(python.version).release == Version(platform.python_version().rstrip("+")).release
    assert platform.python_version().startswith(python.minor_version + ".")
    assert python.implementation == platform.python_implementation().lower()
    assert python.extension_suffix == importlib.machinery.EXTENSION_SUFFIXES[0]


def test_abi_and_platform_are_as_in_the_names_of_wheels() -> None:
    python = take_python()
    assert python.abi == next(sys_tags()).abi
    if platform.system() != "Darwin":  # there a wheel may be for an older release
        assert python.platform in {tag.platform for tag in sys_tags()}


def test_it_round_trips() -> None:
    assert from_json_text(Python, json_text(take_python()), source="test") == take_python()
