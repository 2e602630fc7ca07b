from pathlib import Path

import torch
from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Writes down which torch is there, as a compiler would by its headers."""

    def run(self) -> None:
        super().run()
        facts = {
            "version": torch.__version__,
            "git_version": torch.version.git_version,
            "file": str(Path(torch.__file__).resolve()),
        }
        # An editable package is imported from here.
        folder = Path("ext") if self.editable_mode else Path(self.build_lib, "ext")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "built_for.py").write_text(f"FACTS = {facts!r}\n", encoding="utf-8")


setup(cmdclass={"build_py": BuildPy})
