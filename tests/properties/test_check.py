"""Whatever stands in the files of an installation, or in a wheel: `torchgraft check` says something of it."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support import sites
from torchgraft.errors import PlanError
from torchgraft.tools.check.packages import may_need_torch, read_installed, read_modules, read_package_file

INFO = "ext-1.0.dist-info"
FILES = st.sampled_from(
    [
        f"{INFO}/RECORD",
        f"{INFO}/direct_url.json",
        f"{INFO}/top_level.txt",
        f"{INFO}/torchgraft.json",
        "ext.pth",
        "hook.py",
        "__editable___ext_1_0_finder.py",
        "ext/_C.so",
        "ext.egg-link",
    ]
)
URL = json.dumps({"url": "file:///nowhere/%00", "dir_info": {"editable": True}})
CONTENTS = (
    st.binary(max_size=80)
    | st.text(max_size=80)
    | st.sampled_from(
        [
            "ext/../../x.so,,\next.pth,,\nhook.py,,\n/x.so,,\n",
            "import hook\n/\n/nowhere\n\0\n../..\n",
            "MAPPING = {1: 2, 'ext': '/nowhere', '': '\\0'}",
            "x = ['/', '/usr/lib', '/nowhere/a/b/__init__.py', '/a/b/c/\\ud800', b'/x']",
            '{"built": {"link": {"modules": ["../x", "/x", 1, "a\\u0000", "ext-1.data/data/x", ""]}}}',
            '{"url": 1, "dir_info": {"editable": true}}',
            '{"url": "file:[", "dir_info": {"editable": true}}',
            URL,
            "{",
        ]
    )
)


@given(st.dictionaries(FILES, CONTENTS, max_size=6))
def test_an_installation(files: dict[str, bytes | str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        sites.install(site, "ext", files={"ext/_C.so": b"\x7fELF", "ext.pth": ""})
        sites.write(
            site, {n: c.encode("utf-8", "surrogatepass") if isinstance(c, str) else c for n, c in files.items()}
        )
        for package in read_installed([folder], prefix=site):
            modules = read_modules(package)
            assert isinstance(may_need_torch(package, modules), bool)
            assert package.libraries or package.record or package.unseen


@given(place=st.floats(min_value=0, max_value=0.999), value=st.binary(min_size=1, max_size=4))
def test_a_wheel(place: float, value: bytes) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ext/_C.so", b"\x7fELF" + bytes(60))
        archive.writestr(f"{INFO}/torchgraft.json", json.dumps({"torch": {"version": "2.8.0"}}))
    data = bytearray(stream.getvalue())
    start = int(place * len(data))
    data[start : start + len(value)] = value
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder, "ext-1.0-py3-none-any.whl")
        wheel.write_bytes(data)
        said = ""
        try:
            package = read_package_file(wheel)
            assert isinstance(may_need_torch(package, read_modules(package)), bool)
        except PlanError as error:
            said = str(error)
        assert said == "" or said.startswith("error[bad-wheel]: ext-1.0-py3-none-any.whl is not a wheel")
