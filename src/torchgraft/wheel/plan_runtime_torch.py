"""The requirement on torch that a wheel gets from the torch that it is built against.

May not change what the package itself requires: a resolver takes all requirements of one name together.
"""

from __future__ import annotations

from ..model.decision import RuntimeRequirement
from ..model.observation import FrontEnd, FrontEndName, Hook, Snapshot, Torch
from ..settings.config import Config, RuntimeTorch
from ..versions import parse_version

_HOOKS = frozenset(
    {
        Hook.PREPARE_METADATA_FOR_BUILD_WHEEL,
        Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE,
        Hook.BUILD_WHEEL,
        Hook.BUILD_EDITABLE,
    }
)
# They compare the metadata of a source tree with uv.lock whenever they run, and lock anew where the two differ.
_UV_LOCKS = frozenset({"add", "remove", "run", "sync"})


def plan_runtime_torch(config: Config, snapshot: Snapshot, torch: Torch | None) -> RuntimeRequirement | None:
    """Return what is added to the metadata, or why nothing is; None where the setting is off.

    A lock is for many machines and names torch itself. So its metadata stay as they are, and the wheel that is built
    for it has the same ones: PEP 517 wants both to be identical.

    :param torch: what the build sees, None if nobody knows it yet
    """
    wanted = config.runtime_torch
    if wanted is RuntimeTorch.OFF or snapshot.hook not in _HOOKS:
        return None
    if _locks(snapshot.front_end):
        return RuntimeRequirement(reason=f"{snapshot.front_end.command} works from a lock, which names torch itself")
    if torch is None:
        return RuntimeRequirement(reason="no torch is there yet")
    text = _requirement(wanted, torch.resolved_version)
    if text is None:
        return RuntimeRequirement(reason=f"{torch.version} is no version (PEP 440)")
    said = f"{torch.metadata_version} in its metadata" if torch.metadata_version else torch.version
    origin = config.origin("runtime-torch")
    return RuntimeRequirement(text=text, reason=f"{origin}: runtime-torch is {wanted.value}, torch is {said}")


def _locks(front_end: FrontEnd) -> bool:
    words = front_end.command.split()
    return front_end.resolves or (front_end.name is FrontEndName.UV and words[1:2] != [] and words[1] in _UV_LOCKS)


def _requirement(wanted: RuntimeTorch, version: str) -> str | None:
    """Return the requirement; never with a local part, which no other index could answer.

    `==2.8.0` is met by 2.8.0+cu128 (PEP 440, "Version matching"). A nightly or vendor build is a pre-release, which
    is met only where the requirement names one.
    """
    parsed = parse_version(version)
    if parsed is None:
        return None
    if wanted is RuntimeTorch.EXACT:
        return f"torch=={parsed.public}"
    minor = f"{parsed.major}.{parsed.minor}"
    if wanted is RuntimeTorch.MINOR:
        return f"torch=={minor}.*,>={parsed.public}" if parsed.is_prerelease else f"torch=={minor}.*"
    return f"torch>={parsed.public}" if parsed.is_prerelease else f"torch>={minor}"
