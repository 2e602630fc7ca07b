from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from torchgraft.settings.kinds import filled, template_fault, template_names

KNOWN = ("cuda_major", "jobs")


@given(st.text(alphabet="{}ajobs_ \\.:!"))
def test_what_is_not_refused_is_filled(text: str) -> None:
    if not template_fault(text, KNOWN):
        filled(text, dict.fromkeys(template_names(text), "x"))


@given(st.text())
def test_a_value_is_never_a_template(value: str) -> None:
    assert filled("<{jobs}>", {"jobs": value}) == f"<{value}>"
