"""Writes small MaxMind databases: a tree of 24-bit records over IPv4, a data section, and a description of the file."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

Value = str | int | list["Value"] | dict[str, "Value"]

STRING, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11
NUMBERS = {
    "record_size": UINT16,
    "ip_version": UINT16,
    "binary_format_major_version": UINT16,
    "binary_format_minor_version": UINT16,
    "build_epoch": UINT64,
}
"""Keys whose number is no UINT32."""


def _head(kind: int, size: int) -> bytes:
    assert size < 285
    length = bytes([size]) if size < 29 else bytes([29, size - 29])
    if kind > 7:  # an extended type has its number in a byte of its own
        return bytes([length[0], kind - 7]) + length[1:]
    return bytes([kind << 5 | length[0]]) + length[1:]


def encoded(value: Value, number_kind: int = UINT32) -> bytes:
    if isinstance(value, str):
        return _head(STRING, len(value.encode())) + value.encode()
    if isinstance(value, int):
        number = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _head(number_kind, len(number)) + number
    if isinstance(value, list):
        return _head(ARRAY, len(value)) + b"".join(encoded(item) for item in value)
    pairs = [encoded(key) + encoded(item, NUMBERS.get(key, UINT32)) for key, item in value.items()]
    return _head(MAP, len(value)) + b"".join(pairs)


def database(networks: dict[str, Value]) -> bytes:
    """A database with those networks of IPv4, none inside another."""
    data = b""
    nodes: list[list[int | None]] = [[None, None]]
    offsets: dict[tuple[int, int], int] = {}
    for text, value in networks.items():
        network = IPv4Network(text)
        bits = f"{int(network.network_address):032b}"[: network.prefixlen]
        node = 0
        for bit in bits[:-1]:
            following = nodes[node][int(bit)]
            if following is None:
                nodes.append([None, None])
                following = nodes[node][int(bit)] = len(nodes) - 1
            node = following
        offsets[node, int(bits[-1])] = len(data)
        data += encoded(value)
    tree = b""
    for number, node_records in enumerate(nodes):
        for side, record in enumerate(node_records):
            if (number, side) in offsets:
                record = len(nodes) + 16 + offsets[number, side]
            tree += (len(nodes) if record is None else record).to_bytes(3, "big")
    description: Value = {
        "node_count": len(nodes),
        "record_size": 24,
        "ip_version": 4,
        "database_type": "GeoLite2-City",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "description": {"en": "a test"},
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encoded(description)


def write(path: Path, networks: dict[str, Value]) -> Path:
    path.write_bytes(database(networks))
    return path
