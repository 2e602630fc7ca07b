"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A loaded machine is slow, and that is no fault of what is tested.
settings.register_profile("torchgraft", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("torchgraft")
