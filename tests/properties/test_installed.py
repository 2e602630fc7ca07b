"""Whatever stands in the files of an installation."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support import sites, snapshots
from torchgraft.installed.distributions import list_distributions, read_distributions
from torchgraft.installed.torch import read_torch

FILES = st.sampled_from(
    [
        "torch/version.py",
        "torch/__init__.py",
        "torch/lib/libc10.so",
        "torch/lib/libtorch_python.so",
        "torch-2.8.0.dist-info/METADATA",
        "torch-2.8.0.dist-info/RECORD",
        "torch-2.8.0.dist-info/INSTALLER",
        "torch-2.8.0.dist-info/direct_url.json",
        "torch-2.8.0.dist-info/top_level.txt",
        "torch.egg-info/PKG-INFO",
        "__editable___torch_finder.py",
    ]
)
CONTENTS = (
    st.binary(max_size=80) | st.text(max_size=80) | st.sampled_from(["torch/../../x,,\n", "MAPPING = {1: 2}", "{"])
)


@given(st.dictionaries(FILES, CONTENTS, max_size=5))
def test_reading_never_fails(files: dict[str, bytes | str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        sites.install_torch(site)
        encoded = {n: c.encode("utf-8", "surrogatepass") if isinstance(c, str) else c for n, c in files.items()}
        sites.write(site, encoded)
        reading = read_torch((folder,))
        assert (reading.torch is None) != (reading.fault is None)
        for distribution in read_distributions((folder,), ("torch",), python=snapshots.PYTHON):
            for link in distribution.links:
                assert Path(link.target).exists()
                assert ".." not in Path(link.name).parts
        assert list_distributions((folder,))
