"""Encoders that send HLS: from the web's uploads to the inlet of ingest.

Owns the check of the token, and what its and ingest's refusals are in HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import IngestError, PublishRefused
from ingest.hls.inlet import HlsInlet
from owncast_py.credentials import Credentials
from web.direct_input import InputRefused


class Direct:
    """The DirectInput of the web."""

    def __init__(self, inlet: HlsInlet, credentials: Credentials) -> None:
        self._inlet = inlet
        self._credentials = credentials

    def begin(self, token: str, address: str, encoder: str, name: str) -> _Upload:
        """See `web.direct_input`."""
        upload = _Upload(self._inlet, self._key(token), address, encoder, name)
        upload.touch()
        return upload

    def delete(self, token: str, address: str, name: str) -> None:
        """See `web.direct_input`."""
        key = self._key(token)
        with _in_http():
            self._inlet.delete(key, address, name)

    def _key(self, token: str) -> str:
        key = self._credentials.key_of_direct_token(token)
        if key is None:
            raise InputRefused(403, "This address is not valid, or not any more; copy it again from the admin page.")
        return key


class _Upload:
    def __init__(self, inlet: HlsInlet, key: str, address: str, encoder: str, name: str) -> None:
        self._inlet, self._key, self._address, self._encoder, self._name = inlet, key, address, encoder, name

    def touch(self) -> None:
        with _in_http():
            self._inlet.check(self._key, self._address, self._name)

    def finish(self, data: bytes) -> None:
        with _in_http():
            self._inlet.put(self._key, self._address, self._encoder, self._name, data)


@contextmanager
def _in_http() -> Iterator[None]:
    try:
        yield
    except PublishRefused as error:
        raise InputRefused(409, str(error)) from None
    except IngestError as error:
        raise InputRefused(400, str(error)) from None
