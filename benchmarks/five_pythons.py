"""What further Pythons cost: `torchgraft matrix --build` for several of them and one torch, against the first alone.

    python benchmarks/five_pythons.py WHEEL --release 2.14.1 --cuda 13.0 [--pythons "3.10 3.11 3.12 3.13 3.14"]
        [--bindings torch/library.h] [--kernels N] [--architectures "8.0 9.0"] [--cache ccache]

The Pythons, nvcc for this CUDA, and ccache or sccache have to be on PATH. torch is downloaded before the clock runs. A
package of N kernels, for four types each and without Python.h, is built with empty caches each time. The operators are
in a C++ file with `torch/library.h`, and the module is a small file; or one file with `torch/extension.h` has both. CPU
seconds are those of all children, without what sccache's server runs. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
from pathlib import Path

from compiled_once import hits
from isolated_install import wheelhouse
from measuring import BACKEND, Table, columns, main, make_environment, run, timed, uv, uv_program
from ten_files import path_without

SETUP = """
from glob import glob
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

sources = sorted(glob("*.c[pu]*"))
setup(ext_modules=[CUDAExtension("many._C", sources)], cmdclass={"build_ext": BuildExtension}, packages=["many"])
"""
PROJECT = '[project]\nname = "many"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["torch"]\n'
KERNEL = """
#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

template <typename scalar, int width> __global__ void kernel_{number}(const scalar *in, scalar *out, long size) {{
    __shared__ float sums[256];
    long first = (long(blockIdx.x) * blockDim.x + threadIdx.x) * width;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < width; i++)
        if (first + i < size) sum += expf(float(in[first + i])) + {number};
    sums[threadIdx.x] = sum;
    for (int half = 128; half > 0; half /= 2) {{
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }}
    __syncthreads();
#pragma unroll
    for (int i = 0; i < width; i++)
        if (first + i < size) out[first + i] = scalar(expf(float(in[first + i])) / sums[0]);
}}

template <typename scalar> void launch_{number}(const at::Tensor &in, at::Tensor &out) {{
    long n = in.numel();
    auto from = in.data_ptr<scalar>();
    auto to = out.data_ptr<scalar>();
    auto stream = c10::cuda::getCurrentCUDAStream();
    if (n % 8 == 0)
        kernel_{number}<scalar, 8><<<n / 2048 + 1, 256, 0, stream>>>(from, to, n);
    else if (n % 4 == 0)
        kernel_{number}<scalar, 4><<<n / 1024 + 1, 256, 0, stream>>>(from, to, n);
    else
        kernel_{number}<scalar, 1><<<n / 256 + 1, 256, 0, stream>>>(from, to, n);
}}

void scale_{number}(const at::Tensor &in, at::Tensor &out) {{
    switch (in.scalar_type()) {{
    case at::kFloat: return launch_{number}<float>(in, out);
    case at::kDouble: return launch_{number}<double>(in, out);
    case at::kHalf: return launch_{number}<at::Half>(in, out);
    default: return launch_{number}<at::BFloat16>(in, out);
    }}
}}
"""
DECLARED = "void scale_{number}(const at::Tensor &in, at::Tensor &out);\n"
OPERATORS = """
TORCH_LIBRARY(many, m) {{
{names}
}}
TORCH_LIBRARY_IMPL(many, CUDA, m) {{
{implementations}
}}
"""
MODULE = """
#include <Python.h>

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C"};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
"""


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    pythons = options.pythons.split()
    for python in pythons:  # downloads, and what uv unpacks
        uv("venv", "--quiet", "--python", python, folder / "first")
        uv("pip", "install", "--quiet", "--python", folder / "first", f"torch=={options.release}")
        shutil.rmtree(folder / "first")
    project = write_project(folder / "many", options)
    table = Table(columns(wheels))
    found = [against_one(wheel, project, folder / str(number), pythons, options) for number, wheel in enumerate(wheels)]
    for title in found[0]:
        table.add(title, [one[title] for one in found])
    return table


def against_one(
    wheel: Path, project: Path, folder: Path, pythons: list[str], options: argparse.Namespace
) -> dict[str, str]:
    """Return what one and all of them cost, and what the compiler cache says of all."""
    house = wheelhouse(wheel, folder / "wheels")
    uv("cache", "clean", "--quiet", "torchgraft")  # one of another wheel, with the same version
    command = [make_environment(folder / "tool", wheel), "-m", "torchgraft", "matrix", project, "--build", "--json"]
    command += ["--torch", options.release, "--cuda", options.cuda]
    path = path_without("ninja", folder / "programs")  # that of the index asks jobservers
    programs = folder / "programs" / "uv"
    programs.mkdir(parents=True)
    (programs / "uv").symlink_to(uv_program())
    took = []
    # One before and one after all of them: a machine is not as fast all the time.
    for number, some in enumerate((pythons[:1], pythons, pythons[:1])):
        place = folder / str(number)
        variables = {
            "PATH": f"{programs}{os.pathsep}{path}",
            "UV_FIND_LINKS": str(house),
            "TORCHGRAFT_CACHE_DIR": str(place / "cache"),
            "TORCHGRAFT_COMPILER_CACHE": options.cache,
            "TORCHGRAFT_CUDA_ARCHITECTURES": options.architectures,
            "CCACHE_DIR": str(place / "ccache"),
            "SCCACHE_DIR": str(place / "sccache"),
            "SCCACHE_SERVER_PORT": str(20_000 + os.getpid() % 10_000),
        }
        wanted = ",".join(f"!={python}.*" for python in pythons if python not in some)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = timed(*command, "--out", place / "out", "--python", wanted or f">={pythons[0]}", **variables)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took.append((wall, cpu, hits(options.cache, variables)))
        if options.cache == "sccache":
            run("sccache", "--stop-server", **variables)
        state = json.loads((place / "out" / "matrix.json").read_text(encoding="utf-8"))
        print(took[-1], [cell["took_s"] for cell in state["cells"].values()], file=sys.stderr, flush=True)
    (before_s, before_cpu, _), (all_, all_cpu, said), (after_s, after_cpu, _) = took
    one, one_cpu = (before_s + after_s) / 2, (before_cpu + after_cpu) / 2
    return {
        f"Python {pythons[0]} alone": f"{one:.0f} s, {one_cpu:.0f} s CPU",
        f"{len(pythons)} Pythons": f"{all_ / one:.2f} x ({all_:.0f} s), CPU {all_cpu / one_cpu:.2f} x{said}",
    }


def write_project(folder: Path, options: argparse.Namespace) -> Path:
    """Return the source tree of so many kernels."""
    (folder / "many").mkdir(parents=True)
    texts = {"setup.py": SETUP, "many/__init__.py": "", "pyproject.toml": f"[build-system]\n{BACKEND}{PROJECT}"}
    names = [f"scale_{number}" for number in range(options.kernels)]
    for number, name in enumerate(names):
        texts[f"{name}.cu"] = KERNEL.format(number=number)
    declared = "".join(DECLARED.format(number=number) for number in range(options.kernels))
    if options.bindings == "torch/extension.h":
        defined = "\n".join(f'    m.def("{name}", &{name});' for name in names)
        texts["ops.cpp"] = (
            f"#include <torch/extension.h>\n{declared}PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {{\n{defined}\n}}\n"
        )
    else:
        schemas = "\n".join(f'    m.def("{name}(Tensor input, Tensor(a!) out) -> ()");' for name in names)
        implemented = "\n".join(f'    m.impl("{name}", &as_op<{name}>);' for name in names)
        wrapper = "template <auto op> void as_op(const at::Tensor &in, at::Tensor out) { op(in, out); }\n"
        operators = OPERATORS.format(names=schemas, implementations=implemented)
        texts["ops.cpp"] = f"#include <torch/library.h>\n{declared}{wrapper}{operators}"
        texts["module.cpp"] = MODULE
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    more = {"pythons": "3.10 3.11 3.12 3.13 3.14", "bindings": "torch/library.h", "kernels": 9, "cache": "ccache"}
    main(measure, str(__doc__), release="2.14.1", cuda="13.0", architectures="8.0 8.6 9.0 10.0", **more)
