"""Snapshots to plan from: plain data, as `torchgraft snapshot` records it."""

from __future__ import annotations

import dataclasses
from typing import Any

from torchgraft.model.observation import (
    BuildEnvironment,
    Consumer,
    Distribution,
    Exposure,
    FrontEnd,
    FrontEndName,
    Hook,
    Link,
    Python,
    Rule,
    Snapshot,
)
from torchgraft.model.source_tree import Project, SetupScript
from torchgraft.model.torch_values import Origin, Torch

SITE = "/env/lib/python3.11/site-packages"
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"

PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=SUFFIX
)
CPU_TORCH = Torch(
    version="2.13.0+cpu",
    folder=f"{SITE}/torch",
    origin=Origin.WHEEL,
    cxx11_abi=True,
    extension_suffix=SUFFIX,
    git_version="cf30153",
)
CUDA_TORCH = dataclasses.replace(CPU_TORCH, version="2.8.0+cu128", cuda="12.8", git_version="ba56102")
SETUP_PY = SetupScript(imports=("setuptools", "torch"))


def distribution(name: str, version: str = "1.0", *entries: str) -> Distribution:
    names = (*(entries or (name,)), f"{name}-{version}.dist-info")
    return Distribution(
        name=name, version=version, links=tuple(Link(name=entry, target=f"{SITE}/{entry}") for entry in names)
    )


OPEN = Exposure(path=SITE, by=Exposure.EVERYBODY)
SHARED = Exposure(path=SITE, by="group staff")


def consumer(torch: Torch | None = CPU_TORCH, **changes: Any) -> Consumer:
    values: dict[str, Any] = {
        "prefix": "/env",
        "rule": Rule.PIP_ISOLATION,
        "certain": True,
        "why": "pip's isolation hides its site-packages",
        "python_versions": ("3.11",),
        "search_path": (SITE,),
        "torch": torch,
        "distributions": ()
        if torch is None
        else (
            distribution("numpy", "2.4.6", "numpy", "numpy.libs"),
            distribution("torch", torch.version, "torch", "torchgen"),
            distribution("typing-extensions", "4.16.0", "typing_extensions.py"),
        ),
    }
    return Consumer(**{**values, **changes})


def project(**changes: Any) -> Project:
    values: dict[str, Any] = {
        "folder": "/src/ext",
        "name": "ext",
        "requires": ("torchgraft", "setuptools>=77"),
        "dependencies": ("torch",),
        "setup_script": SETUP_PY,
    }
    return Project(**{**values, **changes})


def snapshot(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "hook": Hook.BUILD_WHEEL,
        "python": PYTHON,
        "front_end": FrontEnd(name=FrontEndName.PIP, command="pip install"),
        "consumer": consumer(),
        "build": BuildEnvironment(prefix="/env", distributions=(("setuptools", "84.2.1"), ("torchgraft", "0.1.0"))),
        "project": project(),
        "cache_folder": "/cache/torchgraft",
    }
    return Snapshot(**{**values, **changes})
