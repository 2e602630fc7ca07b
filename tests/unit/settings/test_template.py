from __future__ import annotations

import pytest

from torchgraft.settings.kinds import ADDRESS_FACTS, FACTS, filled, template_fault, template_names

KNOWN = ("cuda_major", "jobs")


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("", (), ""),
        ("plain", (), "plain"),
        ("cu{cuda_major}-{jobs}-{cuda_major}", ("cuda_major", "jobs"), "cu12-8-12"),
        ("{{jobs}}", (), "{jobs}"),
        ("{{{jobs}}}", ("jobs",), "{8}"),
        ('{{"a": {{"b": {jobs}}}}}', ("jobs",), '{"a": {"b": 8}}'),
    ],
)
def test_a_template(text: str, names: tuple[str, ...], result: str) -> None:
    assert not template_fault(text, KNOWN)
    assert template_names(text) == names
    assert filled(text, {"cuda_major": "12", "jobs": "8"}) == result


@pytest.mark.parametrize(
    "text", ["{", "}", "{jobs", "jobs}", "{}", "{ jobs }", "{jobs!r}", "{jobs:>9}", "{jobs.real}", "{0}"]
)
def test_a_brace_that_is_left_is_a_mistake(text: str) -> None:
    assert "doubled" in template_fault(text, KNOWN)


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    assert template_fault("{job}", KNOWN) == "names of facts between braces; {job} is none of: cuda_major, jobs"


def test_addresses_do_not_depend_on_the_machine_that_compiles() -> None:
    assert set(ADDRESS_FACTS) < set(FACTS)
    assert "jobs" not in ADDRESS_FACTS
    assert {
        "name",
        "version",
        "python",
        "abi",
        "platform",
        "torch",
        "torch_minor",
        "cuda",
        "cuda_major",
        "cxx11abi",
    } <= set(ADDRESS_FACTS)
