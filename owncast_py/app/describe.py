"""The OpenAPI document without a server: what `owncast-py openapi` prints, and what the pages' types are made from.

Owns a stand-in for everything that operations work with, since describing them asks nothing of it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import orjson

from web import openapi
from web.api.apiture.dialect import mount_apiture
from web.api.owncast.dialect import Owncast, mount_owncast
from web.authentication import Authentication
from web.operations import OPERATIONS
from web.server import Host, build_application


def describe() -> bytes:
    """The document, as `/api/openapi.json` answers it."""
    anything: Any = _StandIn()
    application = build_application(Host(anything, list, []), {})
    # Its guards tell who may.
    authentication = Authentication(anything, anything, anything)
    parts = dict.fromkeys(Owncast.__dataclass_fields__, anything) | {"pages": {}, "authentication": authentication}
    mount_owncast(application, Owncast(**parts))
    mount_apiture(application, anything, anything, authentication, anything)
    found = openapi.document(application[OPERATIONS], "owncast-py", version("owncast-py"))
    return orjson.dumps(found, option=orjson.OPT_INDENT_2)


class _StandIn:
    """Has every attribute and can be called; there is nothing behind it."""

    def __getattr__(self, name: str) -> _StandIn:
        return self

    def __call__(self, *_values: object, **_named: object) -> _StandIn:
        return self
