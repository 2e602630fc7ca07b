"""The Python module that takes an extension module's place in a wheel, and the finder of an editable installation.

May not choose what is guarded.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ..model.torch_values import Torch
from .archive import WheelChanges
from .plan_finishing import Guard

# Run by a guarded module that cannot be loaded; below the wheel's dist-info.
EXPLANATION_NAME = "torchgraft_guard.py"
_EXPLANATION = Path(__file__).parent / "guarding.py"

# Inside of functions: where an extension module is reloaded, this is executed among the extension's own names. And
# without importlib.util, which alone costs a millisecond.
_EXPLAIN = '''\
def _torchgraft_explain(error, name, site, library):
    """Raise a better error than the loader's, or one without that for another torch than the guessed one."""
    import os
    import sys

    torch = sys.modules.get("torch")
    said = getattr(torch, "version", None)
    here = str(getattr(torch, "__version__", None)), getattr(said, "cuda", None), getattr(said, "hip", None)
    if error is None and here == @GUESS@:
        return
    info = os.path.join(site, @INFO@)
    try:
        scope = {"__name__": "torchgraft_guard"}
        with open(os.path.join(info, "torchgraft_guard.py"), encoding="utf-8") as file:
            exec(compile(file.read(), file.name, "exec"), scope)
        better = scope["explained"](error, name, info) if error else scope["refused"](name, info, library)
    except Exception:
        better = None
    if better is not None:
        raise better from error
'''
_MODULE = f"""\
# Written by torchgraft (docs/reference/guard.md).
# The extension module @FILE@ is beside this file, and takes the place of this module.


{_EXPLAIN}

def _torchgraft_load(name, shim):
    import os
    import sys
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    if name == "__main__":
        # Of an extension module, runpy says the same.
        raise ImportError(f"No code object available for {{__spec__.name if __spec__ else shim}}")
    folder = os.path.dirname(shim)
    path = os.path.join(folder, @FILE@)
    loader = ExtensionFileLoader(name, path)
    spec = ModuleSpec(name, loader, origin=path)
    spec.has_location = True
    old = sys.modules.get(name)
    if getattr(old, "__guarded__", None) == path:
        # importlib.reload: it does nothing for an extension module, but has renamed this one.
        old.__spec__, old.__loader__, old.__file__ = spec, loader, path
        vars(old).pop("__cached__", None)
        return
    if getattr(old, "__dict__", None) is globals():
        # Who asks from now on waits for the lock of this import, as for any extension module. A thread that has got
        # this module already waits too, but keeps it (PyImport_ImportModuleLevelObject): see __getattr__.
        del sys.modules[name]
    site = os.path.normpath(os.path.join(folder, *[os.pardir] * name.count(".")))
    if @GUESS@:
        _torchgraft_explain(None, name, site, "")
    # Other threads wait for a module that says so (importlib._bootstrap, _find_and_load).
    spec._initializing = True
    try:
        module = loader.create_module(spec)
        names = {{"spec": spec, "loader": loader, "file": path, "package": spec.parent, "guarded": path}}
        for key, value in names.items():
            globals()[f"__{{key}}__"] = value
            try:
                setattr(module, f"__{{key}}__", value)
            except AttributeError:
                pass
        sys.modules[name] = module
        loader.exec_module(module)
    except ImportError as error:
        _torchgraft_explain(error, name, site, path)
        raise
    finally:
        spec._initializing = False


if "__guarded__" not in globals():
    # Not by importlib.reload, which executes this among the names of the extension module.

    # What the extension module has: for threads that have got this one, and for type checkers, which read it.
    def __getattr__(key):
        from importlib import import_module

        module = import_module(__name__)
        if getattr(module, "__dict__", None) is globals():
            raise AttributeError(f"module {{__name__!r}} has no attribute {{key!r}}")
        if key == "__all__" and not hasattr(module, key):
            return [name for name in dir(module) if not name.startswith("_")]
        return getattr(module, key)


_torchgraft_load(__name__, __file__)
del _torchgraft_explain, _torchgraft_load
"""
_FINDER = f'''\
# Written by torchgraft (docs/reference/guard.md), for what has no guard in its own place.
# A .pth file imports this module whenever Python starts.
import os
import sys


{_EXPLAIN}

def _watch(loader, name):
    """Explain why an extension module cannot be loaded. Others may watch it too: whose it is, is asked only then."""
    create = loader.create_module

    def create_module(spec):
        vars(loader).pop("create_module", None)
        if @GUESS@:
            _torchgraft_explain(None, name, os.path.dirname(__file__), "" if name in @WATCHED@ else spec.origin)
        try:
            return create(spec)
        except ImportError as error:
            _torchgraft_explain(error, name, os.path.dirname(__file__), spec.origin)
            raise

    loader.create_module = create_module


class _Finder:
    """Asks the finders behind it, and watches the extension modules that they find."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in @TOPS@:
            return None
        from importlib.machinery import ExtensionFileLoader

        # Not those before it: two of these that asked each other would never end.
        for finder in sys.meta_path[sys.meta_path.index(_Finder) + 1 :]:
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                if type(spec.loader) is ExtensionFileLoader or (name in @WATCHED@ and spec.loader):
                    _watch(spec.loader, name)
                return spec
        return None


sys.meta_path.insert(0, _Finder)
'''


def guard_files(guard: Guard, *, info: str) -> WheelChanges:
    """Return what a guard does to the files of a wheel with this dist-info; nothing where nothing is guarded."""
    guess = guard.guessed
    texts = {m.shim: module_text(PurePosixPath(m.moved).name, info=info, guess=guess) for m in guard.modules}
    if guard.tops:
        # Names as setuptools gives them to what belongs to an editable installation: nothing else looks at them.
        stem = info.removesuffix(".dist-info")
        mark = "__torchgraft__" if guard.watched else "__editable__"
        finder = f"{mark}_" + re.sub(r"\W", "_", stem) + "_guard"
        texts[f"{finder}.py"] = finder_text(guard.tops, info=info, guess=guess, watched=guard.watched)
        texts[f"{mark}.{stem}.guard.pth"] = f"import {finder}\n"
    if texts:
        texts[f"{info}/{EXPLANATION_NAME}"] = explanation_text()
    return WheelChanges(
        moved={module.file: module.moved for module in guard.modules},
        added={name: text.encode("utf-8") for name, text in texts.items()},
    )


def explanation_text() -> str:
    """Return the text of `EXPLANATION_NAME`."""
    return _EXPLANATION.read_text(encoding="utf-8")


def module_text(file: str, *, info: str, guess: Torch | None = None) -> str:
    """Return the Python module in whose place the extension `file` is loaded; `guess` is the torch that was guessed."""
    return _filled(_MODULE, info, guess).replace("@FILE@", repr(file))


def finder_text(tops: tuple[str, ...], *, info: str, guess: Torch | None = None, watched: tuple[str, ...] = ()) -> str:
    """Return the module that a .pth file imports, for the extension modules of these top-level packages.

    :param watched: packages that refuse another torch than the guessed one themselves
    """
    return _filled(_FINDER, info, guess).replace("@TOPS@", repr(tops)).replace("@WATCHED@", repr(watched))


def _filled(template: str, info: str, guess: Torch | None) -> str:
    guessed = repr(guess and (guess.version, guess.cuda, guess.hip))
    return template.replace("@INFO@", repr(info)).replace("@GUESS@", guessed)
