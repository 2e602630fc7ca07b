"""Where a build has a fixed place: what nvcc is called with there is the same in every environment."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from support import snapshots
from support.compiling import CU130, NVCC_13_0, hardware, plan, values
from torchgraft.hook.call import Call
from torchgraft.hook.workshop import moved
from torchgraft.model.decision import PlannedToolkit
from torchgraft.model.observation import Hook

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows torch calls no compiler cache")


def test_a_toolkit_that_is_put_together_is_at_the_same_path(tmp_path: Path) -> None:
    """Its own folder is named for the trees that it is made of, which are in the environment of each Python."""
    made = plan(CU130, hardware(NVCC_13_0), hook=Hook.BUILD_WHEEL, project=snapshots.project(cuda_sources="a.cu"))
    assert made.toolkit is not None
    source, place = tmp_path / "source", f"torchgraft-test-{os.getpid()}"
    source.mkdir()
    seen = []
    for python in ("3.12", "3.13"):
        tree, home = tmp_path / python / "nvidia", tmp_path / "toolkits" / python
        (tree / "include").mkdir(parents=True)
        (tree / "include" / "cuda.h").write_text(python, encoding="utf-8")
        toolkit = PlannedToolkit(home=str(home), version="13.0", reason="", layers=(str(tree),))
        variables = tuple(
            replace(v, value=(v.value or "").replace(made.toolkit.home, str(home))) for v in made.variables
        )
        there = replace(made, toolkit=toolkit, variables=variables, workshop=place, graft=None)
        call = Call(plan=there, source=source, cache_folder=tmp_path, config_settings=None, variables={})
        with moved(call) as in_place:
            assert in_place.plan.toolkit is not None
            link = Path(in_place.plan.toolkit.home)
            assert (link / "include" / "cuda.h").read_text(encoding="utf-8") == python
            seen.append((in_place.source, link, values(in_place.plan)["CUDA_HOME"], values(in_place.plan)["CUDACXX"]))
    assert seen[0] == seen[1]
    assert seen[0][1:] == (link, str(link), f"{link}/bin/nvcc")
    shutil.rmtree(link.parent)
