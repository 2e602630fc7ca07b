"""Write the plans of the snapshots in tests/cases/plans anew: `python tests/record_plans.py`.

What changes is to be read as a change of behaviour. tests/cases/plans/README.md says what a recording is.
"""

from __future__ import annotations

from support.environment import enter_environment


def main() -> None:
    """Write them."""
    from support.recorded_plans import RECORDED, read_recording, write_recording

    for path in RECORDED:
        write_recording(path, read_recording(path))


if __name__ == "__main__":
    enter_environment()
    main()
