"""The recorded hook calls of real front ends, and a fake machine on disk to replay each of them on."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from torchgraft.consumer.processes import VARIABLES, HookProcess, Process
from torchgraft.model.observation import Rule

CASES = Path(__file__).parents[1] / "cases" / "frontends" / "evidence.jsonl.gz"
RULES = {
    "R0": Rule.IMPORTABLE,
    "R1": Rule.PIP_ISOLATION,
    "R2": Rule.UV_LOCK,
    "R2t": Rule.UV_TARGET,
    "R2s": Rule.UV_SYSTEM,
    "R2g": Rule.UV_GUESS,
    "R2p": Rule.UV_GUESS,
    "R3": Rule.THROWAWAY,
    "R3b": Rule.THROWAWAY,
    "R4": Rule.POETRY,
    "R5": Rule.TOX,
}
NO_CONSUMER = "R7"

_RECORDED_ROOTS = re.compile(r"(?<![\w./-])/(home/dev|opt|tmp)(?![\w-])")
_TORCH = "torch-2.8.0.dist-info"
_OTHER_TORCH = "torch-2.9.0.dist-info"


def load_recordings() -> list[dict[str, Any]]:
    with gzip.open(CASES, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Machine:
    """One recorded machine, rebuilt below `root`: what a rule may look at exists, and nothing else."""

    def __init__(self, recording: dict[str, Any], root: Path) -> None:
        self.root = root
        self.recording: dict[str, Any] = self._moved(recording)
        hook = self.recording["hook_process"]
        self.rule: str = self.recording["expected"]["rule"].split()[0]
        self.expected = Path(self.recording["expected"]["consumer"])
        self.target = Path(self.recording["consumer"] or self.expected)
        self.minor = ".".join(re.findall(r"python(\d+)\.(\d+)", hook["purelib"])[0])
        self._write()

    def _moved(self, value: Any) -> Any:
        if isinstance(value, str):
            return str(self.root) if value == "/" else _RECORDED_ROOTS.sub(rf"{self.root}/\1", value)
        if isinstance(value, list):
            return [self._moved(item) for item in value]
        if isinstance(value, dict):
            return {key: self._moved(item) for key, item in value.items()}
        return value

    def hook(self) -> HookProcess:
        data = self.recording["hook_process"]
        return HookProcess(
            prefix=data["prefix"],
            base_prefix=data["base_prefix"],
            purelib=data["purelib"],
            folder=data["cwd"],
            sys_path=tuple(data["sys_path"]),
            variables=_ours(data["environ"]),
            pyvenv_cfg=data["pyvenv_cfg"],
        )

    def ancestors(self, *, locks_readable: bool = True) -> tuple[Process, ...]:
        return tuple(
            Process(
                executable=data["exe"],
                arguments=tuple(data["cmdline"]),
                folder=data["cwd"],
                variables=_ours(data["environ"]),
                locks=tuple(data["open_locks"]) if locks_readable and not distance else None,
            )
            for distance, data in enumerate(self.recording["ancestors"])
        )

    @property
    def is_targeted(self) -> bool:
        """Whether the wheel goes into a folder of its own."""
        return bool(re.search(r"--(target|prefix)\b", self.recording["command"]))

    def _write(self) -> None:
        recording = self.recording
        hook = recording["hook_process"]
        for data in (hook, *recording["ancestors"]):
            _folder(Path(data["cwd"]))
        self._write_base(Path(hook["base_prefix"]))
        self._write_environment(Path(hook["prefix"]), cfg=hook["pyvenv_cfg"])
        for entry in hook["environ"].get("PYTHONPATH", "").split(os.pathsep):
            if entry.endswith("/site"):
                (_folder(Path(entry)) / "sitecustomize.py").touch()
        self._write_projects()
        self._write_activated()
        self._write_consumer()
        if ".venv in cwd is a symlink" in recording["label"]:
            Path(recording["ancestors"][0]["cwd"], ".venv").symlink_to(self.expected)
        if "env info" in recording["expected"]["rule"]:
            self._write_poetry()

    def _write_consumer(self) -> None:
        state = self.recording["consumer_at_hook_time"]
        if self.rule == NO_CONSUMER:
            return
        if self.recording["consumer"] is None or self.target != self.expected:
            # The folder that the recording calls the consumer is a --target, a --user base, or what pipx moves
            # the environment to afterwards.
            self._write_environment(self.expected)
            for name in state["torch"] or ():
                _folder(self._site(self.target) / name)
            if state["exists"]:
                _folder(self.target)
            return
        if state["exists"]:
            self._write_environment(self.expected, cfg=None if state["has_pyvenv_cfg"] else "")
            for name in state["torch"]:
                _folder(self._site(self.expected) / name)

    def _write_activated(self) -> None:
        """Decoys, unless the consumer is among them: they have torch too, and of another version."""
        environments = (data["environ"] for data in self.recording["ancestors"])
        for environ in environments:
            for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
                prefix = Path(environ.get(name, self.expected))
                if prefix not in {self.expected, Path(self.recording["hook_process"]["prefix"])}:
                    self._write_environment(prefix)
                    _folder(self._site(prefix) / _OTHER_TORCH)

    def _write_projects(self) -> None:
        texts = [data["cwd"] for data in self.recording["ancestors"]]
        texts += [argument for data in self.recording["ancestors"] for argument in data["cmdline"]]
        for text in texts:
            for found in re.finditer(r"(?:proj|pkg)(?=/|$)", text):
                path = Path(text[: found.end()])
                if path.is_absolute():
                    (_folder(path) / "pyproject.toml").write_text("[project]\nname = 'p'\nversion = '1'\n")

    def _write_environment(self, prefix: Path, cfg: str | None = None) -> None:
        _folder(self._site(prefix))
        binary = _folder(prefix / "bin") / "python"
        if not binary.is_symlink():
            binary.symlink_to(Path(self.recording["hook_process"]["base_prefix"], "bin", f"python{self.minor}"))
        home = Path(self.recording["hook_process"]["base_prefix"], "bin")
        if cfg or (cfg is None and not (prefix / "pyvenv.cfg").exists()):
            (prefix / "pyvenv.cfg").write_text(cfg or f"home = {home}\nversion_info = {self.minor}.7\n")

    def _write_base(self, prefix: Path) -> None:
        (_folder(prefix / "bin") / f"python{self.minor}").touch()
        (prefix / "bin" / "python3").touch()
        (_folder(prefix / "lib" / f"python{self.minor}") / "os.py").touch()
        if "torch only in its base" in self.recording["label"]:
            _folder(self._site(prefix) / _TORCH)

    def _write_poetry(self) -> None:
        """Write a poetry that knows one answer."""
        python, script = self.recording["ancestors"][0]["cmdline"][:2]
        _folder(Path(python).parent)
        Path(python).symlink_to(sys.executable)
        Path(script).write_text(
            "import sys\nassert sys.argv[1:] == ['--no-ansi', 'env', 'info', '--path']\n"
            f"print({str(self.expected)!r})\n"
        )

    def _site(self, prefix: Path) -> Path:
        return prefix / "lib" / f"python{self.minor}" / "site-packages"


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _ours(variables: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in variables.items() if name in VARIABLES))
