"""What docs/how-to/ci.md says of other people's tools, held against what is ours in it."""

from __future__ import annotations

from pathlib import Path

from support.how_to import read_blocks
from torchgraft.settings.config import settings, variable_name

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "ci.md"


def test_the_variables_of_cibuildwheel_are_settings_of_ours() -> None:
    (block,) = [block for block in read_blocks(str(PAGE), PAGE.read_text(encoding="utf-8")) if block.language == "toml"]
    assert block.text.startswith("[tool.cibuildwheel]\n")
    known = {variable_name(setting.key) for setting in settings().values()}
    (line,) = [line for line in block.text.splitlines() if line.startswith("environment = ")]
    named = {word for word in line.replace("{", " ").split() if word.startswith("TORCHGRAFT_")}
    assert named == {"TORCHGRAFT_TORCH", "TORCHGRAFT_CUDA_ARCHITECTURES"}
    assert named <= known
