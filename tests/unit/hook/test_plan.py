"""Plans from snapshots: ways, links, variables, requirements, problems."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import compiling, snapshots
from torchgraft.errors import Problem
from torchgraft.hook.plan import plan_build, plan_pass_through
from torchgraft.hook.plan_text import plan_text, said_text, summary_text
from torchgraft.model.decision import Plan, RuntimeRequirement
from torchgraft.model.observation import (
    BuildEnvironment,
    Consumer,
    Distribution,
    Exposure,
    FrontEnd,
    FrontEndName,
    Hook,
    Installer,
    Link,
    Passing,
    Rule,
    Way,
)
from torchgraft.model.source_tree import SetupScript
from torchgraft.model.torch_values import AskedFor, Knowledge, Locked, Origin, TorchRequirement
from torchgraft.settings.config import Config, Guarding, Log, Provide
from torchgraft.tools.show_plan import plan_wheel

WHEEL = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
NONE = snapshots.consumer(None)
UV = Installer(program="/bin/uv", folder="/project")
ELSEWHERE = dataclasses.replace(snapshots.CPU_TORCH, folder="/build/site-packages/torch")
OTHER_TORCH = dataclasses.replace(ELSEWHERE, version="2.15.0", git_version="other")


def build_environment(*distributions: tuple[str, str], **changes: Any) -> BuildEnvironment:
    return BuildEnvironment(prefix="/build", distributions=distributions, **changes)


def plan(config: dict[str, Any] | None = None, **changes: Any) -> Plan:
    return plan_build(Config(**(config or {})), snapshots.snapshot(**changes))


def values(made: Plan) -> dict[str, str | None]:
    return {variable.name: variable.value for variable in made.variables}


def codes(made: Plan) -> list[str]:
    return [problem.code for problem in made.problems]


def test_planning_is_deterministic() -> None:
    assert plan() == plan()
    assert plan_text(plan()) == plan_text(plan())


# The three ways.


def test_the_consumers_torch_is_grafted() -> None:
    made = plan()
    assert made.way is Way.GRAFT
    assert made.torch == snapshots.CPU_TORCH
    assert made.graft
    assert made.graft.names == ("numpy", "torch", "typing-extensions")
    assert ("torch", f"{snapshots.SITE}/torch") in [(link.name, link.target) for link in made.graft.links]
    assert not made.problems
    assert not made.requirements


def test_what_the_build_environment_has_is_not_shadowed_but_matched_distributions_are() -> None:
    made = plan(build=build_environment(("numpy", "1.26"), ("torch", "2.15.0"), torch=OTHER_TORCH))
    assert made.graft
    assert made.graft.names == ("torch", "typing-extensions")


def test_a_torch_without_metadata_is_linked_too() -> None:
    made = plan(consumer=snapshots.consumer(distributions=()))
    assert made.graft
    assert [(link.name, link.target) for link in made.graft.links] == [("torch", snapshots.CPU_TORCH.folder)]


def test_a_whole_folder_is_linked_instead_of_its_parts() -> None:
    distributions = (
        snapshots.distribution("torch", "1.0", "nvidia"),
        snapshots.distribution("nvidia-cublas", "1.0", "nvidia/cublas"),
    )
    made = plan(consumer=snapshots.consumer(distributions=distributions))
    assert made.graft
    assert [link.name for link in made.graft.links if link.name.startswith("nvidia")] == [
        "nvidia",
        "nvidia-cublas-1.0.dist-info",
    ]


def test_the_grafts_folder_is_a_digest_of_its_links() -> None:
    one, same, other = plan(), plan(), plan(build=build_environment(("numpy", "1.26")))
    assert one.graft
    assert same.graft
    assert other.graft
    assert one.graft.folder == same.graft.folder != other.graft.folder
    assert one.graft.folder.startswith("/cache/torchgraft/grafts/")


def test_another_torch_in_the_same_place_has_another_folder() -> None:
    # ninja compares commands and times, and the headers that came may be older than the objects of the last build.
    one, other = plan(), plan(consumer=snapshots.consumer(dataclasses.replace(snapshots.CPU_TORCH, git_version="0")))
    assert one.graft
    assert other.graft
    assert one.graft.links == other.graft.links
    assert one.graft.folder != other.graft.folder


def test_what_is_answered_without_the_delegate_links_nothing() -> None:
    made = plan(hook=WHEEL)
    assert (made.way, made.graft, made.delegate.asked) == (Way.GRAFT, None, False)
    asked = plan(hook=WHEEL, project=snapshots.project(setup_script=SetupScript(may_set_requires=True)))
    assert asked.delegate.asked
    assert asked.graft


def test_that_very_torch_is_present() -> None:
    made = plan(build=build_environment(torch=ELSEWHERE))
    assert made.way is Way.PRESENT
    assert made.graft is None


@pytest.mark.parametrize(
    "change",
    [{"cxx11_abi": False}, {"git_version": "x"}, {"cuda": "12.8"}, {"version": "2.13.0"}],
)
def test_the_same_version_is_not_the_same_build(change: dict[str, Any]) -> None:
    assert snapshots.CPU_TORCH.is_same_build(ELSEWHERE)
    assert not snapshots.CPU_TORCH.is_same_build(dataclasses.replace(ELSEWHERE, **change))


def test_a_torch_that_is_declared_is_installed_by_the_front_end() -> None:
    made = plan(hook=WHEEL, consumer=NONE, project=snapshots.project(dependencies=("torch>=2.4",)))
    assert made.way is Way.INSTALL
    assert [line.text for line in made.requirements] == ["torch>=2.4"]
    assert not made.problems
    assert not made.delegate.asked


def test_what_was_installed_for_the_build_is_present_afterwards() -> None:
    made = plan(consumer=NONE, build=build_environment(torch=OTHER_TORCH))
    assert made.way is Way.PRESENT
    assert made.torch == OTHER_TORCH


def test_install_can_be_chosen_and_names_the_version_that_front_ends_know() -> None:
    consumer = snapshots.consumer(
        dataclasses.replace(snapshots.CUDA_TORCH),
        distributions=(snapshots.distribution("torch", "2.8.0"),),
    )
    made = plan({"provide": Provide.INSTALL}, hook=WHEEL, consumer=consumer)
    assert made.way is Way.INSTALL
    assert [line.text for line in made.requirements] == ["torch==2.8.0"]


@pytest.mark.parametrize(("asked", "way"), [((), Way.INSTALL), (("torch==2.13.0",), Way.GRAFT)])
def test_what_is_installed_anew_is_not_grafted_unless_it_is_the_same(asked: tuple[str, ...], way: Way) -> None:
    front_end = FrontEnd(name=FrontEndName.PIP, command="pip install", ignores_installed=True)
    wanted = tuple(AskedFor(requirement=TorchRequirement.parse(text), source="the arguments of pip") for text in asked)
    assert plan(hook=WHEEL, front_end=front_end, asked_for=wanted).way is way


def test_only_links_are_allowed() -> None:
    made = plan({"provide": Provide.GRAFT}, hook=WHEEL, consumer=NONE)
    assert made.way is Way.ABSENT
    assert codes(made) == ["no-torch"]
    assert "allows only links" in made.problems[0].why


def test_pass_through() -> None:
    made = plan_pass_through(Config(provide=Provide.OFF), Hook.BUILD_WHEEL)
    assert made.way is Way.OFF
    assert made.delegate.asked
    assert not made.variables
    assert "off" in summary_text(made)


def test_uv_is_told_what_uv_understands() -> None:
    front_end = FrontEnd(name=FrontEndName.UV, command="uv pip install")
    there = snapshots.consumer(None, prefix="/my env")
    (problem,) = plan({"provide": Provide.GRAFT}, hook=WHEEL, consumer=there, front_end=front_end).problems
    assert problem.fixes[0] == "uv pip install --python '/my env' torch"
    (problem,) = plan({"provide": Provide.GRAFT}, hook=WHEEL, consumer=there).problems
    assert problem.fixes[0] == "pip --python '/my env' install torch"


@pytest.mark.parametrize(
    ("command", "removes_others", "fix"),
    [
        ("poetry sync", True, "poetry add torch"),
        ("pdm sync", True, "pdm add torch"),
        ("pdm sync", False, "pip --python /env install torch"),
        ("uv sync", True, "uv add torch"),
    ],
)
def test_what_takes_others_away_is_told_what_stays(command: str, removes_others: bool, fix: str) -> None:  # noqa: FBT001
    name = FrontEndName[command.partition(" ")[0].upper()]
    front_end = FrontEnd(name=name, command=command, removes_others=removes_others)
    made = plan({"provide": Provide.GRAFT}, hook=WHEEL, consumer=snapshots.consumer(None), front_end=front_end)
    assert made.problems[0].fixes[0] == fix


# Variables.


def test_cmake_finds_the_torch_that_the_build_will_see() -> None:
    folder = f"{snapshots.CPU_TORCH.folder}/share/cmake/Torch"
    assert values(plan())["Torch_DIR"] == folder
    assert values(plan(build=build_environment(torch=snapshots.CPU_TORCH)))["Torch_DIR"] == folder
    assert values(plan(variables_set=("Torch_DIR",)))["Torch_DIR"] is None
    assert "Torch_DIR" not in values(plan(consumer=NONE))


def test_what_the_user_has_set_wins_and_the_plan_says_so() -> None:
    made = plan(
        {"env": {"MINE": "1", "FREE": "1"}},
        variables_set=("PYTHONDONTWRITEBYTECODE", "MINE"),
    )
    assert values(made)["PYTHONDONTWRITEBYTECODE"] is None
    assert values(made)["MINE"] is None
    assert values(made)["FREE"] == "1"
    assert "the user has set it" in plan_text(made)


def test_a_setting_beats_our_own_decision() -> None:
    made = plan({"env": {"PYTHONDONTWRITEBYTECODE": "0"}})
    assert values(made)["PYTHONDONTWRITEBYTECODE"] == "0"


# Requirements and the delegate.


@pytest.mark.parametrize(
    ("script", "asked", "requirements"),
    [
        (None, False, []),
        (SetupScript(), False, []),
        (SetupScript(may_set_requires=True, setup_requires=("ninja",)), True, []),
        (SetupScript(may_set_requires=True, setup_requires=None), True, []),
    ],
)
def test_setup_py_is_run_for_requirements_only_where_that_can_matter(
    script: SetupScript | None,
    requirements: list[str],
    *,
    asked: bool,
) -> None:
    made = plan(hook=WHEEL, project=snapshots.project(setup_script=script))
    assert made.delegate.asked is asked
    assert [line.text for line in made.requirements] == requirements


def test_a_literal_setup_requires_is_taken_from_the_syntax_tree_where_torch_comes_later() -> None:
    script = SetupScript(may_set_requires=True, setup_requires=("psutil", "torch>=1.8", "ninja"))
    project = snapshots.project(setup_script=script, setup_cfg_requires=("cython", "torch"))
    made = plan(hook=WHEEL, consumer=NONE, project=project)
    assert not made.delegate.asked
    assert [line.text for line in made.requirements] == ["torch", "cython", "psutil", "ninja"]


# ninja, without which torch compiles one file after the other.
MANY = snapshots.project(setup_script=SetupScript(torch_sources=10))


def test_ninja_is_asked_for_where_torch_compiles_several_files_and_none_is_there() -> None:
    made = plan(hook=WHEEL, project=MANY)
    assert [line.text for line in made.requirements] == ["ninja"]
    assert not made.serial
    for project, changes in (
        (snapshots.project(setup_script=SetupScript(torch_sources=1)), {}),
        (snapshots.project(setup_script=SetupScript(torch_sources=10, refuses_ninja=True)), {}),
        (MANY, {"ninja": "/usr/bin/ninja"}),
        (MANY, {"front_end": FrontEnd(name=FrontEndName.UV, resolves=True)}),
        (MANY, {"hook": Hook.GET_REQUIRES_FOR_BUILD_SDIST}),
    ):
        assert plan(**{"hook": WHEEL, "project": project, **changes}).requirements == ()


def test_without_isolation_ninja_is_not_asked_for_and_the_plan_says_what_comes_of_that() -> None:
    consumer = dataclasses.replace(snapshots.consumer(), rule=Rule.IMPORTABLE)
    build = build_environment(torch=snapshots.CPU_TORCH)
    assert plan(hook=WHEEL, project=MANY, consumer=consumer, build=build).requirements == ()
    made = plan(hook=Hook.BUILD_WHEEL, project=MANY, consumer=consumer, build=build)
    serial = "torch compiles one file after the other: there is no working ninja: pip --python "
    assert serial in plan_text(made)
    assert serial in summary_text(made)


def test_a_script_that_computes_use_ninja_is_noted() -> None:
    project = snapshots.project(setup_script=SetupScript(torch_sources=10, refuses_ninja=None))
    assert [
        note for note in plan(project=project, hook=Hook.BUILD_WHEEL).notes if "setup.py computes use_ninja" in note
    ]
    assert not [note for note in plan(project=MANY, hook=Hook.BUILD_WHEEL).notes if "use_ninja" in note]


def test_who_refuses_ninja_is_told_what_comes_of_that() -> None:
    project = snapshots.project(setup_script=SetupScript(torch_sources=10, refuses_ninja=True))
    made = plan(hook=Hook.BUILD_WHEEL, project=project)
    assert "torch compiles one file after the other: setup.py says use_ninja=False" in summary_text(made)


def test_a_computed_setup_requires_is_noted_where_torch_comes_later() -> None:
    script = SetupScript(may_set_requires=True, setup_requires=None)
    made = plan(hook=WHEEL, consumer=NONE, project=snapshots.project(setup_script=script))
    assert any("[tool.torchgraft] requires" in note for note in made.notes)


def test_another_delegate_is_always_asked() -> None:
    assert plan({"backend": "scikit_build_core.build"}, hook=WHEEL).delegate.asked
    legacy = plan({"backend": "setuptools.build_meta:__legacy__"}, hook=WHEEL)
    assert not legacy.delegate.asked


@pytest.mark.parametrize(("version", "expected"), [("70.0.0", ["wheel"]), ("70.1.0", []), ("84.2.1", [])])
def test_an_old_setuptools_needs_wheel(version: str, expected: list[str]) -> None:
    made = plan(hook=WHEEL, build=build_environment(("setuptools", version)))
    assert [line.text for line in made.requirements] == expected


def test_requires_are_for_wheels_not_for_sdists() -> None:
    config = {"requires": ("ninja",)}
    assert [line.text for line in plan(config, hook=WHEEL).requirements] == ["ninja"]
    assert not plan(config, hook=Hook.GET_REQUIRES_FOR_BUILD_SDIST).requirements


def test_torch_in_requires_is_said_to_be_needless() -> None:
    made = plan(project=snapshots.project(requires=("torchgraft", "setuptools", "torch")))
    assert any("it can go" in note for note in made.notes)


# What is wrong.


def test_no_torch_anywhere() -> None:
    made = plan(hook=WHEEL, consumer=NONE, project=snapshots.project(dependencies=()))
    assert codes(made) == ["no-torch"]
    assert [item.label for item in made.problems[0].evidence] == [
        "installed",
        "locked",
        "asked for",
        "declared",
    ]


@pytest.mark.parametrize(
    "hook",
    [
        Hook.PREPARE_METADATA_FOR_BUILD_WHEEL,
        Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE,
        Hook.BUILD_SDIST,
        Hook.GET_REQUIRES_FOR_BUILD_SDIST,
    ],
)
def test_metadata_and_sdists_need_no_torch(hook: Hook) -> None:
    assert not plan(hook=hook, consumer=NONE, project=snapshots.project(dependencies=())).problems


@pytest.mark.parametrize(
    "consumer",
    [
        snapshots.consumer(python_versions=("3.9",)),
        snapshots.consumer(
            dataclasses.replace(snapshots.CPU_TORCH, extension_suffix=".cpython-311t-x86_64-linux-gnu.so"),
        ),
    ],
)
def test_another_python(consumer: Any) -> None:
    made = plan(hook=WHEEL, consumer=consumer)
    assert codes(made) == ["python-mismatch"]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.13.0", "torch==2.13.0"),
        ("2.13.0+cpu", "--index-url https://download.pytorch.org/whl/cpu torch==2.13.0+cpu"),
        (
            "2.14.0.dev20261001+cu130",
            "--index-url https://download.pytorch.org/whl/nightly/cu130 torch==2.14.0.dev20261001+cu130",
        ),
        ("2.13.0+git12", "torch==2.13.0+git12"),
    ],
)
def test_a_broken_torch(version: str, words: str) -> None:
    fault, rest = "torch/version.py is missing", (Distribution(name="torch", version=version),)
    consumer = snapshots.consumer(None, torch_fault=fault, distributions=rest)
    made = plan(hook=WHEEL, consumer=consumer, project=snapshots.project(dependencies=()))
    assert codes(made) == ["broken-torch"]
    assert made.problems[0].fixes == (f"pip --python /env install --force-reinstall --no-deps {words}",)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (("-e", "/src/py torch"), "--no-build-isolation --no-deps -e '/src/py torch'"),
        (("/src/pytorch",), "--no-build-isolation --no-deps /src/pytorch"),
        (("torch @ file:///w/torch-2.8.0.whl",), "--force-reinstall --no-deps 'torch @ file:///w/torch-2.8.0.whl'"),
    ],
)
def test_a_broken_torch_of_no_index(source: tuple[str, ...], words: str) -> None:
    rest = (Distribution(name="torch", version="2.8.0", source=source),)
    consumer = snapshots.consumer(None, torch_fault="torch/version.py is missing", distributions=rest)
    assert plan(hook=WHEEL, consumer=consumer).problems[0].fixes == (f"pip --python /env install {words}",)


@pytest.mark.parametrize(
    ("name", "command", "targets", "search_path", "fix"),
    [
        (
            "PIP",
            "pip install",
            ("/t",),
            ("/t",),
            "pip --python /env install --target /t --upgrade --no-deps torch==2.8.0",
        ),
        (
            "PIP",
            "pip install",
            ("/t",),
            ("/t/lib/site-packages",),
            "pip --python /env install --prefix /t --force-reinstall --no-deps torch==2.8.0",
        ),
        (
            "UV",
            "uv pip install",
            ("/t",),
            ("/t",),
            "uv pip install --python /env --target /t --reinstall --no-deps torch==2.8.0",
        ),
        # A folder of PYTHONPATH; and what comes after the environment.
        (
            "PIP",
            "pip install",
            (),
            ("/t/tor", "/t", "/env/lib/site-packages"),
            "pip --python /env install --target /t --upgrade --no-deps torch==2.8.0",
        ),
        (
            "PIP",
            "pip install",
            (),
            ("/env/lib/site-packages", "/t"),
            "pip --python /env install --force-reinstall --no-deps torch==2.8.0",
        ),
        ("UV", "uv tool install", (), (), "--reinstall"),
    ],
)
def test_a_broken_torch_where_the_command_puts_it(
    name: str, command: str, targets: tuple[str, ...], search_path: tuple[str, ...], fix: str
) -> None:
    rest = (Distribution(name="torch", version="2.8.0"),)
    fault = "/t/torch/version.py is missing"
    consumer = snapshots.consumer(None, torch_fault=fault, distributions=rest, targets=targets, search_path=search_path)
    front_end = FrontEnd(name=FrontEndName[name], command=command)
    assert plan(hook=WHEEL, consumer=consumer, front_end=front_end).problems[0].fixes == (fix,)


def test_a_broken_torch_that_the_command_replaces_is_no_problem() -> None:
    consumer = snapshots.consumer(None, torch_fault="torch/version.py is missing")
    front_end = FrontEnd(name=FrontEndName.UV, command="uv pip install", ignores_installed=True)
    assert codes(plan(hook=WHEEL, consumer=consumer, front_end=front_end)) == []


def test_a_torch_in_two_folders() -> None:
    torch = dataclasses.replace(snapshots.CPU_TORCH, modules="/src/pytorch/torch")
    links = (Link(name="torch/__init__.py", target="/src/pytorch/torch/__init__.py"),)
    links += (Link(name="torch/lib", target=f"{snapshots.SITE}/torch/lib"),)
    rest = (Distribution(name="torch", version="2.8.0", links=links),)
    made = plan(consumer=snapshots.consumer(torch, distributions=rest))
    assert made.graft
    assert made.graft.links == links
    assert f"editable in {torch.folder} and /src/pytorch/torch".replace("editable", torch.origin.value) in plan_text(
        made
    )


def test_a_broken_torch_is_not_passed_over_for_a_declared_one() -> None:
    consumer = snapshots.consumer(None, torch_fault="torch/version.py is missing")
    assert codes(plan(hook=WHEEL, consumer=consumer)) == ["broken-torch"]


def test_what_a_sitecustomize_may_bring_is_not_guessed() -> None:
    customized = f"{snapshots.SITE}/sitecustomize.py"
    seen: dict[str, Any] = {"hook": WHEEL, "consumer": snapshots.consumer(None, customized=customized)}
    made = plan(**seen)
    assert codes(made) == ["customized-consumer"]
    assert customized in made.problems[0].evidence[0].text
    assert codes(plan(**seen, project=snapshots.project(dependencies=()))) == ["customized-consumer"]
    # Nor where the build has a torch that nobody has compared with the consumer's.
    build = build_environment(torch=snapshots.CPU_TORCH)
    assert codes(plan({}, **{**seen, "hook": Hook.BUILD_WHEEL}, build=build)) == ["customized-consumer"]
    assert codes(plan({"told_torch": "2.8.0"}, **seen)) == []
    asked = AskedFor(requirement=TorchRequirement.parse("torch==2.8.0"), source="the arguments of pip")
    assert codes(plan(**seen, asked_for=(asked,))) == []
    assert codes(plan(hook=Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, consumer=seen["consumer"])) == []


def test_a_consumer_that_others_can_write_to() -> None:
    made = plan(consumer=snapshots.consumer(writable_by_others=(snapshots.OPEN, snapshots.OPEN)))
    assert len(made.problems[0].evidence) == 1
    assert codes(made) == ["writable-by-others"]
    assert f"chmod o-w {snapshots.SITE}" in made.problems[0].fixes


@pytest.mark.parametrize("hook", [*Hook][1:])
def test_what_a_group_can_change_is_used_where_it_is_no_guess(hook: Hook) -> None:
    made = plan(hook=hook, consumer=snapshots.consumer(writable_by_others=(snapshots.SHARED,)))
    assert codes(made) == []
    assert f"group staff can change {snapshots.SITE}" in made.notes
    guess = snapshots.consumer(writable_by_others=(snapshots.SHARED,), certain=False, rule=Rule.UV_GUESS)
    refused = plan(hook=hook, consumer=guess, build=build_environment())
    assert codes(refused) == ["writable-by-others"]
    assert refused.problems[0].headline == "group staff of this machine can change what the build would import"
    assert refused.problems[0].fixes == (
        "-C torchgraft.consumer=/env   (if that is meant)",
        "export TORCHGRAFT_TRUST=/env   (if they may)",
    )
    # Where the hook runs in it, its code runs anyway.
    assert codes(plan(hook=hook, consumer=guess, build=BuildEnvironment(prefix="/env"))) == []


def test_what_is_trusted_may_lie_elsewhere() -> None:
    elsewhere = Exposure(path="/opt/site", by="user ann")
    above = Exposure(path="/", by="user ann")
    guess = snapshots.consumer(writable_by_others=(elsewhere, above, snapshots.SHARED), certain=False)
    assert (
        "export TORCHGRAFT_TRUST=/opt/site:/env   (if they may)"
        in plan(consumer=guess, build=build_environment()).problems[0].fixes
    )


@pytest.mark.parametrize(
    ("guessed", "by", "expected"),
    [(True, "user ann", ["writable-by-others"]), (False, "user ann", []), (False, "any user", ["writable-by-others"])],
)
def test_a_lock_that_others_can_change(guessed: bool, by: str, expected: list[str]) -> None:  # noqa: FBT001
    locked = Locked(
        file="/p/uv.lock", requirement=TorchRequirement.parse("torch==2.8.0"), said="2.8.0", guessed=guessed
    )
    exposures = (Exposure(path="/p/uv.lock", by=by),)
    hook = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
    assert codes(plan(hook=hook, consumer=None, locked=locked, lock_exposures=exposures)) == expected


def test_a_told_consumer_that_is_not_there() -> None:
    consumer = snapshots.consumer(None, rule=Rule.TOLD, exists=False)
    made = plan({"consumer": "/nowhere"}, hook=WHEEL, consumer=consumer)
    assert codes(made) == ["no-consumer"]


def test_an_unsupported_torch() -> None:
    made = plan({"torch": ">=2.4,<2.9"}, hook=WHEEL)
    assert codes(made) == ["unsupported-torch"]
    assert "does not support torch 2.13.0+cpu" in made.problems[0].headline


def test_two_consumers_whose_torch_differs() -> None:
    rival = snapshots.consumer(snapshots.CUDA_TORCH, prefix="/other", rule=Rule.TOX)
    made = plan(hook=WHEEL, consumer=snapshots.consumer(rule=Rule.TOX), rivals=(rival,))
    assert codes(made) == ["ambiguous-consumer"]
    assert "package = sdist" in made.problems[0].fixes[0]
    upgrading = FrontEnd(name=FrontEndName.UV, command="uv tool upgrade")
    rival, tool = (dataclasses.replace(one, rule=Rule.UV_GUESS) for one in (rival, snapshots.consumer(prefix="/t/app")))
    made = plan(hook=WHEEL, consumer=tool, rivals=(rival,), front_end=upgrading)
    assert made.problems[0].fixes == tuple(
        f"uv tool upgrade {name}   (one after the other)" for name in ("app", "other")
    )
    named = plan(hook=WHEEL, rivals=(rival,)).problems[0]
    assert named.fixes == ("-C torchgraft.consumer=/env", "-C torchgraft.consumer=/other")
    assert {item.label for item in named.evidence} == {"found"}


def test_a_read_only_source() -> None:
    project = snapshots.project(writable=False)
    assert codes(plan(project=project)) == ["source-read-only"]
    assert not plan({"backend": "flit_core.buildapi"}, project=project).problems


def test_a_front_end_that_did_not_install_what_was_asked() -> None:
    made = plan(consumer=NONE)
    assert codes(made) == ["torch-not-installed"]


def test_a_uv_that_asks_no_more_is_told_to_install() -> None:
    locked = Locked(
        file="uv.lock", version="2.8.0", requirement=TorchRequirement.parse("torch==2.8.0"), said="torch 2.8.0"
    )
    made = plan(consumer=NONE, locked=locked, installer=UV)
    assert made.late_install
    assert (made.late_install.requirement, made.late_install.installer) == ("torch==2.8.0", UV)
    assert not made.problems
    assert "install    torch==2.8.0 now, by uv" in plan_text(made)


@pytest.mark.parametrize(
    "changes",
    [
        {"hook": WHEEL, "consumer": NONE, "installer": UV},
        {"hook": Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, "consumer": NONE, "installer": UV},
        {"consumer": NONE, "installer": UV, "build": build_environment(torch=OTHER_TORCH)},
        {"installer": UV},
    ],
    ids=["it_is_asked", "metadata", "it_is_there", "it_is_linked"],
)
def test_nothing_is_installed_late(changes: dict[str, Any]) -> None:
    assert plan(**changes).late_install is None


def test_a_torch_of_before_the_lock_is_replaced() -> None:
    locked = Locked(
        file="uv.lock", version="2.8.0", requirement=TorchRequirement.parse("torch==2.8.0"), said="torch 2.8.0"
    )
    old = snapshots.consumer(ELSEWHERE, rule=Rule.IMPORTABLE, prefix="/build")
    build = build_environment(torch=ELSEWHERE)
    made = plan(consumer=old, passing=Passing(), build=build, locked=locked, installer=UV)
    assert made.late_install
    assert made.late_install.requirement == "torch==2.8.0"


def test_a_torch_that_pip_does_not_replace() -> None:
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.8.0"), source="the arguments of pip"),)
    pip = FrontEnd(name=FrontEndName.PIP, command="pip install")
    build = build_environment(torch=OTHER_TORCH)
    made = plan(hook=WHEEL, consumer=NONE, asked_for=asked, front_end=pip, build=build)
    assert codes(made) == ["torch-required-twice"]
    assert made.problems[0].fixes[0].startswith("pip --python /env install torch==2.8.0")


def test_all_problems_at_once() -> None:
    made = plan(
        {"torch": "<2"},
        project=snapshots.project(writable=False),
        consumer=snapshots.consumer(writable_by_others=(snapshots.OPEN,)),
    )
    assert codes(made) == ["unsupported-torch", "writable-by-others", "source-read-only"]


# What is said.


def test_the_text_has_every_rung_and_reason() -> None:
    text = plan_text(plan({"env": {"A": "1"}}))
    for words in ("pip install", "/env (R1:", "-> installed", "locked", "graft", "A=1", "setuptools.build_meta"):
        assert words in text


def test_a_guess_is_said_to_be_one() -> None:
    made = plan(consumer=snapshots.consumer(certain=False, rule=Rule.UV_GUESS, why="a .venv beside the project"))
    assert any("is a guess" in note for note in made.notes)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [(Guarding.AUTO, (True, False)), (Guarding.ALWAYS, (True, True)), (Guarding.NEVER, (False, False))],
)
def test_which_wheels_are_guarded(setting: Guarding, expected: tuple[bool, bool]) -> None:
    made = plan({"guard": setting}, hook=WHEEL, consumer=NONE)
    assert "guess      more than one torch would do" in plan_text(made)
    assert (made.guard, plan({"guard": setting}).guard) == expected


@pytest.mark.parametrize(
    ("own", "config", "depends", "expected"),
    [
        (True, {}, "torch", True),
        (False, {}, "torch", False),
        # Nobody can ask for another one.
        (True, {}, "torch==2.8.0", False),
        (True, {"told_torch": "2.8.0"}, "torch", False),
        (True, {"guard": Guarding.NEVER}, "torch", False),
    ],
)
def test_a_wheel_that_uv_keeps_for_the_next_command_is_guarded(
    config: dict[str, object], depends: str, *, own: bool, expected: bool
) -> None:
    front_end = FrontEnd(name=FrontEndName.UV, command="uv run", own_environment=own)
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.8.0"), source="script.py"),)
    project = snapshots.project(dependencies=(depends,))
    made = plan(config, hook=WHEEL, consumer=NONE, asked_for=asked, front_end=front_end, project=project)
    assert (made.guard, made.guess) == (expected, "")


@pytest.mark.parametrize(
    ("front_end", "typed"),
    [
        (FrontEnd(name=FrontEndName.UV, command="uv build", installs=False), "uv build -C torchgraft.consumer=PATH"),
        (FrontEnd(name=FrontEndName.PIP, command="pip wheel", installs=False), "pip wheel -C torchgraft.torch=VERSION"),
        (FrontEnd(name=FrontEndName.BUILD, command="build", installs=False), "python -m build -C torchgraft.torch="),
        (
            FrontEnd(name=FrontEndName.HATCH, command="hatch build", installs=False),
            "TORCHGRAFT_TORCH=VERSION hatch build",
        ),
    ],
)
def test_a_download_that_may_be_for_nothing_is_told_beforehand(front_end: FrontEnd, typed: str) -> None:
    made = plan(hook=WHEEL, consumer=NONE, front_end=front_end)
    text = said_text(made, Log.SUMMARY)
    assert text.startswith("torchgraft: torch is downloaded for this build, gigabytes where it is for CUDA")
    assert f"torchgraft:   {typed}" in text
    assert said_text(made, Log.QUIET) == ""
    assert said_text(plan(hook=WHEEL, consumer=NONE), Log.SUMMARY) == ""
    assert said_text(plan({"told_torch": "2.8.0"}, hook=WHEEL, consumer=NONE, front_end=front_end), Log.SUMMARY) == ""


def test_the_summary_names_a_guess() -> None:
    guessed = plan(consumer=snapshots.consumer(certain=False, rule=Rule.UV_GUESS, why="a .venv beside the project"))
    assert "torchgraft: this torch is a guess: no one names the environment" in summary_text(guessed)


def test_the_summary_names_torch_and_where_it_is() -> None:
    assert summary_text(plan()) == "torchgraft: building against torch 2.13.0+cpu of /env, through links"


def test_an_editable_or_source_built_torch_is_grafted_like_any_other() -> None:
    torch = dataclasses.replace(snapshots.CPU_TORCH, origin=Origin.EDITABLE, version="2.0.0a0+git-unknown")
    assert plan(consumer=snapshots.consumer(torch)).way is Way.GRAFT


def test_an_asked_for_version_is_installed_for_the_build() -> None:
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.6.0"), source="the arguments of pip"),)
    made = plan(hook=WHEEL, asked_for=asked)
    assert made.way is Way.INSTALL
    assert [line.text for line in made.requirements] == ["torch==2.6.0"]


LOCKING = FrontEnd(name=FrontEndName.UV, command="uv lock", installs=False, resolves=True)


@pytest.mark.parametrize("dependencies", [("torch",), ()])
def test_a_front_end_that_only_resolves_is_not_asked_to_install_torch(dependencies: tuple[str, ...]) -> None:
    project = snapshots.project(dependencies=dependencies)
    made = plan(hook=WHEEL, consumer=NONE, project=project, front_end=LOCKING)
    assert made.way is Way.ABSENT
    assert not made.problems
    assert not made.requirements


def test_a_wheel_needs_torch_even_then() -> None:
    assert plan(consumer=NONE, front_end=LOCKING).problems


# Metadata without torch.

METADATA = Hook.PREPARE_METADATA_FOR_BUILD_WHEEL
NEEDS = SetupScript(needs_torch=True)


@pytest.mark.parametrize("hook", list(Hook))
def test_the_stand_in_is_never_there_in_a_hook_that_builds_a_wheel(hook: Hook) -> None:
    made = plan(hook=hook, consumer=NONE, project=snapshots.project(setup_script=NEEDS))
    assert (made.stand_in is not None) == (
        hook in {METADATA, Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE, Hook.BUILD_SDIST}
    )


def test_static_metadata_is_made_without_setup_py() -> None:
    project = snapshots.project(setup_script=NEEDS, static_metadata=True)
    made = plan(hook=METADATA, consumer=NONE, project=project)
    assert made.from_files
    assert made.stand_in is None
    assert plan(hook=Hook.BUILD_SDIST, consumer=NONE, project=project).stand_in
    assert plan({"backend": "other"}, hook=METADATA, consumer=NONE, project=project).stand_in


@pytest.mark.parametrize("consumer", [NONE, snapshots.consumer()], ids=["no_torch", "torch"])
def test_metadata_of_meson_python_are_made_from_files_where_there_is_a_project_to_cut_out(consumer: Consumer) -> None:
    meson = {"backend": "mesonpy"}
    project = snapshots.project(meson=True)
    assert plan(meson, hook=METADATA, consumer=consumer, project=project).from_files
    assert plan(meson, hook=Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE, consumer=consumer, project=project).from_files
    assert not plan(meson, hook=METADATA, consumer=consumer, project=snapshots.project()).from_files
    assert not plan(hook=METADATA, consumer=consumer, project=project).from_files
    assert not plan(meson, hook=Hook.BUILD_SDIST, consumer=consumer, project=project).from_files


@pytest.mark.parametrize("idle", [True, False])
def test_metadata_that_setup_py_adds_nothing_to_need_no_torch_that_is_there(*, idle: bool) -> None:
    project = snapshots.project(setup_script=NEEDS, static_metadata=True, idle_script=idle)
    assert plan(hook=METADATA, project=project).from_files is idle
    assert not plan(hook=WHEEL, project=project).from_files
    assert not plan(hook=Hook.BUILD_SDIST, project=project).from_files
    assert not plan({"backend": "other"}, hook=METADATA, project=project).from_files


WHEEL_URL = "https://index.example/torch-2.6.0%2Bcu124-cp311-cp311-linux_x86_64.whl"


def test_where_torch_is_there_nothing_takes_its_place() -> None:
    made = plan(hook=METADATA, project=snapshots.project(setup_script=NEEDS, static_metadata=True))
    assert not made.from_files
    assert made.stand_in is None


@pytest.mark.parametrize(
    ("changes", "version", "known"),
    [
        ({"dependencies": ("torch==2.6.0",)}, "2.6.0", Knowledge.NAMED),
        ({"dependencies": ("torch>=2.4,<2.7",)}, "2.6.0", Knowledge.GUESSED),
        ({"dependencies": (f"torch @ {WHEEL_URL}",)}, "2.6.0+cu124", Knowledge.NAMED),
        ({"dependencies": ("torch",)}, "2.8.0", Knowledge.GUESSED),
        ({"dependencies": ()}, "2.8.0", Knowledge.GUESSED),
        ({"dependencies": ("torch==2.*",)}, "2.8.0", Knowledge.GUESSED),
    ],
)
def test_the_stand_in_has_the_version_of_the_ladder(changes: dict[str, Any], version: str, known: Knowledge) -> None:
    project = snapshots.project(setup_script=NEEDS, **changes)
    made = plan(hook=METADATA, consumer=NONE, project=project)
    assert made.stand_in
    assert (made.stand_in.version, made.stand_in.known) == (version, known)


@pytest.mark.parametrize(
    ("script", "dependencies", "hides"),
    [
        (SetupScript(needs_torch=True, asks_version=True), (), True),
        (SetupScript(needs_torch=True, asks_version=True), ("torch",), True),
        # A guess within a range is better than what the script has for want of a torch.
        (SetupScript(needs_torch=True, asks_version=True), ("torch<2.7",), False),
        (SetupScript(needs_torch=True, asks_version=True), ("torch==2.6.0",), False),
        (SetupScript(needs_torch=True, asks_version=True, needs_version=True), (), False),
        (SetupScript(needs_torch=True), (), False),
    ],
)
def test_a_guess_is_hidden_from_a_script_that_puts_up_with_no_version(
    script: SetupScript, dependencies: tuple[str, ...], *, hides: bool
) -> None:
    project = snapshots.project(setup_script=script, dependencies=dependencies)
    made = plan(hook=METADATA, consumer=NONE, project=project)
    assert made.stand_in
    assert made.hides_version is hides


@pytest.mark.parametrize(
    ("asked", "version"), [("torch==2.7.0", "2.7.0"), ("torch>=2.5", "2.6.0+cpu"), ("torch>=2.7", "2.8.0")]
)
def test_the_stand_in_has_the_installed_version_only_where_nothing_else_is_asked_for(asked: str, version: str) -> None:
    here = snapshots.consumer(dataclasses.replace(snapshots.CPU_TORCH, version="2.6.0+cpu"), python_versions=("3.9",))
    made = plan(
        hook=METADATA,
        consumer=here,
        project=snapshots.project(setup_script=NEEDS, dependencies=()),
        front_end=FrontEnd(name=FrontEndName.UV, command="uv lock", resolves=True),
        asked_for=(AskedFor(requirement=TorchRequirement.parse(asked), source="pyproject.toml"),),
    )
    assert made.stand_in
    assert made.stand_in.version == version


def test_a_script_that_only_asks_for_the_version_is_told_what_is_known_and_no_guess() -> None:
    script = SetupScript(asks_version=True)
    known = plan(
        hook=METADATA,
        consumer=NONE,
        project=snapshots.project(setup_script=script, dependencies=("torch==2.6.0",)),
    )
    guess = plan(hook=METADATA, consumer=NONE, project=snapshots.project(setup_script=script))
    assert known.stand_in
    assert guess.stand_in is None


def test_a_script_that_puts_up_with_the_absence_of_torch_is_left_alone() -> None:
    made = plan(hook=METADATA, consumer=NONE, project=snapshots.project(setup_script=SetupScript()))
    assert made.stand_in is None


def test_a_password_in_a_requirement_is_not_shown() -> None:
    asked = (
        AskedFor(
            requirement=TorchRequirement.parse("torch @ https://me:secret@x.example/torch-2.6.0-py3-none-any.whl"),
            source="a file",
        ),
    )
    text = plan_text(plan(hook=WHEEL, asked_for=asked))
    assert "secret" not in text
    assert "x.example" in text


def test_the_plan_of_a_wheel_has_what_both_hooks_say() -> None:
    asked = plan({"requires": ("ninja",)})
    built = plan({"requires": ("ninja",)}, hook=Hook.BUILD_WHEEL, hardware=compiling.hardware())
    built = dataclasses.replace(built, runtime_torch=RuntimeRequirement(text="torch==2.13.*", reason="a setting"))
    whole = plan_wheel(asked, built)
    assert "torch==2.13.*: a setting" in plan_text(whole)
    assert whole.requirements == asked.requirements
    assert (whole.variables, whole.jobs) == (built.variables, built.jobs)
    assert whole.jobs
    # What needs an installed requirement cannot be foreseen.
    impossible = dataclasses.replace(built, problems=(Problem(code="x", headline="x"),))
    assert plan_wheel(asked, impossible) == asked


WHEELS = FrontEnd(name=FrontEndName.PIP, command="pip wheel", installs=False)


@pytest.mark.parametrize("hook", [WHEEL, Hook.BUILD_WHEEL])
@pytest.mark.parametrize(
    ("dependency", "rule", "expected"),
    [
        ("torch==2.8.0", Rule.ACTIVATED, ["torch-contradicted"]),
        ("torch<2.9; python_version >= '3.9'", Rule.IMPORTABLE, ["torch-contradicted"]),
        # Who names the environment means it.
        ("torch==2.8.0", Rule.TOLD, []),
        ("torch==2.8.0; python_version < '3.9'", Rule.ACTIVATED, []),
        ("torch==2.13.0", Rule.ACTIVATED, []),
        ("torch>=2.4", Rule.ACTIVATED, []),
        ("torch @ https://x.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl", Rule.ACTIVATED, []),
    ],
)
def test_a_wheel_that_would_require_another_torch(hook: Hook, dependency: str, rule: Rule, expected: list[str]) -> None:
    project = snapshots.project(dependencies=(dependency,))
    made = plan(hook=hook, front_end=WHEELS, consumer=snapshots.consumer(rule=rule), project=project)
    assert codes(made) == expected


@pytest.mark.parametrize(
    ("options", "certain", "expected"),
    [
        ({"leaves_dependencies": True}, True, []),
        ({"leaves_dependencies": True}, False, ["torch-contradicted"]),
        ({"leaves_dependencies": True, "installs": False}, True, ["torch-contradicted"]),
    ],
)
def test_who_installs_without_dependencies_means_the_torch_that_is_there(
    options: dict[str, bool], *, certain: bool, expected: list[str]
) -> None:
    made = plan(
        hook=Hook.BUILD_WHEEL,
        front_end=FrontEnd(name=FrontEndName.PIP, command="pip install", **options),
        consumer=snapshots.consumer(certain=certain),
        project=snapshots.project(dependencies=("torch==2.8.0",)),
    )
    assert codes(made) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["torch-unclear"]),
        ({"asked_faults": ()}, []),
        ({"project": snapshots.project(dependencies=("torch==2.8.0",))}, []),
        ({"asked_for": (AskedFor(requirement=TorchRequirement.parse("torch==2.6.0"), source="a.txt"),)}, []),
        ({"asked_for": (AskedFor(requirement=TorchRequirement.parse("torch<2.9"), source="a"),)}, ["torch-unclear"]),
        ({"consumer": snapshots.consumer()}, []),
        # Metadata can be had without torch.
        ({"hook": METADATA}, []),
        ({"front_end": FrontEnd(name=FrontEndName.UV, command="uv lock", resolves=True)}, []),
        # uv installs into the environment of the metadata what it is told.
        ({"hook": Hook.BUILD_WHEEL, "installer": UV}, ["torch-unclear"]),
    ],
)
def test_what_the_command_says_and_nobody_can_read_is_no_reason_to_guess(
    changes: dict[str, Any], expected: list[str]
) -> None:
    unread = ("requirements on standard input cannot be read",)
    made = plan(**{"hook": WHEEL, "consumer": NONE, "asked_faults": unread, **changes})
    assert codes(made) == expected


UNDECIDED = Locked(
    file="uv.lock",
    undecided=True,
    choices=(("2.8.0+cpu", "--extra cpu"), ("2.9.0", "--extra gpu")),
    said="it has several torch versions",
)
SYNC = FrontEnd(name=FrontEndName.UV, command="uv sync")


def installed(version: str, **changes: Any) -> Consumer:
    return snapshots.consumer(dataclasses.replace(snapshots.CPU_TORCH, version=version), **changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["torch-unclear"]),
        ({"project": snapshots.project(dependencies=())}, ["torch-unclear"]),
        # However exact the package is, the lock has the same version from several indexes.
        ({"project": snapshots.project(dependencies=("torch==2.8.0",))}, ["torch-unclear"]),
        ({"asked_for": (AskedFor(requirement=TorchRequirement.parse("torch==2.6.0"), source="a.txt"),)}, []),
        ({"asked_for": (AskedFor(requirement=TorchRequirement.parse("torch>=2"), source="a"),)}, ["torch-unclear"]),
        ({"hook": METADATA}, []),
        ({"front_end": FrontEnd(name=FrontEndName.UV, command="uv lock", resolves=True, installs=False)}, []),
        # What is installed is one of those that the lock holds, ...
        ({"consumer": installed("2.8.0+cpu")}, []),
        ({"consumer": installed("2.9.0+cu128")}, []),
        # ... or none, so that it is going to be another,
        ({"consumer": installed("2.7.0")}, ["torch-unclear"]),
        # unless it stays.
        ({"consumer": installed("2.7.0", rule=Rule.TOLD)}, []),
        ({"consumer": installed("2.7.0", rule=Rule.IMPORTABLE)}, []),
        ({"consumer": installed("2.7.0"), "locked": dataclasses.replace(UNDECIDED, choices=())}, []),
        # uv made the environment before there was a lock, and does not ask again what the build requires.
        ({"hook": Hook.BUILD_WHEEL, "installer": UV}, ["torch-unclear"]),
    ],
)
def test_a_lock_that_does_not_decide_stops(changes: dict[str, Any], expected: list[str]) -> None:
    made = plan(**{"hook": WHEEL, "consumer": NONE, "front_end": SYNC, "locked": UNDECIDED, **changes})
    assert codes(made) == expected
    if expected:
        assert made.problems[0].fixes[0] == "uv sync --extra cpu   (for torch 2.8.0+cpu)"


@pytest.mark.parametrize(
    ("name", "command", "option", "fix"),
    [
        ("uv", "uv pip install", "--extra cpu", "--extra cpu   (with the same command, for torch 2.8.0+cpu)"),
        ("pip", "pip install", "extra cpu", "-C torchgraft.torch=2.8.0+cpu   (the one that will be installed)"),
    ],
)
def test_an_undecided_lock_is_cured_by_what_this_command_takes(name: str, command: str, option: str, fix: str) -> None:
    front_end = FrontEnd(name=FrontEndName(name), command=command)
    locked = dataclasses.replace(UNDECIDED, choices=(("2.8.0+cpu", option),))
    dependencies = snapshots.project(dependencies=())
    made = plan(hook=WHEEL, consumer=NONE, front_end=front_end, locked=locked, project=dependencies)
    assert made.problems[0].fixes[0] == fix
    assert made.problems[0].evidence[1].text == "'torch' would be a guess"


@pytest.mark.parametrize(
    ("dependencies", "fix"),
    [
        ((), "torch"),
        (
            ("decides>=1; python_version >= '3.8'", "other[x]==2", "old; python_version < '3'"),
            "'decides>=1' 'other[x]==2'",
        ),
    ],
)
def test_a_dependency_may_decide_which_torch(dependencies: tuple[str, ...], fix: str) -> None:
    made = plan(hook=WHEEL, consumer=NONE, project=snapshots.project(dependencies=dependencies, requires=()))
    (problem,) = made.problems
    assert problem.fixes[0] == f"pip --python /env install {fix}"
