"""The main job: an extension whose setup.py imports torch, through real front ends, against the consumer's torch."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from .laboratory import BUILD_TOOLS, OLD_PIP, Environment, Laboratory, Outcome, Workplace, hashes, read_probe

pytestmark = pytest.mark.e2e

UV = uv.find_uv_bin()
NEW_PIP = "pip"
PIP_23_2 = f"pip=={OLD_PIP}"

USE = """
import importlib, json, sys
import torch
module = importlib.import_module(sys.argv[1])
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
total = module.scaled_add(x, torch.ones_like(x), 0.5)
print(json.dumps({
    "built_for": module.BUILT_FOR_TORCH,
    "runs_with": torch.__version__,
    "right": torch.equal(total, torch.add(x, torch.ones_like(x), alpha=0.5)),
    "total": total.tolist(),
}))
"""


@dataclass(frozen=True)
class Row:
    """One way of installing: `front` is pip as a requirement, or uv; `isolated` says if there is a build environment.

    `form` is what is installed: a folder, an sdist, or a folder as an editable install.
    """

    front: str
    form: str
    project: str = "tiny"
    isolated: bool = True

    def __str__(self) -> str:
        parts = [self.front.replace("==", "-"), self.form, self.project]
        return "-".join([*parts, *([] if self.isolated else ["not_isolated"])])


ROWS = [
    # C++ with the headers of torch costs a minute a row: once for each front end, by different ways in.
    Row(NEW_PIP, "folder", "scaled_add"),
    Row("uv", "sdist", "scaled_add"),
    Row(PIP_23_2, "folder"),
    Row(PIP_23_2, "sdist"),
    Row(PIP_23_2, "editable"),
    Row(NEW_PIP, "folder"),
    Row(NEW_PIP, "sdist"),
    Row(NEW_PIP, "editable"),
    Row("uv", "folder"),
    Row("uv", "sdist"),
    Row("uv", "editable"),
    Row(PIP_23_2, "folder", isolated=False),
    Row(NEW_PIP, "folder", isolated=False),
    Row(NEW_PIP, "editable", isolated=False),
    Row("uv", "folder", isolated=False),
    Row("uv", "editable", isolated=False),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_extension_installs_against_the_consumers_torch(
    row: Row, laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment(
        *([row.front] if row.front != "uv" else []), *(() if row.isolated else BUILD_TOOLS)
    )
    if row.isolated:
        forget_bytecode(consumer)
    source = laboratory.project(row.project)
    given = hashes(source)
    package = source if row.form != "sdist" else make_sdist(source, laboratory, workplace)
    before = consumer.listing()
    probe = workplace.folder / "probe.jsonl"

    install(row, package, consumer, workplace, probe).succeeded()

    assert_only_the_package_came(before, consumer.listing(), row.project)
    assert {name: digest for name, digest in hashes(source).items() if name in given} == given
    assert_it_works(row.project, consumer, workplace)
    seen = read_probe(probe)
    assert seen, "setup.py never ran"
    for facts in seen:
        assert_it_is_the_consumers_torch(facts, consumer, workplace, grafted=row.isolated)


@pytest.mark.parametrize("arguments", [(), ("--wheel",)], ids=["sdist_then_wheel", "wheel"])
def test_build_run_by_the_consumer_makes_a_wheel_for_its_torch(
    arguments: tuple[str, ...], laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment("build", "pip")
    forget_bytecode(consumer)
    source = laboratory.project("tiny")
    given = hashes(source)
    before = consumer.listing()
    probe = workplace.folder / "probe.jsonl"
    dist = workplace.folder / "dist"

    command = [consumer.python, "-m", "build", *arguments, "--outdir", dist, source]
    workplace.run(command, **quiet_python(probe)).succeeded()

    assert consumer.listing() == before
    assert {name: digest for name, digest in hashes(source).items() if name in given} == given
    for facts in read_probe(probe):
        assert_it_is_the_consumers_torch(facts, consumer, workplace, grafted=True)
    assert len(list(dist.glob("*.tar.gz"))) == (0 if arguments else 1)
    (wheel,) = dist.glob("*.whl")
    workplace.run([consumer.python, "-m", "pip", "install", "--no-deps", wheel]).succeeded()
    assert_it_works("tiny", consumer, workplace)


def test_build_run_from_elsewhere_builds_for_the_activated_environment(
    laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment("pip")
    tools = laboratory.environment("build", torch=False)
    source = laboratory.project("tiny")
    probe = workplace.folder / "probe.jsonl"

    workplace.run(
        [tools.python, "-m", "build", "--wheel", "--outdir", workplace.folder, source],
        VIRTUAL_ENV=str(consumer.prefix),
        **quiet_python(probe),
    ).succeeded()

    for facts in read_probe(probe):
        assert_it_is_the_consumers_torch(facts, consumer, workplace, grafted=True)


def test_uv_installs_into_the_named_environment_not_into_the_activated_one(
    laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment()
    decoy = laboratory.environment()
    source = laboratory.project("tiny")
    probe = workplace.folder / "probe.jsonl"

    workplace.run(
        [UV, "pip", "install", "--python", consumer.python, source],
        VIRTUAL_ENV=str(decoy.prefix),
        **quiet_python(probe),
    ).succeeded()

    for facts in read_probe(probe):
        assert_it_is_the_consumers_torch(facts, consumer, workplace, grafted=True)
    assert_it_works("tiny", consumer, workplace)


def test_the_wheel_carries_its_plan_without_paths_of_the_user(laboratory: Laboratory, workplace: Workplace) -> None:
    consumer = laboratory.environment(NEW_PIP)
    source = laboratory.project("tiny")

    command = [consumer.python, "-m", "pip", "install", "-C", f"torchgraft.consumer={consumer.prefix}", source]
    workplace.run(command).succeeded()

    (record,) = consumer.site_packages.glob("tiny-1.0.dist-info/torchgraft.json")
    text = record.read_text(encoding="utf-8")
    assert json.loads(text)
    assert laboratory.torch_release in text
    for folder in (consumer.prefix, source, workplace.folder):
        assert str(folder) not in text
    listed = (record.parent / "RECORD").read_text(encoding="utf-8")
    assert "tiny-1.0.dist-info/torchgraft.json,sha256=" in listed


def test_plan_names_the_torch_without_building(laboratory: Laboratory, workplace: Workplace) -> None:
    consumer = laboratory.environment()
    tools = laboratory.environment("torchgraft", torch=False)
    source = laboratory.project("tiny")
    given = hashes(source)

    command = [tools.python, "-m", "torchgraft", "plan", source, "--consumer", consumer.prefix]
    shown = workplace.run(command).succeeded().said
    data = json.loads(workplace.run([*command, "--json"]).succeeded().said)

    assert laboratory.torch_release in shown
    assert str(consumer.prefix) in shown
    assert data["torch"]["version"].startswith(laboratory.torch_release)
    assert hashes(source) == given


def install(row: Row, package: Path, consumer: Environment, workplace: Workplace, probe: Path) -> Outcome:
    editable = ["-e"] if row.form == "editable" else []
    isolation = [] if row.isolated else ["--no-build-isolation"]
    if row.front == "uv":
        command = [UV, "pip", "install", "--python", consumer.python, *isolation, *editable, package]
    else:
        command = [consumer.python, "-m", "pip", "install", *isolation, *editable, package]
    return workplace.run(command, **quiet_python(probe))


def quiet_python(probe: Path) -> dict[str, str]:
    return {"PROBE_FILE": str(probe)}


def make_sdist(source: Path, laboratory: Laboratory, workplace: Workplace) -> Path:
    """Return an sdist, made by torchgraft where there is no torch but that of an environment that is told."""
    maker = laboratory.environment()
    folder = laboratory.new_folder("sdist")
    option = f"torchgraft.consumer={maker.prefix}"
    workplace.run(
        [UV, "build", "--sdist", "--python", sys.executable, "-C", option, "--out-dir", folder, source]
    ).succeeded()
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def forget_bytecode(consumer: Environment) -> None:
    """Remove the compiled files of torch's top folders: who imports it there and may write would bring them back."""
    for name in ("torch", "torch/utils", "numpy"):
        for path in (consumer.site_packages / name / "__pycache__").iterdir():
            path.unlink()


def assert_only_the_package_came(before: set[str], after: set[str], project: str) -> None:
    assert not before - after
    came = {Path(name) for name in after - before}
    # uv locks the environments that it works on.
    came -= {Path(".lock")}
    foreign = [path for path in came if not any(project in part for part in path.parts[3:])]
    assert not foreign


def assert_it_works(project: str, consumer: Environment, workplace: Workplace) -> None:
    outcome = workplace.run([consumer.python, "-W", "ignore", "-B", "-c", USE, project]).succeeded()
    result = json.loads(outcome.said.splitlines()[-1])
    assert result["right"]
    assert result["total"] == [[1.5, 2.5], [3.5, 4.5]]
    assert result["built_for"] == result["runs_with"]


def assert_it_is_the_consumers_torch(
    facts: dict[str, object], consumer: Environment, workplace: Workplace, *, grafted: bool
) -> None:
    assert facts["torch_is"] == str(consumer.site_packages / "torch")
    # One folder of the import path and no other has a torch: the graft, or the consumer itself.
    (folder,) = set(facts["folders_with_torch"])
    assert Path(facts["torch_at"]).parent == Path(folder)
    if grafted:
        assert Path(folder).is_relative_to(workplace.cache)
        assert not (Path(facts["purelib"]) / "torch").exists() or facts["purelib"] == str(consumer.site_packages)
    else:
        assert Path(folder) == consumer.site_packages


def test_the_consumers_torch_is_not_seen_by_an_interpreter_of_the_build_that_has_no_graft(
    laboratory: Laboratory, workplace: Workplace
) -> None:
    """The control: what the other tests assert does not hold by itself."""
    consumer = laboratory.environment(NEW_PIP)
    source = laboratory.project("tiny")

    outcome = workplace.run([consumer.python, "-m", "pip", "install", source], TORCHGRAFT_PROVIDE="off")

    assert outcome.status != 0
    assert "No module named 'torch'" in outcome.said
    assert not list(consumer.site_packages.glob("tiny*"))
