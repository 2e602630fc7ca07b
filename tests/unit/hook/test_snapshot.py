"""What a snapshot says of the consumer, seen from a shell."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.hook.snapshot import as_pip_sees, will_be_hidden
from torchgraft.model.observation import Consumer, Rule
from torchgraft.model.torch_values import Locked, Wanted
from torchgraft.settings.sources import take_settings
from torchgraft.tools.show_snapshot import take_shell_snapshot


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    prefix = tmp_path / "env"
    (prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages").mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /base/bin\n")
    return prefix


def write_torch(site: Path, version: str) -> Path:
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "__init__.py").touch()
    (site / "torch" / "version.py").write_text(f"__version__ = '{version}'\n")
    return site / "torch"


def take_consumer(environment: Path) -> Consumer:
    settings = take_settings(environment.parent / "source", {"torchgraft.consumer": str(environment)})
    consumer = take_shell_snapshot(settings).consumer
    assert consumer is not None
    return consumer


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named as on POSIX")
def test_torch_of_pythonpath_is_the_consumers(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "module"))
    folder = write_torch(tmp_path / "module", "2.8.0")
    seen = take_consumer(environment)
    assert seen.torch
    assert (seen.torch.version, seen.torch.folder) == ("2.8.0", str(folder))
    (site,) = (environment / "lib").glob("*/site-packages")
    write_torch(site, "2.9.0")
    (site / "torch-2.9.0.dist-info").mkdir()
    (site / "torch-2.9.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.9.0\n")
    named = take_consumer(environment).torch
    assert named
    assert named.version == "2.9.0"


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named as on POSIX")
def test_a_sitecustomize_counts_where_no_torch_is_seen(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module").mkdir()
    module = tmp_path / "module" / "sitecustomize.py"
    module.touch()
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    assert take_consumer(environment).customized == str(module)
    write_torch(tmp_path / "module", "2.8.0")
    assert take_consumer(environment).customized == ""
    module.write_text("import sys\nsys.path.insert(0, '/opt/torch')\n")
    assert take_consumer(environment).customized == str(module)


@pytest.mark.parametrize(
    ("toml", "told", "expected"),
    [
        ("", {}, "FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE"),
        ('cuda = "required"', {}, "FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE"),
        ('vocabulary = "off"', {}, ""),
        ("", {"torchgraft.cuda": "required"}, ""),
        ("", {"torchgraft.cuda": "off"}, ""),
    ],
)
def test_what_the_user_has_switched_off(
    environment: Path, monkeypatch: pytest.MonkeyPatch, toml: str, told: dict[str, str], expected: str
) -> None:
    monkeypatch.setenv("FLASH_ATTENTION_SKIP_CUDA_BUILD", "TRUE")
    source = environment.parent / "source"
    (source / "pyproject.toml").write_text(
        f'[project]\nname = "flash_attn"\nversion = "1"\n[tool.torchgraft]\n{toml}\n'
    )
    (source / "setup.py").write_text(
        "from setuptools import setup\nfrom torch.utils.cpp_extension import CUDAExtension\n"
        "setup(ext_modules=[CUDAExtension('a', ['a.cu'])])\n"
    )
    settings = take_settings(source, {"torchgraft.consumer": str(environment), **told})
    assert take_shell_snapshot(settings).switched_off == expected


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named as on POSIX")
def test_pip_does_not_look_below_the_prefix_that_it_installs_into(environment: Path, tmp_path: Path) -> None:
    found = Consumer(
        prefix=str(environment), rule=Rule.PIP_ISOLATION, certain=True, why="", targets=(str(tmp_path / "p"),)
    )
    hook = HookProcess(prefix=str(environment), base_prefix="", purelib="", folder=str(tmp_path), sys_path=())

    def targets(command: str) -> tuple[str, ...]:
        caller = find_caller(hook, (Process(executable="", arguments=tuple(command.split()), folder=str(tmp_path)),))
        return as_pip_sees(found, caller).targets

    assert targets("pip install --prefix p ext") == ()
    for command in (
        "pip install --prefix p --no-deps ext",
        "pip install --target p ext",
        "uv pip install --prefix p ext",
    ):
        assert targets(command) == found.targets
    (site,) = (environment / "lib").glob("*/site-packages")
    (site / "torch-2.9.0.dist-info").mkdir()
    assert targets("pip install --prefix p ext") == found.targets


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named as on POSIX")
@pytest.mark.parametrize(
    ("metadata", "place", "hidden_by"),
    [
        (("2.8.0",), "site", ""),
        ((), "site", "pip uv"),
        # uv takes both away.
        (("2.8.0", "2.9.0"), "site", "uv"),
        # uv looks into the environment alone; what stands before it on the path stays.
        (("2.8.0",), "named by a .pth", "uv"),
        ((), "named by a .pth", "pip uv"),
        ((), "PYTHONPATH", ""),
        (("2.8.0",), "PYTHONPATH", ""),
    ],
)
def test_a_torch_that_the_front_end_does_not_know_is_hidden_by_another(
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    metadata: tuple[str, ...],
    place: str,
    hidden_by: str,
) -> None:
    (site,) = (environment / "lib").glob("*/site-packages")
    folder = site if place == "site" else tmp_path / "elsewhere"
    write_torch(folder, "2.8.0")
    for version in metadata:
        (folder / f"torch-{version}.dist-info").mkdir()
        (folder / f"torch-{version}.dist-info" / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    if place == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", str(folder))
    elif place != "site":
        (site / "a.pth").write_text(f"{folder}\n")
    consumer = take_consumer(environment)
    hook = HookProcess(prefix="/cache/builds-v0/.tmpAbc", base_prefix="", purelib="", folder=str(tmp_path), sys_path=())

    def is_hidden(command: str, locked: Locked | None = None) -> bool:
        caller = find_caller(hook, (Process(executable="", arguments=tuple(command.split()), folder=str(tmp_path)),))
        assert caller is not None
        return will_be_hidden(consumer, caller, Wanted(named="torch" in command, locked=locked))

    assert [
        name for name in ("pip", "uv") if is_hidden(f"{name}{' pip' * (name == 'uv')} install ext")
    ] == hidden_by.split()
    assert not is_hidden("pip install --no-deps ext")
    assert is_hidden("uv pip install --no-deps torch ext") is ("uv" in hidden_by)
    left_out = Locked(file="uv.lock", version="2.9.0", said="torch 2.9.0, which --no-install-package leaves out")
    assert not is_hidden("uv sync --no-install-package torch", left_out)
