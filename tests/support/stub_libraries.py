"""Real shared libraries that stand for torch's, made with the machine's own compiler, and modules linked with them.

Two sets differ as two builds of torch do: in their C++ ABI (`cxx11_abi`), in what they define (`functions`), in the
CUDA runtime that they load (`cuda`). What is said here of torch's own symbols is copied from its headers, so that the
ABI of a set is read as that of a real one.

`import torch` loads them, and a module that was linked with them can be imported then, or cannot.
"""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXTENSION_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))

_C10 = """
#include <string>
namespace c10 {
struct SourceLocation { const char* function; const char* file; unsigned line; };
class Error { public: Error(SourceLocation, std::string); std::string message() const; };
Error::Error(SourceLocation, std::string) {}
std::string Error::message() const { return "message"; }
namespace detail {
void torchCheckFail(const char*, const char*, unsigned, const std::string&) {}
}
}
"""
_CPU = """
#include <string>
namespace at {{
class Tensor {{ public: long numel() const; std::string toString() const; }};
long Tensor::numel() const {{ return 7; }}
std::string Tensor::toString() const {{ return "tensor"; }}
{functions}
}}
extern "C" int aoti_torch_get_dim() {{ return 1; }}
extern "C" int torch_list_size() {{ return 2; }}
"""
_PYTHON = """
#include <Python.h>
extern "C" { PyObject* THPVariableClass = nullptr; }
namespace torch { namespace detail { int python() { return 1; } } }
"""
_MODULE = """
#include <Python.h>
#include <string>
namespace c10 {{
struct SourceLocation {{ const char* function; const char* file; unsigned line; }};
class Error {{ public: Error(SourceLocation, std::string); std::string message() const; }};
namespace cuda {{ int device_count(); }}
}}
namespace at {{
class Tensor {{ public: long numel() const; std::string toString() const; }};
{declarations}
}}
namespace torch {{ namespace detail {{ int python(); }} }}
extern "C" {{ int aoti_torch_get_dim(); int torch_list_size(); }}
static long use() {{ return {uses}; }}
static PyObject* used(PyObject*, PyObject*) {{ return PyLong_FromLong(use()); }}
static PyMethodDef methods[] = {{{{"use", used, METH_NOARGS, nullptr}}, {{nullptr, nullptr, 0, nullptr}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", nullptr, -1, methods}};
PyMODINIT_FUNC PyInit_{name}() {{ return PyModule_Create(&module); }}
"""
_INIT = """\
import ctypes
import os

from .version import __version__ as __version__

_folder = os.path.join(os.path.dirname(__file__), "lib")
for _name in ("libtorch_python.so", "libc10_cuda.so"):
    if os.path.exists(os.path.join(_folder, _name)):
        ctypes.CDLL(os.path.join(_folder, _name))
"""
# What a module does with torch, in C++.
STRINGS = '(long)c10::Error({nullptr, nullptr, 0}, "x").message().size()'
NUMBERS = "reinterpret_cast<at::Tensor*>(8)->numel()"
PYTHON = "torch::detail::python()"
STABLE = "aoti_torch_get_dim() + torch_list_size()"
ON_CUDA = "c10::cuda::device_count()"


@dataclass(frozen=True, kw_only=True)
class StubTorch:
    """A torch in a site-packages folder."""

    site: Path
    cxx11_abi: bool

    @property
    def folder(self) -> Path:
        return self.site / "torch"

    @property
    def lib(self) -> Path:
        return self.folder / "lib"


def make_torch(
    site: Path,
    version: str = "2.8.0",
    *,
    cxx11_abi: bool = True,
    functions: Sequence[str] = ("answer",),
    cuda: str | None = None,
) -> StubTorch:
    """Return a torch that can be imported, installed in `site`; this takes a second.

    :param functions: names of functions `int at::NAME()` that it has; what two versions have differs
    :param cuda: of a CUDA build such as 12.8, whose runtime is a stub too
    """
    torch = StubTorch(site=site, cxx11_abi=cxx11_abi)
    lib = torch.lib
    lib.mkdir(parents=True)
    info = site / f"torch-{version}.dist-info"
    info.mkdir()
    (torch.folder / "__init__.py").write_text(_INIT)
    (torch.folder / "version.py").write_text(
        f"__version__ = {version!r}\ndebug = False\ncuda = {cuda!r}\nhip = None\ngit_version = 'stub'\n"
    )
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    (info / "RECORD").write_text(
        f"torch/__init__.py,,\ntorch/version.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n"
    )
    (info / "INSTALLER").write_text("pip\n")
    abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(cxx11_abi)}"
    cpu = _CPU.format(functions="\n".join(f"int {name}() {{ return 1; }}" for name in functions))
    share(lib / "libc10.so", _C10, abi)
    share(lib / "libtorch_cpu.so", cpu, abi, "-lc10", folder=lib)
    share(lib / "libtorch.so", "", "-ltorch_cpu", folder=lib)
    share(lib / "libtorch_python.so", _PYTHON, *_python_flags(), "-ltorch", "-lc10", folder=lib)
    if cuda is not None:
        runtime = f"libcudart.so.{cuda.partition('.')[0]}"
        share(lib / runtime, "")
        source = "namespace c10 { namespace cuda { int device_count() { return 1; } } }"
        share(lib / "libc10_cuda.so", source, f"-l:{runtime}", "-lc10", folder=lib)
    return torch


def make_module(
    folder: Path,
    torch: StubTorch,
    name: str = "ext_c",
    *,
    uses: str = STRINGS,
    functions: Sequence[str] = (),
    cxx11_abi: bool | None = None,
    libraries: Sequence[str] = ("c10", "torch", "torch_cpu", "torch_python"),
    flags: Sequence[str] = (),
) -> Path:
    """Return an extension module in `folder`, compiled for a torch as its cpp_extension does: without a run path.

    :param uses: what it does with torch, one of the constants of this module or several with a plus between them
    :param functions: names of functions `int at::NAME()` that it calls too
    :param cxx11_abi: another C++ ABI than torch's
    :param flags: for the compiler, such as -Wl,-rpath,/somewhere
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = _MODULE.format(
        name=name,
        declarations="\n".join(f"int {function}();" for function in functions),
        uses=" + ".join([uses, *(f"at::{function}()" for function in functions)]),
    )
    abi = torch.cxx11_abi if cxx11_abi is None else cxx11_abi
    linked = [f"-l{library}" if not library.startswith("lib") else f"-l:{library}" for library in libraries]
    return share(
        folder / f"{name}{EXTENSION_SUFFIX}",
        source,
        f"-D_GLIBCXX_USE_CXX11_ABI={int(abi)}",
        *_python_flags(),
        *linked,
        *flags,
        folder=torch.lib,
    )


def share(path: Path, source: str, *flags: str, folder: Path | None = None) -> Path:
    """Return a shared library, compiled from C++.

    :param folder: where the libraries are that it is linked with; it finds them beside itself
    """
    search = [] if folder is None else [f"-L{folder}"]
    beside = ["-Wl,-rpath,$ORIGIN"] if folder == path.parent else []
    command = ["g++", "-shared", "-fPIC", "-O0", "-x", "c++", "-", "-x", "none", "-Wl,--no-as-needed", "-o", str(path)]
    subprocess.run(
        [*command, f"-Wl,-soname,{path.name}", *search, *beside, *flags],
        input=source,
        text=True,
        check=True,
        timeout=120,
    )
    return path


def _python_flags() -> list[str]:
    return [f"-I{sysconfig.get_path('include')}"]
