"""A copy of the backend in a project builds under pip, uv and build, where torchgraft is on no index."""

from __future__ import annotations

import pytest
import uv

from torchgraft.cli import main

from .laboratory import Environment, Laboratory, Workplace, hashes

pytestmark = pytest.mark.e2e

UV = uv.find_uv_bin()
USE = "import torch, tiny._C as c; print(c.BUILT_FOR_TORCH == torch.__version__)"


def used(workplace: Workplace, consumer: Environment) -> str:
    return workplace.run([consumer.python, "-B", "-c", USE], cwd=workplace.folder / "home").succeeded().said.strip()


def test_a_vendored_copy_builds_with_what_it_declares(laboratory: Laboratory) -> None:
    project = laboratory.project("tiny")
    assert main(["vendor", str(project), "--write"]) == 0
    before = hashes(project)
    # Without the wheel of torchgraft.
    workplace = Workplace(laboratory.new_folder("workplace"), laboratory.workplace().path, (laboratory.wheelhouse,))

    consumer = laboratory.environment()
    workplace.run([UV, "pip", "install", "--python", consumer.python, "--no-deps", project]).succeeded()
    assert used(workplace, consumer) == "True"
    assert before.items() <= hashes(project).items()
    assert main(["vendor", "--check", str(project)]) == 0

    # The sdist has to hold the copy.
    other = laboratory.environment("build", "pip")
    built = workplace.folder / "dist"
    workplace.run([other.python, "-m", "build", "--sdist", "--outdir", built, project]).succeeded()
    (sdist,) = built.iterdir()
    workplace.run([other.python, "-m", "pip", "install", "--no-deps", sdist]).succeeded()
    assert used(workplace, other) == "True"
