"""Pass setuptools' own tests of its build backend with torchgraft in its place, and name those that fail only then.

    python tests/passthrough/setuptools_tests.py off|auto

What they expect of exceptions in their own process cannot hold: the backend has one of its own, whose failure is a
message and an exit status here. With `auto`, the consumer has a stub torch, and our record is left out of the exact
list of files that a test wants.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.environment import CHECKOUT, enter_environment, run  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from hooks.conftest import write_consumer  # noqa: E402

PACKAGES = ("setuptools", "pytest", "jaraco.path", "jaraco.envs", "jaraco.test", "path", "filelock", "wheel", "build")
TEST_FILE = "setuptools/tests/test_build_meta.py"
IMPORT = "        mod = importlib.import_module(self.backend_name)\n"
NAMES = "set(zipfile.namelist())"
NAMES_BUT_OURS = "{name for name in zipfile.namelist() if 'torchgraft.' not in name}"
OURS = """\
        os.environ["TORCHGRAFT_BACKEND"] = ":".join(filter(None, (self.backend_name, self.backend_obj)))
        self.backend_obj = ""
        mod = importlib.import_module("torchgraft.build_meta")
"""


def main(provide: str) -> int:
    """Return 0 if no test fails that passes with setuptools and says nothing of exceptions."""
    folder = CHECKOUT / ".environments" / "setuptools-tests"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        run(sys.executable, "-m", "uv", "venv", "--quiet", "--clear", folder)
        run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--editable", ".", *PACKAGES)
        command = "from importlib.metadata import version; print(version('setuptools'))"
        found = subprocess.run([python, "-c", command], check=True, capture_output=True, text=True).stdout.strip()
        source = ("--no-deps", "--no-binary", "setuptools", f"setuptools=={found}")
        run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder / "source", *source)
        (folder / "done").touch()
    (sdist,) = (folder / "source").glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as place:
        run("tar", "-xzf", sdist, "-C", place)
        (source_tree,) = Path(place).iterdir()
        hidden = ("TORCHGRAFT_", "PYTHON")
        variables = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        theirs = failing(python, source_tree, variables)
        test = source_tree / TEST_FILE
        test.write_text(test.read_text("utf-8").replace(IMPORT, OURS).replace(NAMES, NAMES_BUT_OURS), "utf-8")
        variables |= {"TORCHGRAFT_PROVIDE": provide, "TORCHGRAFT_CACHE_DIR": str(Path(place, "cache"))}
        variables["TORCHGRAFT_CONSUMER"] = str(write_consumer(Path(place, "consumer")))
        ours = failing(python, source_tree, variables)
        raising = expecting_exceptions(test.read_text("utf-8"))
    new = sorted(ours - theirs)
    expecting = [name for name in new if name.partition("::")[2].partition("[")[0] in raising]
    print(
        len(theirs),
        "fail with setuptools,",
        len(new),
        "more with torchgraft,",
        len(expecting),
        "of these by exceptions",
    )
    print(*(name for name in new if name not in expecting), sep="\n")
    return 1 if len(new) > len(expecting) else 0


def expecting_exceptions(source: str) -> set[str]:
    """Return the tests that expect an exception, as pytest names them; a class has those of its base too."""
    found: dict[str, bool] = {}
    for node in ast.parse(source).body:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)] if isinstance(node, ast.ClassDef) else []
        for base in bases:
            inherited = {name: says for name, says in found.items() if name.startswith(f"{base}::")}
            found |= {f"{node.name}::{name.partition('::')[2]}": says for name, says in inherited.items()}
        for test in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(test, ast.FunctionDef):
                name = f"{node.name}::{test.name}" if isinstance(node, ast.ClassDef) else test.name
                found[name] = "pytest.raises" in ast.unparse(test)
    return {name for name, says in found.items() if says}


def failing(python: Path, source: Path, variables: dict[str, str]) -> set[str]:
    """Return the tests that fail."""
    command = [python, "-m", "pytest", "-q", "-rfE", "--tb=no", "-o", "addopts=", "-o", "filterwarnings=", TEST_FILE]
    done = subprocess.run(command, cwd=source, env=variables, check=False, capture_output=True, text=True, timeout=3600)
    print(done.stdout.splitlines()[-1] if done.stdout else done.stderr)
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "off"))
