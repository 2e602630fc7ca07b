"""Whatever stands in the files of a torch, reading it raises nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support import sites
from torchgraft.codec import json_text
from torchgraft.installed.torch import TorchReading, read_architectures, read_torch
from torchgraft.tools.from_json import from_json_text

RUBBISH = st.none() | st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))
LITERAL = st.none() | st.booleans() | st.text(max_size=10) | st.binary(max_size=5) | st.integers() | st.floats()
ASSIGNMENT = st.builds(
    "{} {} {!r}\n".format,
    st.sampled_from(["__version__", "cuda", "hip", "xpu", "debug", "git_version", "a = __version__", "(cuda, hip)"]),
    st.sampled_from(["=", ": str =", "+=", "= f(x) or", "= TorchVersion"]),
    LITERAL,
)
VERSION_PY = st.lists(ASSIGNMENT, max_size=5).map(lambda lines: "".join(lines).encode("utf-8", "surrogatepass"))
LIBRARY = st.none() | st.lists(
    st.sampled_from(
        [sites.NEW_ABI, sites.OLD_ABI, b"sm_90", b" ", b"\0", b"compute_", b"-gencode;arch=compute_9,code="]
    )
    | st.binary(max_size=9),
    max_size=9,
).map(b"".join)
FILES = st.fixed_dictionaries(
    {
        "torch/version.py": RUBBISH | VERSION_PY,
        "torch/__init__.py": st.sampled_from([None, b""]),
        "torch/lib/libc10.so": LIBRARY,
        "torch/lib/libtorch_python.so": LIBRARY,
        "torch/lib/libtorch_cuda.so": LIBRARY,
        "torch-2.8.0.dist-info/METADATA": RUBBISH,
        "torch-2.8.0.dist-info/RECORD": RUBBISH,
        "torch-2.8.0.dist-info/INSTALLER": RUBBISH,
        "torch-2.8.0.dist-info/direct_url.json": RUBBISH
        | st.sampled_from([b'{"dir_info": {"editable": true}}', b"[" * 100_000, b'{"dir_info": 1}', b"1e999"]),
        "__editable___torch_2_8_0_finder.py": RUBBISH | st.just(b"MAPPING = {'torch': '\\0'}"),
        "torch.egg-link": RUBBISH,
    }
)


@given(FILES)
def test_any_files(files: dict[str, bytes | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sites.write(Path(folder), {name: content for name, content in files.items() if content is not None})
        reading = read_torch((folder,))
        assert reading == read_torch((folder, folder))
        assert all(map(str.isprintable, read_architectures(Path(folder, "torch"))))
    assert reading.torch is None or reading.fault is None
    assert reading.fault is None or "\n" not in reading.fault.replace(folder, "")
    assert from_json_text(TorchReading, json_text(reading), source="reading") == reading


@given(st.lists(st.text(max_size=20), max_size=3).map(tuple))
def test_any_search_path(search_path: tuple[str, ...]) -> None:
    strange = tuple(f"/nowhere/{entry}" for entry in search_path)
    assert read_torch(strange) == TorchReading()
