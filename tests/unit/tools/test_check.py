from __future__ import annotations

import dataclasses

import pytest

from support import snapshots
from torchgraft.codec import json_text
from torchgraft.link.linkage import LinkReport, ModuleReport, Reason, Verdict
from torchgraft.tools.check.checked import CheckedPackage, Fit, Report, differing_facts, plan_fit, report_text
from torchgraft.tools.from_json import from_json_text

BUILT = {
    "version": "2.13.0+cpu",
    "cuda": None,
    "hip": None,
    "cxx11_abi": True,
    "git_version": "cf30153",
    "accelerator": "cpu",
}


def module(verdict: Verdict, *faults: str) -> ModuleReport:
    return ModuleReport(file="ext/_C.so", verdict=verdict, reasons=(Reason.VERSION,) if faults else (), faults=faults)


@pytest.mark.parametrize(
    ("verdicts", "differs", "since", "fit"),
    [
        ([Verdict.LINKS, Verdict.LINKS], False, "", Fit.FITS),
        ([Verdict.LINKS], True, "", Fit.LINKS),
        ([Verdict.LINKS], True, "2.8", Fit.FITS),
        ([Verdict.LINKS, Verdict.DOES_NOT_LINK], False, "", Fit.DOES_NOT_LINK),
        ([Verdict.DOES_NOT_LINK], True, "2.8", Fit.DOES_NOT_LINK),
        ([Verdict.NOT_CHECKED, Verdict.LINKS], False, "", Fit.NOT_CHECKED),
        ([Verdict.NOT_CHECKED, Verdict.DOES_NOT_LINK], False, "", Fit.DOES_NOT_LINK),
        ([], True, "", Fit.FITS),
    ],
)
def test_the_verdict(verdicts: list[Verdict], *, differs: bool, since: str, fit: Fit) -> None:
    report = LinkReport(modules=tuple(map(module, verdicts)), stable_since=since)
    assert plan_fit(report, differs=differs) is fit


def test_of_another_torch_nothing_fits_that_was_not_looked_at() -> None:
    nothing = LinkReport(modules=(), stable_since="")
    assert plan_fit(nothing, differs=True, has_libraries=False) is Fit.NOT_CHECKED
    assert plan_fit(nothing, differs=False, has_libraries=False) is Fit.FITS
    package = CheckedPackage(name="ext", version="1.0", built="2.8.0", fit=Fit.NOT_CHECKED, differs=("version 2.8.0",))
    said = report_text(Report(place="/env", torch=snapshots.CPU_TORCH, packages=(package,)))
    assert "ext 1.0: not checked\n  differs: version 2.8.0\n  it has no library that could be looked at" in said


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({}, ()),
        ({"version": "2.8.0"}, ("version 2.8.0, here 2.13.0+cpu",)),
        ({"cuda": "12.8"}, ("CUDA 12.8, here none",)),
        ({"cxx11_abi": False}, ("C++11 ABI no, here yes",)),
        ({"git_version": "aaaa"}, ("commit aaaa, here cf30153",)),
        # What is not known of one of them.
        ({"cxx11_abi": None, "git_version": None}, ()),
        ({"version": ["2.8"]}, ("version ['2.8'], here 2.13.0+cpu",)),
    ],
)
def test_what_differs(changes: dict[str, object], differing: tuple[str, ...]) -> None:
    assert differing_facts({**BUILT, **changes}, snapshots.CPU_TORCH) == differing
    assert differing_facts({}, snapshots.CPU_TORCH) == ()


REPORT = Report(
    place="/env",
    why="VIRTUAL_ENV names it",
    torch=dataclasses.replace(snapshots.CPU_TORCH, version="2.9.0"),
    packages=(
        CheckedPackage(
            name="ext",
            version="1.0",
            built="2.8.0",
            fit=Fit.DOES_NOT_LINK,
            differs=("version 2.8.0, here 2.9.0",),
            modules=(module(Verdict.DOES_NOT_LINK, *(f"c10::f{i}()" for i in range(5))), module(Verdict.LINKS)),
            cures=("pip install ext",),
        ),
        CheckedPackage(name="stable-ext", version="1.0", built="2.8.0", fit=Fit.FITS, stable_since="2.8"),
        CheckedPackage(name="other", version="0.3", fit=Fit.FITS),
    ),
)


def test_a_table_and_then_what_does_not_link() -> None:
    assert report_text(REPORT).splitlines() == [
        "torch 2.9.0 in /env (VIRTUAL_ENV names it)",
        "",
        "package         built for  verdict",
        "--------------  ---------  ------------------------------------",
        "ext 1.0         2.8.0      does not link",
        "stable-ext 1.0  2.8.0      fits (stable ABI, from torch 2.8 on)",
        "other 0.3       -          fits",
        "",
        "ext 1.0: does not link",
        "  differs: version 2.8.0, here 2.9.0",
        "  ext/_C.so: it was built for another version of torch",
        "    c10::f0()",
        "    c10::f1()",
        "    c10::f2()",
        "    and 2 more",
        "  cure:    pip install ext",
    ]
    assert not REPORT.is_well


def test_what_torchgraft_has_not_built_has_no_command() -> None:
    package = CheckedPackage(
        name="other", version="0.3", fit=Fit.DOES_NOT_LINK, modules=(module(Verdict.DOES_NOT_LINK, "c10::f()"),) * 5
    )
    lines = report_text(dataclasses.replace(REPORT, packages=(package,))).splitlines()
    assert lines[-2:] == [
        "  and 2 more libraries",
        "  cure:    another build of other, made for torch 2.9.0: this one is not by torchgraft",
    ]


@pytest.mark.parametrize(
    ("reasons", "cures"),
    [
        (
            [Reason.GLIBC, Reason.GLIBCXX],
            [
                "a build made on this system, or on one whose C library is as old; or a newer system to run it on",
                "a newer C++ library (conda: libstdcxx-ng), or a build made with this system's own compiler",
            ],
        ),
        (
            [Reason.GLIBC, Reason.VERSION],
            ["another build of other, made for torch 2.9.0: this one is not by torchgraft"],
        ),
        # It was built for another C library.
        ([], ["another build of other, made for this system's own C library: this one is not by torchgraft"]),
    ],
)
def test_what_helps_where_no_command_does(reasons: list[Reason], cures: list[str]) -> None:
    failed = dataclasses.replace(module(Verdict.DOES_NOT_LINK), file="ext/_D.so", reasons=tuple(reasons))
    package = CheckedPackage(
        name="other", version="0.3", fit=Fit.DOES_NOT_LINK, modules=(module(Verdict.NOT_CHECKED), failed)
    )
    lines = report_text(dataclasses.replace(REPORT, packages=(package,))).splitlines()
    assert [line.removeprefix("  cure:    ") for line in lines if "cure:" in line] == cures
    # What does not link is said before what could not be checked.
    assert [line.split(":")[0] for line in lines if ".so:" in line] == ["  ext/_D.so", "  ext/_C.so"]


def test_without_torch_what_needs_it_does_not_link() -> None:
    report = LinkReport(modules=(module(Verdict.NOT_CHECKED),))
    assert plan_fit(report, differs=False, lacks_torch=True) is Fit.NO_TORCH
    package = CheckedPackage(name="ext", version="1.0", fit=Fit.NO_TORCH, cures=("pip install torch",))
    made = Report(place="/env", packages=(package, dataclasses.replace(package, name="other", cures=())))
    assert not made.is_well
    assert report_text(made).splitlines()[-5:] == [
        "ext 1.0: does not link: no torch to link with",
        "  cure:    pip install torch",
        "",
        "other 1.0: does not link: no torch to link with",
        "  cure:    install torch in /env, or name another environment: --consumer PATH",
    ]


def test_what_was_not_checked_says_why() -> None:
    report = ModuleReport(file="ext/_C.so", verdict=Verdict.NOT_CHECKED, said="Mach-O is not checked")
    package = CheckedPackage(name="ext", version="1.0", fit=Fit.NOT_CHECKED, modules=(report,))
    made = dataclasses.replace(REPORT, packages=(package,))
    assert report_text(made).splitlines()[-2:] == ["ext 1.0: not checked", "  ext/_C.so: Mach-O is not checked"]
    assert made.is_well


def test_an_environment_without_any() -> None:
    report = Report(place="/env", torch_fault="torch cannot be read: x")
    assert report_text(report) == "torch cannot be read: x in /env\nno package needs it"
    assert report.is_well
    assert report_text(Report(place="/env")).startswith("no torch in /env\n")
    assert report_text(Report(place="/env")).endswith("\ntorchgraft check PATH   (to look at another environment)")
    assert report_text(Report(place="/env", why="as named")) == "no torch in /env (as named)\nno package needs it"


def test_a_report_is_data() -> None:
    assert from_json_text(Report, json_text(REPORT), source="test") == REPORT
