"""What docs/how-to/ci.md says of other people's tools, held against what is ours in it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from support.how_to import read_blocks
from torchgraft.cli import main
from torchgraft.settings.config import settings, variable_name

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "ci.md"


def test_the_variables_of_cibuildwheel_are_settings_of_ours() -> None:
    (block,) = [block for block in read_blocks(str(PAGE), PAGE.read_text(encoding="utf-8")) if block.language == "toml"]
    assert block.text.startswith("[tool.cibuildwheel]\n")
    known = {variable_name(setting.key) for setting in settings().values()}
    (line,) = [line for line in block.text.splitlines() if line.startswith("environment = ")]
    named = {word for word in line.replace("{", " ").split() if word.startswith("TORCHGRAFT_")}
    assert named == {"TORCHGRAFT_TORCH", "TORCHGRAFT_CUDA_ARCHITECTURES"}
    assert named <= known


def test_what_the_jobs_take_is_in_the_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = read_blocks(str(PAGE), PAGE.read_text(encoding="utf-8"))
    (block,) = [block for block in blocks if block.language == "yaml"]
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "my-ext"\nversion = "1.0"\n', encoding="utf-8")
    asked = re.search(r"uvx torchgraft (.*)\)\"", block.text)
    assert asked
    assert main([*shlex.split(asked[1]), str(tmp_path)]) == 0
    cells = json.loads(capsys.readouterr().out)["include"]
    assert set(re.findall(r"matrix\.(\w+) ", block.text)) <= set(cells[0])
    assert {variable_name(setting.key) for setting in settings().values()} >= set(
        re.findall("TORCHGRAFT_\\w+", block.text)
    )
