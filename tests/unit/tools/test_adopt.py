from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from torchgraft.codec import json_text
from torchgraft.errors import ConfigError
from torchgraft.settings.sources import parse_pyproject
from torchgraft.tools.adopt.adoptable import read_adoptable
from torchgraft.tools.adopt.adoption import Adoptable, Adoption, Advice, Import, Script
from torchgraft.tools.adopt.plan_adoption import plan_adoption
from torchgraft.tools.from_json import from_json_text

NEW = '[build-system]\nrequires = ["torchgraft", "setuptools>=77"]\nbuild-backend = "torchgraft.build_meta"\n'
TORCH = Import(module="torch", where="setup.py:1")
SETUP = "import torch\nfrom setuptools import setup\nsetup()\n"


def read(folder: Path, **files: str) -> Adoptable:
    """Read a project; `setup_py` is setup.py."""
    for name, text in files.items():
        path = folder / name.replace("_py", ".py").replace("_toml", ".toml").replace("_cfg", ".cfg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return read_adoptable(folder)


def adopt(folder: Path, **files: str) -> Adoption:
    found = read(folder, **files)
    adoption = plan_adoption(found)
    if adoption.after is not None:
        assert plan_adoption(replace(found, pyproject=adoption.after)).after is None
    return adoption


def build_system(adoption: Adoption) -> tuple[list[str], object, object]:
    """Return requires, the other keys of [build-system], and our settings."""
    assert adoption.after
    data = dict(parse_pyproject(adoption.after.removeprefix("\ufeff")))
    table = dict(data["build-system"])
    requires = table.pop("requires")
    assert tuple(requires) == adoption.requires
    assert table.pop("build-backend") == "torchgraft.build_meta"
    return requires, table, data.get("tool", {}).get("torchgraft")


def test_a_project_without_pyproject(tmp_path: Path) -> None:
    adoption = adopt(tmp_path, setup_py=SETUP)
    assert adoption.verdict is Advice.ADOPT
    assert adoption.reason == "setup.py:1 imports torch"
    assert adoption.after == NEW


def test_an_adoption_is_a_value(tmp_path: Path) -> None:
    found = read(tmp_path, setup_py=SETUP)
    assert from_json_text(Adoptable, json_text(found), source="x") == found
    adoption = plan_adoption(found)
    assert from_json_text(Adoption, json_text(adoption), source="x") == adoption


SPELLINGS = [
    "torch",
    "Torch",
    "torch>=2.4",
    "torch >= 2.4",
    "torch (>=2.4)",
    "torch[opt-einsum]~=2.8",
    "torch; sys_platform == 'linux'",
    "torch==2.8.0+cu128",
    "torch @ https://x.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_torch_is_taken_out_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    text = (
        f'[build-system]\nrequires = ["setuptools", "{spelling}", "wheel"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    adoption = adopt(tmp_path, pyproject_toml=text, setup_py=SETUP)
    assert build_system(adoption)[0] == ["setuptools", "torchgraft", "wheel"]


@pytest.mark.parametrize(
    ("requirement", "more", "settings", "noted"),
    [
        ("torch>=2.4,<2.9", "", {"torch": ">=2.4,<2.9"}, False),
        ("torch[x] >=2.4, <2.9", "", {"torch": ">=2.4,<2.9"}, False),
        ("torch>=2.4", '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch>=2"]\n', None, False),
        ("torch>=2.4", '[tool.torchgraft]\ntorch = ">=2"\n', {"torch": ">=2"}, False),
        ("torch==2.8.0", "", None, True),
        ("torch>=2.7,<2.8", "", None, True),
        ("torch==2.7.*", "", None, True),
        ("torch~=2.7.0", "", None, True),
        ("torch>=2.7.0,<=2.7.1", "", None, True),
        ("torch<2.8,>2.6.0", "", None, True),
        ("torch>=2.4,<3", "", {"torch": ">=2.4,<3"}, False),
        ("torch>=2.4; sys_platform == 'linux'", "", None, True),
        ("torch", "", None, False),
    ],
)
def test_what_the_build_requirement_said_of_versions(
    tmp_path: Path, requirement: str, more: str, settings: object, *, noted: bool
) -> None:
    text = (
        f'[build-system]\nrequires = ["setuptools", "{requirement}"]\nbuild-backend = "setuptools.build_meta"\n{more}'
    )
    adoption = adopt(tmp_path, pyproject_toml=text, setup_py=SETUP)
    assert build_system(adoption)[2] == settings
    assert any("say so in [tool.torchgraft]" in note for note in adoption.notes) is noted


def test_what_is_made_for_one_torch_is_matched_too(tmp_path: Path) -> None:
    text = (
        '[build-system]\nrequires = ["setuptools", "torch", "torchvision"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    script = f"import torchaudio\n{SETUP}"
    requires, _, settings = build_system(adopt(tmp_path, pyproject_toml=text, setup_py=script))
    assert requires == ["setuptools", "torchgraft"]
    assert settings == {"match": ["torchaudio", "torchvision"]}


@pytest.mark.parametrize(("option", "said"), [("use_ninja=False", True), ("", False)])
def test_a_script_that_refuses_ninja_is_told_what_comes_of_that(tmp_path: Path, option: str, *, said: bool) -> None:
    script = (
        "from setuptools import setup\nfrom torch.utils.cpp_extension import BuildExtension, CppExtension\n"
        f"E = CppExtension('x', ['a.cpp', 'b.cpp'])\nC = BuildExtension.with_options({option})\n"
        "setup(ext_modules=[E], cmdclass={'build_ext': C})"
    )
    notes = adopt(tmp_path, setup_py=script).notes
    assert ("setup.py says use_ninja=False: torch compiles one file after the other" in notes) is said


IMPORTS = {
    "import packaging.version": ["packaging"],
    "import ninja, numpy": ["ninja", "numpy"],
    "from wheel.bdist_wheel import bdist_wheel": ["wheel"],
    "import Cython, pybind11, psutil, einops": ["Cython", "pybind11", "psutil", "einops"],
    "import yaml": ["PyYAML"],
    "import os, sys, setuptools, distutils": [],
    "try:\n    import numpy\nexcept ImportError:\n    pass": [],
    "try:\n    import wheel\nexcept ImportError:\n    pass": ["wheel"],
    "def f():\n    import numpy": [],
    "def f():\n    import numpy\nf()": ["numpy"],
    "if os.environ.get('X'):\n    import numpy": [],
}


@pytest.mark.parametrize(("line", "wanted"), IMPORTS.items())
def test_what_setup_py_imports_is_required(tmp_path: Path, line: str, wanted: list[str]) -> None:
    adoption = adopt(tmp_path, setup_py=f"{SETUP}{line}\n")
    assert build_system(adoption)[0] == ["torchgraft", "setuptools>=77", *wanted]
    assert not adoption.notes


def test_what_is_required_already_is_not_required_again(tmp_path: Path) -> None:
    text = '[build-system]\nrequires = ["setuptools", "Packaging==26.0", "PyYaml"]\n'
    adoption = adopt(tmp_path, pyproject_toml=text, setup_py=f"{SETUP}import packaging, yaml")
    assert build_system(adoption)[0] == ["setuptools", "Packaging==26.0", "PyYaml", "torchgraft"]


def test_an_import_that_nobody_knows_is_noted(tmp_path: Path) -> None:
    adoption = adopt(tmp_path, setup_py=f"{SETUP}import strange.thing")
    assert adoption.notes == ("setup.py:4 imports strange: if a distribution provides it, add that to requires",)


@pytest.mark.parametrize(
    ("requires", "wanted"),
    [
        ([], ["torchgraft", "setuptools>=77,<81"]),
        (["setuptools"], ["setuptools", "torchgraft", "setuptools<81"]),
        (["setuptools>=61"], ["setuptools>=61", "torchgraft", "setuptools<81"]),
        (["setuptools<81"], ["setuptools<81", "torchgraft"]),
        (["setuptools==69.5.1"], ["setuptools==69.5.1", "torchgraft"]),
        (["setuptools>=82"], ["setuptools>=82", "torchgraft"]),
    ],
)
def test_pkg_resources_needs_an_old_setuptools(tmp_path: Path, requires: list[str], wanted: list[str]) -> None:
    text = f"[build-system]\nrequires = {requires}\n"
    adoption = adopt(tmp_path, pyproject_toml=text, setup_py=f"{SETUP}import pkg_resources")
    assert build_system(adoption)[0] == wanted
    assert bool(adoption.notes) is (requires == ["setuptools>=82"])


def test_setup_requires_is_moved(tmp_path: Path) -> None:
    adoption = adopt(
        tmp_path,
        setup_py="import torch\nsetup(setup_requires=['setuptools_scm>=8', 'torch', 'cython', '- no'])",
        setup_cfg="[options]\nsetup_requires =\n    pbr; python_version > '3'\n    Cython\n",
    )
    assert build_system(adoption)[0] == [
        "torchgraft",
        "setuptools>=77",
        "setuptools_scm>=8",
        "cython",
        "pbr; python_version > '3'",
    ]
    assert adoption.notes == ('setup_requires has "- no", which is no requirement',)


def test_plugins_of_setuptools_stay(tmp_path: Path) -> None:
    text = '[build-system]\nrequires = ["setuptools-scm", "setuptools-git-versioning<3", "torch", "setuptools>=64"]\n'
    requires, _, _ = build_system(adopt(tmp_path, pyproject_toml=text, setup_py=SETUP))
    assert requires == ["setuptools-scm", "setuptools-git-versioning<3", "torchgraft", "setuptools>=64"]


LEGACY = {"backend": "setuptools.build_meta:__legacy__"}


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        ({"setup_py": f"{SETUP}import op_builder", "op_builder/__init__.py": ""}, LEGACY),
        ({"setup_py": f"{SETUP}from tools.make import x", "tools/make.py": ""}, LEGACY),
        ({"setup_py": f"{SETUP}import helper", "helper.py": ""}, LEGACY),
        ({"setup_py": f"{SETUP}import packaging", "packaging/build.py": ""}, None),
        ({"setup_py": f"{SETUP}import setup"}, None),
        ({"setup_py": "import torch\nprint 'x'", "pyproject_toml": '[build-system]\nrequires = ["torch"]\n'}, LEGACY),
    ],
)
def test_a_project_that_imports_its_own_tree(tmp_path: Path, files: dict[str, str], settings: object) -> None:
    assert build_system(adopt(tmp_path, **files))[2] == settings


def test_who_named_a_backend_keeps_it(tmp_path: Path) -> None:
    text = '[build-system]\nrequires = ["setuptools", "torch"]\nbuild-backend = "setuptools.build_meta"\n'
    adoption = adopt(tmp_path, pyproject_toml=text, setup_py=f"{SETUP}import helper", **{"helper.py": ""})
    assert build_system(adoption)[2] is None


def test_what_modules_of_the_tree_import_counts(tmp_path: Path) -> None:
    adoption = adopt(
        tmp_path,
        setup_py="from builder import ops\nfrom setuptools import setup\nsetup()",
        **{
            "builder/__init__.py": "from . import base\n",
            "builder/base.py": "import ninja\ntry:\n    import wheel\nexcept ImportError:\n    pass\n",
            "builder/ops.py": "from .base import x\ndef build():\n    import torch\n    import numpy\n",
            "builder/unused.py": "import scipy\n",
        },
    )
    assert adoption.reason == "builder/ops.py:3 imports torch"
    assert build_system(adoption)[0] == ["torchgraft", "setuptools>=77", "ninja"]
    assert adoption.notes == (
        "builder/ops.py:4 imports numpy in a function: if the build calls it, add it to requires",
    )


@pytest.mark.parametrize("place", ["ext", "src/ext"])
@pytest.mark.parametrize(("name", "verdict"), [("ext", Advice.NOT_NEEDED), ("other", Advice.ADOPT)])
def test_functions_of_the_package_are_for_run_time(tmp_path: Path, place: str, name: str, verdict: Advice) -> None:
    files = {f"{place}/__init__.py": "def f():\n    import torch\n"}
    adoption = adopt(tmp_path, setup_py=f"from ext import version\nsetup(name='{name}')\n", **files)
    assert adoption.verdict is verdict


def test_modules_of_the_tree_that_may_be_absent(tmp_path: Path) -> None:
    script = f"{SETUP}try:\n    import ext\nexcept ImportError:\n    pass\n"
    adoption = adopt(tmp_path, setup_py=script, **{"ext/__init__.py": "import numpy\n"})
    assert build_system(adoption)[0] == ["torchgraft", "setuptools>=77"]


@pytest.mark.parametrize(
    ("backend", "file", "text"),
    [
        ("scikit_build_core.build", "CMakeLists.txt", "project(x)\nfind_package(Torch REQUIRED)\n"),
        ("mesonpy", "meson.build", "project('x')\ntorch = dependency('Torch', method: 'cmake')\n"),
    ],
)
def test_another_backend_becomes_the_delegate(tmp_path: Path, backend: str, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    pyproject = f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{backend}"\nbackend-path = ["_own", "."]\n'
    adoption = adopt(tmp_path, pyproject_toml=pyproject)
    assert adoption.reason == f"{file} looks for torch"
    assert build_system(adoption) == (
        [backend, "torchgraft"],
        {},
        {"backend": backend, "backend-path": ["_own", "."]},
    )


NOT_NEEDED = {
    "nothing": ({}, "nothing in it asks for torch"),
    "no import": (
        {"setup_py": "from setuptools import setup\nsetup(install_requires=['torch'])"},
        "does not import torch",
    ),
    "by a variable": (
        {"setup_py": "import os\nif os.environ.get('X'):\n    import torch\n"},
        "setup.py:3 imports torch only where a variable says so",
    ),
    "Python 2": ({"setup_py": "print 'x'"}, "cannot be read"),
    "for users of C++": (
        {"setup_py": "setup()", "CMakeLists.txt": "find_package(Torch)"},
        "does not import torch",
    ),
}


@pytest.mark.parametrize(("files", "reason"), NOT_NEEDED.values(), ids=NOT_NEEDED)
def test_a_project_that_builds_without_torch(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    found = read(tmp_path, **files)
    adoption = plan_adoption(found)
    assert (adoption.verdict, adoption.changes, adoption.after) == (Advice.NOT_NEEDED, (), None)
    assert reason in adoption.reason
    assert plan_adoption(found, force=True).after


QUESTIONS = {
    "the version": "from importlib.metadata import version\nversion('torch')\n",
    "a child": "import subprocess\nsubprocess.run(['python', '-c', 'import torch'])\n",
    "softly": "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
    "setup_requires": "setup(setup_requires=['torch'])\n",
}


@pytest.mark.parametrize("script", QUESTIONS.values(), ids=QUESTIONS)
def test_who_only_asks_for_torch_needs_it_too(tmp_path: Path, script: str) -> None:
    assert adopt(tmp_path, setup_py=script).verdict is Advice.ADOPT


SOFT = """\
try:
    from torch.utils.cpp_extension import CUDAExtension
    extensions = [CUDAExtension("x", ["x.cu"])]
except ImportError:
    extensions = []
"""


def test_a_project_that_breaks_where_torch_can_be_imported(tmp_path: Path) -> None:
    adoption = adopt(tmp_path, setup_py=SOFT)
    assert adoption.verdict is Advice.OFF
    assert build_system(adoption)[2] == {"provide": "off"}


@pytest.mark.parametrize("condition", ["torch.cuda.is_available()", "CUDA_HOME is not None", "os.path.exists('/cuda')"])
def test_a_project_that_asks_before_it_compiles_does_not_break(tmp_path: Path, condition: str) -> None:
    (tmp_path / "x.cu").touch()
    script = SOFT.replace("extensions = [", f"extensions = []\n    if {condition}: extensions = [")
    assert adopt(tmp_path, setup_py=script).verdict is Advice.ADOPT


def test_a_variable_of_something_else_is_no_condition(tmp_path: Path) -> None:
    (tmp_path / "x.cu").touch()
    adoption = adopt(tmp_path, setup_py=f"import os\nVERSION = os.environ.get('VERSION')\n{SOFT}")
    assert adoption.verdict is Advice.OFF
    assert any("compiles for CUDA without asking" in change.reason for change in adoption.changes)


SOURCES = """\
try:
    from torch.utils.cpp_extension import CppExtension
    extensions = [CppExtension("x", ["csrc/x.cpp"])]
except ImportError:
    extensions = []
setup()
"""


def test_an_optional_part_whose_source_is_not_there(tmp_path: Path) -> None:
    adoption = adopt(tmp_path, setup_py=SOURCES)
    assert adoption.verdict is Advice.OFF
    assert any("csrc/x.cpp is compiled, which is not in the tree" in change.reason for change in adoption.changes)


def test_an_optional_part_whose_sources_no_pattern_finds(tmp_path: Path) -> None:
    script = SOURCES.replace('["csrc/x.cpp"]', 'glob("csrc/*.cpp") + glob("csrc/*.cu")')
    adoption = adopt(tmp_path, setup_py=script)
    assert adoption.verdict is Advice.OFF
    assert any("csrc/*.cpp is compiled" in change.reason for change in adoption.changes)
    (tmp_path / "csrc").mkdir()
    (tmp_path / "csrc" / "y.cpp").touch()
    assert adopt(tmp_path, setup_py=script).verdict is Advice.ADOPT


def test_an_optional_part_that_can_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "csrc").mkdir()
    (tmp_path / "csrc" / "x.cpp").touch()
    adoption = adopt(tmp_path, setup_py=SOURCES)
    assert adoption.verdict is Advice.ADOPT
    (note,) = adoption.notes
    assert note.startswith("setup.py:2 puts up with the absence of torch")


def test_who_needs_torch_builds_for_cuda_or_fails(tmp_path: Path) -> None:
    script = "import torch\nsetup(name='{}', ext_modules=[CUDAExtension('x', [])])\n"
    note = "setup.py:2 compiles for CUDA whatever torch says, which a CPU build of torch cannot"
    assert adopt(tmp_path, setup_py=script.format("mine")).notes == (note,)
    assert f"{note}; -C torchgraft.cuda=off leaves that out" in adopt(tmp_path, setup_py=script.format("gsplat")).notes


GIVING_UP = {
    "no GPU": ("if not torch.cuda.is_available():\n    raise RuntimeError('no')", True),
    "no toolkit": ("if CUDA_HOME is None:\n    print('no')\n    sys.exit(1)", True),
    "else": ("if torch.cuda.is_available():\n    pass\nelse:\n    raise RuntimeError('no')", True),
    "assert": ("assert torch.cuda.is_available()", True),
    "a function": ("def f():\n    if CUDA_HOME is not None:\n        return\n    raise RuntimeError('no')\nf()", True),
    "a function that nobody calls": ("def f():\n    assert torch.cuda.is_available()", False),
    "a version": ("if torch.version.cuda != toolkit:\n    raise RuntimeError('no')", False),
    "what a variable asks for": ("if os.environ.get('USE_CUDA') and CUDA_HOME is None:\n    raise ValueError", False),
    "what a try catches": (
        "try:\n    assert torch.cuda.is_available()\nexcept Exception:\n    pass",
        False,
    ),
    "where there is one": ("if torch.cuda.is_available():\n    assert torch.version.cuda is not None", False),
    "a warning": ("if CUDA_HOME is None:\n    warnings.warn('no')", False),
}


@pytest.mark.parametrize(("text", "gives_up"), GIVING_UP.values(), ids=GIVING_UP)
def test_who_gives_up_without_cuda(tmp_path: Path, text: str, *, gives_up: bool) -> None:
    script = f"import os, sys, torch\n{text}\nsetup(name='{{}}', ext_modules=[CUDAExtension('x', [])])\n"
    line = 3 if text.startswith("def") else 2
    note = f"setup.py:{line} gives up where there is no GPU, or nothing that compiles for one; "
    found = [one for name in ("mine", "gsplat") for one in adopt(tmp_path, setup_py=script.format(name)).notes]
    ours = [one.removeprefix(note) for one in found if one.startswith(note)]
    more = "to be built in images too, it has to ask whether FORCE_CUDA is 1 before that"
    assert ours == ([more, "-C torchgraft.cuda=off leaves that out"] if gives_up else [])


def test_a_module_of_nobody_is_named_once(tmp_path: Path) -> None:
    notes = adopt(tmp_path, setup_py="import torch\nimport cupy.a\nimport cupy.b\nsetup()\n").notes
    assert notes == ("setup.py:2 imports cupy: if a distribution provides it, add that to requires",)


def test_variables_that_any_package_may_have_make_no_relative(tmp_path: Path) -> None:
    macros = "setup(name='mine', define_macros=[('USE_CUDA', '1'), ('USE_ROCM', '1')])\n"
    assert "vocabulary" not in str(adopt(tmp_path, setup_py=f"import torch\n{macros}").after)


def test_one_name_twice_for_different_machines(tmp_path: Path) -> None:
    two = "['numpy<1.20; python_version<\"3.7\"', 'numpy; python_version>=\"3.7\"']"
    requires, _, _ = build_system(adopt(tmp_path, setup_py=f"import torch\nsetup(setup_requires={two})"))
    assert requires[2:] == ['numpy<1.20; python_version<"3.7"', 'numpy; python_version>="3.7"']


ASKED = {
    "by its name": (
        "try:\n    version('b-headless')\nexcept PackageNotFoundError:\n    pass",
        ["b-headless"],
    ),
    "by a function": (
        "def choose(a, b):\n    try:\n        get_distribution(re.split('[<>=]', a)[0])\n    except Exception:\n"
        "        return b\n    return a\nfor a, b in [('b-headless>=3', 'b>=3')]:\n    choose(a, b)",
        ["b-headless", "b"],
    ),
    "by a function, at once": (
        "def has(name):\n    try:\n        version(name)\n    except Exception:\n        return None\nhas('B_x')",
        ["b-x"],
    ),
    "in turn": (
        "NAMES = ['b', 'b-headless', 'b-contrib']\ndef has(name):\n    try:\n        distribution(name)\n"
        "    except PackageNotFoundError:\n        return False\n    return True\n"
        "need = [next((n for n in NAMES if has(n)), NAMES[0])]",
        ["b", "b-headless", "b-contrib"],
    ),
    "in turn, at once": (
        "for name in ('b', 'c', 'd'):\n    try:\n        version(name)\n    except PackageNotFoundError:\n        pass",
        ["b", "c", "d"],
    ),
    "by an import": (
        "try:\n    import cv2\nexcept ImportError:\n    pass",
        ["opencv-python", "opencv-python-headless"],
    ),
    "by an import of one of two": (
        "try:\n    import view\n    need = ['view>=1']\nexcept ImportError:\n    need = ['view-headless']",
        ["view", "view-headless"],
    ),
    "by finding one": ("need = ['view_x>=2'] if find_spec('view_x') else ['y']", ["view-x"]),
    "by finding a module of other hardware": ("need = [] if find_spec('rocm_x') is None else ['torch[gfx]']", []),
    "by a list of all": ("need = ['a>=1'] if 'b_x' in {d.name for d in distributions()} else []", ["b-x"]),
    "by an import that needs nothing": ("try:\n    import view\nexcept ImportError:\n    pass", []),
    "by a tool": ("try:\n    import Cython\nexcept ImportError:\n    need = ['Cython']", []),
    "of torch": ("try:\n    version('torch')\nexcept Exception:\n    pass", []),
    "by an import, beside a variable and a module of such names": (
        "try:\n    import view\nexcept ImportError:\n    pass\nos.getenv('VIEW_ARCH')\nExtension('view.cpu', [])",
        [],
    ),
    "of torch, beside what is named alike": (
        "try:\n    from torch.utils import cpp_extension\nexcept ImportError:\n    need = ['torch-tools']",
        [],
    ),
    "of itself": ("try:\n    version('mine')\nexcept Exception:\n    pass", []),
    "not at all": ("PAIR = ('a>=1', 'b>=1')", []),
}


@pytest.mark.parametrize(("script", "wanted"), ASKED.values(), ids=ASKED)
def test_metadata_that_depend_on_what_is_there(tmp_path: Path, script: str, wanted: list[str]) -> None:
    settings = build_system(adopt(tmp_path, setup_py=f"import torch\nsetup(name='mine')\n{script}"))[2]
    matched = settings["match"] if isinstance(settings, dict) else []
    assert matched[: len(wanted)] == wanted
    assert bool(matched) is bool(wanted)


def test_a_module_of_the_tree_behind_a_variable(tmp_path: Path) -> None:
    script = f"{SETUP}import os\nif os.environ.get('X') == '1':\n    from extensions import E\n"
    found = adopt(tmp_path, setup_py=script, extensions_py="")
    assert build_system(found)[2] == {"backend": "setuptools.build_meta:__legacy__"}


PLAIN = "from setuptools import setup\nsetup()\n"
HELPER = "import os\nfrom torch.utils.cpp_extension import CppExtension\n"
ELSEWHERE = {
    "exec(open('tools/helper.py').read())": "tools/helper.py",
    "exec(compile(open(os.path.join(HERE, 'tools', 'helper.py'), 'r').read(), 'x', 'exec'))": "tools/helper.py",
    "exec((Path(__file__).parent / 'tools' / 'helper.py').read_text())": "tools/helper.py",
    "runpy.run_path('helper.py')": "helper.py",
    "FILE = 'helper.py'\nspec = spec_from_file_location('h', FILE)": "helper.py",
    "subprocess.check_call([sys.executable, 'tools/helper.py', '--out', 'x'])": "tools/helper.py",
    "os.system('python helper.py')": "helper.py",
    "subprocess.run([sys.executable, '-m', 'tools.helper'])": "tools/helper.py",
    "sys.path.insert(0, os.path.join(HERE, 'tools'))\nfrom helper import extension": "tools/helper.py",
    "sys.path.append('tools')\nimport helper": "tools/helper.py",
}


def test_a_script_that_publishes_itself(tmp_path: Path) -> None:
    script = f"{PLAIN}if sys.argv[-1] == 'publish':\n    os.system('python setup.py sdist upload')\n"
    script += "if os.environ.get('FAST'):\n    import torch\n"
    assert adopt(tmp_path, setup_py=script).verdict is Advice.NOT_NEEDED


def test_a_file_that_is_run_and_imports_from_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "flags.py").touch()
    (tmp_path / "helper.py").write_text(f"{HELPER}from tools.flags import FLAGS\n")
    found = adopt(tmp_path, setup_py=f"{PLAIN}exec(open('helper.py').read())\n")
    assert build_system(found)[2] == {"backend": "setuptools.build_meta:__legacy__"}


@pytest.mark.parametrize(("script", "file"), ELSEWHERE.items())
def test_a_file_of_the_tree_that_setup_py_runs(tmp_path: Path, script: str, file: str) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / file).write_text(HELPER)
    adoption = adopt(tmp_path, setup_py=f"{PLAIN}{script}\n")
    assert (adoption.verdict, adoption.reason) == (Advice.ADOPT, f"{file}:2 imports torch")
    # What it only reads, it does not run.
    assert adopt(tmp_path, setup_py=f"{PLAIN}open('{file}').read()\n").verdict is Advice.NOT_NEEDED


BUILD = '[build-system]\nrequires = []\nbuild-backend = "{}"\n'
HOOKS = {
    "a backend in the tree": (f'{BUILD.format("helper")}backend-path = ["tools"]\n', "tools/helper.py"),
    "a command of setuptools": (
        f'{BUILD.format("setuptools.build_meta")}[tool.setuptools.cmdclass]\nbuild_ext = "helper.Build"\n',
        "helper.py",
    ),
    "a version that scikit-build-core asks for": (
        f"{BUILD.format('scikit_build_core.build')}[tool.scikit-build.metadata.version]\n"
        'provider = "helper"\nprovider-path = "tools"\n',
        "tools/helper.py",
    ),
    "a version that pdm asks for": (
        f'{BUILD.format("pdm.backend")}[tool.pdm.version]\nsource = "call"\ngetter = "helper:version"\n',
        "helper.py",
    ),
    "a hook of hatch": (f"{BUILD.format('hatchling.build')}[tool.hatch.build.hooks.custom]\n", "hatch_build.py"),
    "a hook of hatch for wheels": (
        f'{BUILD.format("hatchling.build")}[tool.hatch.build.targets.wheel.hooks.custom]\npath = "helper.py"\n',
        "helper.py",
    ),
}


@pytest.mark.parametrize(("pyproject", "file"), HOOKS.values(), ids=HOOKS)
def test_what_takes_part_without_a_setup_py(tmp_path: Path, pyproject: str, file: str) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / file).write_text("def build_wheel(folder):\n    import torch\n")
    assert adopt(tmp_path, pyproject_toml=pyproject).reason == f"{file}:2 imports torch"


HATCH = BUILD.format("hatchling.build")
PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch>=2.4"]\n'
MATURIN = BUILD.format("maturin")
TABLES = {
    "a hook of hatch": (
        f'{HATCH}[tool.hatch.build.hooks.custom]\ndependencies = ["torch>=2.4"]\n',
        '[tool.hatch.build.hooks.custom] requires "torch>=2.4"',
    ),
    "a wheel of hatch": (
        f'{HATCH}[tool.hatch.build.targets.wheel]\ndependencies = ["torch"]\n',
        '[tool.hatch.build.targets.wheel] requires "torch"',
    ),
    "what the package runs with": (
        f"{HATCH}{PROJECT}[tool.hatch.build.targets.wheel.hooks.x]\nrequire-runtime-dependencies = true\n",
        '[tool.hatch.build.targets.wheel.hooks.x] requires "torch>=2.4"',
    ),
    "hatch without": (f'{HATCH}{PROJECT}[tool.hatch.build.hooks.custom]\ndependencies = ["numpy"]\n', ""),
    "another's table": (f'{MATURIN}[tool.hatch.build.hooks.custom]\ndependencies = ["torch"]\n', ""),
    "a crate": (f'{MATURIN}[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\n', "rust/Cargo.toml depends on tch"),
    "no crate": (MATURIN, ""),
}


@pytest.mark.parametrize(("pyproject", "reason"), TABLES.values(), ids=TABLES)
def test_what_the_tables_of_a_backend_ask_for(tmp_path: Path, pyproject: str, reason: str) -> None:
    (tmp_path / "rust").mkdir()
    (tmp_path / "Cargo.toml").write_text('[dependencies]\npyo3 = "0.24"\n')
    (tmp_path / "rust" / "Cargo.toml").write_text('[dependencies]\npyo3 = "0.24"\ntch = { version = "0.22" }\n')
    adoption = adopt(tmp_path, pyproject_toml=pyproject)
    assert adoption.verdict is (Advice.ADOPT if reason else Advice.NOT_NEEDED)
    assert adoption.reason.startswith(reason)


def test_a_backend_that_runs_setup_py_all_the_same(tmp_path: Path) -> None:
    pyproject = f"{BUILD.format('pdm.backend')}[tool.pdm.build]\nrun-setuptools = true\n"
    assert adopt(tmp_path, setup_py=SETUP, pyproject_toml=pyproject).reason == "setup.py:1 imports torch"


BY_ATTRIBUTE = '[tool.setuptools.dynamic]\nversion = {attr = "own.__version__"}\n'
VERSIONS = {
    "of a module of its own": ("import torch\nfrom ._version import __version__\n", "own/__init__.py:1 imports torch"),
    "computed": ("__version__ = '.'.join(PARTS)\nimport torch\n", "own/__init__.py:2 imports torch"),
    "in what that imports": ("from .ops import f\nfrom ._version import __version__\n", "own/ops.py:1 imports torch"),
    "a literal": ("import torch\n__version__ = '1'\n", ""),
    "a literal with its type": ("import torch\n__version__: str = '1'\n", ""),
    "where the absence of torch is put up with": (
        "try:\n    import torch\nexcept ImportError:\n    pass\nfrom ._version import __version__\n",
        "",
    ),
    "in a function": ("def f():\n    import torch\nfrom ._version import __version__\n", ""),
}


@pytest.mark.parametrize("file", ["pyproject_toml", "setup_cfg"])
@pytest.mark.parametrize(("module", "reason"), VERSIONS.values(), ids=VERSIONS)
def test_a_version_for_which_setuptools_imports_the_package(
    tmp_path: Path, module: str, reason: str, file: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/__init__.py").write_text(module)
    (tmp_path / "own/_version.py").write_text("__version__ = '1'\n")
    (tmp_path / "own/ops.py").write_text("import torch\n")
    text = BY_ATTRIBUTE if file == "pyproject_toml" else "[metadata]\nversion = attr: own.__version__\n"
    adoption = adopt(tmp_path, **{file: text})
    assert adoption.verdict is (Advice.ADOPT if reason else Advice.NOT_NEEDED)
    assert adoption.reason.startswith(reason)


def test_a_folder_of_the_tree_that_is_called_torch(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "ops.py").touch()
    assert adopt(tmp_path, setup_py=f"{PLAIN}import torch\n").verdict is Advice.ADOPT


def test_what_is_made_for_one_torch_needs_it(tmp_path: Path) -> None:
    assert adopt(tmp_path, setup_py=f"{PLAIN}import torchvision\n").reason == "setup.py:3 imports torchvision"


CMAKE = {
    "a setup.py that starts it": ("import subprocess\nsubprocess.run(['cmake', '.'])\nsetup()", "", Advice.ADOPT),
    "a shell that it starts": ("cd = 'x'\nos.system(f'\\n cd {cd}\\n\\n cmake ..\\n make')\nsetup()", "", Advice.ADOPT),
    "one that goes on": ("import os\nos.system('mkdir b && cd b && cmake ..')\nsetup()", "", Advice.ADOPT),
    "a word": ("raise SystemExit('install cmake first')\nsetup()", "", Advice.NOT_NEEDED),
    "skbuild": ("from skbuild import setup\nsetup()", "", Advice.ADOPT),
    "for users of C++": ("from setuptools import setup\nsetup()", "", Advice.NOT_NEEDED),
    "a setup.py that never runs": ("from setuptools import setup\nsetup()", "scikit_build_core.build", Advice.ADOPT),
    "a wrapper of setuptools": ("setup()", "scikit_build_core.setuptools.build_meta", Advice.NOT_NEEDED),
}


@pytest.mark.parametrize(("script", "backend", "verdict"), CMAKE.values(), ids=CMAKE)
def test_who_starts_cmake(tmp_path: Path, script: str, backend: str, verdict: Advice) -> None:
    (tmp_path / "CMakeLists.txt").write_text("find_package(Torch)")
    pyproject = f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\n' if backend else ""
    assert adopt(tmp_path, setup_py=script, pyproject_toml=pyproject).verdict is verdict


HOOKS = {
    "hatchling": ("hatchling.build", "", "hatch_build.py"),
    "pdm": ("pdm.backend", '[tool.pdm.build]\ncustom-hook = "scripts/build.py"\n', "scripts/build.py"),
    "poetry": ("poetry.core.masonry.api", '[tool.poetry.build]\nscript = "build.py"\n', "build.py"),
}


@pytest.mark.parametrize(("backend", "more", "file"), HOOKS.values(), ids=HOOKS)
def test_what_another_backend_runs(tmp_path: Path, backend: str, more: str, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("import os, torch, numpy\n")
    pyproject = f'[build-system]\nrequires = ["x"]\nbuild-backend = "{backend}"\n{more}'
    adoption = adopt(tmp_path, setup_py="import scipy", pyproject_toml=pyproject)
    assert adoption.reason == f"{file}:1 imports torch"
    assert adoption.requires == ("x", "torchgraft", "numpy")


@pytest.mark.parametrize(
    "line",
    ["if torch.npu.is_available():\n    import requests", "if seen():\n    import torch_mlu\n    import requests"],
)
def test_what_other_hardware_imports_in_modules_of_the_tree(tmp_path: Path, line: str) -> None:
    adoption = adopt(tmp_path, setup_py=f"{SETUP}import tools\n", tools_py=line)
    assert adoption.requires == ("torchgraft", "setuptools>=77")
    assert not adoption.notes


def test_sources_behind_whether_torch_is_there(tmp_path: Path) -> None:
    script = (
        "try:\n    import torch\n    HAS = True\nexcept ImportError:\n    HAS = False\nif HAS:\n"
        "    from torch.utils.cpp_extension import CppExtension\n    e = CppExtension('x', ['gone.cpp'])\n"
    )
    assert adopt(tmp_path, setup_py=script).verdict is Advice.OFF


def test_a_fork_speaks_the_words_of_its_origin(tmp_path: Path) -> None:
    words = "os.environ.get('FLASH_ATTN_CUDA_ARCHS')\nos.environ.get('FLASH_ATTENTION_SKIP_CUDA_BUILD')\n"
    script = f"import os, torch\n{words}setup(name='{{}}')\n"
    assert build_system(adopt(tmp_path, setup_py=script.format("my-attn")))[2] == {"vocabulary": ["flash-attn"]}
    adoption = adopt(tmp_path, setup_py=script.format("flash_attn"))
    assert build_system(adoption)[2] is None
    assert any(note.startswith('vocabulary = ["flash-attn"] also sets') for note in adoption.notes)


def test_words_that_many_use_name_nobody(tmp_path: Path) -> None:
    script = "import os, torch\nos.environ.get('FORCE_CUDA')\nos.environ.get('MAX_JOBS')\nsetup(name='x')\n"
    assert build_system(adopt(tmp_path, setup_py=script))[2] is None


def test_every_change_has_its_reason(tmp_path: Path) -> None:
    text = '[build-system]\nrequires = ["torch>=2.4", "foo"]\nbuild-backend = "foo.api"\n'
    adoption = adopt(tmp_path, pyproject_toml=text)
    assert [(change.text, change.reason) for change in adoption.changes] == [
        ('requires: + "torchgraft"', "it is the build backend"),
        ('requires: - "torch>=2.4"', "the build gets the torch that the package will run with"),
        ('[tool.torchgraft] torch = ">=2.4"', 'as [build-system] requires "torch>=2.4"'),
        ('build-backend = "torchgraft.build_meta"', "it calls foo.api"),
        ('[tool.torchgraft] backend = "foo.api"', "it does the work, as until now"),
    ]


@pytest.mark.parametrize(
    "table",
    ["build-system = 1", "[build-system]\nrequires = 'x'", "[build-system]\nrequires = [1]",
     "[build-system]\nbuild-backend = 1", "[build-system]\nbackend-path = '.'"],
)  # fmt: skip
def test_a_table_that_no_front_end_takes(tmp_path: Path, table: str) -> None:
    found = read(tmp_path, pyproject_toml=table, setup_py=SETUP)
    with pytest.raises(ConfigError, match=r"error\[wrong-type\]"):
        plan_adoption(found)


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"error\[bad-toml\]"):
        read(tmp_path, pyproject_toml="[x")


def test_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_adoptable(tmp_path)


VENDORED = ("filelock>=3.12", "packaging>=24")


def test_a_vendored_copy_needs_what_torchgraft_needs() -> None:
    text = '[build-system]\nrequires = ["torchgraft", "setuptools"]\nbuild-backend = "torchgraft.build_meta"\n'
    found = Adoptable(pyproject=text, script=Script(imports=(TORCH,)))
    adoption = plan_adoption(found, vendored=VENDORED)
    assert build_system(adoption) == (
        ["filelock>=3.12", "setuptools", "packaging>=24"],
        {"backend-path": ["_torchgraft"]},
        None,
    )
    again = replace(found, pyproject=adoption.after)
    assert plan_adoption(again, vendored=VENDORED).after is None
    assert plan_adoption(again).after is None


def test_a_project_adopts_a_vendored_copy_at_once() -> None:
    text = '[build-system]\nrequires = ["torch"]\nbuild-backend = "own"\nbackend-path = ["."]\n'
    adoption = plan_adoption(Adoptable(pyproject=text), vendored=VENDORED)
    assert build_system(adoption) == (
        ["filelock>=3.12", "packaging>=24"],
        {"backend-path": ["_torchgraft"]},
        {"backend": "own", "backend-path": ["."]},
    )
