"""Observe the machine and return values. The only readers of processes, environments and files of the consumer.

May not decide, write, or start the consumer's Python.
"""

from __future__ import annotations
