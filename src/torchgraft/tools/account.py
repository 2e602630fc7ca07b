"""The names of this account and this host, to be kept out of reports.

May not keep them: whoever asks takes them out of what is shown.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from ..redaction import Names

if sys.platform != "win32":
    import pwd


def take_names(variables: Mapping[str, str]) -> Names:
    """Return the home folders, account names and host names of whoever runs this process."""
    homes, people = [], [variables.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")]
    homes += [variables.get(name, "") for name in ("HOME", "USERPROFILE")]
    with contextlib.suppress(KeyError, OSError, ImportError):
        people.append(getpass.getuser())
    if sys.platform != "win32":
        with contextlib.suppress(KeyError):
            account = pwd.getpwuid(os.getuid())
            homes.append(account.pw_dir)
            people.append(account.pw_name)
    homes += [os.path.realpath(home) for home in homes if home]
    # Homes are often /home/NAME or /cluster/home/NAME, whatever the account is called.
    people += [Path(home).name for home in homes if home]
    host = platform.node()
    hosts = (host, host.partition(".")[0], variables.get("HOSTNAME", ""), variables.get("COMPUTERNAME", ""))
    return Names(homes=_unique(homes), people=_unique(people), hosts=_unique(hosts))


def _unique(texts: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}, key=lambda text: (-len(text), text)))
