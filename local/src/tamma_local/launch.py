"""Become a user who is not root, then become another program: `launch.py <uid> <gid> <folder> <program> <argument>…`.

PostgreSQL refuses to run as root. Where the supervisor is root there are two ways out, tried in this order:

1. A user namespace in which the one user that exists, root outside, has another number. Files stay root's, so the clone
   and the state may be in a folder that only root enters. Some containers forbid this.
2. A user without rights, to whom the folder given is handed over. The capability to read past permissions is kept when
   the machine lets us, because folders above may be closed to that user.

Run as a program with the standard library alone.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

# linux/sched.h, linux/prctl.h and linux/capability.h
_CLONE_NEWUSER = 0x10000000
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


def main() -> None:
    """Change the user and execute the program."""
    uid, gid, folder, program = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    libc = ctypes.CDLL(None, use_errno=True)
    # What an earlier run handed over the other way is taken back first: only root outside may.
    _hand_over(folder, os.geteuid(), os.getegid())
    if not _renumber(libc, uid, gid):
        _hand_over(folder, uid, gid)
        _change_user(libc, uid, gid)
        if not os.access(program, os.X_OK):
            sys.exit(
                f"PostgreSQL must not run as root, and another user cannot reach {program}: let others enter the "
                "folders above it (chmod o+x), or run as a user other than root."
            )
    os.execv(program, sys.argv[4:])  # noqa: S606 - becoming the program is the purpose


def _renumber(libc: ctypes.CDLL, uid: int, gid: int) -> bool:
    """Enter a user namespace where root is the user given; False where the system forbids it."""
    if not hasattr(libc, "unshare") or libc.unshare(_CLONE_NEWUSER) != 0:
        return False
    # user_namespaces(7): a process without rights outside maps itself alone, and gives up setgroups for its groups.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{gid} 0 1")
    return True


def _hand_over(folder: Path, uid: int, gid: int) -> None:
    """Make a user the owner of a folder and everything in it."""
    if folder.stat().st_uid == uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def _change_user(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Become the user, keeping at most one capability."""
    capability = _available_capability()
    if capability is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability is not None:
        _keep(libc, capability)


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
