"""The wheel store: wheels as the delegate made them, in folders and on servers, by the keys of what decides them.

May not decide what that is, nor finish a wheel: record, guard and link check are made anew for who gets one. A store
that fails is no error: the wheel can be compiled.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..child import say
from ..consumer.ownership import read_exposures
from ..errors import shown
from ..files import digest_of, open_file, read_text
from ..model.decision import Plan, PlannedPrebuilt
from ..model.observation import Exposure
from ..own_files import make_own_folder, remove_in_one_step
from ..redaction import without_secrets
from ..untrusted import json_table
from .plan_prebuilt import STORE_FORMAT, UnfitError

# What says that an entry is whole, and what it is; it is written last.
ABOUT = "about.json"
_LARGEST_ABOUT_BYTES = 100_000
_LARGEST_WHEEL_BYTES = 4_000_000_000
_CHUNK_BYTES = 1 << 20


def take_stored(plan: Plan, key: str, folder: Path, prepared: Path | None, *, token: str = "") -> Path | None:
    """Return a wheel that was built before, now in a folder, checked; None where there is none that is right."""
    for place in plan.store.places if plan.store else ():
        draft, about_file = folder / "stored", folder / ABOUT
        try:
            if not _fetch(place, key, about_file, draft, token):
                continue
            about = read_about(folder)
            found = draft.rename(folder / _inspected(draft, about, plan, prepared))
        except (UnfitError, OSError) as reason:
            _say(place, f"has no wheel for this build that can be used: {reason}")
        else:
            _say(place, "has a wheel of the same sources, torch and settings: nothing is compiled")
            _keep_elsewhere(plan, key, found, about, place)
            return found
        finally:
            about_file.unlink(missing_ok=True)
    return None


def _inspected(wheel: Path, about: Mapping[str, str], plan: Plan, prepared: Path | None) -> str:
    """Return the file name of a wheel that is what an entry says, and fits; raise UnfitError otherwise."""
    if digest_of(wheel) != about["sha256"]:
        raise UnfitError("it is not what was put there")
    if prepared is not None and prepared.name != f"{about['info']}.dist-info":
        raise UnfitError(f"it is {about['info']}")
    from .inspect import inspect_prebuilt

    wanted = PlannedPrebuilt(url="", name=about["name"], version=about["version"])
    return inspect_prebuilt(wheel, wanted, prepared, plan.torch)


def keep_wheel(plan: Plan, key: str, wheel: Path, *, info: str, token: str = "") -> None:
    """Keep a wheel as the delegate has made it, for the next build of the same; `info` names its .dist-info folder."""
    name, _, version = info.removesuffix(".dist-info").partition("-")
    about = {
        "format": STORE_FORMAT,
        "sha256": digest_of(wheel),
        "info": info.removesuffix(".dist-info"),
        "name": name,
        "version": version,
        "torch": plan.torch.version if plan.torch else "",
    }
    for place in plan.store.places if plan.store else ():
        try:
            if not _is_server(place):
                _put(Path(place).expanduser(), key, wheel, about)
            elif plan.store is not None and plan.store.writes:
                from .store_server import put_file

                put_file(f"{place.rstrip('/')}/{key}.whl", wheel, token=token)
                with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
                    file = Path(folder, ABOUT)
                    file.write_text(json.dumps(about), encoding="ascii")
                    put_file(f"{place.rstrip('/')}/{key}.json", file, token=token)
        except (UnfitError, OSError) as reason:
            _say(place, f"did not take the wheel: {reason}")


def _keep_elsewhere(plan: Plan, key: str, wheel: Path, about: Mapping[str, str], place: str) -> None:
    """Keep what a server gave in the folders that come before it: the next build needs no server."""
    places = plan.store.places if plan.store else ()
    for folder in places[: places.index(place)]:
        if not _is_server(folder):
            with contextlib.suppress(OSError):
                _put(Path(folder).expanduser(), key, wheel, about)


def _fetch(place: str, key: str, about: Path, wheel: Path, token: str) -> bool:
    if _is_server(place):
        from .store_server import get_file

        address = f"{place.rstrip('/')}/{key}"
        return get_file(f"{address}.json", about, token=token, largest_bytes=_LARGEST_ABOUT_BYTES) and get_file(
            f"{address}.whl", wheel, token=token, largest_bytes=_LARGEST_WHEEL_BYTES
        )
    folder = Path(place).expanduser()
    entry = folder / key
    if not (entry / ABOUT).is_file():
        return False
    _refuse_open(folder, entry, entry / ABOUT, entry / "wheel.whl")
    _copy(entry / ABOUT, about, _LARGEST_ABOUT_BYTES)
    _copy(entry / "wheel.whl", wheel, _LARGEST_WHEEL_BYTES)
    with contextlib.suppress(OSError):  # when it was used last; a store may be read-only
        os.utime(entry)
    return True


def _copy(path: Path, target: Path, largest_bytes: int) -> None:
    """Copy a regular file up to a size; more of it is not what was put there."""
    with open_file(path) as file, target.open("wb") as copy:
        while largest_bytes > 0 and (chunk := file.read(_CHUNK_BYTES)):
            largest_bytes -= len(chunk)
            copy.write(chunk)


def _put(folder: Path, key: str, wheel: Path, about: Mapping[str, Any]) -> None:
    """Make an entry in one step, unless there is a whole one. Who may read the folder may read what is in it."""
    if not folder.is_dir():
        make_own_folder(folder)
    _refuse_open(folder)
    if _is_whole(folder / key):
        return
    draft = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder))
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
        for name, copy in (("wheel.whl", wheel), (ABOUT, None)):
            file = draft / name
            if copy is None:
                file.write_text(json.dumps(about), encoding="ascii")
            else:
                shutil.copyfile(copy, file)
            with contextlib.suppress(OSError):  # a share whose modes are fixed
                file.chmod(mode & 0o666)
        with contextlib.suppress(OSError):
            draft.chmod(mode & 0o777)
        if os.path.lexists(folder / key):  # damaged, or left by who was killed while removing it
            remove_in_one_step(folder / key)
        try:
            draft.rename(folder / key)
        except OSError as error:  # another build was quicker
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_whole(entry: Path) -> bool:
    try:
        return digest_of(entry / "wheel.whl") == read_about(entry)["sha256"]
    except (OSError, UnfitError):
        return False


def _refuse_open(*places: Path) -> None:
    """Refuse a place in which anybody can put what builds then hand out; raise UnfitError if it is one."""
    exposed = next((e for e in read_exposures(places) if e.by == Exposure.EVERYBODY), None)
    if exposed is not None:
        raise UnfitError(f"any user can change {exposed.path}")


def read_about(entry: Path) -> Mapping[str, str]:
    """Return what an entry says of itself; raise UnfitError if that is nothing."""
    about = json_table(read_text(entry / ABOUT, _LARGEST_ABOUT_BYTES))
    names = ("sha256", "info", "name", "version")
    if about.get("format") != STORE_FORMAT:
        raise UnfitError("it says nothing of itself that is known here")
    if not all(isinstance(about.get(name), str) for name in names):
        raise UnfitError("it does not say what it is")
    return about


def _is_server(place: str) -> bool:
    return "://" in place


def _say(place: str, what: str) -> None:
    say(shown(f"torchgraft: the store {without_secrets(place)} {what}"))
