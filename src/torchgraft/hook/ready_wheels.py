"""Hand out a wheel that need not be compiled: from a store, or built already by the package's maintainer.

May not compile, nor decide which are looked for: the plan says so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..child import say
from ..errors import TorchgraftError, shown
from ..model.decision import PlannedPrebuilt
from ..prebuilt.store import take_stored
from ..prebuilt.store_key import key_of, read_facts
from ..prebuilt.surroundings import NoKeyError
from .call import Call
from .delegate import delegate_variables
from .finish import finish_wheel
from .workshop import draft_in, hand_on


def store_key(call: Call) -> str:
    """Return the key of the wheel in a store; "" where none is looked for."""
    if call.plan.store is None or call.plan.store.refused:
        return ""
    variables = delegate_variables(call.plan, call.variables, None)
    try:
        facts = read_facts(
            call.plan, call.source, variables=variables, user=call.variables, config_settings=call.config_settings
        )
    except (NoKeyError, OSError) as reason:
        say(shown(f"torchgraft: the wheel is not kept for the next build: {reason}"))
        return ""
    return key_of(facts)


def take_from_store(call: Call, key: str, directory: str, metadata_directory: str | None) -> str | None:
    """Return the name of the wheel that was built before, now in `directory`; None where there is none that fits."""
    prepared = None if metadata_directory is None else Path(metadata_directory)
    with draft_in(directory, call.caller) as draft:
        found = take_stored(call.plan, key, draft, prepared, token=call.config.store_token)
        if found is None or call.plan.store is None:
            return None
        metadata = None if prepared is None else (prepared / "METADATA").read_bytes()
        plan = replace(call.plan, jobs=None, store=replace(call.plan.store, used=True))
        try:
            finish_wheel(replace(call, plan=plan), found, metadata)
        except TorchgraftError as error:
            say(shown(f"torchgraft: it is compiled all the same: {error.problems[0].headline}"))
            return None
        hand_on(found, directory)
        return found.name


def take_prebuilt(call: Call, directory: str, metadata_directory: str | None) -> tuple[Call, str | None]:
    """Return the name of the first wheel that is built already and fits, now in `directory`; None where none does.

    What does not fit is no error: the wheel can be compiled. The plan that is returned says what became of each.
    """
    from ..prebuilt.take import RefusedError, fetch_prebuilt

    plan = call.plan
    prepared = None if metadata_directory is None else Path(metadata_directory)
    tried, silent = list[PlannedPrebuilt](), set[str]()
    for index, wheel in enumerate(plan.prebuilt):
        try:
            with draft_in(directory, call.caller) as draft:
                found, used = fetch_prebuilt(wheel, draft, prepared, plan.torch, silent)
                after = replace(plan, prebuilt=(*tried, used, *plan.prebuilt[index + 1 :]))
                # What a front end resolves by is the same as in the metadata that were prepared.
                metadata = None if prepared is None else (prepared / "METADATA").read_bytes()
                built_elsewhere = replace(after, variables=(), jobs=None, toolkit=None)
                finish_wheel(replace(call, plan=built_elsewhere), found, metadata)
                hand_on(found, directory)
        except (RefusedError, TorchgraftError) as error:
            # It stands in the wheel's record, and an address may hold a password.
            reason = shown(error.problems[0].headline if isinstance(error, TorchgraftError) else str(error))
            say(shown(f"torchgraft: {wheel.url} is not used: {reason}"))
            tried.append(replace(wheel, refused=reason))
        else:
            say(shown(f"torchgraft: {wheel.url} is used: it is whole, and fits"))
            return replace(call, plan=after), found.name
    return replace(call, plan=replace(plan, prebuilt=tuple(tried))), None
