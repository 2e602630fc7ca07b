"""What bad input gets, through real front ends: a message of ours, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import uv

from .laboratory import Environment, Laboratory, Outcome, Workplace, hashes, link_tree, read_probe, wait_until

pytestmark = pytest.mark.e2e

NO_TORCH = "no-torch"
PYTHON_MISMATCH = "python-mismatch"
NO_CONSUMER = "no-consumer"
BROKEN_TORCH = "broken-torch"
WRITABLE_BY_OTHERS = "writable-by-others"
UNSUPPORTED_TORCH = "unsupported-torch"
UNKNOWN_KEY = "unknown-key"
WRONG_TYPE = "wrong-type"
BAD_VALUE = "bad-value"
BAD_TOML = "bad-toml"
SOURCE_READ_ONLY = "source-read-only"
CACHE_UNUSABLE = "cache-unusable"
NO_DELEGATE = "no-delegate"
DELEGATE_FAILED = "delegate-failed"

UV = uv.find_uv_bin()


@dataclass
class Scene:
    """One installation that is going to fail. `namespace` is what is done before it in a mount namespace."""

    laboratory: Laboratory
    workplace: Workplace
    consumer: Environment
    source: Path
    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    namespace: list[str] = field(default_factory=list)

    def install(self, front: str) -> Outcome:
        return self.workplace.run(self.command(front), **self.variables)

    def command(self, front: str) -> list[str]:
        python = str(self.consumer.python)
        options = [part for option in self.options for part in ("-C", option)]
        start = [UV, "pip", "install", "--python", python] if front == "uv" else [python, "-m", "pip", "install"]
        command = [*start, "--no-deps", *options, str(self.source)]
        if not self.namespace:
            return command
        script = " && ".join([*self.namespace, 'exec "$@"'])
        return [*mount_namespace(), "sh", "-c", script, "sh", *command]

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.source / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def settings(self, *lines: str) -> None:
        self.edit("pyproject.toml", "[project]\n", "\n".join(["[tool.torchgraft]", *lines, "", "[project]\n"]))

    def told(self, consumer: Path) -> None:
        self.options.append(f"torchgraft.consumer={consumer}")


def mount_namespace() -> list[str]:
    """Return what starts a command that may mount: nobody else sees it, and it is gone with the command."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if shutil.which(command[0]) is None:
            break
        trial = "mount -t tmpfs none /mnt"
        if subprocess.run([*command, "sh", "-c", trial], check=False, capture_output=True, timeout=10).returncode == 0:
            return command
    pytest.skip("this system lets us mount nothing in a namespace of our own: no read-only folder, no full disk")


def no_torch(scene: Scene) -> None:
    scene.consumer = scene.laboratory.environment("pip", torch=False)
    # With a dependency on torch the answer would be to install that one for the build.
    scene.edit("pyproject.toml", '"torch>=2.4"', "")


def other_python(scene: Scene) -> None:
    prefix = scene.workplace.folder / "python3.9"
    link_tree(scene.consumer.site_packages, prefix / "lib" / "python3.9" / "site-packages")
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.18\n", encoding="utf-8")
    scene.told(prefix)


def missing_consumer(scene: Scene) -> None:
    scene.told(scene.workplace.folder / "nowhere")


def torch_without_version(scene: Scene) -> None:
    (scene.consumer.site_packages / "torch" / "version.py").unlink()


def torch_without_version_and_record(scene: Scene) -> None:
    torch_without_version(scene)
    (record,) = scene.consumer.site_packages.glob("torch-*.dist-info/RECORD")
    record.unlink()


def torch_without_package(scene: Scene) -> None:
    folder = scene.consumer.site_packages / "torch"
    folder.rename(scene.workplace.folder / "torch")


def open_consumer(scene: Scene) -> None:
    scene.consumer.site_packages.chmod(0o777)


def old_torch(scene: Scene) -> None:
    scene.settings('torch = ">=99"')


def unknown_key(scene: Scene) -> None:
    scene.settings('provied = "off"')


def unknown_argument(scene: Scene) -> None:
    scene.options.append("torchgraft.consumr=somewhere")


def unknown_variable(scene: Scene) -> None:
    scene.variables["TORCHGRAFT_PROVIED"] = "off"


def wrong_type(scene: Scene) -> None:
    scene.settings("match = 3")


def bad_value(scene: Scene) -> None:
    scene.settings('provide = "perhaps"')


def source_read_only(scene: Scene) -> None:
    scene.namespace += [
        f"mount --bind {scene.source} {scene.source}",
        f"mount -o remount,ro,bind {scene.source}",
    ]


def cache_is_a_file(scene: Scene) -> None:
    file = scene.workplace.folder / "file"
    file.write_text("not a folder", encoding="utf-8")
    scene.variables["XDG_CACHE_HOME"] = str(file)


def cache_is_full(scene: Scene) -> None:
    folder = scene.workplace.folder / "small"
    folder.mkdir()
    scene.variables["TORCHGRAFT_CACHE_DIR"] = str(folder)
    # Links take no space but an inode each.
    scene.namespace.append(f"mount -t tmpfs -o size=64k,nr_inodes=6,mode=700 none {folder}")


def missing_delegate(scene: Scene) -> None:
    scene.settings('backend = "nobody.knows_it"')


def failing_setup(scene: Scene) -> None:
    scene.edit("setup.py", "setup(\n", 'raise SystemExit("setup.py gives up")\nsetup(\n')


def failing_compiler(scene: Scene) -> None:
    scene.edit("tiny/_C.c", "#include <Python.h>", '#include <Python.h>\n#error "the source is wrong"')


@dataclass(frozen=True)
class Case:
    """`leaves` are what the delegate may leave in the source tree, as setuptools does; `says` must be in the output."""

    spoil: Callable[[Scene], None]
    code: str
    says: str = ""
    leaves: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.spoil.__name__


SETUPTOOLS = ("build/", "tiny.egg-info/")

CASES = [
    Case(no_torch, NO_TORCH),
    Case(other_python, PYTHON_MISMATCH, says="3.9"),
    Case(missing_consumer, NO_CONSUMER, says="nowhere"),
    Case(torch_without_version, BROKEN_TORCH, says="version.py"),
    Case(torch_without_version_and_record, BROKEN_TORCH, says="version.py"),
    Case(torch_without_package, BROKEN_TORCH),
    Case(open_consumer, WRITABLE_BY_OTHERS, says="chmod"),
    Case(old_torch, UNSUPPORTED_TORCH, says=">=99"),
    Case(unknown_key, UNKNOWN_KEY, says="'provide'"),
    Case(unknown_argument, UNKNOWN_KEY, says="consumer"),
    Case(unknown_variable, UNKNOWN_KEY, says="TORCHGRAFT_PROVIDE"),
    Case(wrong_type, WRONG_TYPE, says="tool.torchgraft.match"),
    Case(bad_value, BAD_VALUE, says="perhaps"),
    Case(source_read_only, SOURCE_READ_ONLY),
    Case(cache_is_a_file, CACHE_UNUSABLE, says="TORCHGRAFT_CACHE_DIR"),
    Case(cache_is_full, CACHE_UNUSABLE, says="No space left"),
    Case(missing_delegate, NO_DELEGATE, says="nobody.knows_it"),
    Case(failing_setup, DELEGATE_FAILED, says="setup.py gives up", leaves=SETUPTOOLS),
    Case(failing_compiler, DELEGATE_FAILED, says="the source is wrong", leaves=SETUPTOOLS),
]


@pytest.fixture
def scene(laboratory: Laboratory, workplace: Workplace) -> Scene:
    return Scene(laboratory, workplace, laboratory.environment("pip"), laboratory.project("tiny"))


@pytest.mark.parametrize("front", ["pip", "uv"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_gets_a_message_and_leaves_nothing(case: Case, front: str, scene: Scene) -> None:
    case.spoil(scene)
    given, before = hashes(scene.source), scene.consumer.listing()

    outcome = scene.install(front)

    assert outcome.status != 0, outcome.said
    assert f"error[{case.code}]" in outcome.said, outcome.said
    assert case.says in unwrapped(outcome.said), outcome.said
    assert_no_noise(outcome.said)
    after = {name: digest for name, digest in hashes(scene.source).items() if not name.startswith(case.leaves or "\0")}
    assert after == given
    assert scene.consumer.listing() - {".lock"} == before


@pytest.mark.parametrize("front", ["pip", "uv"])
def test_a_torch_without_record_is_one_to_build_against(front: str, scene: Scene) -> None:
    # Nothing is missing but the list: some distributors leave it out.
    (record,) = scene.consumer.site_packages.glob("torch-*.dist-info/RECORD")
    record.unlink()

    scene.install(front).succeeded()

    used = scene.workplace.run([scene.consumer.python, "-B", "-c", "import tiny; print(tiny.BUILT_FOR_TORCH)"])
    assert used.succeeded().said.startswith(scene.laboratory.torch_release)


def test_every_mistake_in_every_source_is_said_at_once(scene: Scene) -> None:
    unknown_key(scene)
    unknown_argument(scene)
    unknown_variable(scene)

    outcome = scene.install("uv")

    assert outcome.said.count("error[unknown-key]") == 3, outcome.said
    assert_no_noise(outcome.said)


@pytest.mark.parametrize(
    ("spoil", "code", "status"),
    [
        (lambda source: (source / "pyproject.toml").write_text("[build-system\n", encoding="utf-8"), BAD_TOML, 2),
        (lambda source: (source / "pyproject.toml").write_bytes(b"\xff\xfe"), BAD_TOML, 2),
        (
            lambda source: (source / "pyproject.toml").write_text("[tool.torchgraft]\nx = 1", encoding="utf-8"),
            UNKNOWN_KEY,
            2,
        ),
    ],
    ids=["half_a_header", "not_utf8", "unknown_key"],
)
def test_plan_refuses_settings_that_cannot_be_read(
    spoil: Callable[[Path], object], code: str, status: int, laboratory: Laboratory, workplace: Workplace
) -> None:
    # A front end reads pyproject.toml before it calls us, so that only our own command ever sees such a file.
    tools = laboratory.environment("torchgraft", torch=False)
    source = laboratory.project("tiny")
    spoil(source)

    outcome = workplace.run([tools.python, "-m", "torchgraft", "plan", source])

    assert f"error[{code}]" in outcome.said, outcome.said
    assert outcome.status == status
    assert_no_noise(outcome.said)


def test_plan_shows_why_there_will_be_no_build(laboratory: Laboratory, workplace: Workplace) -> None:
    tools = laboratory.environment("torchgraft", torch=False)
    source = laboratory.project("tiny")
    nowhere = workplace.folder / "nowhere"

    outcome = workplace.run([tools.python, "-m", "torchgraft", "plan", source, "--consumer", nowhere])

    assert f"error[{NO_CONSUMER}]" in outcome.said, outcome.said
    assert outcome.status == 1
    assert_no_noise(outcome.said)


@pytest.mark.parametrize("front", ["pip", "uv"])
def test_an_interrupted_build_leaves_no_process_and_no_file(front: str, scene: Scene) -> None:
    probe = scene.workplace.folder / "probe.jsonl"
    given, before = hashes(scene.source), scene.consumer.listing()
    variables = {"PROBE_FILE": str(probe), "PROBE_SLEEP_S": "120"}

    with scene.workplace.started(scene.command(front), **variables) as process:
        wait_until(lambda: probe.exists() and probe.read_text(encoding="utf-8").endswith("\n"), timeout_s=60)
        # As a terminal does it: the whole foreground group gets the signal.
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=30)[0].decode("utf-8", "replace")

    (facts,) = read_probe(probe)
    assert process.returncode != 0
    assert "No module named 'torch'" not in said
    wait_until(lambda: not psutil.pid_exists(int(str(facts["pid"]))), timeout_s=10)
    # The front end does not wait for the hook, which ends when its own child has ended.
    wait_until(lambda: not scene.workplace.processes(), timeout_s=10)
    assert hashes(scene.source) == given
    assert scene.consumer.listing() - {".lock"} == before
    assert not list(scene.workplace.cache.glob("torchgraft/**/*.tmp"))


def unwrapped(text: str) -> str:
    """Return `text` with the line breaks and the indents of front ends taken out."""
    return " ".join(line.strip() for line in text.splitlines())


def assert_no_noise(said: str) -> None:
    assert "Traceback" not in said, said
    assert "No module named 'torch'" not in said, said
