"""Build ordinary projects with their own backend and with torchgraft around it: all has to be the same, but our record.

    python tests/passthrough/run.py [NAME ...]

The projects are those of trees.py. What they need is installed into an environment in .environments/.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.environment import CHECKOUT, enter_environment, run  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from hooks.conftest import write_consumer  # noqa: E402
from passthrough.comparing import GROUPS, differences, facts_of  # noqa: E402
from passthrough.trees import TREES  # noqa: E402

BACKENDS = ("setuptools", "wheel", "setuptools_scm", "cffi", "Cython", "meson-python", "ninja", "scikit-build-core")


def make_backends() -> str:
    """Return the interpreter of an environment with the backends and plugins that projects need, and torchgraft."""
    folder = CHECKOUT / ".environments" / "passthrough"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        run(sys.executable, "-m", "uv", "venv", "--quiet", "--clear", folder)
        run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--editable", ".", *BACKENDS)
        (folder / "done").touch()
    return str(python)


def main(names: list[str]) -> int:
    python = make_backends()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        consumer = write_consumer(Path(folder, "consumer"))
        for name in names or TREES:
            tree = TREES[name]
            found = []
            for group in GROUPS:
                place = Path(folder, "place")
                theirs = facts_of(tree, "", group, place, consumer=consumer, python=python)
                for variant in ("off", "auto"):
                    ours = facts_of(tree, variant, group, place, consumer=consumer, python=python)
                    if differences(theirs, ours):
                        # Whatever is not the same twice is no fault of ours.
                        again = facts_of(tree, "", group, place, consumer=consumer, python=python)
                        ours |= {name: theirs[name] for name in theirs if again.get(name) != theirs[name]}
                    found += [f"{variant}: {group}: {one}" for one in differences(theirs, ours)]
                    if found and "-v" in sys.argv:
                        print(*(f"{k}: {v}" for k, v in {**theirs, **ours}.items() if k.startswith("output")), sep="\n")
            print("FAILS" if found else "ok   ", name, *found, sep="\n  " if found else " ", flush=True)
            failed += bool(found)
    print(failed, "of", len(names or TREES), "differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([name for name in sys.argv[1:] if not name.startswith("-")]))
