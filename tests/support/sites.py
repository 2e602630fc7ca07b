"""Site folders made on disk: distributions as installers leave them behind, a torch among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
VERSION_PY = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'xpu']
__version__ = '2.8.0+cu128'
debug = False
cuda: Optional[str] = '12.8'
git_version = 'ba56102387ef21a3b04b357e5b183d48f0afefc7'
hip: Optional[str] = None
xpu: Optional[str] = None
"""
NEW_ABI = b"_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
OLD_ABI = b"_ZN3c105ErrorC1ENS_14SourceLocationESs"
TORCH = {
    "torch/__init__.py": "",
    "torch/version.py": VERSION_PY,
    f"torch/_C{SUFFIX}": "",
    "torch/lib/libc10.so": b"\x7fELF\0" + NEW_ABI + b"\0",
    "torchgen/__init__.py": "",
    "functorch/__init__.py": "",
}


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def metadata_text(name: str, version: str, requires: Iterable[str] = ()) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    return "\n".join(lines) + "\n\nRequires-Dist: this-is-the-description\n"


def install(
    site: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    requires: Iterable[str] = (),
    record: str | None = "",
    information: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Return the dist-info. `record` is the text of RECORD, "" to list `files`, None for none."""
    if files is None:
        files = {f"{name.replace('-', '_')}/__init__.py": ""}
    write(site, files)
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    rows = [f"{path},sha256=AbC_-12,3\n" for path in (*files, f"{folder.name}/METADATA")]
    inside = {"METADATA": metadata_text(name, version, requires), "INSTALLER": "pip\n"}
    if record is not None:
        inside["RECORD"] = record or "".join(rows) + f"{folder.name}/RECORD,,\n"
    write(folder, {**inside, **(information or {})})
    return folder


def install_torch(
    site: Path,
    version: str = "2.8.0",
    *,
    files: Mapping[str, str | bytes | None] | None = None,
    requires: Iterable[str] = (),
    information: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Return the dist-info of a torch with all that is looked at. `files` are others, None for one to leave out."""
    wanted = {name: content for name, content in {**TORCH, **(files or {})}.items() if content is not None}
    return install(site, "torch", version, wanted, requires=requires, information=information)


def install_in_two_folders(site: Path, tree: Path, *, path_line: bool = True, rebuilt: Path | None = None) -> Path:
    """Return the dist-info of a torch as scikit-build-core makes it editable: only what is compiled is in `site`.

    :param rebuilt: where that is instead, with `editable.rebuild`
    """
    modules = ("torch/__init__.py", "torch/version.py")
    write(
        tree, {**{name: TORCH[name] for name in modules}, "torch/lib/shm/manager.h": "", "torch/utils/__init__.py": ""}
    )
    known = {"torch": str(tree / "torch" / "__init__.py"), "torch.version": str(tree / "torch" / "version.py")}
    compiled = {name: content for name, content in TORCH.items() if name.startswith(("torch/_C.", "torch/lib/"))}
    compiled["torch/include/torch.h"] = ""
    folders = {"torch": [str(tree / "torch"), str(site / "torch")]}
    if rebuilt:
        write(rebuilt, compiled)
        folders = {"torch": [str(rebuilt / "torch"), str(tree / "torch")], "torch.utils": [str(tree / "torch/utils")]}
    files = {
        **({} if rebuilt else compiled),
        "_editable_skbc_torch.py": f"def entrypoint() -> None:\n    install({known!r}, {{}}, {folders!r}, ['torch'])\n",
        "_editable_skbc_torch.start": "_editable_skbc_torch:entrypoint",
        "_editable_skbc_torch.pth": f"import _editable_skbc_torch\n{f'{tree}' if path_line else ''}\n",
    }
    url = {"direct_url.json": json.dumps({"url": tree.as_uri(), "dir_info": {"editable": True}})}
    return install(site, "torch", "2.8.0", files, information=url)


def remove(folder: Path) -> None:
    """Remove a folder with its files."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
