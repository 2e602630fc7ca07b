"""What a project says about its build that nobody needs any more, and the text that proposes to change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.cli import main
from torchgraft.tools.adopt.pull_request import stale_diffs, workflow_text
from torchgraft.tools.adopt.stale_lines import find_stale_lines

OWN_TOOLS = "the build brings its own tools"
# A line, and what stands there instead: None where a person has to say, "same" where it is not stale.
LINES = {
    "pip install ext --no-build-isolation": "pip install ext",
    "pip install --no-build-isolation -e .": "pip install -e .",
    "MAX_JOBS=4 uv pip install ext --no-build-isolation-package ext": "MAX_JOBS=4 uv pip install ext",
    "uv sync --no-build-isolation-package=ext": "uv sync",
    "RUN pip install . --no-build-isolation": "RUN pip install .",
    "    --no-build-isolation \\": None,
    "Isolation has to be turned off (`--no-build-isolation`).": None,
    "ENV PIP_NO_BUILD_ISOLATION=0": "",
    "export UV_NO_BUILD_ISOLATION=1": "",
    "      UV_NO_BUILD_ISOLATION_PACKAGE: ext": "",
    'no-build-isolation-package = ["ext"]': "",
    'ext = [{ requirement = "torch", match-runtime = true }]': "",
    "[tool.uv.extra-build-dependencies]": "",
    "See no-build-isolation-package: it is needed.": None,
    "pip install ninja packaging": "",
    "$ python -m pip install -U setuptools>=77": "",
    "      - run: pip install wheel": "",
    "pip install torch": None,
    "RUN pip3 install torch==2.8.0 ninja --index-url https://download.pytorch.org/whl/cu128": None,
    "python setup.py install": None,
    "pip install torch numpy": "same",
    "pip install -r requirements.txt": "same",
    "pip install .": "same",
    "torch is needed": "same",
    "x" * 3000 + " --no-build-isolation": "same",
    # What is about other packages stays, and what brings others is for a person.
    "pip install flash-attn --no-build-isolation": "same",
    "uv sync --no-build-isolation-package flash-attn": "same",
    "uv sync --no-build-isolation-package flash-attn --no-build-isolation-package ext": (
        "uv sync --no-build-isolation-package flash-attn"
    ),
    'no-build-isolation-package = ["flash-attn"]': "same",
    'no-build-isolation-package = ["flash-attn", "ext"]': None,
    "no-build-isolation-package = [": None,
    'flash-attn = [{ requirement = "torch", match-runtime = true }]': "same",
    "pip install -r examples/requirements.txt --no-build-isolation": None,
    "pip install .[all] --no-build-isolation": None,
    "pip install git+https://example.org/a/ext.git --no-build-isolation": "pip install git+https://example.org/a/ext.git",
    'X="a b" pip install --config-settings "--build-option=--cuda" --no-build-isolation ./': (
        'X="a b" pip install --config-settings "--build-option=--cuda" ./'
    ),
    "If pip install fails, try `--no-build-isolation`.": None,
    "`pip install . --no-build-isolation` may work.": "`pip install .` may work.",
    "python -m build --wheel --no-isolation": "python -m build --wheel",
    "pip install --upgrade pip": "same",
    "- `ninja` (`pip install ninja`)": None,
    "pip install ninja && pip install .": None,
    "python setup.py sdist": None,
    "pip install torch==${{ matrix.torch }} --index-url https://x/${{ matrix.index }}": None,
}


@pytest.mark.parametrize(("line", "wanted"), LINES.items(), ids=[line[:60] for line in LINES])
def test_a_line(tmp_path: Path, line: str, wanted: str | None) -> None:
    (tmp_path / "README.md").write_text(f"one\n{line}\nthree\n")
    found = find_stale_lines(tmp_path, {}, "ext")
    assert [(one.number, one.after) for one in found] == ([] if wanted == "same" else [(2, wanted)])


def test_what_is_installed_before_is_said_too(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("pip install torch ninja && pip install --no-build-isolation ./ext\n")
    found = find_stale_lines(tmp_path, {}, "ext")
    assert [one.after for one in found] == ["pip install torch ninja && pip install ./ext"]
    assert found[0].reason.endswith("; torch need not come first, unless this chooses which one; " + OWN_TOOLS)


IN_FILES = {
    # Nothing is left out of a command, nor of a block that may hold nothing else.
    "Dockerfile": ("RUN pip install \\\n  --no-build-isolation \\\n  .\n", {2: ""}),
    "docker/Dockerfile": ("RUN pip install . \\\n  --no-build-isolation\n", {2: None}),
    "b/Dockerfile": (
        "RUN apt-get x && \\\n  pip install --no-build-isolation . && \\\n  y\n",
        {2: "  pip install . && \\"},
    ),
    "c/Dockerfile": ("RUN pip install ninja && \\\n  pip install a\nRUN pip install ninja\n", {1: None, 3: None}),
    "ci.yml": ("  - run: |\n      pip install ninja\n    env:\n      UV_NO_BUILD_ISOLATION: 1\n", {2: None, 4: None}),
    "build.sh": ("pip install ninja\npython setup.py bdist_wheel\n", {1: None, 2: None}),
    "INSTALL": ("pip install ninja\npython setup.py install\n", {1: None, 2: None}),
    "a.ipynb": ('    "!pip install ext --no-build-isolation\\n",\n', {1: '    "!pip install ext\\n",'}),
    "setup.cfg": ("install_command = pip install --no-build-isolation {opts} {packages}\n", {1: None}),
    "pyproject.toml": ('before-build = "pip install --no-build-isolation ."\n', {1: None}),
    "a.md": ('[tool.uv.extra-build-dependencies]\next = ["torch"]\n', {1: "", 2: ""}),
    "b.md": ('[tool.uv.extra-build-dependencies]\nother = ["torch"]\next = ["torch"]\n', {3: ""}),
}


@pytest.mark.parametrize("file", IN_FILES)
def test_a_line_among_others(tmp_path: Path, file: str) -> None:
    text, wanted = IN_FILES[file]
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert {one.number: one.after for one in find_stale_lines(tmp_path, {}, "ext")} == wanted


def test_which_files(tmp_path: Path) -> None:
    text = "pip install ext --no-build-isolation\n"
    told = ("README.rst", "docs/install.md", "docker/Dockerfile.cuda", ".github/workflows/ci.yml", "scripts/build.sh")
    others = ("CHANGELOG.md", "ext/data.txt", "node_modules/README.md", ".git/README.md", "build/README.md")
    for name in (*told, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nno-build-isolation-package = ["ext"]\n')
    found = find_stale_lines(tmp_path, {}, "ext")
    assert {one.file for one in found} == {*told, "pyproject.toml"}
    assert next(one.number for one in found if one.file == "pyproject.toml") == 2


def test_the_difference_of_what_needs_no_person(tmp_path: Path) -> None:
    text = "pip install torch\npip install ninja\n\npip install ext --no-build-isolation\nend"
    (tmp_path / "README.md").write_text(text)
    shown = stale_diffs(find_stale_lines(tmp_path, {}, "ext"), {"README.md": text})
    changed = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert changed == ["-pip install ninja", "-pip install ext --no-build-isolation", "+pip install ext"]


def test_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], sdist: Path) -> None:
    assert main(["adopt", str(sdist), "--pull-request"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Build ext in isolation: plain `pip install ext` and `uv add ext`\n")
    assert '`[build-system] requires "torch"`: an isolated build downloads a torch of its own' in said
    assert '| `build-backend = "torchgraft.build_meta"` | it calls setuptools.build_meta |' in said
    assert workflow_text("ext", submodules=False) in said
    assert '+build-backend = "torchgraft.build_meta"\n' in said
    assert not (tmp_path / "adopted").exists()
    assert main(["adopt", "ext", "--pull-request"]) == 2


def test_the_text_says_what_is_true_of_this_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "setup.py").write_text("import torch\nfrom setuptools import setup\nsetup(name='ext')\n")
    (tmp_path / ".gitmodules").touch()
    assert main(["adopt", str(tmp_path), "--pull-request"]) == 0
    said = capsys.readouterr().out
    assert "setup.py:1 imports torch, and an isolated build has none" in said
    assert "with: { submodules: recursive }" in said
    assert main(["adopt", str(tmp_path), "--write"]) == 0
    (tmp_path / "README.md").write_text("pip install . --no-build-isolation\n")
    capsys.readouterr()
    assert main(["adopt", str(tmp_path), "--pull-request"]) == 0
    said = capsys.readouterr().out
    assert "has none" not in said
    assert "-pip install . --no-build-isolation\n+pip install .\n" in said
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup(name='ext')\n")
    (tmp_path / "pyproject.toml").unlink()
    assert main(["adopt", str(tmp_path), "--pull-request"]) == 0
    assert "its setup.py does not import torch\nnothing to change" in capsys.readouterr().out
