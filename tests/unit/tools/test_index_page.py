from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from torchgraft.tools.adopt.package_index import PYPI, IndexFile, choose_sdist, find_indexes, parse_index_page

PAGE = "https://x.example/simple/ext/"
HTML = """<!DOCTYPE html><html><body><h1>Links</h1>
<a href="../../files/ext-1.0.tar.gz#sha256=AB12" data-requires-python="&gt;=3.8">ext-1.0.tar.gz</a><br/>
<a href="https://files.example/ext%2B1-1.1.tar.gz#md5=00" data-yanked="broken">ext</a>
<a>nothing</a></body></html>"""


def test_html() -> None:
    assert parse_index_page(HTML, PAGE) == (
        IndexFile(name="ext-1.0.tar.gz", url="https://x.example/files/ext-1.0.tar.gz", sha256="ab12", yanked=False),
        IndexFile(name="ext+1-1.1.tar.gz", url="https://files.example/ext%2B1-1.1.tar.gz", sha256="", yanked=True),
    )


def test_html_with_a_base() -> None:
    (file,) = parse_index_page('<base href="https://y.example/a/"><a href="ext-1.0.tar.gz">x</a>', PAGE)
    assert file.url == "https://y.example/a/ext-1.0.tar.gz"


def test_json() -> None:
    files = [
        {"filename": "ext-1.0.tar.gz", "url": "/f/ext-1.0.tar.gz", "hashes": {"sha256": "AB"}, "yanked": False},
        {"filename": "ext-1.1.tar.gz", "url": "https://y.example/e", "hashes": {}, "yanked": "broken"},
        {"filename": "ext-1.2.tar.gz"},
        1,
    ]
    assert parse_index_page(json.dumps({"files": files}), PAGE) == (
        IndexFile(name="ext-1.0.tar.gz", url="https://x.example/f/ext-1.0.tar.gz", sha256="ab", yanked=False),
        IndexFile(name="ext-1.1.tar.gz", url="https://y.example/e", sha256="", yanked=True),
    )


@pytest.mark.parametrize("text", ["", "{", "{}", '{"files": 1}', "plain text", "<a href='"])
def test_no_page(text: str) -> None:
    assert parse_index_page(text, PAGE) == ()


NAMES = [
    "ext-1.0.tar.gz", "ext-1.0.zip", "ext-1.1-py3-none-any.whl", "ext-1.2.tar.gz", "ext-1.3rc1.tar.gz", "ext-2.0.zip",
    "ext-3.0.tar.gz", "ext-x.tar.gz", "other", "ext-0.14-4.tar.gz", "ext-more-9.0.tar.gz", "Ext-0.1.tar.gz",
]  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "wanted"),
    [
        ("ext", "ext-2.0.zip"),
        ("ext<2", "ext-1.2.tar.gz"),
        ("ext==1.0", "ext-1.0.tar.gz"),
        ("ext==1.3rc1", "ext-1.3rc1.tar.gz"),
        ("ext==1.1", None),
        ("ext==0.14.post4", "ext-0.14-4.tar.gz"),  # as natten's
        ("ext<0.14", "Ext-0.1.tar.gz"),
        ("ext-more", "ext-more-9.0.tar.gz"),
        ("ext==3.0", "ext-3.0.tar.gz"),
        ("ext>2", None),
    ],
)
def test_the_newest_that_fits(requirement: str, wanted: str | None) -> None:
    files = tuple(IndexFile(name=name, url="", sha256="", yanked="3.0" in name) for name in NAMES)
    chosen = choose_sdist(files, Requirement(requirement))
    assert (chosen.name if chosen else None) == wanted


INDEXES = {
    "nothing": ({}, "", (PYPI,)),
    "pip": (
        {"PIP_INDEX_URL": "https://a/simple/", "PIP_EXTRA_INDEX_URL": "https://b https://c"},
        "",
        ("https://a/simple", "https://b", "https://c"),
    ),
    "uv": (
        {"UV_DEFAULT_INDEX": "mine=https://a", "UV_INDEX": "more=https://b/?x=1 https://a"},
        "",
        ("https://a", "https://b/?x=1"),
    ),
    "uv's logins": (
        {"UV_INDEX_URL": "My.1=https://a/", "UV_INDEX_MY_1_USERNAME": "me", "UV_INDEX_MY_1_PASSWORD": "p@ss"},
        "",
        ("https://me:p%40ss@a",),
    ),
    "uv, as it was": ({"UV_INDEX_URL": "https://a"}, "", ("https://a",)),
    "a file": (
        {},
        "[global]\nindex-url = https://a/\nextra_index_url =\n  https://b\n  https://c\n",
        ("https://a", "https://b", "https://c"),
    ),
    "a variable beats a file": ({"PIP_INDEX_URL": "https://a"}, "[global]\nindex-url = https://b", ("https://a",)),
    "for downloads": ({}, "[global]\nindex-url = https://a\n[download]\nindex-url = https://b", ("https://b",)),
    "none": ({"PIP_NO_INDEX": "1"}, "", ()),
    "none in a file": ({}, "[global]\nno-index = true", ()),
    "a broken file": ({}, "index-url", (PYPI,)),
}  # fmt: skip


@pytest.mark.parametrize(("variables", "text", "wanted"), INDEXES.values(), ids=INDEXES)
def test_the_indexes(tmp_path: Path, variables: dict[str, str], text: str, wanted: tuple[str, ...]) -> None:
    config = tmp_path / "own.conf"
    config.write_text(text)
    nowhere = {
        name: str(tmp_path / "none")
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "VIRTUAL_ENV", "APPDATA", "PROGRAMDATA")
    }
    assert find_indexes({**nowhere, "PIP_CONFIG_FILE": str(config), **variables}, etc=tmp_path) == wanted


def test_no_file_of_pip_counts(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://a\n")
    variables = {"HOME": str(tmp_path), "VIRTUAL_ENV": str(tmp_path)}
    assert find_indexes(variables, etc=tmp_path) == ("https://a",)
    assert find_indexes({**variables, "PIP_CONFIG_FILE": os.devnull}, etc=tmp_path) == (PYPI,)


def test_what_is_no_address_on_a_page_is_left_out() -> None:
    page = '<base href="https://[x/"><a href="https://[::1/ext-0.9.tar.gz">x</a><a href="ext-1.0.tar.gz">x</a>'
    assert [file.name for file in parse_index_page(page, PAGE)] == ["ext-1.0.tar.gz"]
