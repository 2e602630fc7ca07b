"""`torchgraft adopt` for what a project depends on: from what fails as it is published, to what its users type.

The packages are as their makers published them (`stock`): without torchgraft, and with a setup.py that imports torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from torchgraft.tools.adopt.pull_request import workflow_text

from .front_ends.model import Tool
from .front_ends.tools import PDM, POETRY
from .front_ends.tools import program as find_program
from .how_to_images import run_workflow
from .how_to_worlds import World, Worlds
from .laboratory import CHECKOUT, Laboratory, Outcome, Workplace
from .stub_projects import (
    UV,
    VERSION,
    Package,
    ask,
    assert_built_for,
    assert_clean,
    environment,
    read_report,
    write_app,
)
from .stub_torch import Stubs, make_sdist, make_wheel

pytestmark = pytest.mark.e2e

TORCHGRAFT = (sys.executable, "-m", "torchgraft")
DEFAULT_TORCH = "2.9.0+cu126"
PINNED_TORCH = "2.8.0+cu126"
# As the reporters' projects depend on them: statically, by setup.py, and following the torch that setup.py sees.
FLASH = Package(name="flash-attn", dynamic=True, stock=True)
DEEPSPEED = Package(name="deepspeed", depends="flash-attn", stock=True)
AXOLOTL = Package(name="axolotl", computed=True, stock=True)
STATIC = """\
[[tool.uv.dependency-metadata]]
name = "flash-attn"
version = "1.0"
requires-dist = ["torch"]
[[tool.uv.dependency-metadata]]
name = "deepspeed"
version = "1.0"
requires-dist = ["flash-attn"]
"""


@pytest.fixture(scope="module")
def index(stubs: Stubs) -> str:
    """Serve an index with what the default one has of wheels, and with sdists as they are published."""
    folder = stubs.indexes.folder / "stock"
    folder.mkdir()
    for wheel in (stubs.indexes.folder / "default").glob("*.whl"):
        os.link(wheel, folder / wheel.name)
    for package in (FLASH, DEEPSPEED, AXOLOTL):
        release(stubs, package)
    return stubs.indexes.url("stock")


def release(stubs: Stubs, package: Package, version: str = VERSION) -> Path:
    """Put an sdist on the index."""
    folder = stubs.indexes.folder / "sources" / f"{package.name}-{version}"
    source = package.write(folder)
    script = source / "setup.py"
    script.write_text(script.read_text().replace(f'version="{VERSION}"', f'version="{version}"'))
    return make_sdist(source, stubs.indexes.folder / "stock", package.module, version)


@pytest.fixture
def place(stubs: Stubs, index: str) -> Workplace:
    workplace = stubs.workplace()
    workplace.variables |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    workplace.variables["PATH"] = f"{Path(UV).parent}:{workplace.path}"
    return workplace


def adopt(place: Workplace, *words: str | Path, cwd: Path) -> Outcome:
    return place.run([*TORCHGRAFT, "adopt", *words], cwd=cwd)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_project_with_a_lock(stubs: Stubs, place: Workplace) -> None:
    lines = ["[tool.uv]", 'no-build-isolation-package = ["other"]', *STATIC.splitlines()]
    app = write_app(place.folder / "app", "torch==2.8.0", "deepspeed", lines=lines)
    place.run([UV, "lock"], cwd=app).succeeded()
    assert "No module named 'torch'" in place.run([UV, "sync"], cwd=app).said
    before = (app / "pyproject.toml").read_text(), (app / "uv.lock").read_text()

    shown = adopt(place, "--project", ".", cwd=app).succeeded()
    assert "nothing is written yet: the same command with --write does it" in shown.said
    assert (before, names_in(app)) == (
        ((app / "pyproject.toml").read_text(), (app / "uv.lock").read_text()),
        [".venv", "pyproject.toml", "uv.lock"],
    )
    assert adopt(place, "--project", ".", "--check", cwd=app).status == 1
    assert "now:\n  uv sync\n" in adopt(place, "--project", ".", "--write", cwd=app).succeeded().said
    assert_clean(place.run([UV, "sync", "--locked"], cwd=app))

    assert names_in(app / "adopted") == [
        "constraints.txt",
        "deepspeed-1.0.tar.gz",
        "flash_attn-1.0.tar.gz",
        "undo.json",
    ]
    for package in (FLASH, DEEPSPEED):
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)
    place.run([UV, "lock", "--check"], cwd=app).succeeded()
    # Twice changes nothing, and asks no index.
    stubs.indexes.forget()
    texts = {path: path.read_bytes() for path in app.rglob("*") if path.is_file() and ".venv" not in path.parts}
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    adopt(place, "--project", ".", "--write", cwd=app).succeeded()
    assert {path: path.read_bytes() for path in texts} == texts
    assert stubs.indexes.requests == []
    # uv locks a folder without digests of its files.
    place.run([UV, "add", "packaging"], cwd=app).succeeded()
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    # And writes pyproject.toml in its own way.
    adopt(place, "--project", ".", "--undo", "--write", cwd=app).succeeded()
    place.run([UV, "lock", "--check"], cwd=app).succeeded()
    place.run([UV, "remove", "--no-sync", "packaging"], cwd=app).succeeded()
    assert (app / "uv.lock").read_text() == before[1]
    assert "adopted" not in (app / "pyproject.toml").read_text()


def test_a_project_without_a_lock_by_what_uv_would_install(stubs: Stubs, place: Workplace) -> None:
    app = write_app(place.folder / "app", "torch==2.8.0", "axolotl", "deepspeed")
    failed = place.run([UV, "sync"], cwd=app)
    assert failed.status
    assert not (app / "uv.lock").exists()

    outcome = adopt(place, "--project", ".", "--write", cwd=app).succeeded()

    for package in (AXOLOTL, DEEPSPEED, FLASH):
        assert f"{package.name} 1.0 adopts torchgraft: setup.py:3 imports torch\n" in outcome.said
    assert_clean(place.run([UV, "sync"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", AXOLOTL), PINNED_TORCH)
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said

    # Another one is published, and the project wants it.
    newer = release(stubs, FLASH, "1.1")
    try:
        place.run([UV, "cache", "clean", "flash-attn"]).succeeded()
        assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
        said = adopt(place, "--project", ".", "--update", "--write", cwd=app).succeeded().said
    finally:
        newer.unlink()
    assert "flash_attn-1.0.tar.gz is removed" in said
    assert "now:\n  uv sync -P flash-attn" in said
    assert "flash_attn-1.1.tar.gz" in names_in(app / "adopted")
    assert "flash_attn-1.0.tar.gz" not in names_in(app / "adopted")
    assert_clean(place.run([UV, "sync", "-P", "flash-attn"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)

    said = adopt(place, "--project", ".", "--undo", "--write", cwd=app).succeeded().said
    assert not (app / "adopted").exists()
    assert "tool.uv" not in (app / "pyproject.toml").read_text()
    assert "now:\n  uv lock -P axolotl -P deepspeed -P flash-attn" in said


def test_a_workspace_without_a_lock(place: Workplace) -> None:
    root = place.folder / "work"
    (root / "parts").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["parts/*"]\n', encoding="utf-8")
    write_app(root / "parts" / "one", "torch==2.8.0", lines=["[dependency-groups]", 'dev = ["flash-attn"]'])
    assert place.run([UV, "sync", "--all-packages"], cwd=root).status

    said = adopt(place, "--project", ".", "--write", cwd=root / "parts" / "one").succeeded().said

    assert "flash-attn 1.0 adopts torchgraft" in said
    assert_clean(place.run([UV, "sync", "--all-packages", "--all-groups"], cwd=root))
    assert_built_for(ask(place, root / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_a_project_whose_requirements_conflict_and_stand_in_another_file(place: Workplace) -> None:
    app = place.folder / "app"
    app.mkdir()
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndynamic = ["dependencies"]\n'
    text += '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
    text += '[tool.setuptools]\npy-modules = []\n[tool.setuptools.dynamic]\ndependencies = { file = "requires.txt" }\n'
    text += '[dependency-groups]\nold = ["torch==2.8.0"]\nnew = ["torch==2.9.0"]\n'
    text += '[tool.uv]\nconflicts = [[{ group = "old" }, { group = "new" }]]\n'
    (app / "pyproject.toml").write_text(text, encoding="utf-8")
    (app / "requires.txt").write_text("axolotl\n", encoding="utf-8")
    assert place.run([UV, "sync", "--group", "old"], cwd=app).status

    assert "now:\n  uv sync\n" in adopt(place, "--project", ".", "--write", cwd=app).succeeded().said

    # uv has built none of it yet, and is not to build any for this.
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    assert_clean(place.run([UV, "sync", "--group", "old"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", AXOLOTL), PINNED_TORCH)
    adopt(place, "--project", ".", "--undo", "--write", cwd=app).succeeded()
    assert (app / "pyproject.toml").read_text() == text


def test_a_setup_script_alone(stubs: Stubs, place: Workplace) -> None:
    app = place.folder / "app"
    app.mkdir()
    script = 'from setuptools import setup\nsetup(name="app", install_requires=["torch==2.8.0", "deepspeed"])\n'
    (app / "setup.py").write_text(script, encoding="utf-8")
    consumer = environment(place, stubs)

    said = adopt(place, "--project", ".", "--write", cwd=app).succeeded().said

    assert "now:\n  pip install -c adopted/constraints.txt .   (or uv pip install)" in said
    typed = [UV, "pip", "install", "--python", consumer.python, "-c", "adopted/constraints.txt", "."]
    assert_clean(place.run(typed, cwd=app, PWD=str(app)))
    assert_built_for(ask(place, consumer.python, DEEPSPEED), PINNED_TORCH)


def test_requirements_for_pip_and_for_uv(stubs: Stubs, place: Workplace) -> None:
    home = place.folder / "here"
    home.mkdir()
    (home / "requirements.txt").write_text("torch==2.8.0\n\ndeepspeed\n", encoding="utf-8")
    consumer = environment(place, stubs, "pip")
    pip: Sequence[str | Path] = (consumer.python, "-m", "pip", "install", "-r", "requirements.txt")
    assert "No module named 'torch'" in place.run(pip, cwd=home).said

    outcome = adopt(place, "-r", "requirements.txt", "--write", cwd=home).succeeded()

    assert "+-c adopted/constraints.txt\n" in outcome.said
    assert "now:\n  pip install -r requirements.txt" in outcome.said
    # Twice, before anything of it was built.
    assert "all of it is there" in adopt(place, "-r", "requirements.txt", "--check", cwd=home).succeeded().said
    assert "is removed" not in adopt(place, "-r", "requirements.txt", "--update", cwd=home).succeeded().said
    assert_clean(place.run(pip, cwd=home, PWD=str(home)))
    assert_built_for(ask(place, consumer.python, DEEPSPEED), PINNED_TORCH)
    other = environment(place, stubs, name="other")
    command = [UV, "pip", "install", "--python", other.python, "-r", "requirements.txt"]
    assert_clean(place.run(command, cwd=home, PWD=str(home)))
    assert_built_for(ask(place, other.python, DEEPSPEED), PINNED_TORCH)
    adopt(place, "-r", "requirements.txt", "--undo", "--write", cwd=home).succeeded()
    assert names_in(home) == ["requirements.txt"]
    assert (home / "requirements.txt").read_text() == "torch==2.8.0\n\ndeepspeed\n"


def test_what_is_named_with_what_it_depends_on(stubs: Stubs, place: Workplace) -> None:
    outcome = adopt(place, "deepspeed", "--write", cwd=place.folder).succeeded()

    assert '+build-backend = "torchgraft.build_meta"' in outcome.said
    assert "flash-attn 1.0 adopts torchgraft" in outcome.said
    assert "pip install -c adopted/constraints.txt deepspeed" in outcome.said
    consumer = environment(place, stubs, "torch==2.8.0", "pip")
    command = [consumer.python, "-m", "pip", "install", "-c", "adopted/constraints.txt", "deepspeed"]
    assert_clean(place.run(command, PWD=str(place.folder)))
    assert_built_for(ask(place, consumer.python, DEEPSPEED), PINNED_TORCH)


def test_twelve_locked_dependencies_of_which_five_need_torch(stubs: Stubs, place: Workplace) -> None:
    needing = [Package(name=f"needs-{number}", stock=True) for number in range(1, 6)]
    others = ("pathspec", "ninja", "packaging", "psutil", "wheel", "tomli", "urllib3")
    for package in needing:
        if not (stubs.indexes.folder / "stock" / f"{package.module}-{VERSION}.tar.gz").exists():
            release(stubs, package)
    app = write_app(place.folder / "app", "torch==2.8.0", *(one.name for one in needing), *others)
    place.run([UV, "lock"], cwd=app).succeeded()
    assert place.run([UV, "sync"], cwd=app).status

    adopt(place, "--project", ".", "--write", cwd=app).succeeded()
    assert_clean(place.run([UV, "sync"], cwd=app))

    for package in needing:
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)


OTHERS = {
    "poetry's own tables": (
        "pyproject.toml",
        '[tool.poetry]\nname = "app"\nversion = "1"\n[tool.poetry.dependencies]\npython = "^3.10"\ndeepspeed = "^1.0"\n'
        '[tool.poetry.group.gpu.dependencies]\ntorch = "2.8.0"\n',
        "poetry lock",
    ),
    "pixi": (
        "pixi.toml",
        '[workspace]\nname = "app"\n[pypi-dependencies]\ntorch = "==2.8.0"\ndeepspeed = "*"\n',
        "pixi",
    ),
}


@pytest.mark.parametrize(("name", "text", "typed"), OTHERS.values(), ids=OTHERS)
def test_tables_that_uv_does_not_read(place: Workplace, name: str, text: str, typed: str) -> None:
    (place.folder / "app").mkdir()
    (place.folder / "app" / name).write_text(text, encoding="utf-8")
    said = adopt(place, "--project", "app", "--write", cwd=place.folder).succeeded().said
    assert "flash-attn 1.0 adopts torchgraft" in said
    assert f"now:\n  {typed}" in said
    changed = (place.folder / "app" / name).read_text()
    for file in ("deepspeed-1.0.tar.gz", "flash_attn-1.0.tar.gz"):
        assert f'{{path = "adopted/{file}"}}' in changed
    adopt(place, "--project", "app", "--undo", "--write", cwd=place.folder).succeeded()
    assert (place.folder / "app" / name).read_text() == text


def test_what_a_lock_has_from_git(place: Workplace) -> None:
    source = FLASH.write(place.folder / "repository")
    git = ("git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        place.run([*git, *words]).succeeded()
    commit = place.run([*git, "rev-parse", "HEAD"]).succeeded().said.strip()
    app = write_app(place.folder / "app", "flash-attn")
    package = f'name = "flash-attn"\nversion = "1.0"\nsource = {{ git = "{source.as_uri()}#{commit}" }}\n'
    (app / "uv.lock").write_text(f"version = 1\n[[package]]\n{package}", encoding="utf-8")
    said = adopt(place, "--project", ".", cwd=app).succeeded().said
    assert "note: flash-attn comes from git, not from an sdist that could be changed (setup.py:3 imports torch)" in said
    clone = f"git clone {source.as_uri()} flash-attn"
    assert f": {clone} && git -C flash-attn checkout {commit[:12]} && torchgraft adopt flash-attn --write" in said
    # Without a lock, too.
    (app / "requirements.txt").write_text(f"flash-attn @ git+{source.as_uri()}@{commit}\n", encoding="utf-8")
    said = adopt(place, "-r", "requirements.txt", cwd=app).succeeded().said
    assert (
        f"imports torch): {clone} && git -C flash-attn checkout {commit[:12]} && torchgraft adopt flash-attn --write"
        in said
    )
    # What is typed works, and what needs torch beside it is found.
    place.run([*clone.split(), "-q"], cwd=app).succeeded()
    assert "adopts torchgraft" in adopt(place, "flash-attn", "--write", cwd=app).succeeded().said
    write_app(app, "torch==2.8.0", "flash-attn", "axolotl", name="flash-attn", path="flash-attn")
    (app / "uv.lock").unlink()
    said = adopt(place, "--project", ".", "--write", cwd=app).succeeded().said
    assert "axolotl 1.0 adopts torchgraft" in said
    assert "note: " not in said
    assert_clean(place.run([UV, "sync"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)


def test_what_comes_from_an_archive(stubs: Stubs, place: Workplace) -> None:
    app = place.folder / "app"
    app.mkdir()
    url = stubs.indexes.file_url("stock", "v1.0.tar.gz")  # of a tag: it is no sdist
    (stubs.indexes.folder / "stock" / "v1.0.tar.gz").write_bytes(
        (stubs.indexes.folder / "stock" / "flash_attn-1.0.tar.gz").read_bytes()
    )
    (app / "own").mkdir()  # uv would build it to know its name
    (app / "own" / "setup.py").write_text("import torch\nfrom setuptools import setup\nsetup(name='own')\n")
    text = f"flash-attn @ {url}\n-e ./own  # ours\n-r more.txt\n"
    (app / "requirements.txt").write_text(text, encoding="utf-8")
    (app / "more.txt").write_text("axolotl\n", encoding="utf-8")
    said = adopt(place, "-r", "requirements.txt", cwd=app).succeeded().said
    assert "axolotl 1.0 adopts torchgraft" in said
    assert "note: own needs torch for its build, too: torchgraft adopt own --write" in said
    typed = f"mkdir flash-attn && curl -L {url} | tar -xz -C flash-attn --strip-components 1"
    assert f"(setup.py:3 imports torch): {typed} && torchgraft adopt flash-attn --write" in said
    place.run(["sh", "-c", typed], cwd=app).succeeded()
    assert "adopts torchgraft" in adopt(place, "flash-attn", "--write", cwd=app).succeeded().said


def test_an_sdist_that_a_project_names_by_its_address(stubs: Stubs, place: Workplace) -> None:
    url = stubs.indexes.file_url("stock", "flash_attn-1.0.tar.gz")
    app = write_app(place.folder / "app", "torch==2.8.0", f"flash-attn[x] @ {url} ; python_version > '3'")
    assert place.run([UV, "sync"], cwd=app).status
    text = (app / "pyproject.toml").read_text()

    said = adopt(place, "--project", ".", "--write", cwd=app).succeeded().said

    assert "flash-attn 1.0 adopts torchgraft" in said
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    assert_clean(place.run([UV, "sync"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), PINNED_TORCH)
    # By the lock as well; and nothing newer takes the place of an address.
    stubs.indexes.forget()
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    assert stubs.indexes.requests == []
    assert "is removed" not in adopt(place, "--project", ".", "--update", "--write", cwd=app).succeeded().said
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    adopt(place, "--project", ".", "--undo", "--write", cwd=app).succeeded()
    assert (app / "pyproject.toml").read_text() == text


def test_an_sdist_that_requirements_name_by_its_address(stubs: Stubs, place: Workplace) -> None:
    home = place.folder / "here"
    home.mkdir()
    url = stubs.indexes.file_url("stock", "flash_attn-1.0.tar.gz")
    text = f"torch==2.8.0\nflash_attn @ {url}  # theirs\n"
    (home / "requirements.txt").write_text(text, encoding="utf-8")
    consumer = environment(place, stubs, "pip")

    said = adopt(place, "-r", "requirements.txt", "--write", cwd=home).succeeded().said

    assert "+flash_attn @ file://${PWD}/adopted/flash_attn-1.0.tar.gz  # theirs\n" in said
    assert "is removed" not in adopt(place, "-r", "requirements.txt", "--update", "--write", cwd=home).succeeded().said
    assert "all of it is there" in adopt(place, "-r", "requirements.txt", "--check", cwd=home).succeeded().said
    pip: list[str | Path] = [consumer.python, "-m", "pip", "install", "-r", "requirements.txt"]
    assert_clean(place.run(pip, cwd=home, PWD=str(home)))
    by_uv: list[str | Path] = [UV, "pip", "install", "--reinstall", "--python", consumer.python, "-r"]
    assert_clean(place.run([*by_uv, "requirements.txt"], cwd=home, PWD=str(home)))
    assert_built_for(ask(place, consumer.python, FLASH), PINNED_TORCH)
    adopt(place, "-r", "requirements.txt", "--undo", "--write", cwd=home).succeeded()
    assert (home / "requirements.txt").read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize("tool", [POETRY, PDM], ids=["poetry", "pdm"])
def test_poetry_and_pdm(index: str, place: Workplace, tool: Tool) -> None:
    program = find_program(tool, CHECKOUT / ".environments")
    source = [f"[[tool.{tool.name}.source]]", 'name = "pypi"' if tool is PDM else 'name = "main"', f'url = "{index}"']
    lines = ["[tool.poetry]", "package-mode = false", *source] if tool is POETRY else ["[tool.pdm]", *source]
    app = write_app(place.folder / "app", "torch==2.8.0", "deepspeed", lines=lines)
    text = (app / "pyproject.toml").read_text()
    (app / "pyproject.toml").write_text(text.replace('">=3.10"', '">=3.10,<4"'))
    place.run([UV, "venv", ".venv"], cwd=app).succeeded()
    active = {"VIRTUAL_ENV": str(app / ".venv"), "PDM_CHECK_UPDATE": "0", "PIP_INDEX_URL": index}

    said = adopt(place, "--project", ".", "--write", cwd=app).succeeded().said

    assert f"now:\n  {tool.name} lock\n  {tool.name} install\n" in said
    for command in ("lock", "install"):
        assert_clean(place.run([program, command], cwd=app, **active))
    for package in (FLASH, DEEPSPEED):
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)
    assert "all of it is there" in adopt(place, "--project", ".", "--check", cwd=app).succeeded().said
    adopt(place, "--project", ".", "--undo", "--write", cwd=app).succeeded()
    assert (app / "pyproject.toml").read_text() == text.replace('">=3.10"', '">=3.10,<4"')


def test_a_pylock(stubs: Stubs, place: Workplace) -> None:
    home = place.folder / "here"
    home.mkdir()
    (home / "uv.toml").write_text(STATIC.replace("tool.uv.", ""), encoding="utf-8")
    command: list[str | Path] = [UV, "pip", "compile", "-q", "-", "--format", "pylock.toml", "-o", "pylock.toml"]
    place.run(command, cwd=home, said="torch==2.8.0\ndeepspeed\n").succeeded()
    consumer = environment(place, stubs)
    install: list[str | Path] = [UV, "pip", "install", "--python", consumer.python, "-r", "pylock.toml"]
    assert place.run(install, cwd=home).status

    said = adopt(place, "--lock", "pylock.toml", "--write", cwd=home).succeeded().said

    assert "now:\n  pip install -r pylock.toml" in said
    assert_clean(place.run(install, cwd=home))
    assert_built_for(ask(place, consumer.python, DEEPSPEED), PINNED_TORCH)
    assert "all of it is there" in adopt(place, "--lock", "pylock.toml", "--check", cwd=home).succeeded().said


# The threads that this project comes from, as their projects stood; then the command, and what they had typed.


def test_uv_1715_uvx_with_what_is_not_the_projects(place: Workplace) -> None:
    wheel = make_wheel(
        place.folder / "wheels",
        "insanely_fast_whisper",
        "0.1",
        {
            "whisper.py": "def main():\n    from flash_attn.__main__ import main\n\n    main()\n",
            "insanely_fast_whisper-0.1.dist-info/entry_points.txt": (
                "[console_scripts]\ninsanely-fast-whisper = whisper:main\n"
            ),
        },
        requires=("torch",),
    )
    typed = [UV, "tool", "run", "--with", "torch", "--with", "flash-attn", "--from", wheel, "insanely-fast-whisper"]
    assert place.run(typed).status

    said = adopt(place, "flash-attn", "--write", cwd=place.folder).succeeded().said

    assert "UV_FIND_LINKS=$PWD/adopted" in said
    outcome = assert_clean(place.run(typed, UV_FIND_LINKS=str(place.folder / "adopted")))
    assert_built_for(read_report(outcome), DEFAULT_TORCH)


def test_uv_6607_two_extras_in_two_steps(place: Workplace) -> None:
    lines = ["[project.optional-dependencies]", 'build = ["torch", "setuptools"]', 'compile = ["flash-attn"]']
    lines += ["[tool.uv]", 'no-build-isolation-package = ["flash-attn"]']
    app = write_app(place.folder / "app", lines=lines)
    assert place.run([UV, "sync", "--extra", "build"], cwd=app).status

    adopt(place, "--project", ".", "--write", cwd=app).succeeded()

    assert "no-build-isolation" not in (app / "pyproject.toml").read_text()
    assert_clean(place.run([UV, "sync", "--extra", "build"], cwd=app))
    assert_clean(place.run([UV, "sync", "--extra", "build", "--extra", "compile"], cwd=app))
    assert_built_for(ask(place, app / ".venv/bin/python", FLASH), DEFAULT_TORCH)


def test_uv_13321_requirements_that_follow_the_torch_that_is_seen(stubs: Stubs, place: Workplace) -> None:
    lines = ["[tool.uv]", 'no-build-isolation-package = ["axolotl", "flash-attn"]']
    app = write_app(place.folder / "app", "torch==2.8.0", "axolotl", "flash-attn", lines=lines)
    assert place.run([UV, "sync"], cwd=app).status

    adopt(place, "--project", ".", "--write", cwd=app).succeeded()

    assert_clean(place.run([UV, "sync"], cwd=app))
    for package in (AXOLOTL, FLASH):
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)
    # And with pip, beside a torch that is there.
    consumer = environment(place, stubs, "torch==2.8.0", "pip")
    constraints = {"PIP_CONSTRAINT": str(app / "adopted/constraints.txt"), "PWD": str(app)}
    assert_clean(place.run([consumer.python, "-m", "pip", "install", "axolotl"], cwd=app, **constraints))
    assert_built_for(ask(place, consumer.python, AXOLOTL), PINNED_TORCH)


def test_uv_15248_one_step_and_a_pin_that_is_raised(place: Workplace) -> None:
    lines = ["[tool.uv.extra-build-dependencies]", 'deepspeed = ["torch"]', 'flash-attn = ["torch"]']
    app = write_app(place.folder / "app", "torch==2.8.0", "deepspeed", "packaging", lines=lines)

    adopt(place, "--project", ".", "--write", cwd=app).succeeded()

    assert "extra-build-dependencies" not in (app / "pyproject.toml").read_text()
    assert_clean(place.run([UV, "sync"], cwd=app))
    for package in (DEEPSPEED, FLASH):
        assert_built_for(ask(place, app / ".venv/bin/python", package), PINNED_TORCH)


def test_uv_15984_a_tool_whose_torch_is_from_an_index_of_its_own(stubs: Stubs, place: Workplace) -> None:
    lines = ["[project.scripts]", 'app = "app:main"', "[build-system]", 'requires = ["setuptools>=77"]']
    lines += ['build-backend = "setuptools.build_meta"', "[tool.setuptools]", 'py-modules = ["app"]']
    lines += ["[tool.uv.extra-build-dependencies]", 'flash-attn = [{ requirement = "torch", match-runtime = true }]']
    lines += [*STATIC.splitlines()[:4], "[[tool.uv.index]]", 'name = "cu"', f'url = "{stubs.indexes.url("cu128")}"']
    lines += ["explicit = true", "[tool.uv.sources]", 'torch = { index = "cu" }']
    app = write_app(place.folder / "app", "torch==2.8.0", "flash-attn", lines=lines)
    (app / "app.py").write_text("def main():\n    from flash_attn.__main__ import main\n\n    main()\n")
    variables = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}
    assert place.run([UV, "tool", "install", "."], cwd=app, **variables).status

    adopt(place, "--project", ".", "--write", cwd=app).succeeded()

    text = (app / "pyproject.toml").read_text()
    assert "extra-build-dependencies" not in text
    assert 'flash-attn = {path = "adopted/flash_attn-1.0.tar.gz"}' in text
    assert_built_for(read_report(assert_clean(place.run([UV, "run", "app"], cwd=app))), "2.8.0+cu128")
    assert_clean(place.run([UV, "tool", "install", "."], cwd=app, **variables))
    assert_built_for(read_report(place.run([place.folder / "bin" / "app"])), "2.8.0+cu128")


def test_the_job_that_is_proposed_installs_it(stubs: Stubs) -> None:
    worlds = Worlds(stubs, no_laboratory)
    world = worlds.make("python, sources of my-ext")
    index = {"https://download.pytorch.org/whl/cpu": stubs.indexes.url()}

    def another() -> World:
        made = worlds.make("python")
        made.instead.update(index)
        return made

    run_workflow(workflow_text("my-ext", submodules=True), world.folder, another, bool)


def no_laboratory() -> Laboratory:
    raise NotImplementedError("nothing here is real")
