"""The social platforms that an owner can name, and their icons.

Owns the list and the drawing of the icons: a letter on a disc, because a platform's own mark is not ours to give away.
"""

from __future__ import annotations

import html

from typing_extensions import TypedDict

PLATFORMS = {
    "artstation": "ArtStation",
    "bandcamp": "Bandcamp",
    "bluesky": "Bluesky",
    "diaspora": "Diaspora",
    "discord": "Discord",
    "donate": "Donate",
    "element": "Element",
    "email": "Email",
    "facebook": "Facebook",
    "follow": "Follow",
    "friendica": "Friendica",
    "github": "GitHub",
    "gitlab": "GitLab",
    "gitea": "Gitea",
    "codeberg": "Codeberg",
    "google": "Google",
    "gnusocial": "GNU social",
    "instagram": "Instagram",
    "itch": "itch.io",
    "keyoxide": "Keyoxide",
    "kofi": "Ko-fi",
    "lemmy": "Lemmy",
    "liberapay": "Liberapay",
    "linkedin": "LinkedIn",
    "mastodon": "Mastodon",
    "matrix": "Matrix",
    "odysee": "Odysee",
    "patreon": "Patreon",
    "paypal": "Paypal",
    "peertube": "PeerTube",
    "pixelfed": "Pixelfed",
    "pleroma": "Pleroma",
    "snapchat": "Snapchat",
    "soundcloud": "SoundCloud",
    "spotify": "Spotify",
    "steam": "Steam",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "twitch": "Twitch",
    "twitter": "Twitter",
    "xmpp": "XMPP",
    "youtube": "YouTube",
}
ICONS = "/img/platformlogos/"


class PlatformView(TypedDict):
    """A platform's name as people know it, and its icon."""

    platform: str
    icon: str


def all_platforms() -> dict[str, PlatformView]:
    """Every platform by the name that settings use."""
    return {key: {"platform": name, "icon": f"{ICONS}{key}.svg"} for key, name in PLATFORMS.items()}


def icon_of(platform: str) -> str:
    """Where the icon of a platform is; the same one for all that are not known."""
    key = platform.lower()
    return f"{ICONS}{key if key in PLATFORMS else 'other'}.svg"


def draw(key: str) -> bytes | None:
    """The icon as SVG; None for what is no platform."""
    if key not in PLATFORMS and key != "other":
        return None
    letter = html.escape(PLATFORMS.get(key, "•")[0].upper())
    hue = sum(key.encode()) * 37 % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32">'
        f'<circle cx="16" cy="16" r="16" fill="hsl({hue},45%,42%)"/>'
        '<text x="16" y="22" text-anchor="middle" font-family="sans-serif" font-size="17" font-weight="600" '
        f'fill="#fff">{letter}</text></svg>'
    ).encode()
