"""Say which torch this was built for, which one it meets, and what the record says."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from pathlib import Path

MARK = "ext-report: "


def main() -> None:
    import torch

    from ext.built_for import FACTS

    meets = {
        "version": torch.__version__,
        "git_version": torch.version.git_version,
        "file": str(Path(torch.__file__).resolve()),
    }
    said = ""
    if FACTS["git_version"] != meets["git_version"]:
        try:
            importlib.import_module("ext._C")
        except ImportError as error:
            said = str(error)
    record = json.loads(importlib.metadata.distribution("ext").read_text("torchgraft.json") or "null")
    print(MARK + json.dumps({"built_for": FACTS, "meets": meets, "said": said, "record": record}))  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
