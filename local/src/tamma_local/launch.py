"""Become another user, then become another program: `launch.py <uid> <gid> <program> <argument>…`.

PostgreSQL refuses to run as root. Where the supervisor is root, it runs as a user without rights, who must still reach
a state folder below directories that only root enters: one capability, reading past permissions, is kept.
Run as a program with the standard library alone.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

# linux/prctl.h and linux/capability.h
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


def main() -> None:
    """Change the user, keep the one capability when the machine lets us, and execute the program."""
    uid, gid, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    capability = _available_capability()
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        _keep(libc, capability)
    os.execv(program, sys.argv[3:])  # noqa: S606 - becoming the program is the purpose


def _available_capability() -> int | None:
    """Return the weakest capability at hand that passes closed directories; containers often have only the second."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    permitted = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm")), 0)
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        if permitted & 1 << capability:
            return capability
    return None


def _keep(libc: ctypes.CDLL, capability: int) -> None:
    """Reduce the capabilities to one and let it pass through execve."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    bit = 1 << capability
    data = struct.pack("=IIIIII", bit, bit, bit, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


if __name__ == "__main__":
    main()
