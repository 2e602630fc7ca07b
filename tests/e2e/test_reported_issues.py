"""The threads that this project comes from: what was reported, in small, with torchgraft as the backend.

Nothing of the workarounds that are discussed there is set: no --no-build-isolation, no [tool.uv] but where torch is.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest

from .laboratory import Workplace
from .stub_projects import (
    PLAIN_REQUIRES,
    UV,
    Package,
    ask,
    assert_built_for,
    assert_clean,
    environment,
    publish,
    read_report,
    write_app,
)
from .stub_torch import Stubs, make_wheel

pytestmark = pytest.mark.e2e

FLASH = Package(name="flash-attn", dynamic=True)
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


def test_uv_1715_uvx_with_an_application_that_uses_flash_attn(place: Workplace) -> None:
    # "uvx --with torch --with flash-attn --no-build-isolation insanely-fast-whisper"
    wheel = make_wheel(
        place.folder / "wheels",
        "insanely_fast_whisper",
        "0.1",
        {
            "insanely_fast_whisper.py": WHISPER,
            "insanely_fast_whisper-0.1.dist-info/entry_points.txt": (
                "[console_scripts]\ninsanely-fast-whisper = insanely_fast_whisper:main\n"
            ),
        },
        requires=("torch",),
    )

    command = [UV, "tool", "run", "--with", "torch", "--with", "flash-attn", "--from", wheel, "insanely-fast-whisper"]
    outcome = assert_clean(place.run(command))

    assert_built_for(read_report(outcome), DEFAULT_TORCH)


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


def test_uv_6607_an_extra_to_build_and_an_extra_to_compile_without_a_lock(place: Workplace) -> None:
    # The documented two steps worked only where uv.lock was there already: the first one built flash-attn.
    extras = ["[project.optional-dependencies]", 'build = ["torch", "setuptools"]', 'compile = ["flash-attn"]']
    app = write_app(place.folder / "app", lines=extras)

    assert_clean(place.run([UV, "sync", "--extra", "build"], cwd=app))
    assert not (app / ".venv/bin/flash-attn").exists()
    assert_clean(place.run([UV, "sync", "--extra", "build", "--extra", "compile"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), DEFAULT_TORCH)


def test_uv_6607_both_extras_in_one_step(place: Workplace) -> None:
    extras = ["[project.optional-dependencies]", 'build = ["torch==2.8.0", "setuptools"]', 'compile = ["flash-attn"]']
    app = write_app(place.folder / "app", lines=extras)

    assert_clean(place.run([UV, "sync", "--all-extras"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_uv_6607_all_but_the_extension_and_then_all(place: Workplace) -> None:
    app = write_app(place.folder / "app", "torch==2.8.0", "flash-attn")

    assert_clean(place.run([UV, "sync", "--no-install-package", "flash-attn"], cwd=app))
    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_uv_6607_the_old_way_without_isolation(stubs: Stubs, place: Workplace) -> None:
    consumer = environment(place, stubs, "torch==2.8.0", *PLAIN_REQUIRES)

    command = [UV, "pip", "install", "--python", consumer.python, "--no-build-isolation", "flash-attn"]
    assert_clean(place.run(command))

    assert_built_for(ask(place, consumer.python, FLASH), PINNED_TORCH)


def test_uv_13321_requirements_that_follow_the_torch_that_setup_py_sees(stubs: Stubs, place: Workplace) -> None:
    # axolotl: with any newer torch than the project's it would require that one, and there would be no solution.
    axolotl = Package(name="axolotl", computed=True)
    publish(stubs, axolotl)
    app = write_app(place.folder / "app", "torch==2.8.0", "axolotl")

    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", axolotl), PINNED_TORCH)


def test_uv_13321_a_tool_that_depends_on_an_extension(stubs: Stubs, place: Workplace) -> None:
    # `uv tool install` has neither --no-build-isolation-package nor the settings of a project.
    tool = Package(name="tool", depends="flash-attn")
    tool.write(place.folder / "tool")
    variables = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}

    command = [UV, "tool", "install", "./tool", "--with", "torch==2.8.0", "--with-executables-from", "flash-attn"]
    assert_clean(place.run(command, **variables))

    for name in ("tool", "flash-attn"):
        assert_built_for(read_report(place.run([place.folder / "bin" / name])), PINNED_TORCH)
    assert stubs.indexes.torch_downloads() == ["default/torch-2.8.0-py3-none-any.whl"]


def test_uv_15248_one_step_for_isolated_packages_and_those_that_need_torch(place: Workplace) -> None:
    # Two phases were asked for: what builds in isolation first, then the rest, one by one. One of them needs another.
    first = Package(name="first")
    second = Package(name="second", depends="first")
    for package in (first, second):
        package.write(place.folder / "app" / package.name)
    sources = ["[tool.uv.sources]", *(f'{name} = {{ path = "{name}" }}' for name in ("first", "second"))]
    app = write_app(place.folder / "app", "torch==2.8.0", "first", "second", "flash-attn", lines=sources)

    assert_clean(place.run([UV, "sync"], cwd=app))

    for package in (first, second, FLASH):
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)


def test_uv_15248_the_pin_of_torch_is_raised(place: Workplace) -> None:
    Package().write(place.folder / "app" / "ext")
    lines = ["[tool.uv.extra-build-dependencies]", 'ext = [{ requirement = "torch", match-runtime = true }]']
    for pin, version in (("2.8.0", PINNED_TORCH), ("2.9.0", DEFAULT_TORCH)):
        app = write_app(place.folder / "app", f"torch=={pin}", "ext", lines=lines, path="ext")

        assert_clean(place.run([UV, "sync"], cwd=app))

        assert_built_for(ask(place, app / ".venv/bin/python"), version)


def test_uv_15984_a_tool_whose_torch_is_from_an_index_of_its_own(stubs: Stubs, place: Workplace) -> None:
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
    lines += ["[tool.uv.sources]", 'torch = { index = "cu" }']
    write_app(app, "torch==2.8.0", "mamba-ssm", lines=lines, path="mamba", name="mamba-ssm")
    (app / "app.py").write_text(WHISPER.replace("flash_attn", "mamba_ssm"), encoding="utf-8")
    variables = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}

    outcome = assert_clean(place.run([UV, "run", "app"], cwd=app))
    assert_built_for(read_report(outcome), "2.8.0+cu128")
    assert_clean(place.run([UV, "cache", "clean", "mamba-ssm"]))
    assert_clean(place.run([UV, "tool", "install", "."], cwd=app, **variables))
    assert_built_for(read_report(place.run([place.folder / "bin" / "app"])), "2.8.0+cu128")


def test_uv_15984_what_match_runtime_refuses(stubs: Stubs, place: Workplace) -> None:
    # "flash-attn does not declare static metadata, making runtime-matching impossible": here it need not be matched.
    lines = ["[[tool.uv.index]]", 'name = "cu128"', f'url = "{stubs.indexes.url("cu128")}"', "explicit = true"]
    lines += ["[tool.uv.sources]", 'torch = { index = "cu128" }']
    app = write_app(place.folder / "app", "torch==2.8.0", "flash-attn", lines=lines)

    refused = write_app(
        place.folder / "refused",
        "torch==2.8.0",
        "flash-attn",
        lines=[*lines, "[tool.uv.extra-build-dependencies]", 'flash-attn = [{requirement="torch",match-runtime=true}]'],
    )
    assert "match-runtime" in place.run([UV, "sync"], cwd=refused).said
    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), "2.8.0+cu128")


def test_uv_18972_adding_a_requirements_file_in_a_new_project(place: Workplace) -> None:
    # "The build fails because uv creates an isolated build environment that does not include torch, even though torch
    # is listed in the same requirements file."
    app = place.folder / "app"
    (place.folder / "requirements.txt").write_text("torch>=2.3.0,<2.9\nflash-attn==1.0\n", encoding="utf-8")

    assert_clean(place.run([UV, "init", "--bare", app]))
    assert_clean(place.run([UV, "add", "-r", "../requirements.txt"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)
