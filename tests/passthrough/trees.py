"""Ordinary projects, as their maintainers write them: what differs between them is what a backend is told."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

MODULE_C = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""
LIMITED_C = "#define Py_LIMITED_API 0x030a0000\n" + MODULE_C
EXTENSION = """
from setuptools import Extension, setup
setup(ext_modules=[Extension("{name}", ["{source}"]{more})])
"""
IN_TREE = """
from setuptools import build_meta as _theirs
from setuptools.build_meta import *
def get_requires_for_build_wheel(config_settings=None):
    return ["packaging", *_theirs.get_requires_for_build_wheel(config_settings)]
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import helper_of_backend
    print("in tree", config_settings)
    return _theirs.build_wheel(wheel_directory, config_settings, metadata_directory)
"""
MANDATORY = "from setuptools.build_meta import build_editable, build_sdist, build_wheel\n"


def project(name: str, *lines: str, build_system: str = "") -> str:
    """Return a pyproject.toml: lines of [project] without the name, then whatever tables follow."""
    requires = build_system or 'requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"'
    return "\n".join(["[build-system]", requires, "[project]", f'name = "{name}"', *lines, ""])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    """A project: its files by name, and how it is built.

    `needs` are distributions that have to be there; `prepare` changes the folder before it is built.
    """

    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    backend: str = "setuptools.build_meta"
    backend_path: str = ""
    settings: Mapping[str, str | list[str]] | None = None
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    needs: tuple[str, ...] = ()
    folder: str = "project"
    prepare: Callable[[Path], None] | None = None

    def write(self, folder: Path) -> None:
        """Write the project into a folder that is not there."""
        folder.mkdir(parents=True)
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        if self.prepare is not None:
            self.prepare(folder)
        if self.backend_path:
            with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
                file.write(f'[tool.torchgraft]\nbackend-path = ["{self.backend_path}"]\n')


def make_repository(folder: Path) -> None:
    """Make a git repository of a folder, always with the same commit."""
    identity = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z"}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first"), ("tag", "v3.1")):
        command = [shutil.which("git") or "git", *words]
        subprocess.run(command, cwd=folder, env={**os.environ, **identity, **dates, **nothing}, check=True)


def _links(folder: Path) -> None:
    (folder / "pkg" / "linked.py").symlink_to("../shared/real.py")
    (folder / "data").symlink_to("shared")


def _modes(folder: Path) -> None:
    (folder / "pkg" / "read_only.py").chmod(0o444)
    (folder / "pkg" / "run.sh").chmod(0o755)
    (folder / "pkg" / "private.txt").chmod(0o600)


PURE = {
    "pyproject.toml": project("pure", 'version = "1.0"', "[tool.setuptools]", 'py-modules = ["pure"]'),
    "pure.py": "",
}
C_EXTENSION = {
    "pyproject.toml": project("cext", 'version = "1.0"'),
    "setup.py": EXTENSION.format(name="cext", source="cext.c", more=""),
    "cext.c": MODULE_C.replace("NAME", "cext"),
}
PACKAGE = {
    "pyproject.toml": project("pack", 'version = "1.0"', "[tool.setuptools]", 'packages = ["pkg"]'),
    "pkg/__init__.py": "",
    "pkg/part.py": "a = 1\n",
}
SETUP_CFG = """
[metadata]
name = configured
version = attr: pkg.__version__
description = file: README.txt
license_files = LICENSES/*
[options]
packages = find:
install_requires = six>=1   # any will do
setup_requires = packaging>=20
python_requires = >=3.8
[options.extras_require]
more = attrs
[options.entry_points]
console_scripts =
    configured = pkg:main
[options.package_data]
pkg = *.txt
"""

TREES: dict[str, Tree] = {
    "pure": Tree(files=PURE),
    "c extension": Tree(files=C_EXTENSION),
    "src layout": Tree(
        files={
            "pyproject.toml": project("srcs", 'version = "1.0"', 'readme = "README.md"'),
            "README.md": "# Überschrift\n",
            "src/srcs/__init__.py": "",
            "src/srcs/data.json": "{}",
            "tests/test_it.py": "",
        }
    ),
    "namespace": Tree(
        files={
            "pyproject.toml": project("names", 'version = "1.0"', "[tool.setuptools.packages.find]", 'where = ["src"]'),
            "src/outer/inner/one/__init__.py": "",
            "src/outer/inner/two/__init__.py": "",
        }
    ),
    "legacy namespace": Tree(
        files={
            "setup.py": "from setuptools import setup\n"
            "setup(name='oldns', version='1', packages=['oldns', 'oldns.part'])\n",
            "oldns/__init__.py": "__import__('pkgutil').extend_path(__path__, __name__)\n",
            "oldns/part/__init__.py": "",
        },
    ),
    "setup.cfg": Tree(
        files={
            "setup.cfg": SETUP_CFG,
            "README.txt": "words\n",
            "LICENSES/MIT": "MIT",
            "pkg/__init__.py": "__version__ = '2.5'\ndef main(): ...\n",
            "pkg/words.txt": "",
        },
    ),
    "setup.py alone": Tree(
        files={
            "setup.py": "import helper\nfrom setuptools import setup\n"
            "setup(name='alone', version=helper.VERSION, py_modules=['alone'], setup_requires=['packaging'])\n",
            "helper.py": "VERSION = '1.2.3'\n",
            "alone.py": "",
            "MANIFEST.in": "include helper.py\nrecursive-include * *.py*\n",
        },
        backend="setuptools.build_meta:__legacy__",
    ),
    "setup_requires": Tree(
        files={
            **PURE,
            "setup.cfg": "[options]\nsetup_requires =\n  packaging>=1  # any\n  six ; python_version < '3'\n",
            "setup.py": "from setuptools import setup\nsetup(setup_requires='packaging # x\\nattrs\\\\\\n>=1')\n",
        }
    ),
    "setup-requires with a dash": Tree(
        files={**PURE, "setup.cfg": "[metadata]\nkeywords = a\n[options]\nsetup_requires = packaging\nzip_safe = no\n"}
    ),
    "setuptools_scm": Tree(
        files={
            "pyproject.toml": project(
                "scm", 'dynamic = ["version"]', "[tool.setuptools_scm]", 'version_file = "scm/_v.py"'
            ),
            "scm/__init__.py": "",
            "scm/data.bin": "in git",
            ".gitignore": "_v.py\n*.egg-info\nbuild\n",
        },
        needs=("setuptools_scm",),
        prepare=make_repository,
    ),
    "cffi_modules": Tree(
        files={
            "pyproject.toml": project("withcffi", 'version = "1.0"'),
            "setup.py": "from setuptools import setup\n"
            "setup(cffi_modules=['build_it.py:ffi'], py_modules=['withcffi'])\n",
            "build_it.py": "from cffi import FFI\nffi = FFI()\nffi.cdef('int one(void);')\n"
            "ffi.set_source('_withcffi', 'int one(void) { return 1; }')\n",
            "withcffi.py": "",
        },
        needs=("cffi",),
    ),
    "Cython": Tree(
        files={
            "pyproject.toml": project("cyth", 'version = "1.0"'),
            "setup.py": EXTENSION.format(name="cyth", source="cyth.pyx", more=""),
            "cyth.pyx": "def one(): return 1\n",
        },
        needs=("Cython",),
    ),
    "cythonize": Tree(
        files={
            "pyproject.toml": project("cyth2", 'version = "1.0"'),
            "setup.py": "from Cython.Build import cythonize\nfrom setuptools import setup\n"
            "setup(ext_modules=cythonize(['pkg/*.pyx']), packages=['pkg'])\n",
            "pkg/__init__.py": "",
            "pkg/fast.pyx": "def one(): return 1\n",
        },
        needs=("Cython",),
    ),
    "in-tree backend": Tree(
        files={**PURE, "_build/mine.py": IN_TREE, "_build/helper_of_backend.py": ""},
        backend="mine",
        backend_path="_build",
        settings={"mine": "yes"},
    ),
    "no hook but the mandatory": Tree(
        files={**PURE, "_build/mine.py": MANDATORY},
        backend="mine",
        backend_path="_build",
    ),
    "data files and scripts": Tree(
        files={
            "setup.py": "from setuptools import setup\n"
            "setup(name='datas', version='1', scripts=['bin/run-it'], data_files=[('share/datas', ['a.txt', 'b.txt'])],"
            " headers=['datas.h'])\n",
            "bin/run-it": "#!/usr/bin/env python\nprint(1)\n",
            "a.txt": "a",
            "b.txt": "b",
            "datas.h": "",
        },
    ),
    "entry points, licenses, urls": Tree(
        files={
            "pyproject.toml": project(
                "points",
                'version = "1.0"',
                'license = "MIT"',
                'license-files = ["LICENSE*", "vendored/*/COPYING"]',
                'authors = [{ name = "Zoë", email = "z@example.org" }]',
                "dependencies = [\"attrs; python_version > '3'\"]",
                "[project.urls]",
                'Home = "https://example.org"',
                "[project.scripts]",
                'points = "points:main"',
                '[project.entry-points."points.plugins"]',
                'a = "points:a"',
                "[project.optional-dependencies]",
                'x = ["six"]',
            ),
            "points.py": "",
            "LICENSE": "MIT",
            "vendored/one/COPYING": "BSD",
        }
    ),
    "package data by MANIFEST.in": Tree(
        files={
            "setup.py": "from setuptools import setup\n"
            "setup(name='manif', version='1', packages=['manif'], include_package_data=True)\n",
            "MANIFEST.in": "recursive-include manif *.txt *.py[co]\nexclude manif/no.txt\nprune manif/deep\n",
            "manif/__init__.py": "",
            "manif/yes.txt": "",
            "manif/no.txt": "",
            "manif/sub/more.txt": "",
            "manif/deep/less.txt": "",
        },
    ),
    "dynamic fields": Tree(
        files={
            "pyproject.toml": project(
                "dyn",
                'dynamic = ["version", "dependencies", "readme", "optional-dependencies"]',
                "[tool.setuptools.dynamic]",
                'version = { attr = "dyn.VERSION" }',
                'dependencies = { file = ["requirements.txt"] }',
                'readme = { file = ["A.md", "B.md"], content-type = "text/markdown" }',
                "[tool.setuptools.dynamic.optional-dependencies]",
                'x = { file = ["x.txt"] }',
            ),
            "dyn/__init__.py": "import os\nVERSION = '1.' + '5'\n",
            "requirements.txt": "attrs  # words\nsix>=1\n",
            "x.txt": "packaging\n",
            "A.md": "a\n",
            "B.md": "b\n",
        }
    ),
    "dynamic by setup.py": Tree(
        files={
            "pyproject.toml": project("dynpy", 'dynamic = ["version", "dependencies", "scripts"]'),
            "setup.py": "from setuptools import setup\n"
            "setup(version='9', install_requires=['attrs'], entry_points={'console_scripts': ['d=dynpy:m']})\n",
            "dynpy.py": "",
        }
    ),
    "editable, strict": Tree(files={**PACKAGE, "pkg/data.txt": ""}, settings={"editable_mode": "strict"}),
    "editable, compat": Tree(files=PACKAGE, settings={"editable_mode": "compat"}),
    "editable, lenient": Tree(
        files={
            "pyproject.toml": project(
                "mapped",
                'version = "1"',
                "[tool.setuptools]",
                'packages = ["a.b", "c"]',
                "[tool.setuptools.package-dir]",
                '"a.b" = "elsewhere"',
                'c = "lib/c"',
            ),
            "elsewhere/__init__.py": "",
            "lib/c/__init__.py": "",
        }
    ),
    "editable extension": Tree(
        files={
            **C_EXTENSION,
            "setup.cfg": "[build_ext]\ninplace = 1\n",
        }
    ),
    "build_ext options": Tree(
        files={
            **C_EXTENSION,
            "setup.cfg": "[build_ext]\ndefine = A=1,B\nundef = C\nparallel = 2\n[build]\nbuild_base = other_build\n",
        }
    ),
    "stable ABI": Tree(
        files={
            "pyproject.toml": project("limited", 'version = "1.0"'),
            "setup.py": EXTENSION.format(name="limited", source="limited.c", more=", py_limited_api=True"),
            "setup.cfg": "[bdist_wheel]\npy_limited_api = cp310\n",
            "limited.c": LIMITED_C.replace("NAME", "limited"),
        }
    ),
    "python tag": Tree(files={**PURE, "setup.cfg": "[bdist_wheel]\npython_tag = py310.py311\nbuild_number = 3\n"}),
    "universal": Tree(files={**PURE, "setup.cfg": "[bdist_wheel]\nuniversal = 1\n"}),
    "platform by settings": Tree(files=PURE, settings={"--build-option": ["--plat-name", "linux_x86_64"]}),
    "global options": Tree(files=C_EXTENSION, settings={"--global-option": ["--quiet", "build_ext", "--define=A"]}),
    "compiled bytecode": Tree(files={**PACKAGE, "setup.cfg": "[install_lib]\ncompile = 1\noptimize = 2\n"}),
    "unicode names": Tree(
        files={
            "setup.py": "from setuptools import setup\n"
            "setup(name='unicöde'.replace('ö', 'o'), version='1', packages=['pkg'], package_data={'pkg': ['*']})\n",
            "pkg/__init__.py": "",
            "pkg/größe.py": "",
            "pkg/数据.txt": "",
        },
        folder="ünï cödé",
    ),
    "spaces": Tree(files={**C_EXTENSION, "LICENSE": ""}, folder="a  folder with 'spaces'"),
    "symbolic links": Tree(
        files={**PACKAGE, "shared/real.py": "b = 2\n", "MANIFEST.in": "graft data\n"}, prepare=_links
    ),
    "modes": Tree(
        files={
            "pyproject.toml": project(
                "modes",
                'version = "1"',
                "[tool.setuptools]",
                'packages = ["pkg"]',
                "[tool.setuptools.package-data]",
                'pkg = ["*"]',
            ),
            "pkg/__init__.py": "",
            "pkg/read_only.py": "",
            "pkg/run.sh": "",
            "pkg/private.txt": "",
        },
        prepare=_modes,
    ),
    "version with words": Tree(
        files={
            "pyproject.toml": project("A_b.C", 'version = "1.0-beta.2+local.7"'),
            "a_b_c.py": "",
        }
    ),
    "build with commands of its own": Tree(
        files={
            "pyproject.toml": project("custom", 'version = "1"', "[tool.setuptools]", 'py-modules = ["custom"]'),
            "setup.py": "import os\nfrom setuptools import setup\nfrom setuptools.command.build_py import build_py\n"
            "class Own(build_py):\n    def run(self):\n        super().run()\n"
            "        if not self.editable_mode:\n"
            "            open(os.path.join(self.build_lib, 'made.txt'), 'w').write('made')\n"
            "setup(cmdclass={'build_py': Own})\n",
            "custom.py": "",
        }
    ),
    "setup.py that fails": Tree(files={**PURE, "setup.py": "raise SystemExit('no')\n"}),
    "no packages": Tree(
        files={"pyproject.toml": project("empty", 'version = "1"', "[tool.setuptools]", "packages = []")}
    ),
}
