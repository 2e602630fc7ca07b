"""Say which torch this was built for, which one it meets, and what the record says."""

from __future__ import annotations

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
    record = json.loads(importlib.metadata.distribution("ext").read_text("torchgraft.json") or "null")
    print(MARK + json.dumps({"built_for": FACTS, "meets": meets, "record": record}))  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
