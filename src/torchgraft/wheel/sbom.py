"""The bill of materials of a wheel (PEP 770), as CycloneDX writes it.

May not know what is in a wheel: that is given.
"""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timezone

from ..errors import ActError, Problem
from ..model.decision import Bill, BillEntry

SBOM_NAME = "sboms/torchgraft.cdx.json"
# Of documents of this kind alone: the same contents have the same number (RFC 9562, version 5).
_NAMESPACE = uuid.UUID("8d3c5a5e-0a49-5f0e-9d53-7b6f5f6d1c11")


def bill_text(bill: Bill) -> str:
    """Return the bill as JSON: the same text for the same bill. Its time is SOURCE_DATE_EPOCH, or it has none.

    :raises ActError: if the library that writes it is not there
    """
    try:
        from cyclonedx.model import Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ImportError:
        raise ActError(_no_cyclonedx()) from None

    def component(entry: BillEntry, kind: ComponentType, *, ref: str = "") -> Component:
        return Component(
            name=entry.name,
            version=entry.version or None,
            type=kind,
            # No two may be the same: a wheel with libraries of two versions of gcc has two of that name.
            bom_ref=f"{ref}{entry.name}@{entry.version}",
            purl=PackageURL("pypi", None, entry.name, entry.version.partition("+")[0]) if entry.on_pypi else None,
            properties=[Property(name=f"torchgraft:{key}", value=value) for key, value in sorted(entry.facts.items())],
        )

    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, repr(bill)))
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = datetime.fromtimestamp(int(epoch), tz=timezone.utc) if epoch.isdigit() else None
    bom.metadata.timestamp = time  # type: ignore[assignment] # None leaves it out, as the schema allows
    bom.metadata.component = component(bill.wheel, ComponentType.LIBRARY)
    bom.metadata.tools.components.update(
        component(entry, ComponentType.APPLICATION, ref="tool:") for entry in bill.tools
    )
    parts = [component(entry, ComponentType.FRAMEWORK) for entry in bill.parts]
    bom.components.update(parts)
    bom.register_dependency(bom.metadata.component, parts)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _no_cyclonedx() -> Problem:
    return Problem(
        code="no-cyclonedx",
        headline="the package wants a bill of materials, and cyclonedx-python-lib is not there to write it",
        why="without build isolation the front end installs no build requirements",
        fixes=("pip install cyclonedx-python-lib", "export TORCHGRAFT_SBOM=false   (to do without it)"),
    )
