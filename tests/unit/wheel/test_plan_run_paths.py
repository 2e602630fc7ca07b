from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from support import snapshots
from support.sites import write
from torchgraft.hook.plan import plan_build
from torchgraft.link.linkage import Format, Module
from torchgraft.model.observation import Hook
from torchgraft.settings.config import Config
from torchgraft.wheel.plan_finishing import (
    PlannedRunPath,
    RunPathPlaces,
    lost_library_problem,
    plan_run_paths,
    run_paths_text,
    staying_run_paths_text,
)
from torchgraft.wheel.run_paths import find_run_path_places

PLACES = RunPathPlaces(
    sites=("/cache/grafts/0123", "/env/lib/python3.11/site-packages", "/temporary/build-env/site"),
    passing=("/temporary/build-env", "/src/project", "/temporary", "/cache/grafts"),
    lasting=("/env", "/temporary/consumer"),
)

CASES = {
    "torch of the graft": ("/cache/grafts/0123/torch/lib", "ext/_C.so", "$ORIGIN/../torch/lib"),
    "torch of the build environment": ("/temporary/build-env/site/torch/lib", "_C.so", "$ORIGIN/torch/lib"),
    "torch of the consumer": ("/env/lib/python3.11/site-packages/torch/lib/", "a/b/_C.so", "$ORIGIN/../../torch/lib"),
    "a library of another distribution": (
        "/temporary/build-env/site/nvidia/cudnn/lib",
        "ext/_C.so",
        "$ORIGIN/../nvidia/cudnn/lib",
    ),
    "in the platlib of a data folder": (
        "/cache/grafts/0123/torch/lib",
        "ext-1.data/platlib/ext/_C.so",
        "$ORIGIN/../torch/lib",
    ),
    "in another data folder": ("/cache/grafts/0123/torch/lib", "ext-1.data/scripts/_C.so", ""),
    "the folder of distributions itself": ("/temporary/build-env/site", "ext/_C.so", ""),
    "the build environment": ("/temporary/build-env/lib", "ext/_C.so", ""),
    "the source tree": ("/src/project/build/lib", "ext/_C.so", ""),
    "a folder whose name begins like it": ("/src/project2/lib", "ext/_C.so", "/src/project2/lib"),
    "a temporary folder": ("/temporary/cmake-1/lib", "ext/_C.so", ""),
    "an environment in the temporary folder": ("/temporary/consumer/lib", "ext/_C.so", "/temporary/consumer/lib"),
    "the consumer's own lib": ("/env/lib", "ext/_C.so", "/env/lib"),
    "the system": ("/opt/cuda/lib64", "ext/_C.so", "/opt/cuda/lib64"),
    "relative": ("$ORIGIN/../torch/lib", "ext/_C.so", "$ORIGIN/../torch/lib"),
    "with two slashes": ("//src/project/build//lib", "ext/_C.so", ""),
    "with dots": ("/src/other/../project/lib", "ext/_C.so", ""),
}


@pytest.mark.parametrize(("entry", "file", "wanted"), CASES.values(), ids=CASES)
def test_what_takes_the_place_of_an_entry(entry: str, file: str, wanted: str) -> None:
    module = Module(file=file, format=Format.ELF, run_path=("$ORIGIN", entry))
    planned = plan_run_paths([module], PLACES)
    if wanted == entry:
        assert planned == ()
    else:
        entries = ("$ORIGIN", wanted) if wanted else ("$ORIGIN",)
        assert planned == (PlannedRunPath(file=file, entries=entries, old=False, replaced=(entry,)),)


def test_two_entries_that_become_one() -> None:
    path = ("/cache/grafts/0123/torch/lib", "/env/lib/python3.11/site-packages/torch/lib", "/temporary/x")
    module = Module(file="ext/_C.so", format=Format.ELF, run_path=path, old_run_path=True)
    (planned,) = plan_run_paths([module], PLACES)
    assert planned == PlannedRunPath(file="ext/_C.so", entries=("$ORIGIN/../torch/lib",), old=True, replaced=path)


TREES = replace(
    PLACES,
    staying=("/src/project",),
    source="/src/project",
    libraries=(
        ("lib", ("libspeed.so",)),
        ("build/ext", ("libown.so",)),
        ("/src/project/lib", ("libspeed.so",)),
        ("/src/project/build/ext", ("libown.so",)),
        ("/temporary/lib", ("libspeed.so", "libz.so.1")),
    ),
    found=("libz.so.1",),
)


@pytest.mark.parametrize(
    ("needed", "run_path", "entries", "lost"),
    [
        (["libspeed.so"], ["/src/project/lib"], ["/src/project/lib"], []),
        (["libspeed.so"], ["lib"], ["/src/project/lib"], []),
        (["libown.so"], ["build/ext"], ["$ORIGIN/libs"], []),
        (["libother.so"], ["lib"], ["lib"], []),
        (["libother.so"], ["/src/project/lib"], [], []),
        (["libown.so"], ["/src/project/build/ext"], ["$ORIGIN/libs"], []),
        (["libspeed.so"], ["/temporary/lib"], [], ["/temporary/lib/libspeed.so"]),
        (["libspeed.so"], ["/temporary/lib", "/src/project/lib"], ["/src/project/lib"], []),
        (["libz.so.1"], ["/temporary/lib"], [], []),
    ],
)
def test_a_library_that_is_needed(
    needed: Iterable[str], run_path: Iterable[str], entries: Iterable[str], lost: Iterable[str]
) -> None:
    module = Module(file="ext/_C.so", format=Format.ELF, run_path=tuple(run_path), needed=tuple(needed))
    planned = plan_run_paths([module], TREES, ["ext/_C.so", "ext/libs/libown.so", "ext-1.data/scripts/libspeed.so"])
    assert [change.entries for change in planned] == ([] if entries == run_path else [tuple(entries)])
    assert [path for change in planned for path in change.lost] == lost
    problem = lost_library_problem(planned)
    assert (problem.headline if problem else "") == (
        "ext/_C.so needs libspeed.so, which is gone after the build" if lost else ""
    )
    stays = "/src/project/lib (in ext/_C.so); a library that is needed is there, and has to stay there"
    assert staying_run_paths_text([module], planned, TREES) == (
        f"a run path into the source tree stays: {stays}" if "/src/project/lib" in entries else ""
    )
    taken = [entry for entry in run_path if entry not in entries]
    said = f"folders of the build are no run paths any more: {', '.join(taken)} (in ext/_C.so)" if taken else ""
    assert run_paths_text(planned) == said


def test_which_source_trees_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write(tmp_path, {"mine/lib/libspeed.so": "", "cache/CACHEDIR.TAG": "", "cache/x/a": "", "temporary/x/a": ""})
    library, made = str(tmp_path / "mine" / "lib"), plan_build(Config(), snapshots.snapshot(hook=Hook.BUILD_WHEEL))
    run_path = (library, "$ORIGIN", "lib", "nothing")
    module = Module(file="_C.so", format=Format.ELF, run_path=run_path, needed=("libspeed.so", "libc10.so"))

    def places(source: Path) -> RunPathPlaces:
        return find_run_path_places(made, source, [module])

    assert places(tmp_path / "mine").staying == (str(tmp_path / "mine"),)
    assert places(tmp_path / "mine").libraries == tuple((entry, ("libspeed.so",)) for entry in (library, "lib"))
    assert places(tmp_path / "cache" / "x").staying == places(tmp_path / "temporary" / "x").staying == ()
