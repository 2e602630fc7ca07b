"""What there is to link with: which symbols torch's libraries define, and which versions those of the system have.

May not load a library, or judge: what is missing is for `plan_link` to explain. What torch has for its stable ABI is
read from its own headers, which state it in conditions of one form.
"""

from __future__ import annotations

import bisect
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import names_in, open_file, read_text
from ..model.torch_values import Torch
from .elf import BROKEN, Dynamic, ElfFile, SymbolTable
from .linkage import CUDART, TORCH_LIBRARY, Libraries, Library, Loading, Module, WhetherFound, names_of
from .system_libraries import first_file, read_runtimes, read_system_versions, run_path_folders, system_folders

# What has no symbol of torch, wherever it is: nobody looks for it.
_NOT_OF_TORCH = re.compile(
    r"lib(?:c|m|dl|rt|util|pthread|stdc\+\+|gcc_s|gomp|omp|iomp5|mkl_\w+|cu\w+|nv\w+|nccl|amdhip64|roc\w+|hip\w+|sycl"
    r"|python\d[\w.]*)(?:-[0-9a-f]+)?\.so[\d.]*|ld-linux[\w-]*\.so[\d.]*|libc\.musl[\w.-]*"
)
_LOADERS_OF_CUDA = ("libc10_cuda.so", "libtorch_cuda.so")
_MOST_EXPLAINED = 200
_MANGLED = re.compile(r"_Z[A-Za-z0-9_.$]+")
_TIMEOUT_S = 20
# std::string in the new C++ ABI and in the old one, as an argument or part of one. What stands before it is the same
# in both; what comes after it may refer back to it by number, and is not.
_NEW_STRING, _OLD_STRING = b"NSt7__cxx1112basic_string", b"Ss"
_LONG_STRING = "basic_string<char, std::char_traits<char>, std::allocator<char> >"
# On the name of what returns a string, in the new C++ ABI alone.
_NEW_TAG = b"B5cxx11"
# What stands in no such condition was there with the first release that let extensions use it: torch.stable came with
# 2.9, and TORCH_TARGET_VERSION cannot name an earlier one (torch/csrc/stable/version.h).
FIRST_STABLE = "2.9"
# Those of accelerators other than CUDA come without a condition in every release: of them nothing is known.
_OF_OTHER_ACCELERATORS = re.compile(r"aoti_torch_(?:mps|xpu)_\w+")
# These came without a condition too, and got one later or none at all. Found by comparing the headers in the wheels of
# 2.9.0, 2.9.1, 2.10.0, 2.11.0, 2.12.0 and 2.13.0 (torch/csrc/inductor/aoti_torch): with this, all give the same.
_LATER_BY_VERSION = {
    "2.10": """
        aten_full aten_subtract_Tensor cuda__scaled_grouped_mm cuda_caching_allocator_raw_alloc
        cuda_caching_allocator_raw_delete delete_c10_value_object int64_to_ivalue str_to_ivalue
        strlist_to_ivalue tensor_to_ivalue
    """,
    "2.11": """
        cpu_nonzero_static cuda__flash_attention_forward_quantized
        cuda__scaled_dot_product_flash_attention_quantized cuda_mm_dtype_out cuda_nonzero_static
    """,
    "2.12": """
        cpu__grouped_mm cpu_rand_like cpu_rand_like_generator cpu_randint_like cpu_randint_like_low_dtype
        cpu_randn_like cpu_randn_like_generator cuda__flash_attention_forward_no_dropout_inplace
        cuda__flash_attention_forward_no_dropout_inplace_v2 cuda__flash_attention_forward_v2
        cuda__grouped_mm cuda_rand_like cuda_rand_like_generator cuda_randint_like
        cuda_randint_like_low_dtype cuda_randn_like cuda_randn_like_generator
    """,
}
_LATER = {f"aoti_torch_{name}": v for v, names in _LATER_BY_VERSION.items() for name in names.split()}
_STABLE_FOLDERS = (
    "torch/csrc/stable/c",
    "torch/csrc/inductor/aoti_torch/c",
    "torch/csrc/inductor/aoti_torch/generated",
    "torch/csrc/inductor/aoti_torch/generated/extend",
)
_LARGEST_HEADER_BYTES = 4_000_000
_IF = re.compile(r"\s*#\s*if")
_ELSE = re.compile(r"\s*#\s*el")
_END = re.compile(r"\s*#\s*endif")
_SINCE = re.compile(r"TORCH_FEATURE_VERSION\s*>=\s*TORCH_VERSION_(\d+)_(\d+)_\d+")
_FUNCTION = re.compile(r"\b((?:aoti_torch|torch)_\w+)\s*\(")


def read_libraries(
    torch: Torch | None, modules: tuple[Module, ...], *, folders: Mapping[str, Path] | None = None
) -> Libraries:
    """Return what there is for these modules to link with.

    :param folders: where a module is, by its file, for run paths that are relative to it; not of one in an archive
    """
    if torch is None:
        return Libraries(fault="no torch is known that they could be compared with")
    place = _Torch(Path(torch.folder))
    core = place.own("libc10.so")
    if core is None:
        return Libraries(fault="torch is there without a libc10.so that could be read")
    wanted = frozenset(symbol.encode() for module in modules for symbol in module.undefined)
    own = names_of(modules)
    folders = folders or {}
    found = place.closure({name for module in modules for name in module.needed} - own)
    missing: tuple[str, ...] = ()
    lacking = _lacking(modules, found, wanted)
    if lacking:
        # Now it matters who else has them.
        known = own | {library.name for library in found}
        others, missing = _others(modules, known, folders, place)
        found += [library for library in place.closure(place.names()) if library.name not in known] + others
        lacking = _lacking(modules, found, wanted)
    shown = lacking[:_MOST_EXPLAINED]
    return Libraries(
        machine=core.machine,
        bits=core.bits,
        libraries=_values(found, wanted),
        missing=missing,
        cudart=place.cudart(),
        runtimes=_runtimes(modules, place, folders),
        versions=read_system_versions(
            modules,
            place.folder,
            machine=core.machine,
            bits=core.bits,
            loaded={name for library in (core, *found) if library.of_torch for name in library.dynamic.needed},
            folders=folders,
        ),
        other_abi=tuple(_with_other_abi(shown, found)) if shown else (),
        since=read_since(place.folder) if any(module.is_stable for module in modules) else {},
        readable=readable_names(shown),
    )


def readable_names(symbols: Iterable[str]) -> Mapping[str, str]:
    """Return the names of C++ symbols as people write them, those that have one.

    Who compiles has c++filt (binutils); without it, the linker's name has to do.
    """
    names = [symbol for symbol in symbols if _MANGLED.fullmatch(symbol)]
    program = shutil.which("c++filt") if names else None
    if program is None:
        return {}
    try:
        done = subprocess.run(
            [program], input="\n".join(names), capture_output=True, encoding="utf-8", timeout=_TIMEOUT_S, check=True
        )
        found = dict(zip(names, done.stdout.splitlines(), strict=True))
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {n: text.replace(_LONG_STRING, "string") for n, text in found.items() if text not in {"", n}}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """A library that was read."""

    name: str
    path: Path
    of_torch: bool
    machine: str
    bits: int
    dynamic: Dynamic
    symbols: SymbolTable


class _Torch:
    """The libraries of an installed torch, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, _Read | None] = {}
        extension = next((n for n in names_in(folder) if n.startswith("_C.") and n.endswith(".so")), None)
        read = None if extension is None else _read(folder / extension, of_torch=True)
        # Where torch._C finds them; those of conda are in the environment's own lib.
        paths = run_path_folders(read.dynamic.run_path, folder) if read else []
        self._folders = dict.fromkeys([folder / "lib", *paths])

    def names(self) -> list[str]:
        """Return what its libraries are called."""
        return [name for name in names_in(self.folder / "lib") if TORCH_LIBRARY.fullmatch(name)]

    def own(self, name: str) -> _Read | None:
        """Return one of its libraries; None if it has none of that name."""
        if name not in self._read:
            path = first_file(name, self._folders)
            self._read[name] = None if path is None else _read(path, of_torch=True)
        return self._read[name]

    def closure(self, names: Iterable[str]) -> list[_Read]:
        """Return those that have these names, and all of them that those need."""
        found: dict[str, _Read] = {}
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            if name not in found and not _NOT_OF_TORCH.fullmatch(name) and (library := self.own(name)) is not None:
                found[name] = library
                ahead += library.dynamic.needed
        return list(found.values())

    def cudart(self) -> str:
        """Return the name of the CUDA runtime that it loads; "" if none."""
        libraries = (library for library in map(self.own, _LOADERS_OF_CUDA) if library is not None)
        names = (name for library in libraries for name in library.dynamic.needed)
        return next((name for name in names if CUDART.fullmatch(name)), "")


def _read(path: Path, *, of_torch: bool) -> _Read | None:
    try:
        with open_file(path) as file:
            elf = ElfFile(file)
            return _Read(
                name=path.name,
                path=path,
                of_torch=of_torch,
                machine=elf.machine,
                bits=elf.bits,
                dynamic=Dynamic(elf),
                symbols=SymbolTable(elf),
            )
    except BROKEN:
        return None


def _values(found: Iterable[_Read], wanted: frozenset[bytes]) -> tuple[Library, ...]:
    return tuple(
        Library(
            name=library.name,
            file=str(library.path),
            of_torch=library.of_torch,
            needed=library.dynamic.needed,
            defines=tuple(
                sorted(name.decode("utf-8", errors="replace") for name in library.symbols.defined_among(wanted))
            ),
        )
        for library in sorted(found, key=lambda library: library.name)
    )


def _lacking(modules: tuple[Module, ...], found: Iterable[_Read], wanted: frozenset[bytes]) -> list[str]:
    loading = Loading(modules, _values(found, wanted))
    return sorted({symbol for module in modules for symbol in loading.unresolved(module)})


def _others(
    modules: tuple[Module, ...], known: Collection[str], folders: Mapping[str, Path], place: _Torch
) -> tuple[list[_Read], tuple[str, ...]]:
    """Return the libraries that are neither torch's nor of these modules, with what those need; and those not found."""
    found: dict[str, _Read] = {}
    missing = set()
    system = system_folders(place.folder)
    # Each with where it is, and the run paths of those that need it which count for it too (DT_RPATH, ld.so(8)).
    ahead = deque(
        (name, run_path_folders(module.run_path, folders.get(module.file)), module.old_run_path)
        for module in modules
        for name in module.needed
    )
    while ahead:
        name, places, inherited = ahead.popleft()
        if name in known or name in found or _NOT_OF_TORCH.fullmatch(name) or TORCH_LIBRARY.fullmatch(name):
            continue
        path = first_file(name, [*places, *system])
        library = None if path is None else _read(path, of_torch=False)
        if library is None:
            missing.add(name)
            continue
        found[name] = library
        own = run_path_folders(library.dynamic.run_path, library.path.parent)
        passed = [*own, *places] if inherited else own
        ahead += ((needed, passed, inherited or library.dynamic.old_run_path) for needed in library.dynamic.needed)
    return list(found.values()), tuple(sorted(missing - found.keys()))


def _runtimes(modules: tuple[Module, ...], place: _Torch, folders: Mapping[str, Path]) -> Mapping[str, WhetherFound]:
    loaded = place.cudart()
    found = read_runtimes(modules, place.folder, loaded=loaded, folders=folders)
    if loaded or not any(map(place.own, _LOADERS_OF_CUDA)):
        return found
    # A torch for CUDA whose runtime is part of it, or is loaded by a library of NVIDIA's.
    return {name: WhetherFound.PERHAPS if where is WhetherFound.NOWHERE else where for name, where in found.items()}


def _with_other_abi(symbols: Iterable[str], libraries: Iterable[_Read]) -> Iterator[str]:
    """Yield those symbols that torch has with the other C++ ABI."""
    tables = [sorted(library.symbols.defined()) for library in libraries if library.of_torch]
    for symbol in symbols:
        starts = tuple(other_abi_starts(symbol.encode()))
        if any(_has_start(table, start) for table in tables for start in starts):
            yield symbol


def _has_start(table: list[bytes], start: bytes) -> bool:
    place = bisect.bisect_left(table, start)
    return place < len(table) and table[place].startswith(start)


def other_abi_starts(symbol: bytes) -> Iterator[bytes]:
    """Yield with what the name of the same function may begin in the other C++ ABI.

    The name is cut behind its first string. "Ss" may also be part of a word, and "E" the end of something else than
    the name of what returns a string: then nothing begins like that.
    """
    new = [place for place in (symbol.find(_NEW_STRING), symbol.find(_NEW_TAG)) if place >= 0]
    if new and symbol.startswith(_NEW_TAG, min(new)):
        without = symbol.replace(_NEW_TAG, b"")
        string = without.find(_NEW_STRING)
        yield without if string < 0 else without[:string] + _OLD_STRING
    elif new:
        yield symbol[: min(new)] + _OLD_STRING
    else:
        yield from (symbol[:place] + _NEW_STRING for place in _places(symbol, _OLD_STRING))
        yield from (symbol[:place] + _NEW_TAG + b"E" for place in _places(symbol, b"E"))


def _places(text: bytes, part: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(part), text)]


def read_since(torch: Path) -> Mapping[str, str]:
    """Return the version, such as 2.10, from which on torch has had each of its functions; none without headers.

    Of a function of which that is not known, nothing is said.
    """
    found: dict[str, str] = {}
    for folder in _STABLE_FOLDERS:
        for name in names_in(torch / "include" / folder):
            if name.endswith(".h"):
                for function, version in parse_since(
                    read_text(torch / "include" / folder / name, _LARGEST_HEADER_BYTES).splitlines()
                ):
                    found.setdefault(function, version)
    return found


def parse_since(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the functions that a header declares, each with the version of the innermost condition around it."""
    conditions: list[str] = []
    for line in lines:
        if _IF.match(line):
            found = _SINCE.search(line)
            conditions.append(f"{found[1]}.{found[2]}" if found else "")
        elif _ELSE.match(line) and conditions:
            conditions[-1] = ""
        elif _END.match(line) and conditions:
            conditions.pop()
        else:
            since = next((version for version in reversed(conditions) if version), "")
            for name in _FUNCTION.findall(line.partition("//")[0]):
                if since or not _OF_OTHER_ACCELERATORS.fullmatch(name):
                    yield name, since or _LATER.get(name, FIRST_STABLE)
