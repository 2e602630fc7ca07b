from __future__ import annotations

import ast

import pytest

from torchgraft.tools.adopt import follow_script
from torchgraft.tools.adopt.follow_script import follow

# What is reached where no variable is set: the modules, "?" behind those whose absence is put up with.
SCRIPTS = {
    "top": ("import torch\nfrom packaging.version import parse", "torch packaging.version"),
    "guarded": ("try:\n    import torch\nexcept ImportError:\n    torch = None", "torch?"),
    "guarded by all": ("try:\n    import torch\nexcept:\n    pass", "torch?"),
    "guarded by one of several": ("try:\n    import torch\nexcept (OSError, ImportError):\n    pass", "torch?"),
    "guarded against something else": ("try:\n    import torch\nexcept KeyError:\n    pass", "torch"),
    "in the handler": ("try:\n    import a\nexcept ImportError:\n    import b", "a? b"),
    "in else and finally": (
        "try:\n    import a\nexcept ImportError:\n    pass\nelse:\n    import b\nfinally:\n    import c",
        "a? b c",
    ),
    "suppressed": ("with suppress(ImportError):\n    import torch", "torch?"),
    "both ways": ("if f():\n    import a\nelse:\n    import b", "a b"),
    "only for types": ("if TYPE_CHECKING:\n    import torch", ""),
    "only for types, dotted": ("if typing.TYPE_CHECKING:\n    import torch", ""),
    "run as a script": ("if __name__ == '__main__':\n    import torch", "torch"),
    "a function that is called": ("def f():\n    import torch\nf()", "torch"),
    "a function that nobody calls": ("def f():\n    import torch", ""),
    "a function that is handed over": ("def f():\n    import torch\nsetup(cmdclass={'x': f})", "torch"),
    "a function in a list": ("def f():\n    import torch\nsetup(x=[g(f) for _ in y])", "torch"),
    "a function called in a guard": (
        "def f():\n    import torch\ntry:\n    f()\nexcept ImportError:\n    pass",
        "torch?",
    ),
    "a function called twice": (
        "def f():\n    import torch\ntry:\n    f()\nexcept ImportError:\n    pass\nf()",
        "torch",
    ),
    "a method": ("class Build(build_ext):\n    def run(self):\n        import torch", "torch"),
    "a decorated function": ("@hook\ndef f():\n    import torch", "torch"),
    "an inner function": ("def f():\n    def g():\n        import torch\n    return g\nf()", "torch"),
    "recursion": ("def f(n):\n    import torch\n    return f(n - 1)\nf(3)", "torch"),
    "a variable": ("if os.environ.get('X') == '1':\n    import torch", ""),
    "a variable with a default": ("if os.getenv('X', '1') == '1':\n    import torch", "torch"),
    "a variable that is in": ("if 'X' in os.environ:\n    import torch", ""),
    "a variable that is not in": ("if 'X' not in os.environ:\n    import torch", "torch"),
    "a variable by its truth": ("if os.environ.get('X'):\n    import torch", ""),
    "a number": ("if int(os.environ.get('X', '0')):\n    import torch", ""),
    "strtobool": ("if strtobool(os.getenv('X', 'no')):\n    import torch", ""),
    "strtobool of distutils": ("if distutils.util.strtobool(os.getenv('X', 'ON')):\n    import torch", "torch"),
    "a reader of variables": ("if env.bool('X'):\n    import torch", "torch"),
    "an option": ("if '--cpp_ext' in sys.argv:\n    import torch", ""),
    "an option that is no dash": ("if 'ext' in sys.argv:\n    import torch", ""),
    "an option not given": ("if '--no-ext' not in sys.argv:\n    import torch", "torch"),
    "a command": ("if 'bdist_wheel' in sys.argv:\n    import torch", "torch"),
    "in lower case": ("if os.environ.get('X', 'FALSE').lower() in ('1', 'true'):\n    import torch", ""),
    "through a name": ("flag = os.environ.get('X', '0') == '1'\nif flag:\n    import torch", ""),
    "through a function": (
        "def on(name, default='0'):\n    return os.environ.get(name, default) == '1'\n"
        "if on('X'):\n    import a\nif on('Y', '1'):\n    import b",
        "b",
    ),
    "and what is not known": ("if os.environ.get('X') and f():\n    import torch", ""),
    "or what is not known": ("if os.environ.get('X') or f():\n    import torch", "torch"),
    "not": ("if not os.environ.get('X'):\n    import torch", "torch"),
    "one or the other": ("x = 'a' if os.environ.get('X') else __import__('b')", "b"),
    "an early return": (
        "def f():\n    if os.environ.get('X') != '1':\n        return []\n    import torch\n    return [1]\nf()",
        "",
    ),
    "an early return that is not known": (
        "def f():\n    if g():\n        return []\n    import torch\n    return [1]\nif f():\n    import a",
        "torch a",
    ),
    "what a function returns": (
        "def f():\n    if os.environ.get('X') != '1':\n        return []\n    return [1]\n"
        "x = f()\nif x:\n    import torch",
        "",
    ),
    "a list that is filled": ("x = []\nx.append(1)\nif x:\n    import torch", "torch"),
    "a list that is filled elsewhere": ("x = []\nfill(x)\nif x:\n    import torch", "torch"),
    "a list under two names": ("x = []\ny = x\ny += [1]\nif x:\n    import torch", "torch"),
    "a name bound in a branch": ("x = False\nif f():\n    x = True\nif x:\n    import torch", "torch"),
    "a name bound in a loop": ("x = False\nfor _ in y:\n    x = True\nif x:\n    import torch", "torch"),
    "a name bound by a function": (
        "x = False\ndef f():\n    global x\n    x = True\nf()\nif x:\n    import torch",
        "torch",
    ),
    "a name that is bound again": ("x = False\ndef f():\n    if x:\n        import torch\nx = True\nf()", "torch"),
    "a name that may be bound in a try": (
        "ok = True\ntry:\n    import a\nexcept ImportError:\n    ok = False\nif ok:\n    import b\nelse:\n    import c",
        "a? b c",
    ),
    "whether torch is there": (
        "try:\n    import torch\n    ok = True\nexcept ImportError:\n    ok = False\nif not ok:\n    import c",
        "torch?",
    ),
    "whether torch is found": ("ok = find_spec('torch') is not None\nif not ok:\n    import c", "torch?"),
    "an error in better words": (
        "try:\n    import torch\nexcept ImportError:\n    raise ImportError('torch first')",
        "torch",
    ),
    "an error where a wheel is built": (
        "builds = COMMANDS.intersection(sys.argv)\ntry:\n    import torch\nexcept ImportError as e:\n"
        "    if builds:\n        raise SystemExit(e)",
        "torch",
    ),
    "an error where a variable asks for it": (
        "try:\n    import torch\nexcept ImportError:\n    if os.environ.get('X') == '1':\n        raise",
        "torch?",
    ),
    "a message and the end": ("try:\n    import torch\nexcept ImportError:\n    print('no')\n    exit(1)", "torch"),
    "behind whether torch is there": (
        "try:\n    import torch\n    ok = True\nexcept ImportError:\n    ok = False\nif ok:\n    import torch.version",
        "torch? torch.version?",
    ),
    "behind whether torch is found": ("if find_spec('torch'):\n    import torch.version", "torch.version? torch?"),
    "behind a function that finds torch": (
        "def has():\n    try:\n        import torch\n        return True\n    except ImportError:\n"
        "        return False\nif has():\n    import torch.version",
        "torch? torch.version?",
    ),
    "behind torch itself": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\nif torch is not None:\n"
        "    import torch.version",
        "torch? torch.version?",
    ),
    "other hardware": (
        "if (hasattr(t, 'is_mlu_available') and t.is_mlu_available()) or os.getenv('FORCE_MLU') == '1':\n"
        "    import torch_mlu, requests\nelse:\n    import numpy",
        "numpy",
    ),
    "other hardware by its module": ("if f():\n    import torch_npu\n    import requests\nelse:\n    import a", "a"),
    "other hardware by a program": ("if which('npu-smi'):\n    import requests", ""),
    "CUDA or other hardware": ("if is_cuda_or_npu():\n    import numpy", "numpy"),
    "a function bound again": (
        "def f():\n    return False\ndef f():\n    return True\nif f():\n    import torch",
        "torch",
    ),
    "behind raise": ("raise SystemExit\nimport torch", ""),
    "a loop that never runs": ("while False:\n    import torch", ""),
    "match": ("match f():\n    case 1:\n        import a\n    case _:\n        import b", "a b"),
    "by name": ("importlib.import_module('torch.version')", "torch.version"),
    "found by name": ("importlib.util.find_spec('torch')", "torch?"),
    "relative by name": ("importlib.import_module('.x', package='y')", ""),
}


@pytest.mark.parametrize(("script", "wanted"), SCRIPTS.values(), ids=SCRIPTS)
def test_what_is_reached(script: str, wanted: str) -> None:
    seen = follow(ast.parse(script))
    found = [
        (name, guarded)
        for node, guarded in seen.imports.items()
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    ] + [(name, guarded) for name, _, guarded in seen.named]
    assert " ".join(name + "?" * guarded for name, guarded in found) == wanted


QUESTIONS = {
    "a version that it has to have": ("pkg_resources.require('torch>=2')", "asks for the version of torch"),
    "its version": ("importlib.metadata.version('torch')", "asks for the version of torch"),
    "another version": ("importlib.metadata.version('numpy')", None),
    "in a child": (
        "subprocess.run([sys.executable, '-c', 'import os; import torch'])",
        "has another process import torch",
    ),
    "a message": ("print('install torch first, then import it')", None),
    "pip": ("subprocess.check_output(['pip', 'show', 'torch'])", "asks pip for torch"),
}


@pytest.mark.parametrize(("script", "wanted"), QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_asked_of_torch(script: str, wanted: str | None) -> None:
    found = follow(ast.parse(script)).questions
    assert found == ([(wanted, 1)] if wanted else [])


def test_a_script_that_takes_too_long_reaches_all_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_script, "_MOST_STEPS", 20)
    script = "x = 1\n" * 30 + "if os.environ.get('X'):\n    import torch\n"
    assert [alias.name for node in follow(ast.parse(script)).imports for alias in node.names] == ["torch"]


def test_deep_nesting_reaches_all_that_it_names() -> None:
    script = f"y = {' + '.join('1' for _ in range(900))}\nif os.environ.get('X'):\n    import torch\n"
    assert [alias.name for node in follow(ast.parse(script)).imports for alias in node.names] == ["torch"]


CUDA = {
    "always": ("CUDAExtension('x', [])", True),
    "with torch": ("try:\n    import torch\n    e = [CUDAExtension('x', [])]\nexcept ImportError:\n    pass", True),
    "where there is torch": (
        "try:\n    import torch\n    t = 1\nexcept ImportError:\n    t = 0\nif t:\n    CUDAExtension()",
        True,
    ),
    "if torch is there": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\nif torch is not None:\n    CUDAExtension()",
        True,
    ),
    "if torch is there, and CUDA": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\nif torch and CUDA_HOME:\n    CUDAExtension()",
        False,
    ),
    "if the torch that is there says so": (
        "ok = False\ntry:\n    import torch\n    ok = os.getenv('X') == '1' or torch.cuda.is_available()\n"
        "except ImportError:\n    pass\nif ok:\n    CUDAExtension()",
        False,
    ),
    "if a function says that torch has CUDA": (
        "def has():\n    try:\n        import torch\n        return torch.cuda.is_available()\n"
        "    except ImportError:\n        return False\nif has():\n    CUDAExtension()",
        False,
    ),
    "in a function": ("def f():\n    return [CUDAExtension('x', [])]\nsetup(ext_modules=f())", True),
    "under another name": (
        "from x import CppExtension, CUDAExtension\nCPU = False\ndef f():\n    if CPU:\n        E = CppExtension\n"
        "    else:\n        E = CUDAExtension\n    E('x', [])\nf()",
        True,
    ),
    "under a name that may be another": (
        "from x import CppExtension, CUDAExtension\nE = CppExtension\nif torch.cuda.is_available():\n"
        "    E = CUDAExtension\nE('x', [])",
        False,
    ),
    "imported under another name": ("from x import CUDAExtension as E\nE('x', [])", True),
    "in a loop": ("for name in names:\n    e.append(CUDAExtension(name, []))", True),
    "unless a variable says so": ("if os.getenv('SKIP') != '1':\n    CUDAExtension()", True),
    "unless it is for ROCm": ("if is_rocm():\n    pass\nelse:\n    CUDAExtension()", True),
    "if there is CUDA": ("if torch.cuda.is_available():\n    CUDAExtension()", False),
    "one of two": ("e = CUDAExtension('x', []) if CUDA_HOME else CppExtension('x', [])", False),
    "after a return": ("def f():\n    if not cuda():\n        return []\n    return [CUDAExtension()]\nf()", False),
    "or it fails": ("if not cuda():\n    raise RuntimeError('no CUDA')\nCUDAExtension()", True),
    "if a variable says so": ("if os.getenv('BUILD_CUDA') == '1':\n    CUDAExtension()", False),
    "where a toolkit is missed": ("try:\n    e = CUDAExtension()\nexcept OSError:\n    e = CppExtension()", False),
    "whatever is missed": ("try:\n    e = CUDAExtension()\nexcept Exception:\n    e = CppExtension()", False),
    "or it says what is missed": ("try:\n    e = CUDAExtension()\nexcept OSError:\n    raise SystemExit(1)", True),
    "or it may give up": (
        "try:\n    CUDAExtension()\nexcept OSError:\n    if no_cpu():\n        raise\n    CppExtension()",
        True,
    ),
    "in a function that nobody calls": ("def f():\n    CUDAExtension()", False),
}


@pytest.mark.parametrize(("script", "wanted"), CUDA.values(), ids=CUDA)
def test_what_is_compiled_for_cuda_whatever_torch_says(script: str, *, wanted: bool) -> None:
    assert bool(follow(ast.parse(script)).cuda) is wanted
