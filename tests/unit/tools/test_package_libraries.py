"""Where the libraries of a package are, however it was installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import sites
from torchgraft.tools.check.packages import InstalledPackage, read_installed

ELF = b"\x7fELF" + b"\0" * 60
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
MODULE = f"cool/_C{SUFFIX}"
OTHER_PYTHONS = (
    "cool/_C.cpython-310-x86_64-linux-gnu.so",
    "cool/_C.cpython-311t-x86_64-linux-gnu.so",
    "cool/_C.pypy311-pp73-x86_64-linux-gnu.so",
    "cool/_C.cp310-win_amd64.pyd",
)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("version = 3.11.4\n")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    sites.write(folder, {"src/cool/__init__.py": "", f"src/{MODULE}": ELF, "build/lib/cool/_C.so": ELF})
    return folder


def site_of(prefix: Path) -> Path:
    return prefix / "lib" / "python3.11" / "site-packages"


def read(prefix: Path, *further: Path) -> InstalledPackage | None:
    found = read_installed([str(site_of(prefix)), *map(str, further)], prefix=prefix)
    assert len(found) < 2
    return found[0] if found else None


def editable(
    prefix: Path, source: Path, files: Mapping[str, str], *, top_level: str = "", record: object = None
) -> InstalledPackage | None:
    """Return what is found of the distribution my-dist, whose package is called otherwise."""
    information = {"direct_url.json": json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})}
    information |= {"top_level.txt": top_level} if top_level else {}
    information |= {"torchgraft.json": json.dumps(record)} if record is not None else {}
    filled = {name: text.replace("SOURCE", str(source)) for name, text in files.items()}
    sites.install(site_of(prefix), "my-dist", files=filled, information=information)
    return read(prefix)


def record_of(*modules: object) -> dict[str, object]:
    return {"torch": {"version": "2.8.0"}, "built": {"link": {"modules": list(modules)}}}


FINDER = "MAPPING: dict[str, str] = {'cool': 'SOURCE/src/cool'}\nNAMESPACES: dict[str, list[str]] = {}\n"
EDITABLES = (
    "from editables.redirector import RedirectingFinder as F\nF.install()\n"
    "F.map_module('cool', 'SOURCE/src/cool/__init__.py')\n"
)
MESON = "SEP = '/'\ndef init():\n    install('cool', {'cool'}, 'SOURCE/build/cp311', ['/usr/bin/ninja'], False)\n"
SCIKIT = (
    "install({'cool': 'SOURCE/src/cool/__init__.py'}, {}, {'cool': ['SOURCE/src/cool']}, ['cool'],"
    " None, False, True, [], [], '')\n"
)


@pytest.mark.parametrize(
    ("files", "top_level"),
    [
        pytest.param(
            {
                "__editable__.my_dist-1.0.pth": "import __editable___my_dist_1_0_finder; 1",
                "__editable___my_dist_1_0_finder.py": FINDER,
            },
            "cool\n",
            id="setuptools",
        ),
        pytest.param({"__editable__.my_dist-1.0.pth": "SOURCE/src\n"}, "cool\n", id="setuptools, compat"),
        pytest.param({"_editable_impl_my_dist.pth": "SOURCE/src\n"}, "", id="hatchling"),
        pytest.param(
            {"_editable_impl_my_dist.pth": "import _editable_impl_my_dist", "_editable_impl_my_dist.py": EDITABLES},
            "",
            id="hatchling, exact; pdm with editables",
        ),
        pytest.param({"cool.pth": "SOURCE/src"}, "", id="flit"),
        pytest.param(
            {
                "_editable_skbc_my_dist.pth": "import _editable_skbc_my_dist\nSOURCE/src\n",
                "_editable_skbc_my_dist.py": SCIKIT,
            },
            "",
            id="scikit-build-core",
        ),
        pytest.param(
            {
                "_editable_skbc_my_dist.pth": "import _editable_skbc_my_dist\n",
                "_editable_skbc_my_dist.py": "install_inplace(['cool'], ['SOURCE/src'], 'SOURCE', False, True, [])\n",
            },
            "",
            id="scikit-build-core, inplace",
        ),
        pytest.param({}, "", id="nothing says where"),
    ],
)
def test_editable_installations(prefix: Path, source: Path, files: Mapping[str, str], top_level: str) -> None:
    found = editable(prefix, source, files, top_level=top_level)
    assert found is not None
    assert list(found.libraries.values()) == [source / "src" / MODULE]
    assert dict(found.unseen) == {}


def test_the_libraries_of_meson_are_in_its_build_folder(prefix: Path, source: Path) -> None:
    sites.write(source, {f"build/cp311/_C{SUFFIX}": ELF})
    files = {
        "my-dist-editable.pth": "import _my_dist_editable_loader; _my_dist_editable_loader.init()",
        "_my_dist_editable_loader.py": MESON,
    }
    found = editable(prefix, source, files)
    assert found is not None
    assert list(found.libraries.values()) == [source / "build" / "cp311" / f"_C{SUFFIX}"]


def test_the_links_that_setuptools_makes_when_strict(prefix: Path, source: Path) -> None:
    links = source / "build" / "__editable__.my_dist-1.0" / "cool"
    links.mkdir(parents=True)
    (links / f"_C{SUFFIX}").symlink_to(source / "src" / MODULE)
    files = {"__editable__.my_dist-1.0.pth": str(links.parent)}
    found = editable(prefix, source, files, top_level="cool\n", record=record_of(f"src/{MODULE}"))
    assert found is not None
    assert (dict(found.libraries), dict(found.unseen)) == ({MODULE: links / f"_C{SUFFIX}"}, {})


def test_a_link_to_a_package_as_flit_makes_it(prefix: Path, source: Path) -> None:
    (site_of(prefix) / "cool").symlink_to(source / "src" / "cool")
    sites.install(site_of(prefix), "my-dist", files={}, record="cool,,\n")
    found = read(prefix)
    assert found is not None
    assert dict(found.libraries) == {MODULE: site_of(prefix) / MODULE}


def test_what_a_record_names_is_looked_for_in_the_source_tree(prefix: Path, source: Path) -> None:
    sites.write(source, {"native/_D.so": ELF})
    found = editable(
        prefix, source, {"cool.pth": "SOURCE/src\n"}, record=record_of("native/_D.so", f"src/{MODULE}", "gone/_E.so", 1)
    )
    assert found is not None
    assert dict(found.libraries) == {MODULE: source / "src" / MODULE, "native/_D.so": source / "native/_D.so"}
    assert dict(found.unseen) == {"gone/_E.so": "the record names it, and it was not found"}


def test_what_a_record_names_in_the_words_of_a_wheel(prefix: Path) -> None:
    files = {"ext/_C.guarded.abi3.so": ELF, "ext/_D.so": ELF}
    sites.write(prefix, {"share/ext/_F.so": ELF})
    modules = (
        "ext/_C.abi3.so", "ext-1.0.data/platlib/ext/_D.so", "ext-1.0.data/data/share/ext/_F.so", "../_G.so",
        "ext/_H.so", "ext/_I.cpython-310-x86_64-linux-gnu.so",
    )  # fmt: skip
    information = {"torchgraft.json": json.dumps(record_of(*modules))}
    sites.install(site_of(prefix), "ext", files=files, information=information)
    found = read(prefix)
    assert found is not None
    assert sorted(found.libraries) == ["ext/_C.guarded.abi3.so", "ext/_D.so", "share/ext/_F.so"]
    assert dict(found.unseen) == {
        "ext/_H.so": "the record names it, and it was not found",
        "ext/_I.cpython-310-x86_64-linux-gnu.so": "it is for another Python",
    }


def test_a_source_tree_that_was_moved(prefix: Path, tmp_path: Path) -> None:
    found = editable(prefix, tmp_path / "gone", {"cool.pth": "SOURCE/src\n"})
    assert found is not None
    assert dict(found.unseen) == {f"{tmp_path}/gone/src": "it is not there"}


@pytest.mark.parametrize("listed", ["cool\n_C_top\n", ""])
def test_a_name_that_setuptools_lists_and_that_is_not_there(prefix: Path, source: Path, listed: str) -> None:
    found = editable(prefix, source, {"cool.pth": "SOURCE/src\n"}, top_level=listed)
    assert found is not None
    assert dict(found.unseen) == ({f"{source}/src/_C_top": "it is not there"} if listed else {})


def test_a_finder_that_names_what_is_gone(prefix: Path, source: Path) -> None:
    files = {"__editable___my_dist_1_0_finder.py": FINDER.replace("src/cool", "src/gone")}
    found = editable(prefix, source, files)
    assert found is not None
    assert dict(found.unseen) == {f"{source}/src/gone": "it is not there"}


def test_nobody_says_what_is_imported(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    found = editable(prefix, tmp_path / "bare", {"hook.pth": "import hook", "hook.py": "x = ('/', '/usr/lib')\n"})
    assert found is not None
    assert dict(found.unseen) == {str(tmp_path / "bare"): "nothing says what is imported of it"}


def test_modules_for_other_pythons_are_passed_over(prefix: Path, source: Path) -> None:
    sites.write(source, {f"src/{name}": ELF for name in (*OTHER_PYTHONS, "cool/_D.abi3.so", "cool/_E.so")})
    found = editable(prefix, source, {"cool.pth": "SOURCE/src\n"})
    assert found is not None
    assert sorted(found.libraries) == [MODULE, "cool/_D.abi3.so", "cool/_E.so"]


def test_an_environment_that_does_not_say_its_python_has_all(tmp_path: Path) -> None:
    sites.install(tmp_path, "cool", files=dict.fromkeys(OTHER_PYTHONS, ELF))
    (found,) = read_installed([str(tmp_path)], prefix=tmp_path)
    assert sorted(found.libraries) == sorted(OTHER_PYTHONS)


def test_the_cure_removes_nothing_that_only_lies_in_the_tree(prefix: Path, source: Path) -> None:
    sites.write(source, {"src/vendor/libfoo.so": ELF})
    found = editable(prefix, source, {"cool.pth": "SOURCE/src\n"})
    assert found is not None
    assert found.cures[0] == f"rm -f {source}/src/{MODULE}"


@pytest.mark.parametrize("top_level", ["cool\n", ""])
def test_no_list_of_files(prefix: Path, top_level: str) -> None:
    """Debian's, and what has lost its RECORD. Without a top_level.txt it has to be called like the distribution."""
    name = "other" if top_level else "cool"
    sites.install(
        site_of(prefix),
        name,
        files={MODULE: ELF, "cool.libs/libz.so.1": ELF},
        record=None,
        information={"top_level.txt": top_level},
    )
    found = read(prefix)
    assert found is not None
    assert sorted(found.libraries) == ["cool.libs/libz.so.1", MODULE]


def test_no_list_and_nothing_of_that_name(prefix: Path) -> None:
    info = sites.install(site_of(prefix), "other", files={MODULE: ELF}, record=None)
    found = read(prefix)
    assert found is not None
    assert (dict(found.libraries), dict(found.unseen)) == (
        {},
        {str(info): "it lists no files, and nothing has its name"},
    )


@pytest.mark.parametrize("top_level", ["cool\n", ""])
def test_setup_py_develop(prefix: Path, source: Path, top_level: str) -> None:
    root = source / "src"
    sites.write(root, {"other.egg-info/PKG-INFO": sites.metadata_text("other", "1.0")})
    sites.write(root, {"other.egg-info/top_level.txt": top_level})
    (site_of(prefix) / "other.egg-link").write_text(f"{root}\n.")
    found = read(prefix)
    assert found is not None
    assert (found.name, dict(found.libraries)) == ("other", {MODULE: root / MODULE})


def test_an_egg(prefix: Path) -> None:
    egg = site_of(prefix) / "other-1.0-py3.11.egg"
    sites.write(egg, {"EGG-INFO/PKG-INFO": sites.metadata_text("other", "1.0"), MODULE: ELF, "_top.so": ELF})
    found = read(prefix, egg)
    assert found is not None
    assert (found.name, sorted(found.libraries)) == ("other", ["_top.so", MODULE])
