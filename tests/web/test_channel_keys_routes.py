"""The owner's keys of channels: made, listed, revoked, written down; and over when the server starts again."""

from __future__ import annotations

from pathlib import Path

import pytest
from admin_wire import Admin, administered, found_at

from owncast_py.realtime.errors import AccessError, Reason

KEYS = "/api/admin/channels/keys"


async def test_a_key_is_shown_whole_once_and_works_until_it_is_revoked(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        wanted = {"name": "Overlay", "capability": {"chat": ["subscribe", "publish"]}, "revocable": True}
        made = await admin.post(f"{KEYS}/create", wanted)
        value = str(made.pop("value"))
        assert value.startswith(f"{made['key']}:")
        assert made == {
            "key": made["key"],
            "app": "owncast",
            "name": "Overlay",
            "capability": '{"chat":["publish","subscribe"]}',
            "revocable": True,
            "createdAt": "2026-03-04T05:06:07.000Z",
            "revokedAt": None,
        }
        assert await admin.get(KEYS) == [made]
        grant = await admin.home.foundations.keyring.verify_key(value)
        assert grant.capability.allows("chat", "publish")
        admin.home.clock.turn(60)
        await admin.post(f"{KEYS}/revoke", {"key": made["key"]})
        assert await admin.get(KEYS) == [made | {"revokedAt": "2026-03-04T05:07:07.000Z"}]
        acts = await admin.get("/api/admin/chat/audit")
        assert [(found_at(acts, f"{at}.action"), found_at(acts, f"{at}.target")) for at in range(2)] == [
            ("revoke channel key", made["key"]),
            ("create channel key", made["key"]),
        ]
    async with administered(tmp_path) as admin:
        with pytest.raises(AccessError) as refused:
            await admin.home.foundations.keyring.verify_key(value)
        assert refused.value.reason is Reason.KEY_REVOKED


async def test_a_key_may_do_everything_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        made = await admin.post(f"{KEYS}/create", {"name": "Overlay"})
        assert (made["capability"], made["name"], made["revocable"]) == ('{"[*]*":["*"]}', "Overlay", False)


async def test_what_cannot_be_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        for path, body, word in (
            ("create", {}, "'name' is missing"),
            ("create", {"name": ""}, "'name' cannot be ''"),
            ("create", {"name": "x", "capability": "nonsense"}, "not JSON"),
            ("create", {"name": "x", "capability": {"chat": ["shout"]}}, "'shout'"),
            ("create", {"name": "x", "app": "nobody"}, "no app 'nobody'"),
            ("create", {"name": "x" * 121}, "at most 120"),
            ("revoke", {"key": "owncast.x:secret"}, "no key 'owncast.x'"),
            ("revoke", {}, "'key' is missing"),
        ):
            status, sentence = await admin.refused("POST", f"{KEYS}/{path}", body)
            assert (status, word in sentence) == (400, True), sentence
        await _only_for_the_owner(admin)
        assert await admin.get(KEYS) == []


async def _only_for_the_owner(admin: Admin) -> None:
    for method, path in (("GET", KEYS), ("POST", f"{KEYS}/create"), ("POST", f"{KEYS}/revoke")):
        status, sentence = await admin.refused(method, path, {} if method == "POST" else None, headers=None)
        assert (status, "Only the owner" in sentence) == (401, True)
