"""Write a file of a project, as somebody said that it should be.

May not decide what stands in it.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import ActError, Evidence, Problem


def write_project_file(path: Path, text: str) -> None:
    """Write a file with the line ends that the text has.

    :raises ActError: if it cannot be written
    """
    try:
        path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise not_written(path, error, f"ls -l {path}") from None


def not_written(path: Path, error: OSError, fix: str) -> ActError:
    """Return the error that says why a file or folder cannot be written."""
    return ActError(
        Problem(
            code="not-written",
            headline=f"{path} cannot be written",
            evidence=(Evidence(label="reason", text=error.strerror or str(error)),),
            fixes=(fix,),
        )
    )
