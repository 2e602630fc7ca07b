"""Which variables the delegate gets besides those it inherits.

May not override what the user has set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..config import Config
from ..model import Snapshot, Torch, Way
from ..planned import PlannedVariable
from .compiling import Compiling
from .way import Reach


def plan_variables(
    config: Config, snapshot: Snapshot, reach: Reach, compiling: Compiling
) -> tuple[PlannedVariable, ...]:
    """Return the variables by name; a value of None says that the user's own stays."""
    user = set(snapshot.variables_set) - set(compiling.forced)
    chosen: dict[str, PlannedVariable] = {}
    for variable in (*_decided(reach.torch, reach.way), *compiling.variables, *_from_settings(config)):
        kept = variable.name in user
        chosen[variable.name] = replace(variable, value=None, reason="the user has set it") if kept else variable
    return tuple(chosen[name] for name in sorted(chosen))


def _decided(torch: Torch | None, way: Way) -> Iterator[PlannedVariable]:
    if torch is not None and torch.cuda:
        # setup.py scripts ask torch.cuda.is_available(), which is about the machine that builds, not about the torch.
        reason = f"torch {torch.version} is a CUDA build, whether or not this machine has a GPU"
        yield PlannedVariable(name="FORCE_CUDA", value="1", reason=reason)
    if way is Way.GRAFT and torch is not None:
        # find_package(Torch) looks here last of all. scikit-build-core searches site-packages, not the links.
        reason = "CMake finds torch here where the project does not say where"
        yield PlannedVariable(name="Torch_DIR", value=f"{torch.folder}/share/cmake/Torch", reason=reason)
    if way is Way.GRAFT:
        # Importing through a link would write __pycache__ into the consumer.
        reason = "nothing may be written into the consumer"
        yield PlannedVariable(name="PYTHONDONTWRITEBYTECODE", value="1", reason=reason)


def _from_settings(config: Config) -> Iterator[PlannedVariable]:
    for name, value in config.env.items():
        yield PlannedVariable(name=name, value=value, reason=f"env ({config.origin('env')})")
