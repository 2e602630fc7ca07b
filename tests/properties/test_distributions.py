"""Whatever stands in the metadata of distributions, reading them raises nothing and links nothing outside."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from support.sites import write
from support.snapshots import PYTHON
from torchgraft.codec import json_text
from torchgraft.installed.distributions import list_distributions, read_distributions
from torchgraft.model.observation import Distribution
from torchgraft.tools.from_json import from_json_text

RUBBISH = st.none() | st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))
PART = st.sampled_from(["..", ".", "", "foo", "bar", "ns", "bar-1.dist-info", "__pycache__", "x.pth", '"', ",", "\0"])
RECORD = st.lists(st.lists(PART, min_size=1, max_size=4).map("/".join), max_size=9).map(
    lambda paths: "".join(f"{path},,\n" for path in paths).encode()
)
REQUIREMENT = st.builds(
    "{}{}{}".format,
    st.sampled_from(["foo", "bar", "Bar[x]", "bar[", ""]),
    st.sampled_from(["", ">=1", "=="]),
    st.sampled_from(["", "; extra == 'x'", "; python_version < '3'", "; os_name ~= 'posix'", "; (", "; extra in '1'"]),
)
METADATA = st.lists(REQUIREMENT, max_size=4).map(
    lambda requires: "".join(f"Requires-Dist: {r}\n" for r in ["", *requires]).encode()
)
FINDER = st.dictionaries(st.text(max_size=5) | PART, st.text(max_size=5) | st.just("ns"), max_size=3).map(
    lambda mapping: f"MAPPING = {mapping!r}".encode()
)
FILES = st.fixed_dictionaries(
    {
        "foo/__init__.py": st.sampled_from([None, b""]),
        "foo/sub.py": st.sampled_from([None, b""]),
        "ns/one.py": st.sampled_from([None, b""]),
        "foo-1.dist-info/METADATA": RUBBISH | METADATA,
        "foo-1.dist-info/RECORD": RUBBISH | RECORD,
        "foo-1.dist-info/top_level.txt": RUBBISH,
        "foo-1.dist-info/direct_url.json": RUBBISH,
        "bar-1.dist-info/METADATA": RUBBISH | METADATA,
        "bar-1.dist-info/RECORD": RUBBISH | RECORD,
        "baz.egg-info/PKG-INFO": RUBBISH,
        "baz.egg-info/requires.txt": RUBBISH | st.lists(REQUIREMENT).map(lambda lines: "\n".join(lines).encode()),
        "baz.egg-info/installed-files.txt": RUBBISH | RECORD,
        "quux.egg-link": RUBBISH,
        "__editable___bar_1_finder.py": RUBBISH | FINDER,
        "__editable__.bar-1.pth": RUBBISH,
    }
)


@given(FILES)
def test_any_files(files: dict[str, bytes | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {name: content for name, content in files.items() if content is not None})
        found = read_distributions((folder,), ("foo", "bar", "baz", "quux"), python=PYTHON)
        listed = list_distributions((folder,))
        assert found == read_distributions((folder,), ("quux", "baz", "bar", "foo", "foo"), python=PYTHON)
    assert [d.name for d in found] == sorted({d.name for d in found} & {name for name, _ in listed})
    for distribution in found:
        assert from_json_text(Distribution, json_text(distribution), source="test") == distribution
        names = [link.name for link in distribution.links]
        assert names == sorted(set(names))
        for name in names:
            # A graft is made of these: none may lead out of it.
            assert not PurePosixPath(name).is_absolute()
            assert not {"..", ".", ""} & set(name.split("/"))
            assert name.isprintable()


@given(st.lists(st.text(max_size=20), max_size=3).map(tuple), st.lists(st.text(max_size=9), max_size=3).map(tuple))
def test_any_search_path(search_path: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    strange = tuple(f"/nowhere/{entry}" for entry in search_path)
    assert read_distributions(strange, wanted, python=PYTHON) == ()
    assert list_distributions(strange) == ()
