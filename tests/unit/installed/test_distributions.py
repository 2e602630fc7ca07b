from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import sites
from support.sites import install, metadata_text, write
from support.snapshots import PYTHON
from torchgraft.installed.distributions import find_unmet, list_distributions, read_distributions
from torchgraft.model.observation import Distribution


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


def read(*folders: Path, wanted: tuple[str, ...] = ("foo",)) -> tuple[Distribution, ...]:
    return read_distributions(tuple(map(str, folders)), wanted, python=PYTHON)


def links_of(folder: Path, wanted: str = "foo") -> dict[str, str]:
    found = {d.name: d for d in read(folder, wanted=(wanted,))}
    return {link.name: link.target for link in found[wanted].links}


def names_of(folder: Path, wanted: str = "foo") -> set[str]:
    """The names of all links but that of the metadata, whose targets must be what they say."""
    links = links_of(folder, wanted)
    assert all(target == str(folder / name) for name, target in links.items())
    return {name for name in links if ".dist-info" not in name}


def test_nothing_is_there(tmp_path: Path) -> None:
    assert read(tmp_path, tmp_path / "missing") == ()
    assert read() == ()


def test_the_wanted_and_what_they_require_sorted_by_name(site: Path) -> None:
    install(site, "torch", "2.8.0", requires=["typing-extensions>=4", "Jinja2", "networkx", "fsspec==1"])
    install(site, "typing_extensions", "4.16", {"typing_extensions.py": ""})
    install(site, "jinja2", requires=["MarkupSafe>=2.0", 'Babel>=2.7; extra == "i18n"'])
    install(site, "markupsafe", requires=["jinja2", "torch"])  # round and round
    install(site, "babel")
    install(site, "numpy")
    install(site, "unrelated")
    found = read(site, wanted=("torch", "NumPy", "missing"))
    assert [(d.name, d.version) for d in found] == [
        ("jinja2", "1.0"),
        ("markupsafe", "1.0"),
        ("numpy", "1.0"),
        ("torch", "2.8.0"),
        ("typing-extensions", "4.16"),
    ]


@pytest.mark.parametrize(
    ("requirement", "required"),
    [
        ("bar", True),
        ("bar (>=1.0)", True),
        ("BAR[some_extra]>=1", True),
        ("bar @ https://x.example/bar.whl", True),
        ('bar; python_version < "3.11"', False),
        ('bar; python_version >= "3.11"', True),
        ('bar; python_full_version == "3.11.7" and implementation_name == "cpython"', True),
        ('bar; platform_system == "Linux" and platform_machine == "x86_64"', True),
        ('bar; platform_system == "Windows"', False),
        ('bar; extra == "all"', False),
        ('bar; python_version < "3.8" or extra == "all"', False),
        ('bar; python_version > "3.8" or extra == "all"', True),
        ('bar; (python_version > "3.8" or os_name == "x") and extra == "all"', False),
        ('bar; (python_version < "3.8" and os_name == "x") or extra == "all"', False),
        ('bar; (python_version > "3.8" and os_name != "x") or extra == "all"', True),
        ('bar; (python_version > "3.8" or extra == "all")', True),
        ('bar; extra != "all"', True),
        ('bar; os_name ~= "posix"', True),  # what cannot be compared is taken as true
        ("bar !!", False),
        ("", False),
        ("bar; " + "(" * 500 + 'python_version > "3"' + ")" * 500, None),
    ],
)
def test_requirements(site: Path, requirement: str, *, required: bool | None) -> None:
    install(site, "foo", requires=[requirement])
    install(site, "bar")
    names = [d.name for d in read(site)]
    assert required is None or names == (["bar", "foo"] if required else ["foo"])


def test_markers_are_those_of_the_given_interpreter(site: Path) -> None:
    install(site, "foo", requires=['bar; python_version < "3.10"'])
    install(site, "bar")
    python = dataclasses.replace(PYTHON, version="3.9.1")
    assert [d.name for d in read_distributions((str(site),), ("foo",), python=python)] == ["bar", "foo"]


def test_extras_of_a_requirement(site: Path) -> None:
    """Since torch 2.11 the libraries of NVIDIA hang on the extras of cuda-toolkit."""
    install(site, "torch", requires=["cuda-toolkit[cublas,NV_RTC]==13.0.3"])
    install(
        site,
        "cuda-toolkit",
        files={},
        requires=[
            "nvidia-cublas==13.*; extra == 'cublas'",
            'nvidia-cuda-nvrtc==13.*; (sys_platform == "linux" or sys_platform == "win32") and extra == "nv-rtc"',
            'nvidia-cufft==12.*; extra == "cufft"',
            'nvidia-nvtx; sys_platform == "win32" and extra == "cublas"',
        ],
    )
    for name in ("nvidia-cublas", "nvidia-cuda-nvrtc", "nvidia-cufft", "nvidia-nvtx"):
        install(site, name, files={f"nvidia/cu13/lib/lib{name}.so.13": ""})
    found = {d.name: d for d in read(site, wanted=("torch",))}
    assert sorted(found) == ["cuda-toolkit", "nvidia-cublas", "nvidia-cuda-nvrtc", "torch"]
    assert [link.name for link in found["cuda-toolkit"].links] == ["cuda_toolkit-1.0.dist-info"]
    assert [link.name for link in found["nvidia-cublas"].links] == ["nvidia/cu13", "nvidia_cublas-1.0.dist-info"]


def test_an_extra_that_is_asked_for_later(site: Path) -> None:
    install(site, "foo", requires=["bar", "baz"])
    install(site, "baz", requires=["bar[more]"])
    install(site, "bar", requires=['quux; extra == "more"'])
    install(site, "quux")
    assert [d.name for d in read(site)] == ["bar", "baz", "foo", "quux"]


def test_the_first_on_the_path_wins(tmp_path: Path) -> None:
    install(tmp_path / "a", "foo", "1.0", requires=["bar"])
    install(tmp_path / "b", "foo", "2.0", requires=["baz"])
    install(tmp_path / "b", "bar")
    install(tmp_path / "b", "baz")
    found = read(tmp_path / "a", tmp_path / "b")
    assert [(d.name, d.version) for d in found] == [("bar", "1.0"), ("foo", "1.0")]
    assert [link.target for link in found[1].links] == [
        str(tmp_path / "a" / "foo"),
        str(tmp_path / "a" / "foo-1.0.dist-info"),
    ]


def test_a_killed_upgrade_leaves_empty_metadata(site: Path) -> None:
    (site / "foo-0.9.dist-info").mkdir()
    install(site, "foo", "1.0")
    assert [(d.name, d.version) for d in read(site)] == [("foo", "1.0")]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["foo/__init__.py", "foo/sub/x.py", "foo/__pycache__/x.pyc"], {"foo"}),
        (["foo.py", "__pycache__/foo.cpython-311.pyc"], {"foo.py"}),
        (
            ["numpy/__init__.py", "numpy.libs/libopenblas-1.so", ".libs_cffi/x.so"],
            {"numpy", "numpy.libs", ".libs_cffi"},
        ),
        (["_c.cpython-311-x86_64-linux-gnu.so", "_c.abi3.so", "_c.pyd"], None),
        (["libfoo.so.1.2", "foo.dll"], None),
        (["foo/__init__.py", "LICENSE", "README.md", "foo.pyi", "foo.h"], {"foo"}),
        (["foo/__init__.py", "foo-nspkg.pth", "bin/foo"], {"foo"}),
        (["ns/one/__init__.py", "ns/two.py", "ns/__pycache__/two.pyc"], {"ns/one", "ns/two.py"}),
        (["ns/__init__.cpython-311.so", "ns/two.py"], {"ns"}),  # compiled by Cython: no namespace
    ],
)
def test_what_is_linked(site: Path, files: list[str], names: set[str] | None) -> None:
    install(site, "foo", files=dict.fromkeys(files, ""))
    assert names_of(site) == (set(files) if names is None else names)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are files elsewhere")
def test_what_setuptools_would_wait_for_is_not_linked(site: Path) -> None:
    install(site, "foo", files={"foo.py": "", "bar.py": ""})
    information = site / "foo-1.0.dist-info"
    assert links_of(site)[information.name] == str(information)
    (site / "bar.py").unlink()
    os.mkfifo(site / "bar.py")
    os.mkfifo(information / "entry_points.txt")
    (information / "direct_url.json").symlink_to("/dev/zero")
    (information / "licenses").mkdir()
    own = {name for name in links_of(site) if name.startswith(information.name)}
    assert own == {f"{information.name}/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "licenses")}
    assert names_of(site) == {"foo.py"}


GUESSED = {"foo", "foo.py"}


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ("foo/__init__.py,,\n../../../bin/foo,,\n../../bin/x,,\n", {"foo"}),
        ("foo/__init__.py,,\r\nfoo.py,,\r\n", {"foo", "foo.py"}),
        ('"a,b/__init__.py",sha256=x,1\n"foo/__init__.py",,\n', {"a,b", "foo"}),
        ("/etc/passwd,,\nC:/x.py,,\nfoo/../../x.py,,\nfoo/__init__.py,,\n", {"foo"}),
        ("ns/../../x.py,,\nns/./y.py,,\nns//z.py,,\nns/one.py,,\n", {"ns/one.py"}),
        ("gone/__init__.py,,\ngone.py,,\nfoo/__init__.py,,\n", {"foo"}),
        ("bar-1.0.dist-info/METADATA,,\nfoo-1.0.data/x,,\nfoo/__init__.py,,\n", {"foo"}),
        ("foo/\x00.py,,\nx\x00.py,,\n\ufffd.py,,\n\n\n,,\n", {"foo"}),
        # Where it names nothing that can be linked, the name of the distribution tells.
        ('"foo ""x"".py",,\n"","\n"""\n"', GUESSED),
        ("foo-1.0.dist-info/RECORD,,\n", GUESSED),
        ("\n", GUESSED),
    ],
)
def test_records(site: Path, record: str, names: set[str]) -> None:
    write(site, dict.fromkeys(["foo/__init__.py", "foo.py", "ns/one.py", "ns/y.py", "a,b/__init__.py"], ""))
    install(site, "foo", files={}, record=record)
    assert names_of(site) == names


def test_a_namespace_that_several_installed(site: Path) -> None:
    """Old wheels of NVIDIA all ship nvidia/__init__.py."""
    install(site, "foo", requires=["nvidia-cublas-cu12", "nvidia-cudnn-cu12"])
    for name in ("cublas", "cudnn", "nccl"):
        files = ["nvidia/__init__.py", f"nvidia/{name}/__init__.py", f"nvidia/{name}/lib/lib{name}.so.12"]
        install(site, f"nvidia-{name}-cu12", files=dict.fromkeys(files, ""))
    found = {d.name: [link.name for link in d.links] for d in read(site)}
    assert found == {
        "foo": ["foo", "foo-1.0.dist-info"],
        "nvidia-cublas-cu12": ["nvidia/__init__.py", "nvidia/cublas", "nvidia_cublas_cu12-1.0.dist-info"],
        "nvidia-cudnn-cu12": ["nvidia/__init__.py", "nvidia/cudnn", "nvidia_cudnn_cu12-1.0.dist-info"],
    }
    assert names_of(site, "nvidia-nccl-cu12") == {"nvidia"}  # alone it is a package like any other


@pytest.mark.parametrize(
    ("entries", "information", "names"),
    [
        (["foo/__init__.py", "foo.libs/x.so"], {}, {"foo", "foo.libs"}),
        (["foo.py", "foo.pyi"], {}, {"foo.py"}),
        (["yaml/__init__.py", "_yaml.cpython-311-darwin.so"], {"top_level.txt": "yaml\n_yaml\n\nbin\n"}, None),
        (["foo/__init__.py"], {"top_level.txt": "../x\n/etc\n.\n..\nfoo\n"}, {"foo"}),
        (["ns/one/__init__.py", "ns/two.py"], {"top_level.txt": "ns"}, {"ns/one", "ns/two.py"}),
        (["unrelated.py"], {}, set()),
    ],
)
def test_without_a_record(
    site: Path, entries: list[str], information: Mapping[str, str], names: set[str] | None
) -> None:
    write(site, dict.fromkeys(entries, ""))
    install(site, "foo", files={}, record=None, information=information)
    assert names_of(site) == (names if names is not None else {entry.removesuffix("/__init__.py") for entry in entries})


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"Foo_Bar-1.0-py3.11.egg-info/PKG-INFO": ""}, {"foo_bar", "Foo_Bar-1.0-py3.11.egg-info"}),
        ({"foo_bar-1.0.egg-info": metadata_text("foo-bar", "1.0")}, {"foo_bar", "foo_bar-1.0.egg-info"}),
        (
            {
                "foo_bar-1.0-py3.11.egg-info/PKG-INFO": "",
                "foo_bar-1.0-py3.11.egg-info/installed-files.txt": "../other/__init__.py\nPKG-INFO\n../../../bin/x\n",
            },
            {"other", "foo_bar-1.0-py3.11.egg-info"},
        ),
    ],
)
def test_egg_info(site: Path, metadata: Mapping[str, str], names: set[str]) -> None:
    write(site, {"foo_bar/__init__.py": "", "other/__init__.py": "", **metadata})
    assert set(links_of(site, "foo-bar")) == names


def test_an_egg_is_a_folder_of_the_path(tmp_path: Path) -> None:
    egg = tmp_path / "foo-1.5-py3.11.egg"
    write(egg, {"foo/__init__.py": "", "EGG-INFO/PKG-INFO": "", "EGG-INFO/top_level.txt": "foo"})
    assert links_of(egg) == {"foo": str(egg / "foo"), "foo-1.5-py3.11.egg-info": str(egg / "EGG-INFO")}
    assert list_distributions((str(egg),)) == (("foo", "1.5"),)


def test_requirements_of_an_egg_info(site: Path) -> None:
    requires = (
        'one\n\n[more]\ntwo\n\n[:python_version >= "3"]\nthree\n\n[:python_version < "3"]\nfour\n\n[more:]\nfive\n'
    )
    write(site, {"foo-1.0.egg-info/PKG-INFO": "Version: 1.0\n", "foo-1.0.egg-info/requires.txt": requires})
    for name in ("one", "two", "three", "four", "five"):
        install(site, name)
    assert [d.name for d in read(site)] == ["foo", "one", "three"]
    install(site, "all", requires=["foo[more]"])
    assert [d.name for d in read(site, wanted=("all",))] == ["all", "five", "foo", "one", "three", "two"]


FINDER = """
MAPPING: dict[str, str] = {mapping!r}
NAMESPACES: dict[str, list[str]] = {{}}
raise SystemExit("it was run")
"""


@pytest.mark.parametrize("annotation", [": dict[str, str]", ""])
@pytest.mark.parametrize("record", ["", None])
def test_editable_with_the_finder_of_setuptools(
    tmp_path: Path, site: Path, record: str | None, annotation: str
) -> None:
    tree = tmp_path / "tree"
    write(tree, dict.fromkeys(["src/foo/__init__.py", "ns/two/__init__.py", "_foo.py", "_foo.abi3.so", "one.py"], ""))
    mapping = {
        "foo": f"{tree}/src/foo",
        "ns.two": f"{tree}/ns/two",
        "_foo": f"{tree}/_foo",
        "one": f"{tree}/one.py",
        "gone": f"{tree}/gone",
        "../bad": f"{tree}/src",
    }
    finder = FINDER.format(mapping=mapping).replace(": dict[str, str] =", f"{annotation} =", 1)
    other = FINDER.format(mapping={"foo": "/elsewhere", "bar": str(tree)})
    write(site, {"__editable___foo_bar_1_0_finder.py": other})
    install(
        site,
        "foo",
        files={"__editable___foo_1_0_finder.py": finder, "__editable__.foo-1.0.pth": "import __editable___foo"},
        record=record,
    )
    assert links_of(site) == {
        "foo": f"{tree}/src/foo",
        "ns/two": f"{tree}/ns/two",
        "_foo.py": f"{tree}/_foo.py",
        "_foo.abi3.so": f"{tree}/_foo.abi3.so",
        "one.py": f"{tree}/one.py",
        "foo-1.0.dist-info": f"{site}/foo-1.0.dist-info",
    }


@pytest.mark.parametrize(
    "finder", ["", "MAPPING = f()", "MAPPING = [", "\0", "MAPPING = {**x, 1: 2, 'foo': 3, f(): 'x'}", "MAPPING: dict"]
)
def test_a_finder_that_cannot_be_read(site: Path, finder: str) -> None:
    install(site, "foo", files={"__editable___foo_1_0_finder.py": finder})
    assert names_of(site) == set()


@pytest.mark.parametrize(
    ("files", "information", "names"),
    [
        ({"__editable__.foo-1.0.pth": "{tree}/src\n"}, {}, {"foo": "src/foo"}),
        ({"_foo.pth": "# by hatch\n\nimport os\n{tree}/src"}, {}, {"foo": "src/foo"}),
        ({"foo.pth": "{tree}\n{tree}/src"}, {"top_level.txt": "foo\none"}, {"foo": "src/foo", "one.py": "one.py"}),
        ({"foo.pth": "{tree}/gone"}, {}, {}),
    ],
)
def test_editable_with_a_path_line(
    tmp_path: Path, site: Path, files: Mapping[str, str], information: Mapping[str, str], names: Mapping[str, str]
) -> None:
    tree = tmp_path / "tree"
    write(tree, {"src/foo/__init__.py": "", "one.py": ""})
    install(
        site,
        "foo",
        files={name: text.replace("{tree}", str(tree)) for name, text in files.items()},
        information=information,
    )
    expected = {name: str(tree / target) for name, target in names.items()}
    assert links_of(site) == {**expected, "foo-1.0.dist-info": f"{site}/foo-1.0.dist-info"}


def test_editable_with_a_link_by_flit(tmp_path: Path, site: Path) -> None:
    write(tmp_path / "tree" / "foo", {"__init__.py": ""})
    (site / "foo").symlink_to(tmp_path / "tree" / "foo")
    install(site, "foo", files={})
    assert names_of(site) == {"foo"}


@pytest.mark.parametrize(("path_line", "is_rebuilt"), [(True, False), (False, False), (False, True)])
def test_editable_in_two_folders(tmp_path: Path, site: Path, *, path_line: bool, is_rebuilt: bool) -> None:
    tree, compiled = tmp_path / "tree", tmp_path / "tree" / "build" / "platlib" if is_rebuilt else site
    rebuilt = compiled if is_rebuilt else None
    information = sites.install_in_two_folders(site, tree, path_line=path_line, rebuilt=rebuilt)
    (tree / "torch" / "__pycache__").mkdir()
    assert links_of(site, "torch") == {
        information.name: str(information),
        "torch/__init__.py": str(tree / "torch" / "__init__.py"),
        "torch/version.py": str(tree / "torch" / "version.py"),
        "torch/utils": str(tree / "torch" / "utils"),
        "torch/lib/shm": str(tree / "torch" / "lib" / "shm"),
        "torch/lib/libc10.so": str(compiled / "torch" / "lib" / "libc10.so"),
        "torch/include": str(compiled / "torch" / "include"),
        f"torch/_C{sites.SUFFIX}": str(compiled / "torch" / f"_C{sites.SUFFIX}"),
    }


def test_a_whole_package_beside_a_path_line(tmp_path: Path, site: Path) -> None:
    write(tmp_path / "tree", {"foo/__init__.py": ""})
    install(site, "foo", files={"foo/__init__.py": "", "foo.pth": f"{tmp_path / 'tree'}\n"})
    assert names_of(site) == {"foo"}


def test_setup_py_develop(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree"
    inside = {"PKG-INFO": metadata_text("Foo.Bar", "3.0"), "top_level.txt": "foo", "requires.txt": "baz\n"}
    write(tree, {"foo/__init__.py": "", **{f"Foo_Bar.egg-info/{name}": text for name, text in inside.items()}})
    write(site, {"foo-bar.egg-link": f"{tree}\n."})
    install(site, "baz")
    found = read(site, wanted=("foo-bar",))
    assert [(d.name, d.version) for d in found] == [("baz", "1.0"), ("foo-bar", "3.0")]
    assert {link.name: link.target for link in found[1].links} == {
        "foo": f"{tree}/foo",
        "Foo_Bar.egg-info": f"{tree}/Foo_Bar.egg-info",
    }
    assert list_distributions((str(site),)) == (("baz", "1.0"), ("foo-bar", "3.0"))


@pytest.mark.parametrize("content", ["", "\n", "/missing\n.", "\0", "."])
def test_an_egg_link_to_nowhere(site: Path, content: str) -> None:
    write(site, {"foo.egg-link": content})
    assert read(site) == ()
    assert list_distributions((str(site),)) == ()


@pytest.mark.parametrize(
    ("entry", "listed"),
    [
        ("torch-2.13.0+cpu.dist-info/METADATA", ("torch", "2.13.0+cpu")),
        ("Ruamel.Yaml_clib-0.2.8.dist-info/METADATA", ("ruamel-yaml-clib", "0.2.8")),
        ("foo-bar-1.0.dist-info/METADATA", ("foo-bar", "1.0")),
        ("foo-1.0.dev1_2-py3.11-linux-x86_64.egg-info/PKG-INFO", ("foo", "1.0.dev1_2")),
        ("foo-1.0.egg-info", ("foo", "1.0")),
        ("foo.egg-info/PKG-INFO", ("foo", "7.0")),
        ("foo.dist-info/METADATA", ("foo", "7.0")),
        ("foo.dist-info/OTHER", ("foo", "0")),
        ("~orch-2.8.0.dist-info/METADATA", None),
        ("-2.8.0.dist-info/METADATA", None),
        (".dist-info/METADATA", None),
        ("dist-info/METADATA", None),
        ("foo/__init__.py", None),
    ],
)
def test_listing(site: Path, entry: str, listed: tuple[str, str] | None) -> None:
    write(site, {entry: "Version: 7.0\n"})
    assert list_distributions((str(site),)) == ((listed,) if listed else ())


def test_listing_takes_the_first_of_each_name_sorted(tmp_path: Path) -> None:
    for folder, name, version in (("b", "zzz", "1"), ("b", "Foo", "1"), ("a", "foo", "2"), ("a", "bar", "2")):
        write(tmp_path / folder, {f"{name}-{version}.dist-info/METADATA": ""})
    path = (str(tmp_path / "missing"), str(tmp_path / "b"), str(tmp_path / "a"))
    assert list_distributions(path) == (("bar", "2"), ("foo", "1"), ("zzz", "1"))


def test_listing_opens_no_file(site: Path) -> None:
    install(site, "foo", "1.0", information={"METADATA": "Version: 2.0\n"})
    assert list_distributions((str(site),)) == (("foo", "1.0"),)
    assert [d.version for d in read(site)] == ["2.0"]


def test_the_description_is_no_header(site: Path) -> None:
    install(site, "foo", information={"METADATA": "Version: 1.0\r\n\r\nRequires-Dist: bar\r\n"})
    install(site, "bar")
    assert [d.name for d in read(site)] == ["foo"]


def test_a_whole_torch(site: Path) -> None:
    sites.install_torch(site, requires=["numpy; extra == 'x'"])
    assert names_of(site, "torch") == {"torch", "torchgen", "functorch"}


def test_what_is_required_and_not_installed(site: Path) -> None:
    install(site, "numpy", "2.1")
    install(site, "einops", "0.8rc1")
    required = ("numpy<3", "NumPy>=2", "einops>=0.7", "./ext", "vllm[audio]", "pandas; sys_platform == 'win32'")
    assert find_unmet((str(site),), required, python=PYTHON) == ("vllm",)
    assert find_unmet((str(site),), ("numpy<2", "numpy"), python=PYTHON) == ("numpy",)
