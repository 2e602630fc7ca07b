"""Which prebuilt wheels are planned, from settings and snapshots; and which wheels are taken for the right ones."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packaging.tags import Tag
from settings_page import json_schema

from support import snapshots
from support.wheels import write_wheel
from torchgraft.errors import ConfigError
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.decision import Plan, PlannedPrebuilt
from torchgraft.model.hardware_values import Hardware
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import HashFile, SetupScript
from torchgraft.model.torch_values import AskedFor, TorchRequirement
from torchgraft.prebuilt.inspect import inspect_wheel, module_fault
from torchgraft.prebuilt.plan_prebuilt import UnfitError, parse_hashes
from torchgraft.prebuilt.take import read_hash_files
from torchgraft.project.read_project import read_project
from torchgraft.settings.config import Config
from torchgraft.settings.sources import parse_pyproject, resolve_config
from torchgraft.settings.tables import Prebuilt

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
# flash-attn's (setup.py, get_wheel_url).
URL = (
    "https://example.org/v{version}/{name}-{version}+cu{cuda_major}torch{torch_minor}cxx11abi{cxx11abi}"
    "-{python}-{abi}-{platform}.whl"
)
FILE = "flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
WHEEL = f"https://example.org/v2.8.3/{FILE}"
PROJECT = snapshots.project(name="flash-attn", version="2.8.3")
DIGEST = "0123456789abcdef" * 4


def config(*places: dict[str, Any], variables: dict[str, str] | None = None, **toml: Any) -> Config:
    table = {"prebuilt": list(places), **toml}
    return resolve_config({"tool": {"torchgraft": table}}, variables=variables or {}, arguments={})


def plan(settings: Config, **changes: Any) -> Plan:
    values = {"consumer": snapshots.consumer(snapshots.CUDA_TORCH), "project": PROJECT, **changes}
    return plan_build(settings, snapshots.snapshot(**values))


def planned(settings: Config, **changes: Any) -> PlannedPrebuilt:
    (wheel,) = plan(settings, **changes).prebuilt
    return wheel


# Planning.


def test_the_naming_scheme_of_flash_attn() -> None:
    wheel = planned(config({"url": URL}))
    assert wheel == PlannedPrebuilt(url=WHEEL, name="flash_attn", version="2.8.3")
    assert wheel.file == FILE


def test_the_example_of_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "prebuilt.md").read_text(encoding="utf-8")
    block, index = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    listed = planned(resolve_config(parse_pyproject(index), variables={}, arguments={}))
    assert listed.url == "https://wheels.example.com/simple/flash-attn/"
    assert (listed.listed, listed.local) == (True, "cu.12.8.torch.2.8")
    settings = resolve_config(parse_pyproject(block), variables={}, arguments={})
    assert planned(settings).url == f"https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3/{FILE}"


def test_an_old_abi_has_another_address() -> None:
    old = dataclasses.replace(snapshots.CUDA_TORCH, cxx11_abi=False)
    assert "cxx11abiFALSE" in planned(config({"url": URL}), consumer=snapshots.consumer(old)).url


def test_a_local_version_is_quoted() -> None:
    project = snapshots.project(name="x", version="1.0+local")
    wheel = planned(config({"url": "https://example.org/{name}-{version}.whl"}), project=project)
    assert wheel.url == "https://example.org/x-1.0%2Blocal.whl"
    assert wheel.file == "x-1.0+local.whl"


def test_the_plan_shows_every_address_before_anything_is_downloaded() -> None:
    hashes = "https://example.org/{version}/SHA256SUMS"
    places = ({"url": URL}, {"url": URL, "sha256": DIGEST}, {"url": URL, "hashes": hashes}, {"url": "https://x/{hip}"})
    text = plan_text(plan(config(*places)))
    assert f"prebuilt   {WHEEL} is tried first" in text
    assert f"{WHEEL} is tried first, with a known digest" in text
    assert f"{WHEEL} is tried first, if its digest is in https://example.org/2.8.3/SHA256SUMS" in text
    assert "https://x/{hip} is not tried: {hip} has no value: torch 2.8.0+cu128 has none" in text


def test_they_are_off_where_none_is_named_or_somebody_says_so() -> None:
    assert not plan(config()).prebuilt
    assert not plan(config({"url": URL}, variables={"TORCHGRAFT_PREBUILT": "off"})).prebuilt
    assert plan(config({"url": URL}, variables={"TORCHGRAFT_PREBUILT": "on"})).prebuilt
    assert resolve_config({"tool": {"torchgraft": {"prebuilt": "off"}}}, variables={}, arguments={}).prebuilt == ()


@pytest.mark.parametrize(
    "hook",
    [Hook.BUILD_EDITABLE, Hook.BUILD_SDIST, Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, Hook.GET_REQUIRES_FOR_BUILD_SDIST],
)
def test_only_wheels_are_prebuilt(hook: Hook) -> None:
    assert not plan(config({"url": URL}), hook=hook).prebuilt


def test_the_client_is_required_only_where_it_is_needed() -> None:
    def required(settings: Config, hook: Hook = ASK) -> list[str]:
        return [line.text for line in plan(settings, hook=hook).requirements]

    assert required(config({"url": URL})) == ["urllib3>=2.3"]
    assert not required(config())
    assert not required(config({"url": URL}, variables={"TORCHGRAFT_PREBUILT": "off"}))
    assert not required(config({"url": URL}), Hook.GET_REQUIRES_FOR_BUILD_EDITABLE)


def test_a_missing_toolkit_is_no_reason_to_stop_before_the_wheel_was_tried() -> None:
    hardware = Hardware(cores=4, cores_limit="4", memory_bytes=10**10, memory_limit="memory")
    project = dataclasses.replace(PROJECT, cuda_sources="a.cu")
    changes = {"hardware": hardware, "project": project}
    for hook in (ASK, Hook.BUILD_WHEEL):
        made = plan(config({"url": URL}), hook=hook, **changes)
        assert not made.problems
        assert [problem.code for problem in made.compile_problems] == ["no-cuda-toolkit"]
        assert "compiling  impossible here: no CUDA toolkit" in plan_text(made)
        assert [problem.code for problem in plan(config(), hook=hook, **changes).problems] == ["no-cuda-toolkit"]


def test_an_error_of_a_rule_stops_all_but_one_about_the_machine() -> None:
    hardware = Hardware(cores=4, cores_limit="4", memory_bytes=10**10, memory_limit="memory", gpus=("7.5",))
    rules = [{"torch": ">=2", "error": "not this torch"}, {"gpu": "<8.0", "error": "not this GPU"}]
    made = plan(config({"url": URL}, when=rules), hardware=hardware)
    assert [problem.headline for problem in made.problems] == ["flash-attn: not this torch"]
    assert [problem.headline for problem in made.compile_problems] == ["flash-attn: not this GPU"]


def test_no_torch_no_wheel() -> None:
    assert not plan(
        config({"url": URL}), consumer=snapshots.consumer(None), project=snapshots.project(dependencies=())
    ).prebuilt


def test_before_torch_is_installed_the_client_is_required_all_the_same() -> None:
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.8.0"), source="the command line"),)
    made = plan(config({"url": URL}), hook=ASK, consumer=snapshots.consumer(None), asked_for=asked)
    assert "urllib3>=2.3" in [line.text for line in made.requirements]


# Who it is.


def test_name_and_version_come_from_files(tmp_path: Path) -> None:
    static = read_project(tmp_path, {"project": {"name": "a", "version": "1"}})
    assert (static.name, static.version) == ("a", "1")
    (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: b\nVersion: 2\n\nName: c\nVersion: 3\n")
    sdist = read_project(tmp_path, {"project": {"name": "b", "dynamic": ["version"]}})
    assert (sdist.name, sdist.version) == ("b", "2")
    assert read_project(tmp_path, {"project": {"name": "a", "version": "1"}}).version == "1"


def test_a_version_that_no_file_states_is_asked_of_the_delegate() -> None:
    made = plan(config({"url": URL}), project=snapshots.project(name="flash-attn"))
    assert made.asks_identity
    assert made.prebuilt[0].awaits == "no file states {version}, so setup.py is asked"
    assert not made.prebuilt[0].refused
    assert not plan(config({"url": URL})).asks_identity
    assert not plan(config(), project=snapshots.project(name="flash-attn")).asks_identity
    assert not plan(config({"url": URL}), project=snapshots.project(name="x"), hook=ASK).asks_identity


@pytest.mark.parametrize(("script", "asked"), [(None, "setuptools.build_meta"), (SetupScript(), "setup.py")])
def test_a_wheel_that_is_tried_later_is_not_said_not_to_be_tried(script: SetupScript | None, asked: str) -> None:
    project = snapshots.project(name="flash-attn", setup_script=script)
    text = plan_text(plan(config({"url": URL}), hook=ASK, project=project))
    assert f"{URL} is looked for when the wheel is built: no file states {{version}}, so {asked} is asked" in text
    assert "is not tried" not in text


def test_what_will_have_no_value_either_is_said_at_once() -> None:
    project = snapshots.project(name="flash-attn")
    wheel = planned(config({"url": "https://x/{version}-{hip}"}), hook=ASK, project=project)
    assert wheel.refused == "{hip} has no value: torch 2.8.0+cu128 has none"
    assert not plan(config({"url": "https://x/{version}-{hip}"}), project=project).asks_identity


def test_a_torch_that_is_installed_for_the_build_is_known_then() -> None:
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.8.0"), source="the command line"),)
    changes = {"consumer": snapshots.consumer(None), "asked_for": asked}
    wheel = planned(config({"url": URL}), hook=ASK, **changes)
    assert wheel.awaits == "{cuda_major} has no value: torch 2.8.0 is not installed yet"
    assert not wheel.refused


@pytest.mark.parametrize(
    ("files", "pyproject", "version"),
    [
        ({"setup.py": "setup(version='2.8.3')"}, {}, "2.8.3"),
        ({"setup.py": "V = '2.8.3'\nsetup(**{'version': V})"}, {}, "2.8.3"),
        ({"setup.py": "V = '2.8.3'\nif x: V += '+local'\nsetup(version=V)"}, {}, None),
        ({"setup.py": "setup(version=version())"}, {}, None),
        ({"setup.py": "setup()", "setup.cfg": "[metadata]\nversion = 2.8.3\n"}, {}, "2.8.3"),
        ({"setup.py": "setup(version='2.8.3')", "setup.cfg": "[metadata]\nversion = 1\n"}, {}, "2.8.3"),
        ({"setup.py": "setup(version=version())", "setup.cfg": "[metadata]\nversion = 1\n"}, {}, None),
        ({"setup.py": "setup()", "setup.cfg": "[metadata]\nversion = attr: x.y\n"}, {}, None),
        # setuptools adds them to what setup.py says.
        ({"setup.py": "setup(version='2.8.3')", "setup.cfg": "[egg_info]\ntag_build = .dev1\n"}, {}, None),
        ({"setup.py": "setup(version='2.8.3')", "setup.cfg": "[egg_info]\ntag_date = true\n"}, {}, None),
        ({"setup.py": "setup(version='2.8.3')", "setup.cfg": "[egg_info]\ntag_build =\ntag_date = 0\n"}, {}, "2.8.3"),
        # Other backends, and setuptools' own table, say it elsewhere.
        ({"setup.py": "setup(version='2.8.3')"}, {"project": {"name": "x", "dynamic": ["version"]}}, None),
        ({"setup.py": "setup(version='2.8.3')", "PKG-INFO": "Name: x\nVersion: 2.8.3+local\n"}, {}, "2.8.3+local"),
    ],
)
def test_a_literal_version_of_setup_py_is_read(
    tmp_path: Path, files: dict[str, str], pyproject: dict[str, Any], version: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_project(tmp_path, pyproject).version == version


# Digests.


def test_a_file_of_digests() -> None:
    text = f"# made by sha256sum\n{DIGEST}  a.whl\n{DIGEST.upper()} *dist/b.whl\nnonsense\n{DIGEST[:-1]}  c.whl\n"
    assert parse_hashes(text) == {"a.whl": DIGEST, "b.whl": DIGEST}


@pytest.mark.parametrize(
    "text", ["\ufeff{0}  a.whl\n", "SHA256 (a.whl) = {0}\n", "\ufeffSHA256 (dist/a.whl) = {0}\r\n"]
)
def test_other_forms_of_a_file_of_digests(text: str) -> None:
    assert parse_hashes(text.format(DIGEST)) == {"a.whl": DIGEST}


def test_digests_in_the_source_tree(tmp_path: Path) -> None:
    settings = config({"url": URL, "hashes": "SHA256SUMS"})
    assert read_hash_files(tmp_path, settings)[0].fault
    (tmp_path / "SHA256SUMS").write_text(f"{DIGEST}  {FILE}\n")
    (found,) = read_hash_files(tmp_path, settings)
    assert found == HashFile(file="SHA256SUMS", digests=((FILE, DIGEST),))
    assert planned(settings, hash_files=(found,)).sha256 == (DIGEST,)
    other = HashFile(file="SHA256SUMS", digests=(("other.whl", DIGEST),))
    assert planned(settings, hash_files=(other,)).refused == f"SHA256SUMS does not name {FILE}"
    missing = HashFile(file="SHA256SUMS", fault="No such file or directory")
    assert planned(settings, hash_files=(missing,)).refused == "SHA256SUMS: No such file or directory"
    assert not read_hash_files(tmp_path, config({"url": URL}))


def test_a_user_may_insist_on_digests() -> None:
    insisting = {"TORCHGRAFT_REQUIRE_HASHES": "true"}
    assert "require-hashes (TORCHGRAFT_REQUIRE_HASHES)" in planned(config({"url": URL}, variables=insisting)).refused
    assert not planned(config({"url": URL, "sha256": DIGEST}, variables=insisting)).refused
    unknown = planned(config({"url": URL}, variables=insisting), project=snapshots.project(name="flash-attn"))
    assert "require-hashes" in unknown.refused
    assert not unknown.awaits


# Settings.


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "either url or index"),
        ({"url": "https://example.org/x", "index": "https://example.org"}, "either url or index"),
        ({"url": "https://example.org/x", "local": "cu{cuda}"}, "local beside index alone"),
        ({"index": "https://example.org", "local": "cu {cuda}"}, "the local part of a version"),
        ({"index": "https://example.org", "local": "{cud}"}, r"\{cud\} is none of"),
        ({"index": "https://example.org", "sha256": DIGEST}, "beside url alone"),
        ({"url": "http://example.org/{name}.whl"}, "begins with https://"),
        ({"url": "https://example.org/{name}.whl#sha256=x"}, r"without\s+a\s+fragment"),
        ({"url": "https://example.org/{nam}.whl"}, r"\{nam\} is none of"),
        ({"url": "https://example.org/{jobs}.whl"}, r"\{jobs\} is none of"),
        ({"url": "https://example.org/{name}.whl", "sha256": "abc"}, "64 hexadecimal digits"),
        ({"url": "https://example.org/{name}.whl", "sha256": []}, "64 hexadecimal digits"),
        ({"url": "https://example.org/{name}.whl", "hashes": "../SHA256SUMS"}, "inside the source tree"),
        ({"url": "https://example.org/{name}.whl", "hashes": "http://example.org/x"}, "begins with https://"),
        ({"url": "https://example.org/x", "hashes": "x", "sha256": DIGEST}, "not both"),
        ({"url": "https://example.org/x", "hash": DIGEST}, "rename it to 'hashes'"),
    ],
)
def test_mistakes(place: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(place)


def test_a_user_cannot_name_an_address() -> None:
    with pytest.raises(ConfigError, match="one of: on, off"):
        config(variables={"TORCHGRAFT_PREBUILT": "https://example.org/x.whl"})


def test_the_schema_agrees() -> None:
    place = {"url": "https://example.org/x", "sha256": [DIGEST, DIGEST.upper()]}
    assert config(place).prebuilt == (Prebuilt(url="https://example.org/x", sha256=(DIGEST, DIGEST)),)
    jsonschema.validate({"prebuilt": [place]}, json_schema())
    jsonschema.validate({"prebuilt": "off"}, json_schema())
    for wrong in ([{"sha256": DIGEST}], [{"url": "http://x"}], [{"url": "https://x", "index": "https://x"}], "on"):
        with pytest.raises(jsonschema.ValidationError, match=r"\w"):
            jsonschema.validate({"prebuilt": wrong}, json_schema())


# Wheels.

TAG = "cp311-cp311-linux_x86_64"
EMPTY = "flash_attn/__init__.py"
TAGS = (Tag("cp311", "cp311", "linux_x86_64"), Tag("cp311", "abi3", "linux_x86_64"))
WANTED = PlannedPrebuilt(url=WHEEL, name="flash_attn", version="2.8.3")
REQUIRES = ("Requires-Python: >=3.9", "Requires-Dist: torch", "Requires-Dist: einops")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The right file name of a wheel, or why it does not fit."""

    file: str = ""
    fault: str = ""


def answer_to(path: Path, prepared: Path | None = None, *, torch: str = "") -> Answer:
    try:
        return Answer(file=inspect_wheel(path, WANTED, prepared, tags=TAGS, torch=torch))
    except UnfitError as error:
        return Answer(fault=str(error))


def inspect(tmp_path: Path, *, prepared: Path | None = None, **changes: Any) -> Answer:
    values = {"name": "flash_attn", "version": "2.8.3", "tags": (TAG,), "files": {"flash_attn/__init__.py": ""}}
    path = write_wheel(tmp_path / "download", **{**values, "metadata": REQUIRES, **changes})
    return answer_to(path, prepared, torch="2.8.0+cu128")


def test_a_wheel_gets_the_name_that_it_was_built_with(tmp_path: Path) -> None:
    answer = inspect(tmp_path)
    assert not answer.fault
    assert answer.file == "flash_attn-2.8.3-cp311-cp311-linux_x86_64.whl"


def test_one_of_several_tags_is_enough(tmp_path: Path) -> None:
    answer = inspect(tmp_path, tags=("cp311-abi3-manylinux_2_17_x86_64", "cp311-abi3-linux_x86_64"))
    assert answer.file == "flash_attn-2.8.3-cp311-abi3-linux_x86_64.manylinux_2_17_x86_64.whl"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "other"}, "it is other 2.8.3, not flash_attn 2.8.3"),
        ({"version": "2.8.2"}, "it is flash_attn 2.8.2, not flash_attn 2.8.3"),
        ({"version": "2.8.3+cu12"}, "it is flash_attn 2.8.3+cu12"),
        ({"stem": "other-2.8.3"}, "it is other 2.8.3"),
        ({"tags": ("cp310-cp310-linux_x86_64",)}, "it is for cp310-cp310-linux_x86_64, which this interpreter is not"),
        ({"tags": ("cp311-cp311-win_amd64",)}, "it is for cp311-cp311-win_amd64"),
        ({"tags": ()}, "it is for nothing"),
        ({"after": {"flash_attn/__init__.py": "x"}}, "its RECORD is wrong: hash / size of flash_attn/__init__.py"),
        ({"after": {"more.py": "x"}}, "its RECORD is wrong: more.py is not mentioned"),
        ({"files": {"../x": ""}}, "written elsewhere"),
        ({"files": {"/x": ""}}, "written elsewhere"),
        ({"files": {"C:/x": ""}}, "written elsewhere"),
        ({"files": {"b-1.dist-info/RECORD": ""}}, "2 .dist-info folders"),
        ({"after": {"flash_attn-2.8.3.dist-info/RECORD": "x,y=z,1\n"}}, "its RECORD is wrong"),
        ({"after": {"flash_attn-2.8.3.dist-info/RECORD": "x,y\n"}}, "its RECORD is wrong: row 0 of its RECORD has 2"),
        (
            {"after": {"flash_attn-2.8.3.dist-info/RECORD": EMPTY + ",md6=x,0\n"}},
            "nobody knows the hash md6 of",
        ),
        ({"after": {"flash_attn-2.8.3.dist-info/RECORD": EMPTY + ",,\n"}}, f"hash / size of {EMPTY} is not included"),
        ({"after": {"flash_attn-2.8.3.dist-info/RECORD": EMPTY + ",shake_128=x,0\n"}}, "nobody knows the hash"),
    ],
)
def test_wheels_that_are_others(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    assert fault in inspect(tmp_path, **changes).fault


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_wheel(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "download"
    path.write_bytes(content)
    assert answer_to(path).fault


def test_half_a_wheel(tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "download", name="flash_attn", version="2.8.3", tags=(TAG,), files={"a": "x" * 9999})
    path.write_bytes(path.read_bytes()[:5000])
    assert "it is no wheel: BadZipFile" in answer_to(path).fault


def metadata(tmp_path: Path, *lines: str) -> Path:
    folder = tmp_path / "flash_attn-2.8.3.dist-info"
    folder.mkdir()
    text = "\n".join(["Metadata-Version: 2.4", "Name: flash-attn", "Version: 2.8.3", *lines, "", "Another description"])
    (folder / "METADATA").write_text(text)
    return folder


def test_what_was_prepared_by_a_newer_setuptools_is_the_same_if_its_requirements_are(tmp_path: Path) -> None:
    lines = ("Requires-Python: >=3.9", "License-File: LICENSE", "Requires-Dist: Einops", "Requires-Dist: torch ")
    assert not inspect(tmp_path, prepared=metadata(tmp_path, *lines)).fault


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("Requires-Python: >=3.9", "Requires-Dist: torch"), "its Requires-Dist is not that of the metadata"),
        ((*REQUIRES, "Requires-Dist: packaging"), "prepared: packaging"),
        ((*REQUIRES[1:],), "its Requires-Python is not that of the metadata that were prepared: >=3.9, not none"),
        ((*REQUIRES, "Provides-Extra: test"), "its Provides-Extra"),
    ],
)
def test_other_requirements_than_those_that_were_prepared(tmp_path: Path, lines: tuple[str, ...], fault: str) -> None:
    assert fault in inspect(tmp_path, prepared=metadata(tmp_path, *lines)).fault


# Which torch it requires.


@pytest.mark.parametrize(
    "requires",
    [
        "torch",
        "torch==2.8.*",
        "torch==2.8.0",
        "torch>=2.4",
        "torch==2.7.*; extra == 'old'",
        "torch==2.7.*; python_version < '3'",
        "Torch @ https://example.org/torch-2.8.0-py3-none-any.whl",
        "torchvision==0.1",
        "torch 2.7 or so",
    ],
)
def test_a_wheel_whose_requirement_this_torch_meets(tmp_path: Path, requires: str) -> None:
    assert not inspect(tmp_path, metadata=(f"Requires-Dist: {requires}",)).fault


def test_a_wheel_that_requires_another_torch_would_replace_it(tmp_path: Path) -> None:
    answer = inspect(tmp_path, metadata=("Requires-Dist: torch", "Requires-Dist: Torch==2.7.*"))
    assert answer.fault == "it requires Torch==2.7.*, which torch 2.8.0+cu128 is not"


def test_of_what_was_prepared_the_resolver_has_judged_already(tmp_path: Path) -> None:
    requires = "Requires-Dist: torch==2.7.*"
    assert not inspect(tmp_path, metadata=(requires,), prepared=metadata(tmp_path, requires)).fault


# What its modules are.

OWN = (".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so")
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
ELF = b"\x7fELF"


def fault_of(tmp_path: Path, *names: str, files: dict[str, str] | None = None, **changes: Any) -> str:
    path = write_wheel(
        tmp_path / "download", name="x", version="1", tags=(TAG,), files={**dict.fromkeys(names, ELF), **(files or {})}
    )
    with zipfile.ZipFile(path) as archive:
        return module_fault(archive, names, **{"suffixes": OWN, "system": "linux", **changes})


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("x/_C.so", "", "x/_C.so is empty"),
        ("x/_C.cpython-311-x86_64-linux-gnu.so", "", "x/_C.cpython-311-x86_64-linux-gnu.so is empty"),
        ("x/lib/libx.so.1.2", LFS, "x/lib/libx.so.1.2 is a pointer of Git LFS, not the library"),
        ("x/_C.so", "<html>", "x/_C.so is no library"),
        ("x/libx.so", "/* GNU ld script */\nGROUP ( libx.so.1 )", ""),
        ("x/_C.so", "\0GROUP ( libx.so.1 )", "x/_C.so is no library"),
        ("x/tests/data/broken.so", "", ""),
        ("x/libx.so.json", "{}", ""),
        ("x/C.so.md", "", ""),
        ("x/_C.pyd", "", ""),
        ("x/libx.dylib", "", ""),
    ],
)
def test_a_file_that_is_called_a_library_is_one(tmp_path: Path, name: str, text: str, fault: str) -> None:
    assert fault_of(tmp_path, "x/_D.so", files={name: text}) == fault
    assert not fault_of(tmp_path, files={name: text}, system="darwin")


PYTHON_310 = "x/_C.cpython-310-x86_64-linux-gnu.so"


@pytest.mark.parametrize(
    ("names", "is_for_another"),
    [
        ([PYTHON_310], True),
        (["x/_C.cpython-310.so"], True),
        (["x/_C.cpython-311d-x86_64-linux-gnu.so"], True),
        (["x/_C.cpython-313t-x86_64-linux-gnu.so"], True),
        (["x/_C.pypy310-pp73-x86_64-linux-gnu.so"], True),
        ([PYTHON_310, "y/_C.cpython-311-x86_64-linux-gnu.so"], True),
        ([PYTHON_310, "x/_C.cpython-311-x86_64-linux-gnu.so"], False),
        ([PYTHON_310, "x/_C.abi3.so"], False),
        ([PYTHON_310, "x/_C.so"], False),
        ([PYTHON_310, "x/_C.py"], False),
        ([PYTHON_310, "x/_C/__init__.py"], False),
        (["x/tests/_C.cpython-310-x86_64-linux-gnu.so"], False),
        (["x/_C.abi3.so", "x/lib/libx.so", "x/libcudart-1.2.so.12"], False),
        # For other systems.
        (["x/_C.cpython-310-darwin.so", "x/_C.cp310-win_amd64.pyd", "x/_C.pyd"], False),
    ],
)
def test_a_module_for_another_python_alone(tmp_path: Path, names: list[str], is_for_another: bool) -> None:  # noqa: FBT001
    fault = f"{names[0]} is for another Python, and there is none for this one"
    assert fault_of(tmp_path, *names) == (fault if is_for_another else "")


def test_modules_on_windows(tmp_path: Path) -> None:
    windows = {"suffixes": (".cp311-win_amd64.pyd", ".pyd"), "system": "win32"}
    assert fault_of(tmp_path, "x/_C.cp310-win_amd64.pyd", **windows).startswith("x/_C.cp310-win_amd64.pyd is for")
    assert not fault_of(tmp_path, "x/_C.cp310-win_amd64.pyd", "x/_C.cp311-win_amd64.pyd", PYTHON_310, **windows)
