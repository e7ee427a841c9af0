#!/usr/bin/env python3
"""Cuts a compact country database out of a full one.

    npm pack @ip-location-db/geo-whois-asn-country-mmdb && tar xzf *.tgz
    python3 build.py package/geo-whois-asn-country-ipv4.mmdb countries.csv country.mmdb

For each country of `countries.csv` it keeps the largest IPv4 networks of the full database, and
writes them as an MMDB file of its own (format 2.0, 24-bit records). Standard library only.
"""
import csv
import ipaddress
import struct
import sys

MARKER = b"\xab\xcd\xefMaxMind.com"
NETWORKS_PER_COUNTRY = 12
# The widest and narrowest network kept: wide ones would hold most of a country's weight alone.
WIDEST, NARROWEST = 12, 20


def decode(buf, at, base):
    """Decodes one value of a data section that starts at `base`; gives it and the next offset."""
    control = buf[at]
    at += 1
    kind = control >> 5
    if kind == 1:
        size = (control >> 3) & 3
        value = control & 7 if size < 3 else 0
        pointer = int.from_bytes(bytes([value]) + buf[at : at + size + 1], "big")
        pointer += [0, 2048, 526336, 0][size]
        return decode(buf, base + pointer, base)[0], at + size + 1
    if kind == 0:
        kind = buf[at] + 7
        at += 1
    length = control & 31
    if length >= 29:
        extra = length - 28
        length = [29, 285, 65821][extra - 1] + int.from_bytes(buf[at : at + extra], "big")
        at += extra
    if kind == 2:
        return buf[at : at + length].decode(), at + length
    if kind in (5, 6, 9, 10):
        return int.from_bytes(buf[at : at + length], "big"), at + length
    if kind == 7:
        result = {}
        for _ in range(length):
            key, at = decode(buf, at, base)
            result[key], at = decode(buf, at, base)
        return result, at
    if kind == 11:
        result = []
        for _ in range(length):
            value, at = decode(buf, at, base)
            result.append(value)
        return result, at
    raise ValueError(f"type {kind} at {at}")


def networks(buf):
    """Yields (first address, prefix length, country code) of every network of an IPv4 database."""
    meta_at = buf.rindex(MARKER) + len(MARKER)
    meta = decode(buf, meta_at, meta_at)[0]
    count, size = meta["node_count"], meta["record_size"]
    width = size // 4
    data = count * width + 16

    def children(node):
        raw = buf[node * width : node * width + width]
        if size == 24:
            return int.from_bytes(raw[:3], "big"), int.from_bytes(raw[3:], "big")
        if size == 28:
            left = (raw[3] >> 4) << 24 | int.from_bytes(raw[:3], "big")
            return left, (raw[3] & 15) << 24 | int.from_bytes(raw[4:], "big")
        return int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:], "big")

    start, depth0 = 0, 0
    if meta["ip_version"] == 6:
        for _ in range(96):
            start = children(start)[0]
    stack = [(start, 0, depth0)]
    while stack:
        node, address, depth = stack.pop()
        for bit, child in enumerate(children(node)):
            first = address | bit << (31 - depth)
            if child < count:
                stack.append((child, first, depth + 1))
            elif child > count:
                value = decode(buf, data + child - count - 16, data)[0]
                yield first, depth + 1, value["country_code"]


def text(value):
    raw = value.encode()
    assert len(raw) < 29
    return bytes([2 << 5 | len(raw)]) + raw


def unsigned(kind, value):
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return (bytes([kind << 5 | len(raw)]) if kind < 8 else bytes([len(raw), kind - 7])) + raw


def mapping(pairs):
    return bytes([7 << 5 | len(pairs)]) + b"".join(text(k) + v for k, v in pairs)


def write(chosen, path, epoch):
    """Writes `chosen`, a list of (first address, prefix length, code), as an MMDB file."""
    offsets, section = {}, b""
    for code in sorted({code for _, _, code in chosen}):
        offsets[code] = len(section)
        section += mapping([("country_code", text(code))])
    nodes = [[None, None]]
    for first, prefix, code in sorted(chosen):
        node = 0
        for depth in range(prefix - 1):
            bit = first >> (31 - depth) & 1
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][first >> (32 - prefix) & 1] = code
    count = len(nodes)

    def record(child):
        if child is None:
            return count
        return child if isinstance(child, int) else count + 16 + offsets[child]

    tree = b"".join(record(c).to_bytes(3, "big") for node in nodes for c in node)
    meta = mapping([
        ("binary_format_major_version", unsigned(5, 2)),
        ("binary_format_minor_version", unsigned(5, 0)),
        ("build_epoch", unsigned(9, epoch)),
        ("database_type", text("floodmark-country")),
        ("description", mapping([("en", text("Country of some networks"))])),
        ("ip_version", unsigned(5, 4)),
        ("languages", bytes([1, 11 - 7]) + text("en")),
        ("node_count", unsigned(6, count)),
        ("record_size", unsigned(5, 24)),
    ])
    with open(path, "wb") as out:
        out.write(tree + bytes(16) + section + MARKER + meta)


def main():
    source, countries, target = sys.argv[1:]
    with open(source, "rb") as file:
        buf = file.read()
    with open(countries, newline="") as file:
        wanted = {row["code"] for row in csv.DictReader(file)}
    found = {}
    for first, prefix, code in networks(buf):
        if code in wanted and WIDEST <= prefix <= NARROWEST:
            if ipaddress.ip_address(first).is_global:
                found.setdefault(code, []).append((prefix, first))
    missing = wanted - found.keys()
    assert not missing, missing
    chosen = []
    for code in sorted(found):
        for prefix, first in sorted(found[code])[:NETWORKS_PER_COUNTRY]:
            chosen.append((first, prefix, code))
    meta_at = buf.rindex(MARKER) + len(MARKER)
    write(chosen, target, decode(buf, meta_at, meta_at)[0]["build_epoch"])


main()
