"""Whatever other processes are called and whatever stands in their files, looking at them raises nothing."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgraft.consumer.environment import parse_pyvenv_cfg, read_environment
from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.ownership import read_exposures
from torchgraft.consumer.processes import VARIABLES, HookProcess, Process, read_ancestors
from torchgraft.consumer.rules import find_consumer
from torchgraft.model.observation import FrontEndName, Python

PYTHON = Python(version="3.11.7", implementation="cpython", abi="cp311", platform="any", extension_suffix=".so")
# poetry is left out where it would be started; any other name is only a text.
PROGRAMS = ["python", "uv", "uvx", "pip", "tox", "build", "pdm", "hatch", "nox", "pipx", "bash"]
WORDS = [
    "-m", "-I", "-X", "-c", "-e", "-ea,b", "-", "--", "pip", "install", "sync", "run", "tool", "build", "lock",
    "--with", "--target", "--target=", "--prefix", "--python", "-p", "--system", "--active", "--project",
    "--directory", "..", "~", "~nobody", "\0", "/", "",
]  # fmt: skip
NAMES = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PYTHON",
    "UV_PROJECT",
    "PIP_TARGET",
    "PYTHONPATH",
    "TOXENV",
    "PYTHONUSERBASE",
]
PREFIXES = ["env", "env/bin", "pip-build-env-x", "build-env-x", "builds-v0/.tmpx", ".tox/.pkg", "\0", "", "~nobody"]
CFG_LINES = ["home = {0}/env/bin", "home = {0}", "command = {0}/env/bin/python -m venv x", "uv = {1}", "version = {1}"]

texts = st.text(max_size=20)
words = st.one_of(st.sampled_from(WORDS), texts)
arguments = st.one_of(
    st.lists(words, max_size=5).map(tuple),
    st.tuples(st.sampled_from(PROGRAMS), st.lists(words, max_size=6)).map(lambda pair: (pair[0], *pair[1])),
).filter(lambda given: not any("poetry" in word for word in given))
variables = st.dictionaries(st.sampled_from(NAMES), st.one_of(texts, st.sampled_from(PREFIXES)), max_size=4).map(
    lambda found: tuple(sorted(found.items()))
)
cfgs = st.one_of(texts, st.lists(st.sampled_from(CFG_LINES), max_size=4).map("\n".join))


@given(
    cfg=cfgs,
    given_arguments=st.lists(arguments, max_size=3),
    given_variables=variables,
    own=st.sampled_from(PREFIXES),
    locks=st.one_of(st.none(), st.lists(st.one_of(texts, st.sampled_from(["env/.lock", "uv-1.lock"])), max_size=2)),
    told=st.one_of(st.none(), texts, st.sampled_from(PREFIXES)),
    noise=texts,
)
def test_no_process_and_no_file_makes_the_rules_raise(
    cfg: str,
    given_arguments: list[tuple[str, ...]],
    given_variables: tuple[tuple[str, str], ...],
    own: str,
    locks: list[str] | None,
    told: str | None,
    noise: str,
) -> None:
    with tempfile.TemporaryDirectory() as root:
        cfg = cfg.replace("{0}", root).replace("{1}", noise)
        site = Path(root, "env", "lib", "python3.11", "site-packages")
        site.mkdir(parents=True)
        Path(root, "env", "pyvenv.cfg").write_text(cfg, encoding="utf-8", errors="replace")
        (site / "x.pth").write_text(noise, encoding="utf-8", errors="replace")
        Path(root, "pyproject.toml").write_text(noise, encoding="utf-8", errors="replace")
        tox = (("TOX_ENV_NAME", ".pkg"), ("TOX_WORK_DIR", root)) if own == ".tox/.pkg" else ()
        hook = HookProcess(
            prefix=f"{root}/{own}",
            base_prefix=root,
            purelib=noise,
            folder=root,
            sys_path=(noise,),
            variables=(*given_variables, *tox),
            pyvenv_cfg=cfg,
        )
        held = None if locks is None else tuple(f"{root}/{lock}" for lock in locks)
        ancestors = tuple(
            Process(executable=noise, arguments=words, folder=root, variables=given_variables, locks=held)
            for words in given_arguments
        )
        caller = find_caller(hook, ancestors)
        assert caller is None or isinstance(caller.name, FrontEndName)
        finding = find_consumer(hook, ancestors, caller=caller, told=told, torch_importable=False)
        again = find_consumer(hook, ancestors, caller=caller, told=told, torch_importable=False)
        assert finding == again
        assert finding.answers
        for found in finding.found:
            process = ancestors[0] if ancestors else None
            read = read_environment(found.prefix, python=PYTHON, targets=found.targets, front_end=process)
            read_exposures(map(Path, read.search_path), most_below=9)
        read_environment(f"{root}/env", python=PYTHON)


@given(cfgs)
def test_any_text_is_a_pyvenv_cfg(text: str) -> None:
    assert all(key == key.lower().strip() for key in parse_pyvenv_cfg(text))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@given(
    status=st.one_of(st.binary(max_size=40), st.sampled_from([b"Uid:\t%d\t0\nPPid:\t%s\n", b"Uid:\t%d\n"])),
    parent=st.one_of(st.binary(max_size=5), st.sampled_from([b"7", b"0", b"-1", b"../7", b"9" * 400])),
    content=st.binary(max_size=60),
    link=st.one_of(st.sampled_from(["/x/.lock", "pipe:[1]", "/\udcff (deleted)"]), texts),
)
def test_nothing_in_proc_makes_looking_raise(status: bytes, parent: bytes, content: bytes, link: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        Path(root, "self").symlink_to(str(os.getpid()))
        for process in (str(os.getppid()), "7"):
            folder = Path(root, process)
            (folder / "fd").mkdir(parents=True)
            whole = status.replace(b"%d", str(os.getuid()).encode()).replace(b"%s", parent)
            for name, data in {"status": whole, "cmdline": content, "environ": b"TOXENV=" + content}.items():
                (folder / name).write_bytes(data)
            for name in ("cwd", "exe", "fd/3"):
                (folder / name).symlink_to(link.replace("\0", "0") or "x")
        for found in read_ancestors(Path(root)):
            assert {name for name, _ in found.variables} <= VARIABLES
            assert found.command_line is None or isinstance(found.command_line.program, FrontEndName)
