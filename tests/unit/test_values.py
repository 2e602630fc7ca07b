from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest

from torchgraft.values import dataclass


@dataclass(frozen=True, kw_only=True)
class Pair:
    first: str
    second: tuple[str, ...] = ()
    third: dict[str, str] = dataclasses.field(default_factory=dict)


def test_it_is_a_dataclass_like_any_other() -> None:
    pair = Pair(first="a")
    assert repr(pair) == "Pair(first='a', second=(), third={})"
    assert (pair.second, pair.third) == ((), {})
    assert pair.third is not Pair(first="a").third
    assert [field.name for field in dataclasses.fields(pair)] == ["first", "second", "third"]
    assert dataclasses.replace(pair, first="b") == Pair(first="b") != pair


def test_fields_of_bases_come_first_and_variables_of_classes_are_none() -> None:
    @dataclass(frozen=True, kw_only=True)
    class More(Pair):
        KIND: ClassVar[str] = "more"
        fourth: str = "d"
        first: str = "z"

    assert list(vars(More())) == ["first", "second", "third", "fourth"]
    assert More() == dataclasses.replace(More(first="a"), first="z")
    assert [field.name for field in dataclasses.fields(More)] == list(vars(More()))
    assert dataclasses.is_dataclass(More)


def test_values_are_equal_and_hashed_by_their_fields() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other:
        first: str

    assert Other(first="a") == Other(first="a")
    assert len({Other(first="a"), Other(first="a"), Other(first="b")}) == 2
    assert Other(first="a") != Pair(first="a")


def test_fields_are_given_by_name_and_never_changed() -> None:
    with pytest.raises(TypeError, match="Pair needs first"):
        Pair(second=())  # type: ignore[call-arg]  # that is the question
    with pytest.raises(TypeError, match="Pair has no fourth"):
        Pair(first="a", fourth="")  # type: ignore[call-arg]  # that is the question
    with pytest.raises(TypeError):
        Pair("a")  # type: ignore[misc]  # that is the question
    with pytest.raises(dataclasses.FrozenInstanceError, match="first"):
        Pair(first="a").first = "b"  # type: ignore[misc]  # that is the question
    with pytest.raises(dataclasses.FrozenInstanceError, match="first"):
        del Pair(first="a").first
