"""What a project says about its build that nobody needs any more, and the text that proposes to change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.cli import main
from torchgraft.tools.adopt.pull_request import stale_diffs, workflow_text
from torchgraft.tools.adopt.stale_lines import find_stale_lines

# A line, and what stands there instead: None where a person has to say, "same" where it is not stale.
LINES = {
    "pip install ext --no-build-isolation": "pip install ext",
    "pip install --no-build-isolation -e .": "pip install -e .",
    "MAX_JOBS=4 uv pip install ext --no-build-isolation-package ext": "MAX_JOBS=4 uv pip install ext",
    "uv sync --no-build-isolation-package=ext": "uv sync",
    "RUN pip install . --no-build-isolation": "RUN pip install .",
    "    --no-build-isolation \\": "",
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
}


@pytest.mark.parametrize(("line", "wanted"), LINES.items(), ids=[line[:60] for line in LINES])
def test_a_line(tmp_path: Path, line: str, wanted: str | None) -> None:
    (tmp_path / "README.md").write_text(f"one\n{line}\nthree\n")
    found = find_stale_lines(tmp_path, {})
    assert [(one.number, one.after) for one in found] == ([] if wanted == "same" else [(2, wanted)])


def test_which_files(tmp_path: Path) -> None:
    text = "pip install ext --no-build-isolation\n"
    told = ("README.rst", "docs/install.md", "docker/Dockerfile.cuda", ".github/workflows/ci.yml", "scripts/build.sh")
    others = ("CHANGELOG.md", "ext/data.txt", "node_modules/README.md", ".git/README.md", "build/README.md")
    for name in (*told, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nno-build-isolation-package = ["ext"]\n')
    found = find_stale_lines(tmp_path, {})
    assert {one.file for one in found} == {*told, "pyproject.toml"}
    assert next(one.number for one in found if one.file == "pyproject.toml") == 2


def test_the_difference_of_what_needs_no_person(tmp_path: Path) -> None:
    text = "pip install torch\npip install ninja\n\npip install ext --no-build-isolation\nend"
    (tmp_path / "README.md").write_text(text)
    shown = stale_diffs(find_stale_lines(tmp_path, {}), {"README.md": text})
    changed = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert changed == ["-pip install ninja", "-pip install ext --no-build-isolation", "+pip install ext"]


def test_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], sdist: Path) -> None:
    assert main(["adopt", str(sdist), "--pull-request"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Build ext in isolation: plain `pip install ext` and `uv add ext`\n")
    assert '| `build-backend = "torchgraft.build_meta"` | it calls setuptools.build_meta |' in said
    assert workflow_text("ext") in said
    assert '+build-backend = "torchgraft.build_meta"\n' in said
    assert not (tmp_path / "adopted").exists()
    assert main(["adopt", "ext", "--pull-request"]) == 2
