from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.project.read_project import read_project
from torchgraft.project.setup_script import parse_setup_script
from torchgraft.settings.sources import read_pyproject

# What setup() gets, as (may_set_requires, setup_requires, install_requires).
SCRIPTS = {
    "nothing": ("setup(name='x')", False, (), ()),
    "attribute": ("import setuptools\nsetuptools.setup(setup_requires=['a'])", True, ("a",), ()),
    "literal": ("setup(setup_requires=['a', 'b>1'], install_requires=('torch',))", True, ("a", "b>1"), ("torch",)),
    "string": ("setup(setup_requires='a\\nb')", True, ("a", "b"), ()),
    "string with comments": (
        "setup(setup_requires='''a # why\n#b\nc \\\\\n>1''')",
        True,
        ("a", "c>1"),
        (),
    ),
    "sums of sums": (
        "\n".join(["a0 = ['x']", *(f"a{i + 1} = a{i} + a{i}" for i in range(40)), "setup(setup_requires=a40)"]),
        True,
        None,
        (),
    ),
    "lines in a list": ("setup(setup_requires=['a\\nb', ' c # d'])", True, ("a", "b", "c"), ()),
    "texts put together": ("setup(setup_requires='a' + '>1')", True, None, ()),
    "name": ("R = ['a']\nsetup(setup_requires=R)", True, ("a",), ()),
    "annotated": ("R: list = ['a']\nsetup(setup_requires=R)", True, ("a",), ()),
    "sum": ("R = ['a']\nsetup(setup_requires=R + ['b'])", True, ("a", "b"), ()),
    "name bound twice": ("R = ['a']\nif x: R = ['b']\nsetup(setup_requires=R)", True, None, ()),
    "name appended to": ("R = ['a']\nR.append('b')\nsetup(setup_requires=R)", True, None, ()),
    "augmented": ("R = ['a']\nR += ['b']\nsetup(install_requires=R)", False, (), None),
    "computed": ("setup(setup_requires=f(), install_requires=g())", True, None, None),
    "item computed": ("setup(install_requires=['torch==' + v])", False, (), None),
    "dict": ("K = {'setup_requires': ['a']}\nsetup(**K)", True, ("a",), ()),
    "dict call": ("K = dict(install_requires=['a'])\nsetup(**K)", False, (), ("a",)),
    "dict without": ("setup(**{'name': 'x'})", False, (), ()),
    "dict changed": ("K = {}\nK['setup_requires'] = ['a']\nsetup(**K)", True, None, None),
    "dict unknown": ("setup(**kwargs())", True, None, None),
    "mentioned": ("K = {'name': 'x'}\nf('setup_requires')\nsetup(**K)", True, None, ()),
    "in a function": ("def main():\n    setup(setup_requires=['a'])\nmain()", True, ("a",), ()),
    "no call": ("from build_tools import run\nrun()", True, None, None),
    "name bound to itself": (
        "from x import R\nR = R + ['b']\nsetup(setup_requires=['a'], install_requires=R)",
        True,
        ("a",),
        None,
    ),
    "names bound to each other": ("R = S + ['a']\nS = R + ['b']\nsetup(setup_requires=R)", True, None, None),
    "two calls": ("if x:\n  setup(name='a')\nelse:\n  setup(name='b')", True, None, None),
    "not Python": ("setup(", True, None, None),
    "nested deeply": ("x = " + " + ".join(["'a'"] * 600) + "\nsetup(name='x')", True, None, None),
    "null byte": ("setup()\0", True, None, None),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_setup_scripts(name: str) -> None:
    text, may, setup_requires, install_requires = SCRIPTS[name]
    script = parse_setup_script(text)
    assert (script.may_set_requires, script.setup_requires, script.install_requires) == (
        may,
        setup_requires,
        install_requires,
    )


def test_imports_are_top_level_names() -> None:
    text = "import torch.utils\nfrom packaging.version import parse\nfrom . import x\ndef f():\n    import psutil\n"
    assert parse_setup_script(text).imports == ("packaging", "psutil", "torch")


@pytest.mark.parametrize(
    ("files", "dependencies"),
    [
        ({"pyproject.toml": "[project]\nname='x'\ndependencies=['torch>=2']"}, ("torch>=2",)),
        ({"pyproject.toml": "[project]\nname='x'", "setup.py": "setup(install_requires=['torch'])"}, ()),
        (
            {
                "pyproject.toml": "[project]\nname='x'\ndynamic=['dependencies']",
                "setup.py": "setup(install_requires=['torch'])",
            },
            ("torch",),
        ),
        ({"setup.py": "setup(install_requires=f())", "setup.cfg": "[options]\ninstall_requires=torch"}, None),
        (
            {"setup.cfg": "[options]\ninstall_requires =\n  torch>=2,<3\n  # a comment\n  numpy"},
            ("torch>=2,<3", "numpy"),
        ),
        ({"setup.cfg": "not an ini file"}, ()),
        ({}, ()),
    ],
)
def test_dependencies_where_they_are_static(
    tmp_path: Path, files: dict[str, str], dependencies: tuple[str, ...] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_project(tmp_path, read_pyproject(tmp_path)).dependencies == dependencies


def test_the_projects_own_facts(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires=['torchgraft']\n[project]\nname='x'\n")
    (tmp_path / "setup.cfg").write_text("[options]\nsetup_requires = cython; numpy\n")
    (tmp_path / "setup.py").write_bytes(b"\xef\xbb\xbfimport torch\nsetup()\n")
    project = read_project(tmp_path, read_pyproject(tmp_path))
    assert project.name == "x"
    assert project.requires == ("torchgraft",)
    assert project.setup_cfg_requires == ("cython", "numpy")
    assert project.setup_script
    assert project.setup_script.imports == ("torch",)
    assert project.writable


@pytest.mark.parametrize(
    ("lines", "requirements"),
    [
        (
            "setup_requires =\n  six>=1   # any will do\n  # nothing\n  a>1; python_version > '3'",
            ("six>=1", "a>1; python_version > '3'"),
        ),
        ("setup-requires = six", ("six",)),
        ("Setup_Requires = six; cython", ("six", "cython")),
    ],
)
def test_setup_requires_in_setup_cfg_is_read_as_setuptools_reads_it(
    tmp_path: Path, lines: str, requirements: tuple[str, ...]
) -> None:
    (tmp_path / "setup.cfg").write_text(f"[options]\n{lines}\n")
    assert read_project(tmp_path, read_pyproject(tmp_path)).setup_cfg_requires == requirements


@pytest.mark.parametrize("text", ["project = 3", "[project]\nname = 3\ndependencies = 'x'", "build-system = []"])
def test_wrong_types_are_left_to_the_delegate(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert read_project(tmp_path, read_pyproject(tmp_path)).name is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("setup(name='flash_attn')", "flash_attn"),
        ("PACKAGE = 'flash_attn'\nsetup(name=PACKAGE)", "flash_attn"),
        ("setup(**{'name': 'x'})", "x"),
        ("setup(name='mmcv' if ops else 'mmcv-lite')", None),
        ("setup(name=f'x-{cuda}')", None),
        ("setup()", None),
        ("if x:\n  setup(name='a')\nelse:\n  setup(name='b')", None),
    ],
)
def test_the_name_where_it_is_literal(text: str, name: str | None) -> None:
    assert parse_setup_script(text).name == name


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"pyproject.toml": "[project]\nname='a'", "setup.py": "setup(name='b')"}, "a"),
        ({"setup.py": "setup(name='b')", "setup.cfg": "[metadata]\nname = c\n"}, "b"),
        ({"setup.py": "setup()", "setup.cfg": "[metadata]\nname = c\n"}, "c"),
        ({"setup.py": "setup(name=f())", "PKG-INFO": "Metadata-Version: 2.1\nName: d\nVersion: 1\n"}, "d"),
        ({"setup.py": "setup(name=f())"}, None),
    ],
)
def test_where_a_project_says_what_it_is_called(tmp_path: Path, files: dict[str, str], name: str | None) -> None:
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    assert read_project(tmp_path, read_pyproject(tmp_path)).name == name


def test_extensions_for_other_compilers() -> None:
    script = parse_setup_script("from torch.utils import cpp_extension as c\nsetup(ext_modules=[c.SyclExtension('x')])")
    assert (script.names_sycl, script.names_cuda) == (True, False)


@pytest.mark.parametrize(
    ("text", "threads"),
    [
        ("x = ['-O3', '--threads', '4']", 4),  # causal-conv1d 1.7.0, mamba-ssm 2.3.2, xformers 0.0.35
        ("def f(a):\n    return a + ['--threads', '4']", 4),
        ("flags += ('-t', '2')", 2),
        ("flags.extend(['--threads=4', '-O3'])", 4),
        ("flags.append('-t=4')", 4),
        ("flags.append('-t4')", 4),
        ("flags = '-O3 --threads 6 --use_fast_math'.split()", 6),
        ("flags = '--threads=2'; more = ['-t', '8']", 8),
        ("flags = ['--threads', '0', '-t4']", 0),
        ("N = '3'\nflags = ['--threads', N]", 3),
        ("flags = ['--threads', str(4)]", 4),
        ("flags = ['--threads', os.getenv('THEIR_THREADS') or '4']", 4),
        ("flags = ['--threads', os.environ.get('THEIR_THREADS', '4')]", 4),
        # flash-attn 2.8.3, fast-hadamard-transform 1.1.0: what we set, it takes.
        ("flags = ['--threads', os.getenv('NVCC_THREADS') or '4']", None),
        ("flags = ['--threads', os.environ.get('NVCC_THREADS', '4')]", None),
        ("N = os.getenv('NVCC_THREADS', '4')\nflags = ['--threads', N]", None),
        ("def f():\n    n = count()\n    return ['--threads', n]", None),
        ('"Use --threads 4 for speed."', None),
        ("flags = ['--threads']", None),
        ("from x import N\nN = str(N)\nflags = ['--threads', N]", None),
        ("flags = ['-t', 'x', '-tar', '-t=many', '--threads=', '-O3 -t']", None),
        ("", None),
    ],
)
def test_threads_that_setup_py_gives_to_nvcc(text: str, threads: int | None) -> None:
    assert parse_setup_script(text).nvcc_threads == threads


def test_architectures_that_setup_py_gives_to_nvcc() -> None:
    assert parse_setup_script("f = ['-gencode', 'arch=compute_80,code=sm_80']").names_gencode
    assert parse_setup_script("f = '-O3 -gencode=arch=compute_80,code=sm_80'").names_gencode
    assert not parse_setup_script("f = ['-O3']").names_gencode


@pytest.mark.parametrize(("depth", "name"), [(100, "x"), (1000, None), (100_000, None)])
@pytest.mark.parametrize("around", [("f(", ")"), ("-", ""), ("[", "]")])
def test_what_is_nested_deeper_than_people_write_is_not_followed(
    around: tuple[str, str], depth: int, name: str | None
) -> None:
    nested = around[0] * depth + "1" + around[1] * depth
    if around[1] and depth == 100:
        nested = around[0] * 90 + "1" + around[1] * 90
    assert parse_setup_script(f"y = {nested}\nsetup(name='x')").name == name


@pytest.mark.parametrize(
    ("text", "asks", "needs"),
    [
        ("v = version('torch')", True, True),
        ("pkg_resources.require('torch>=2')", True, True),
        ("try:\n    v = version('torch')\nexcept PackageNotFoundError:\n    v = '2'", True, False),
        (
            "try:\n    v = metadata.version('torch')\nexcept (OSError, metadata.PackageNotFoundError):\n    v = '2'",
            True,
            False,
        ),
        ("try:\n    v = get_distribution('torch')\nexcept DistributionNotFound:\n    v = '2'", True, False),
        ("def f():\n    try:\n        return version('torch')\n    except Exception:\n        return '2'", True, False),
        ("try:\n    v = version('torch')\nexcept ValueError:\n    v = '2'", True, True),
        ("try:\n    v = version('torch')\nexcept ImportError:\n    v = '2'\nw = version('torch')", True, True),
        ("v = version('numpy')", False, False),
    ],
)
def test_whether_it_puts_up_with_no_version_of_torch(text: str, *, asks: bool, needs: bool) -> None:
    script = parse_setup_script(text)
    assert (script.asks_version, script.needs_version) == (asks, needs)


def test_a_handler_for_a_missing_version_catches_no_missing_module() -> None:
    assert parse_setup_script("try:\n    import torch\nexcept PackageNotFoundError:\n    pass").needs_torch


# Whether `[project]` alone has the metadata.
IDLE = {
    "nothing": ("setup()", True),
    "what is compiled": ("setup(ext_modules=[e], cmdclass={'build_ext': BuildExtension.with_options()})", True),
    "name and version again": ("setup(name='x', version=v, package_data={'x': ['*.so']}, zip_safe=False)", True),
    "a table of commands": ("C = {'build_ext': B}\nsetup(cmdclass=C)", True),
    "another command": ("setup(cmdclass={'build_ext': B, 'egg_info': E})", False),
    "commands of somebody": ("setup(cmdclass=versioneer.get_cmdclass())", False),
    "packages": ("setup(packages=find_packages(), ext_modules=[e])", False),
    "platforms": ("setup(platforms=['linux'])", False),
    "a keyword of a plugin": ("setup(use_scm_version=True)", False),
    "keywords from elsewhere": ("setup(**kwargs)", False),
    "positional": ("setup('x')", False),
    "two calls": ("setup() if a else setup(ext_modules=[e])", False),
    "no call": ("run()", False),
}


@pytest.mark.parametrize("name", IDLE)
def test_whether_setup_only_says_what_is_compiled(name: str) -> None:
    text, only_compiles = IDLE[name]
    assert parse_setup_script(text).only_compiles is only_compiles


@pytest.mark.parametrize(
    ("project", "idle"),
    [
        ({"name": "x", "version": "1"}, True),
        ({"name": "x", "version": "1", "dependencies": ["torch"]}, True),
        ({"name": "x", "dynamic": ["version"]}, False),
        ({"name": "x", "version": "1", "dynamic": ["readme"]}, False),
        (None, False),
    ],
)
def test_only_static_metadata_need_no_script(tmp_path: Path, project: object, *, idle: bool) -> None:
    (tmp_path / "setup.py").write_text("import torch\nfrom setuptools import setup\nsetup()\n")
    pyproject = {"tool": {"setuptools": {"dynamic": {"version": {"attr": "x.v"}, "readme": {"file": "R"}}}}}
    assert read_project(tmp_path, pyproject | ({"project": project} if project else {})).idle_script is idle


TORCH = "from torch.utils.cpp_extension import BuildExtension, CppExtension\n"
MANY = 1000
# How many sources torch compiles of one extension, and whether ninja is refused.
NINJA = {
    "one": (f"{TORCH}setup(ext_modules=[CppExtension('x', ['a.cpp'])], cmdclass={{'b': BuildExtension}})", 1, False),
    "two": (f"{TORCH}S = ['a', 'b']\nsetup(ext_modules=[CppExtension('x', S)], cmdclass=BuildExtension)", 2, False),
    "keyword": (f"{TORCH}setup(ext_modules=[CppExtension('x', sources=['a'] + ['b', 'c'])])", 3, False),
    "of two": (f"{TORCH}CppExtension('x', ['a']), CppExtension('y', ['a', 'b'])\nsetup()", 2, False),
    "found": (f"{TORCH}setup(ext_modules=[CppExtension('x', glob.glob('*.cpp'))])", MANY, False),
    "elsewhere": (f"{TORCH}setup(ext_modules=extensions())", MANY, False),
    "off": (f"{TORCH}setup(cmdclass={{'b': BuildExtension.with_options(use_ninja=False)}})", MANY, True),
    "item": (f"{TORCH}class B(BuildExtension):\n  def f(self, k):\n    k['use_ninja'] = False\n", MANY, True),
    "dict": (f"{TORCH}setup(cmdclass={{'b': BuildExtension.with_options(**{{'use_ninja': False}})}})", MANY, True),
    "named": (f"{TORCH}N = False\nsetup(cmdclass={{'b': BuildExtension.with_options(use_ninja=N)}})", MANY, True),
    "bound twice": (f"{TORCH}N = False\nN = f()\nBuildExtension.with_options(use_ninja=N)\nsetup()", MANY, None),
    "computed": (f"{TORCH}setup(cmdclass={{'b': BuildExtension.with_options(use_ninja=f())}})", MANY, None),
    "on": (f"{TORCH}setup(cmdclass={{'b': BuildExtension.with_options(use_ninja=True)}})", MANY, False),
    "another name": ("from torch.utils.cpp_extension import BuildExtension as B\nsetup()", MANY, False),
    "not torch's": ("import x\nsetup(ext_modules=[E('x', ['a', 'b'])], cmdclass={'b': BuildExtension})", 0, False),
    "setuptools'": ("import torch\nsetup(ext_modules=[CppExtension('x', ['a', 'b'])])", 0, False),
}


@pytest.mark.parametrize("name", NINJA)
def test_what_torch_can_compile_at_once(name: str) -> None:
    text, sources, refuses = NINJA[name]
    script = parse_setup_script(text)
    assert (script.torch_sources, script.refuses_ninja) == (sources, refuses)


@pytest.mark.parametrize(
    ("script", "tries"),
    [
        ("import torch", False),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", True),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None\nif torch:\n    import torch.version", True),
        ("import torch\ntry:\n    from torch import x\nexcept ImportError:\n    x = None", False),
        ("try:\n    import torch\nexcept ImportError:\n    raise ImportError('install torch first')", False),
    ],
)
def test_whether_torch_is_optional(script: str, *, tries: bool) -> None:
    assert parse_setup_script(script).tries_torch is tries
