from __future__ import annotations

from dataclasses import replace

import pytest

from torchgraft.errors import problem_text
from torchgraft.link.linkage import Format, Libraries, Library, Module, Reason, Verdict, VersionNeed, WhetherFound
from torchgraft.link.plan_link import link_problem, plan_link
from torchgraft.model.torch_values import Origin, Torch

TORCH = Torch(version="2.8.0+cu128", folder="/site/torch", origin=Origin.WHEEL, cuda="12.8", cxx11_abi=True)
C10 = Library(name="libc10.so", file="/site/torch/lib/libc10.so", of_torch=True, defines=("_ZN3c101aEv",))
PYTHON = Library(name="libtorch_python.so", file="", of_torch=True, defines=("THPVariableClass",))
LIBRARIES = Libraries(
    machine="EM_X86_64",
    bits=64,
    libraries=(C10, PYTHON),
    cudart="libcudart.so.12",
    versions=(
        VersionNeed(library="libc.so.6", names=("GLIBC_2.2.5", "GLIBC_2.34")),
        VersionNeed(library="libstdc++.so.6", names=("GLIBCXX_3.4", "GLIBCXX_3.4.30")),
    ),
)
MODULE = Module(
    file="ext/_C.so",
    format=Format.ELF,
    machine="EM_X86_64",
    bits=64,
    needed=("libc10.so", "libc.so.6"),
    undefined=("_ZN3c101aEv",),
    version_needs=(VersionNeed(library="libc.so.6", names=("GLIBC_2.34",)),),
    inits=("PyInit__C",),
)
GONE = "_ZN2at4goneERKSs"


def test_what_finds_everything_links() -> None:
    report = plan_link([MODULE], LIBRARIES)
    assert report.verdict is Verdict.LINKS
    assert [module.file for module in report.modules] == ["ext/_C.so"]
    assert link_problem(report, TORCH, what="ext.whl") is None


def test_the_digest_is_of_the_symbols_alone() -> None:
    one, other = plan_link([MODULE], LIBRARIES), plan_link([replace(MODULE, file="b.so")], Libraries(fault="no torch"))
    assert one.symbols == other.symbols
    assert one.symbols.startswith("sha256:")
    assert plan_link([replace(MODULE, undefined=(GONE,))], LIBRARIES).symbols != one.symbols


def test_what_needs_no_torch_has_no_part_in_it() -> None:
    report = plan_link([replace(MODULE, undefined=(), needed=("libc.so.6",))], LIBRARIES)
    assert (report.modules, report.verdict, report.symbols) == ((), Verdict.LINKS, "")


CASES: dict[str, tuple[Module, Libraries, Reason, str]] = {
    "a symbol of another version": (
        replace(MODULE, undefined=(GONE,)),
        replace(LIBRARIES, readable={GONE: "at::gone(std::string const&)"}),
        Reason.VERSION,
        "undefined: at::gone(std::string const&)",
    ),
    "a symbol of the other ABI": (
        replace(MODULE, undefined=(GONE,)),
        replace(LIBRARIES, other_abi=(GONE,)),
        Reason.CXX11_ABI,
        f"undefined: {GONE}",
    ),
    "a symbol of a library that it does not name": (
        replace(MODULE, undefined=("THPVariableClass",)),
        LIBRARIES,
        Reason.NOT_NAMED,
        "undefined: THPVariableClass",
    ),
    "another CUDA": (
        replace(MODULE, needed=("libc10.so", "libcudart.so.13")),
        LIBRARIES,
        Reason.CUDA_MAJOR,
        "needs libcudart.so.13, and torch loads libcudart.so.12",
    ),
    "a torch with CUDA": (
        replace(MODULE, needed=("libc10.so", "libc10_cuda.so")),
        replace(LIBRARIES, cudart=""),
        Reason.ACCELERATOR,
        "needs libc10_cuda.so, which this torch does not have",
    ),
    "a library of another version": (
        replace(MODULE, needed=("libc10.so", "libtorch_new.so")),
        LIBRARIES,
        Reason.VERSION,
        "needs libtorch_new.so, which this torch does not have",
    ),
    "a newer C library": (
        replace(MODULE, version_needs=(VersionNeed(library="libc.so.6", names=("GLIBC_2.38",)),)),
        LIBRARIES,
        Reason.GLIBC,
        "needs GLIBC_2.38, which libc.so.6 here does not have",
    ),
    "a newer C++ library": (
        replace(MODULE, version_needs=(VersionNeed(library="libstdc++.so.6", names=("GLIBCXX_3.4.32",)),)),
        LIBRARIES,
        Reason.GLIBCXX,
        "needs GLIBCXX_3.4.32, which libstdc++.so.6 here does not have",
    ),
    "a newer C library, of what needs no torch": (
        replace(
            MODULE, undefined=(), needed=(), version_needs=(VersionNeed(library="libc.so.6", names=("GLIBC_2.38",)),)
        ),
        LIBRARIES,
        Reason.GLIBC,
        "needs GLIBC_2.38, which libc.so.6 here does not have",
    ),
}


@pytest.mark.parametrize(("module", "libraries", "reason", "fault"), CASES.values(), ids=CASES)
def test_what_does_not_link(module: Module, libraries: Libraries, reason: Reason, fault: str) -> None:
    (report,) = plan_link([module], libraries).modules
    assert (report.verdict, report.reasons[0]) == (Verdict.DOES_NOT_LINK, reason)
    assert fault in report.faults


NOT_CHECKED: dict[str, tuple[Module, Libraries, str]] = {
    "Mach-O": (replace(MODULE, format=Format.MACH_O), LIBRARIES, "Mach-O is not checked"),
    "PE": (replace(MODULE, format=Format.PE), LIBRARIES, "PE is not checked"),
    "damaged": (replace(MODULE, fault="it is damaged"), LIBRARIES, "it is damaged"),
    "without torch": (MODULE, Libraries(fault="no torch is known"), "no torch is known"),
    "of another machine": (replace(MODULE, machine="EM_AARCH64"), LIBRARIES, "aarch64 (64 bits)"),
    "with a library that was not found": (
        replace(MODULE, undefined=(GONE,), needed=("libother.so",)),
        replace(LIBRARIES, missing=("libother.so",)),
        "may come from libother.so",
    ),
    "no extension module, loaded by nobody knows whom": (
        replace(MODULE, undefined=("THPVariableClass",), inits=()),
        LIBRARIES,
        "may come from whatever loads it",
    ),
}


@pytest.mark.parametrize(("module", "libraries", "said"), NOT_CHECKED.values(), ids=NOT_CHECKED)
def test_what_is_not_checked(module: Module, libraries: Libraries, said: str) -> None:
    report = plan_link([module], libraries)
    assert report.verdict is Verdict.NOT_CHECKED
    assert said in report.modules[0].said
    assert link_problem(report, TORCH, what="ext.whl") is None


def test_the_other_abi_is_certain_whatever_was_not_found() -> None:
    module = replace(MODULE, undefined=(GONE,), needed=("libother.so",))
    libraries = replace(LIBRARIES, missing=("libother.so",), other_abi=(GONE,))
    assert plan_link([module], libraries).verdict is Verdict.DOES_NOT_LINK


def test_a_runtime_that_the_wheel_has_itself_is_its_own_affair() -> None:
    module = replace(MODULE, needed=("libc10.so", "libcudart-12345678.so.13"))
    own = Module(file="ext.libs/libcudart-12345678.so.13", format=Format.ELF, machine="EM_X86_64", bits=64)
    assert plan_link([module, own], LIBRARIES).verdict is Verdict.LINKS
    assert plan_link([module], LIBRARIES).verdict is Verdict.DOES_NOT_LINK


HELPER = Module(file="ext/libhelp.so", format=Format.ELF, machine="EM_X86_64", bits=64, needed=("libcudart.so.11",))
WITH_HELPER = replace(MODULE, needed=("libc10.so", "libhelp.so"))
ON_CPU = replace(LIBRARIES, cudart="")
NEEDS_CUDA = replace(MODULE, needed=("libc10.so", "libcudart.so.12"))


@pytest.mark.parametrize(
    ("modules", "libraries", "found", "verdict"),
    [
        ((WITH_HELPER, HELPER), LIBRARIES, WhetherFound.NOWHERE, Verdict.DOES_NOT_LINK),
        ((WITH_HELPER, HELPER), LIBRARIES, WhetherFound.PERHAPS, Verdict.NOT_CHECKED),
        ((WITH_HELPER, HELPER), LIBRARIES, WhetherFound.HERE, Verdict.NOT_CHECKED),
        ((MODULE, HELPER), LIBRARIES, WhetherFound.NOWHERE, Verdict.LINKS),
        ((WITH_HELPER, replace(HELPER, needed=("libcudart.so.12",))), LIBRARIES, WhetherFound.NOWHERE, Verdict.LINKS),
        ((WITH_HELPER, HELPER), ON_CPU, WhetherFound.NOWHERE, Verdict.DOES_NOT_LINK),
        ((NEEDS_CUDA,), ON_CPU, WhetherFound.NOWHERE, Verdict.DOES_NOT_LINK),
        ((NEEDS_CUDA,), ON_CPU, WhetherFound.PERHAPS, Verdict.NOT_CHECKED),
        ((NEEDS_CUDA,), ON_CPU, WhetherFound.HERE, Verdict.LINKS),
        ((NEEDS_CUDA,), LIBRARIES, WhetherFound.NOWHERE, Verdict.LINKS),
    ],
    ids=[
        "a helper's, nowhere",
        "a helper's, perhaps",
        "a helper's, here",
        "of one that is not needed",
        "a helper's, which torch loads",
        "a helper's, on a CPU",
        "its own on a CPU, nowhere",
        "its own on a CPU, perhaps",
        "its own on a CPU, here",
        "its own, which torch loads",
    ],
)
def test_a_runtime_that_torch_does_not_load(
    modules: tuple[Module, ...], libraries: Libraries, found: WhetherFound, verdict: Verdict
) -> None:
    runtimes = {"libcudart.so.11": found, "libcudart.so.12": found}
    assert plan_link(modules, replace(libraries, runtimes=runtimes)).verdict is verdict


def test_it_is_said_who_needs_another_runtime() -> None:
    runtimes = {"libcudart.so.11": WhetherFound.NOWHERE, "libcudart.so.12": WhetherFound.NOWHERE}
    (report,) = plan_link([WITH_HELPER, HELPER], replace(LIBRARIES, runtimes=runtimes)).modules
    assert report.faults == ("needs libhelp.so, which needs libcudart.so.11, and torch loads libcudart.so.12",)
    assert report.reasons == (Reason.CUDA_MAJOR,)
    (report,) = plan_link([NEEDS_CUDA], replace(ON_CPU, runtimes=runtimes)).modules
    assert report.faults == ("needs libcudart.so.12, which is not found, and this torch loads none",)
    assert report.reasons == (Reason.ACCELERATOR,)


def test_what_is_missing_may_come_from_a_library_that_another_needs() -> None:
    core = Library(name="libcore.so", file="/site/core/libcore.so", of_torch=False, needed=("libbase.so",))
    libraries = replace(LIBRARIES, libraries=(C10, PYTHON, core), missing=("libbase.so",))
    (report,) = plan_link([replace(MODULE, undefined=(GONE,), needed=("libcore.so",))], libraries).modules
    assert report.verdict is Verdict.NOT_CHECKED
    assert "may come from libbase.so" in report.said


def needing(*versions: str) -> Module:
    return replace(MODULE, version_needs=(VersionNeed(library="libc.so.6", names=versions),))


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("GLIBC_2.99", Reason.GLIBC),
        ("GLIBCXX_3.4.99", Reason.GLIBCXX),
        ("CXXABI_1.3.99", Reason.GLIBCXX),
        ("HELP_2", Reason.LIBRARY),
    ],
)
def test_what_lacks_versions_alone_has_a_cure_of_its_own(version: str, reason: Reason) -> None:
    report = plan_link([needing(version)], LIBRARIES)
    assert report.modules[0].reasons == (reason,)
    assert report.lacks_versions_alone
    problem = link_problem(report, TORCH, what="ext.whl")
    assert problem
    text = problem_text(problem)
    assert "ext/_C.so in ext.whl needs newer libraries than this machine has" in text
    assert f"why: {reason.value}; importing it would fail" in " ".join(text.split())
    assert "fix:    compile on or for an older machine" in text
    assert "torch" not in text


def test_what_lacks_symbols_of_torch_too_does_not_lack_versions_alone() -> None:
    both = plan_link([replace(needing("GLIBC_2.99"), undefined=(GONE,))], LIBRARIES)
    two = plan_link([needing("GLIBC_2.99"), replace(MODULE, file="b.so", undefined=(GONE,))], LIBRARIES)
    assert not any(report.lacks_versions_alone for report in (both, two, plan_link([MODULE], LIBRARIES)))


def test_of_a_system_library_that_was_not_found_nothing_is_said() -> None:
    module = replace(MODULE, version_needs=(VersionNeed(library="libgomp.so.1", names=("GOMP_9",)),))
    assert plan_link([module], LIBRARIES).verdict is Verdict.LINKS


STABLE = replace(MODULE, undefined=("aoti_torch_a", "torch_b"), needed=("libtorch.so",))
STABLE_LIBRARIES = replace(
    LIBRARIES,
    libraries=(Library(name="libtorch.so", file="", of_torch=True, defines=("aoti_torch_a", "torch_b")),),
    since={"aoti_torch_a": "2.9", "torch_b": "2.10"},
)


def test_the_stable_abi_fits_from_the_version_on_that_has_all_its_functions() -> None:
    assert plan_link([STABLE], STABLE_LIBRARIES).stable_since == "2.10"


@pytest.mark.parametrize(
    ("modules", "libraries"),
    [
        ([STABLE, MODULE], STABLE_LIBRARIES),
        ([STABLE], replace(STABLE_LIBRARIES, since={"torch_b": "2.10"})),
        ([STABLE], replace(STABLE_LIBRARIES, since={})),
        ([replace(STABLE, undefined=())], STABLE_LIBRARIES),
    ],
    ids=["another module is not", "undeclared", "no headers", "nothing used"],
)
def test_what_is_not_known_to_be_stable(modules: list[Module], libraries: Libraries) -> None:
    assert plan_link(modules, libraries).stable_since == ""


def test_the_message_is_short_and_names_symbols_reason_and_cure() -> None:
    names = {f"_Z{i}": f"c10::Error::f{i}(c10::SourceLocation, std::string)" for i in range(9)}
    module = replace(MODULE, undefined=tuple(names))
    libraries = replace(LIBRARIES, other_abi=tuple(names), readable=names)
    report = plan_link([module, replace(module, file="ext/_D.so")], libraries)
    problem = link_problem(report, TORCH, what="ext-1.0-cp311-cp311-linux_x86_64.whl")
    assert problem is not None
    text = problem_text(problem)
    assert problem.code == "does-not-link"
    assert len(text.splitlines()) <= 8
    assert "undefined: c10::Error::f0(c10::SourceLocation, std::string)" in text
    assert "7 more of this module, 1 more modules" in text
    assert "compiled with the old C++ ABI, and torch with the new one" in text
    assert "_GLIBCXX_USE_CXX11_ABI" in text


def test_a_long_name_is_cut() -> None:
    libraries = replace(LIBRARIES, readable={GONE: "at::gone(" + "int, " * 100 + ")"})
    (report,) = plan_link([replace(MODULE, undefined=(GONE,))], libraries).modules
    assert len(report.faults[0]) < 140
    assert report.faults[0].endswith("...")


GLIBC = replace(LIBRARIES, libraries=(replace(C10, needed=("libstdc++.so.6", "libc.so.6")), PYTHON))
MUSL = replace(LIBRARIES, libraries=(replace(C10, needed=("libc.musl-x86_64.so.1",)), PYTHON))


@pytest.mark.parametrize(
    ("libc", "libraries", "fault"),
    [
        ("libc.musl-x86_64.so.1", GLIBC, "which is musl; torch and its Python need libc.so.6, which is glibc"),
        ("libc.so", GLIBC, "which is musl; torch and its Python need libc.so.6, which is glibc"),
        ("libc.so.6", MUSL, "which is glibc; torch and its Python need libc.musl-x86_64.so.1, which is musl"),
    ],
)
def test_another_c_library_is_a_fault_of_its_own(libc: str, libraries: Libraries, fault: str) -> None:
    # What else it lacks is not told: it comes of that.
    made = replace(
        MODULE,
        needed=("libc10.so", libc),
        undefined=(*MODULE.undefined, GONE),
        version_needs=(VersionNeed(library="libc.so.6", names=("GLIBC_2.99",)),),
    )
    report = plan_link([made], libraries)
    (module,) = report.modules
    assert (module.verdict, module.said) == (Verdict.DOES_NOT_LINK, "it was built for another C library")
    assert module.faults == (f"needs {libc}, {fault}",)
    problem = link_problem(report, TORCH, what="ext.whl")
    assert problem
    text = problem_text(problem)
    assert f"fault:  needs {libc}, which is " in text
    assert "why:    it was built for another C library; importing it would fail" in text
    assert "unset CC CXX" in text


@pytest.mark.parametrize(
    ("libc", "libraries"), [("libc.so.6", GLIBC), ("libc.musl-x86_64.so.1", MUSL), ("libc.so.6", LIBRARIES)]
)
def test_the_same_c_library_is_none(libc: str, libraries: Libraries) -> None:
    made = replace(MODULE, needed=("libc10.so", libc))
    assert plan_link([made], libraries).verdict is Verdict.LINKS
