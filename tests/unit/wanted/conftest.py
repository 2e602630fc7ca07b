"""The machine that runs the tests may have settings of its own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _without_settings_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
