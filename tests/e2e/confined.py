"""Runs a command under what a systemd unit forbids: `confined.py UNIT WORD…`. Linux, and a compiler for its header.

Takes the unit's SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute and empty CapabilityBoundingSet,
asks systemd-analyze for the groups of system calls, and writes the same filter for the kernel. What it does not do:
namespaces, devices and another user.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

LOAD, AND, EQUAL, GO, RETURN = 0x20, 0x54, 0x15, 0x05, 0x06
"""Instructions of classic BPF: a word of the call, a mask, a comparison, a jump, the verdict."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050001
"""SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with EPERM."""
FIRST, THIRD = 16, 32
"""Where the low halves of a call's arguments lie in struct seccomp_data."""
WRITE, EXECUTE = 2, 4
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_CAPBSET_DROP = 38, 22, 2, 24
CAPABILITIES = 41
"""As many as there are; root without them, after `execve`, is a user like any other."""


def values(unit: str, name: str) -> list[str]:
    """What the unit says under that name, in all its lines."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def numbers() -> dict[str, int]:
    """The system calls of this machine by name."""
    source = "#include <sys/syscall.h>\n"
    done = subprocess.run(["gcc", "-E", "-dM", "-"], input=source, capture_output=True, text=True, check=True)
    return {name: int(value) for name, value in re.findall(r"#define __NR_(\w+) (\d+)", done.stdout)}


def members(group: str) -> set[str]:
    """A group of systemd's, with the groups in it."""
    if not group.startswith("@"):
        return {group}
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    words = {line.strip() for line in done.stdout.splitlines()[1:] if line.strip() and "#" not in line}
    return {name for word in words for name in members(word)}


def allowed(unit: str) -> set[str]:
    """The calls that the unit leaves, and those that systemd always does."""
    found = members("@default")
    for line in values(unit, "SystemCallFilter"):
        listed = {name for group in line.lstrip("~").split() for name in members(group)}
        found = found - listed if line.startswith("~") else found | listed
    return found


def program(unit: str) -> bytes:
    """The filter."""
    known = numbers()
    code: list[tuple[int, int, int, int]] = []

    def refuse_if(call: str, tests: list[tuple[int, int, int, int]]) -> None:
        # The tests fall through to a refusal, and jump past it to a load of the call's number.
        code.append((EQUAL, 0, len(tests) + 1, known[call]))
        code.extend(tests)
        code.append((RETURN, 0, 0, REFUSE))
        code.append((LOAD, 0, 0, 0))

    code.append((LOAD, 0, 0, 0))
    if values(unit, "MemoryDenyWriteExecute") == ["yes"]:
        both = WRITE | EXECUTE
        refuse_if("mmap", [(LOAD, 0, 0, THIRD), (AND, 0, 0, both), (EQUAL, 0, 1, both)])
        for call in ("mprotect", "pkey_mprotect"):
            refuse_if(call, [(LOAD, 0, 0, THIRD), (AND, 0, 0, EXECUTE), (EQUAL, 0, 1, EXECUTE)])
    for families in values(unit, "RestrictAddressFamilies"):
        tests = [(LOAD, 0, 0, FIRST)]
        kinds = [int(getattr(socket, name)) for name in families.split()]
        tests += [(EQUAL, len(kinds) - place, 0, kind) for place, kind in enumerate(kinds)]
        refuse_if("socket", tests)
    for name in sorted(allowed(unit) & known.keys()):
        code += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, REFUSE))
    return b"".join(struct.pack("HBBI", *each) for each in code)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(unit: str) -> None:
    """From here on this process and its children are confined. There is no way back."""
    code = program(unit)
    libc = ctypes.CDLL(None, use_errno=True)
    if os.getuid() == 0 and values(unit, "CapabilityBoundingSet") == [""]:
        for capability in range(CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    filtered = Program(len(code) // 8, code)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filtered))):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text()
    os.umask(int(values(text, "UMask")[0], 8))
    confine(text)
    os.execv(sys.argv[2], sys.argv[2:])
