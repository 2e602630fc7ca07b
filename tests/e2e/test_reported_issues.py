"""The threads that this project comes from: what was typed there, with torchgraft as the backend of the packages.

With and without the settings that people tried. Theirs had older versions of torch.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from .laboratory import Workplace
from .stub_projects import (
    PLAIN_REQUIRES,
    UV,
    VERSION,
    Package,
    ask,
    assert_built_for,
    assert_clean,
    environment,
    publish,
    read_report,
    write_app,
)
from .stub_torch import DEFAULT, Stubs, make_wheel

pytestmark = pytest.mark.e2e

FLASH = Package(name="flash-attn", dynamic=True)
AXOLOTL = Package(name="axolotl", computed=True, extras=("flash-attn", "deepspeed"))
DEEPSPEED = Package(name="deepspeed", dynamic=True)
WANTED = "axolotl[flash-attn,deepspeed]"
REQUIRED = """requires-dist = ["flash-attn ; extra == 'flash-attn'", "deepspeed ; extra == 'deepspeed'"]"""
MATCHED = '[{ requirement = "torch", match-runtime = true }]'
DEFAULT_TORCH = "2.9.0+cu126"
PINNED_TORCH = "2.8.0+cu126"

WHISPER = """\
def main():
    from flash_attn.__main__ import main

    main()
"""


@pytest.fixture
def place(stubs: Stubs) -> Workplace:
    publish(stubs, FLASH)
    return stubs.workplace()


def extras_in_two_steps(*build: str, then: str, more: Sequence[str] = ()) -> list[str]:
    """Return what the threads advise: first what torch needs, then what needs torch, without isolation."""
    lines = ["[project.optional-dependencies]", f"build = {json.dumps(build)}", f'compile = ["{then}"]']
    return [*lines, "[tool.uv]", f'no-build-isolation-package = ["{then}"]', *more]


def test_uv_6607_two_extras_without_isolation(stubs: Stubs, place: Workplace) -> None:
    # Its metadata are static: uv makes those of others by then, in an environment that has nothing yet.
    package = Package(name="static-attn")
    publish(stubs, package)
    lines = extras_in_two_steps("setuptools", "torchgraft", then="static-attn")
    app = write_app(place.folder / "app", "torch==2.8.0", lines=lines)

    for extra in ("build", "compile"):
        assert_clean(place.run([UV, "sync", "--extra", extra], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)


def test_uv_6607_all_but_the_extension_and_then_all(place: Workplace) -> None:
    app = write_app(place.folder / "app", "torch==2.8.0", "flash-attn")

    assert_clean(place.run([UV, "sync", "--no-install-package", "flash-attn"], cwd=app))
    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_uv_6607_uv_add(place: Workplace) -> None:
    app = write_app(place.folder / "app", "torch==2.8.0")

    assert_clean(place.run([UV, "add", "flash-attn"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_uv_1715_uvx_with_an_application_that_uses_flash_attn(stubs: Stubs, place: Workplace) -> None:
    name = "insanely_fast_whisper"
    scripts = "[console_scripts]\ninsanely-fast-whisper = insanely_fast_whisper:main\n"
    files = {f"{name}.py": WHISPER, f"{name}-0.1.dist-info/entry_points.txt": scripts}
    make_wheel(stubs.indexes.folder / DEFAULT, name, "0.1", files, requires=("torch",))

    command = [UV, "tool", "run", "--with", "torch==2.8.0", "--with", "flash-attn", "insanely-fast-whisper"]
    outcome = assert_clean(place.run(command))

    assert_built_for(read_report(outcome), PINNED_TORCH)


@pytest.mark.parametrize(
    ("words", "version"),
    [
        # The tool has an environment of its own, whatever Python it takes from another.
        (("tool", "install", "flash-attn", "--python", "consumer"), DEFAULT_TORCH),
        (("pip", "install", "flash-attn", "--python", "consumer", "--no-build-isolation"), PINNED_TORCH),
    ],
    ids=["a tool", "without isolation"],
)
def test_uv_1715_an_environment_that_has_torch(
    stubs: Stubs, place: Workplace, words: tuple[str, ...], version: str
) -> None:
    consumer = environment(place, stubs, "torch==2.8.0", *PLAIN_REQUIRES)
    variables = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}

    assert_clean(place.run([UV, *words], **variables))

    python = consumer.python if words[0] == "pip" else place.folder / "tools/flash-attn/bin/python"
    assert_built_for(ask(place, python, FLASH), version)


@pytest.fixture
def axolotl(stubs: Stubs, place: Workplace) -> Workplace:
    # With any newer torch than the project's it would require that one, and there would be no solution.
    publish(stubs, AXOLOTL)
    publish(stubs, DEEPSPEED)
    return place


def in_metadata(requires: str = "") -> list[str]:
    lines = ["[[tool.uv.dependency-metadata]]", 'name = "axolotl"', f'version = "{VERSION}"', requires]
    return [*lines, 'provides-extras = ["flash-attn", "deepspeed"]']


@pytest.mark.parametrize("lines", [[], in_metadata(REQUIRED)], ids=["no settings", "metadata in the project"])
def test_uv_13321_axolotl_in_a_project(axolotl: Workplace, lines: list[str]) -> None:
    app = write_app(axolotl.folder / "app", "torch==2.8.0", WANTED, lines=lines)

    for _ in range(2):
        assert_clean(axolotl.run([UV, "sync"], cwd=app))

    for package in (AXOLOTL, FLASH, DEEPSPEED):
        assert_built_for(ask(axolotl, app / ".venv/bin/python", package), PINNED_TORCH)


def test_uv_13321_two_extras_without_isolation(axolotl: Workplace) -> None:
    # As it was typed, uv ends before anything of ours runs; with torchgraft among what comes first, it builds.
    for first in (("setuptools",), ("setuptools", "torchgraft")):
        lines = extras_in_two_steps(*first, then="axolotl", more=in_metadata())
        app = write_app(axolotl.folder / "-".join(first), "torch==2.8.0", lines=lines)
        assert_clean(axolotl.run([UV, "sync", "--extra", "build"], cwd=app))
        outcome = axolotl.run([UV, "sync", "--extra", "build", "--extra", "compile"], cwd=app)
        if "torchgraft" not in first:
            assert "No module named 'torchgraft'" in outcome.said
            continue
        assert_clean(outcome)
        assert_built_for(ask(axolotl, app / ".venv/bin/python", AXOLOTL), PINNED_TORCH)


def test_uv_13321_no_pin_of_torch(axolotl: Workplace) -> None:
    app = write_app(axolotl.folder / "app", WANTED)

    assert_clean(axolotl.run([UV, "sync"], cwd=app))

    for package in (AXOLOTL, FLASH):
        assert_built_for(ask(axolotl, app / ".venv/bin/python", package), DEFAULT_TORCH)


@pytest.mark.parametrize(
    ("there", "options", "version"),
    [
        ((), (), DEFAULT_TORCH),
        (("torch==2.8.0",), (), PINNED_TORCH),
        (("torch==2.8.0", *PLAIN_REQUIRES), ("--no-build-isolation",), PINNED_TORCH),
    ],
    ids=["into nothing", "after torch", "without isolation"],
)
def test_uv_13321_by_pip(
    stubs: Stubs, axolotl: Workplace, there: tuple[str, ...], options: tuple[str, ...], version: str
) -> None:
    consumer = environment(axolotl, stubs, "pip", *there)

    assert_clean(axolotl.run([consumer.python, "-m", "pip", "install", *options, WANTED]))

    for package in (AXOLOTL, FLASH, DEEPSPEED):
        assert_built_for(ask(axolotl, consumer.python, package), version)


@pytest.mark.parametrize("entry", ["", MATCHED, '["torch"]'], ids=["no settings", "match-runtime", "any torch"])
def test_uv_15248_a_project_that_pins_torch(stubs: Stubs, place: Workplace, entry: str) -> None:
    publish(stubs, DEEPSPEED)
    static = Package()
    static.write(place.folder / "app" / "ext")
    lines = ["[tool.uv.extra-build-dependencies]", f"ext = {entry}"] if entry else []
    pins = {"2.8.0": PINNED_TORCH, **({"2.9.0": DEFAULT_TORCH} if entry == MATCHED else {})}
    for pin, version in pins.items():
        app = write_app(place.folder / "app", f"torch=={pin}", "deepspeed", "ext", lines=lines, path="ext")

        assert_clean(place.run([UV, "sync"], cwd=app))

        # Where the pin is raised, uv hands out its old wheel of what it does not match, and calls no hook.
        for package in (static, DEEPSPEED)[: 2 if pin == "2.8.0" else 1]:
            assert_built_for(ask(place, app / ".venv/bin/python", package), version)


@pytest.mark.parametrize("matched", [False, True])
def test_uv_15984_a_tool_whose_torch_is_from_an_index_of_its_own(
    stubs: Stubs, place: Workplace, *, matched: bool
) -> None:
    # `uv run` heeds what the project says of indexes and variables for builds; of all that, `uv tool install` heeds
    # where torch comes from. No CUDA is compiled: there is no toolkit.
    app, package = place.folder / "app", Package(name="mamba-ssm")
    script = package.write(app / "mamba") / "setup.py"
    cuda = '[] if os.environ.get("MAMBA_SKIP_CUDA_BUILD") == "TRUE" else [CUDAExtension("m", ["m.cu"])]'
    text = script.read_text(encoding="utf-8").replace("setup(cmdclass", f"setup(ext_modules={cuda}, cmdclass")
    head = "import os\nfrom torch.utils.cpp_extension import CUDAExtension\n"
    script.write_text(head + text, encoding="utf-8")
    lines = ["[project.scripts]", 'app = "app:main"', "[build-system]", 'requires = ["setuptools>=77"]']
    lines += ['build-backend = "setuptools.build_meta"', "[tool.setuptools]", 'py-modules = ["app"]']
    lines += ["[[tool.uv.index]]", 'name = "cu"', f'url = "{stubs.indexes.url("cu128")}"', "explicit = true"]
    lines += ["[tool.uv.extra-build-variables]", 'mamba-ssm = { MAMBA_SKIP_CUDA_BUILD = "TRUE" }']
    lines += ["[tool.uv.extra-build-dependencies]", f"mamba-ssm = {MATCHED}"] if matched else []
    lines += ["[tool.uv.sources]", 'torch = { index = "cu" }']
    write_app(app, "torch==2.8.0", "mamba-ssm", lines=lines, path="mamba", name="mamba-ssm")
    (app / "app.py").write_text(WHISPER.replace("flash_attn", "mamba_ssm"), encoding="utf-8")
    variables = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}

    outcome = assert_clean(place.run([UV, "run", "app"], cwd=app))
    assert_built_for(read_report(outcome), "2.8.0+cu128")
    assert_clean(place.run([UV, "cache", "clean", "mamba-ssm"]))
    assert_clean(place.run([UV, "tool", "install", "."], cwd=app, **variables))
    assert_built_for(read_report(place.run([place.folder / "bin" / "app"])), "2.8.0+cu128")


def test_uv_1715_an_editable_package_whose_version_is_made_by_a_build_requirement(
    stubs: Stubs, place: Workplace
) -> None:
    # Without isolation the version became 0.0.0: setuptools-git-versioning, there, was not installed for the build.
    if shutil.which("git", path=place.path) is None:
        pytest.skip("there is no git")
    package = Package(requires=("torchgraft", "setuptools>=77", "setuptools_scm>=8"))
    folder = package.write(place.folder / "ext")
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8").replace('version = "1.0"', 'dynamic = ["version"]')
    pyproject.write_text(f"{text}[tool.setuptools_scm]\n", encoding="utf-8")
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all"), ("tag", "v1.2.3")):
        subprocess.run(["git", "-C", folder, *identity, *words], env=place.variables, check=True, timeout=60)
    consumer = environment(place, stubs, "torch==2.8.0")

    assert_clean(place.run([UV, "pip", "install", "--python", consumer.python, "-e", folder]))

    assert_built_for(ask(place, consumer.python), PINNED_TORCH)
    listed = place.run([UV, "pip", "list", "--python", consumer.python]).succeeded()
    assert "1.2.3" in next(line for line in listed.said.splitlines() if line.startswith("ext "))


def test_uv_18972_adding_a_requirements_file_in_a_new_project(place: Workplace) -> None:
    # "The build fails because uv creates an isolated build environment that does not include torch, even though torch
    # is listed in the same requirements file."
    app = place.folder / "app"
    (place.folder / "requirements.txt").write_text("torch>=2.3.0,<2.9\nflash-attn==1.0\n", encoding="utf-8")

    assert_clean(place.run([UV, "init", "--bare", app]))
    assert_clean(place.run([UV, "add", "-r", "../requirements.txt"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)
