"""What importing refuses, each with the sentence that a person reads."""

from __future__ import annotations

from owncast_py.errors import OwncastError


class ImportRefused(OwncastError):
    """Nothing can be taken over like that. What was taken before stays, and the same command goes on from there."""


class GobError(OwncastError):
    """Octets that are not what Go's encoding/gob writes, or more of it than any setting has."""
