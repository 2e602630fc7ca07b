from __future__ import annotations

import pytest

from torchgraft.link.linkage import Format, Module
from torchgraft.model.decision import PlannedRunPath, RunPathPlaces
from torchgraft.wheel.plan_finishing import plan_run_paths

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
