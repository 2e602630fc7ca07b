"""Write the pages and the schema that follow from the code: `python docs/generate.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from torchgraft.settings_page import json_schema, reference_text  # noqa: E402

HEAD = """# Settings

<!-- Written by docs/generate.py from src/torchgraft/config.py. -->

A setting is a key of `[tool.torchgraft]`, a variable, or a `-C` argument; `-C` beats the variable, which beats
`pyproject.toml`. A variable that is empty is unset. Lists of names are separated by commas or spaces in text; lists of
requirements have one a line, or one for each `-C`. Unknown keys, wrong types and values that cannot be understood are
errors, all reported at once, exit status 2.

"""


def pages() -> dict[str, str]:
    """Return the text of every generated file, by its path below docs/."""
    return {
        "reference/settings.md": HEAD + reference_text(),
        "reference/torchgraft.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def main() -> None:
    """Write the files."""
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
