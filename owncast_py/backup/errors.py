"""What keeps a backup from being made or restored.

BackupError
└── DataDirectoryInUse      another process works in the data directory
"""

from __future__ import annotations

from owncast_py.errors import OwncastError


class BackupError(OwncastError):
    """A backup was not made, or an archive was not restored; the sentence says why. What was there before is whole."""


class DataDirectoryInUse(BackupError):
    """Another process, as a rule a running server, works in the data directory."""
