"""What the bundled detector's windows must come to: a plain reading of docs/detector.md, over the records as they lie in
their topics, without anything of the detector's own code.

A partition's watermark decides which events count; all the rest is adding up what counts, in no particular order.
"""

import json
import math
from collections import Counter, defaultdict

MINUTE = 60_000
SEGMENT = 5 * MINUTE

# Steps of the watermark in milliseconds, the largest that is at most a 250th of the bound.
GRAINS = (1000, 500, 100, 50, 10, 1)


class Partition:
    """Judges the events of one partition, in the order of its log."""

    def __init__(self, bound, lateness):
        self.bound, self.lateness = bound, lateness
        self.grain = next((g for g in GRAINS if g <= bound // 250), 1)
        self.newest = self.watermark = -(1 << 62)

    def judge(self, at):
        """`in time`, `late` but allowed, or `too late`; and the watermark that it was judged by."""
        watermark = self.watermark
        if at < watermark - self.lateness:
            return "too late", watermark
        if at < watermark:
            return "late", watermark
        if at > self.newest:
            self.newest = at
            self.watermark = max(watermark, (at - self.bound) // self.grain * self.grain)
        return "in time", watermark


def judged(records, bound, lateness, decode, verdicts):
    """Yields partition, verdict, watermark and event of every record that is an event and not too late."""
    partitions = defaultdict(lambda: Partition(bound, lateness))
    for record in records:
        event = decode(record)
        if event is None:
            verdicts["not an event"] += 1
            continue
        partition = record["partition"]
        verdict, watermark = partitions[partition].judge(event["timestamp"])
        verdicts[verdict] += 1
        if verdict != "too late":
            yield partition, verdict, watermark, event


def is_time(value):
    return type(value) is int and 0 <= value < 7_258_118_400_000


def click(record):
    """A click event, or nothing if a required field is missing or of another type."""
    try:
        event = json.loads(record["value"])
    except (TypeError, ValueError):
        return None
    texts = ("event_id", "user_id", "session_id", "event_type", "page_url", "ip_address", "country", "device_type")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in texts):
        return None
    return event if is_time(event.get("timestamp")) else None


def reading(record):
    """A reading, or nothing."""
    try:
        event = json.loads(record["value"])
    except (TypeError, ValueError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("sensor_id"), str) or not event["sensor_id"]:
        return None
    value = event.get("value")
    is_number = type(value) in (int, float) and math.isfinite(value)
    return event if is_number and is_time(event.get("timestamp")) else None


# Rows over the clickstream ------------------------------------------------------------------------------------------

LENGTHS = ((10_000, "under_10s"), (60_000, "under_1m"), (300_000, "under_5m"), (1_800_000, "under_30m"), (None, "longer"))


def half_up(value):
    return math.floor(value + 0.5)


def visit(events, gap):
    """The row of a visit, from its events."""
    events = sorted(events, key=lambda e: (e["timestamp"], e["event_id"].encode()))
    first, last = events[0], events[-1]
    kinds = Counter(e["event_type"] for e in events)
    views, clicks, searches = kinds["page_view"], kinds["click"], kinds["search"]
    carts, purchases = kinds["add_to_cart"], kinds["purchase"]
    length = last["timestamp"] - first["timestamp"]
    points = views + 2 * (clicks + searches) + 5 * carts + 20 * purchases + min(length // MINUTE, 30)
    tenths = half_up((1.0 - math.exp(-points / 20.0)) * 1000.0)

    def after(kind):
        return next((e["timestamp"] - first["timestamp"] for e in events if e["event_type"] == kind), None)

    if purchases:
        segment = "buyer"
    elif carts:
        segment = "undecided"
    elif searches:
        segment = "searcher"
    else:
        segment = "browser" if views >= 3 else "passer-by"
    fields = {
        "events": len(events), "views": views, "clicks": clicks, "searches": searches, "carts": carts,
        "purchases": purchases, "errors": kinds["error"], "pages": min(len({e["page_url"] for e in events}), 64),
        "length_ms": length, "entry_page": first["page_url"], "exit_page": last["page_url"],
        "country": first["country"], "device": first["device_type"], "cart_after_ms": after("add_to_cart"),
        "purchase_after_ms": after("purchase"), "converted": purchases > 0, "bounced": len(events) == 1,
        "segment": segment, "engagement": tenths / 10.0,
    }
    return first["timestamp"], last["timestamp"] + gap, fields, tenths


def visits(events, gap):
    """The visits of one user: events without a pause of `gap` or longer between them."""
    held = []
    for event in sorted(events, key=lambda e: e["timestamp"]):
        if held and event["timestamp"] - held[-1]["timestamp"] >= gap:
            yield visit(held, gap)
            held = []
        held.append(event)
    yield visit(held, gap)


def rows(records, bound, lateness, gap, verdicts):
    """Every row over click events: (kind, key, start) to (end, fields)."""
    minutes = defaultdict(Counter)
    users = defaultdict(list)
    for _, _, _, event in judged(records, bound, lateness, click, verdicts):
        start = event["timestamp"] // MINUTE * MINUTE
        for kind, key in (("page-minute", event["page_url"]), ("country-minute", event["country"])):
            minutes[kind, key, start].update(("events", event["event_type"]))
        users[event["user_id"]].append(event)
    out = {}
    for (kind, key, start), n in minutes.items():
        fields = {"events": n["events"], "views": n["page_view"], "purchases": n["purchase"], "errors": n["error"]}
        out[kind, key, start] = (start + MINUTE, fields)
    segments = defaultdict(list)
    for user, events in users.items():
        for start, end, fields, tenths in visits(events, gap):
            out["session", user, start] = (end, fields)
            segments[fields["segment"], (end - 1) // SEGMENT * SEGMENT].append((fields, tenths))
    for (segment, start), held in segments.items():
        n, lengths = len(held), Counter()
        for fields, _ in held:
            name = next(name for below, name in LENGTHS if below is None or fields["length_ms"] < below)
            lengths[name] += 1
        out["segment", segment, start] = (start + SEGMENT, {
            "visits": n,
            "events": sum(f["events"] for f, _ in held),
            "purchases": sum(f["purchases"] for f, _ in held),
            "mean_engagement": half_up(sum(t for _, t in held) / n) / 10.0,
            "mean_length_ms": float(half_up(sum(f["length_ms"] for f, _ in held) / n)),
            "lengths": {name: lengths[name] for _, name in LENGTHS},
        })
    return out


# Alerts of `sensor-window` ------------------------------------------------------------------------------------------


def deviating(values, deviation):
    """Times of the readings that are further from the mean of all than `deviation`."""
    mean = math.fsum(values.values()) / len(values)
    return [at for at, value in values.items() if abs(value - mean) > deviation]


def window_alerts(records, bound, lateness, size, slide, deviation, verdicts):
    """Sensor and time of each reading that deviates in a window, when that closes or when a late reading corrects it."""
    windows = defaultdict(lambda: ({}, []))
    seen = set()
    for _, _, watermark, event in judged(records, bound, lateness, reading, verdicts):
        sensor, at = event["sensor_id"], event["timestamp"]
        if (sensor, at) in seen:
            # Readings are unique by sensor and time: a second one is a copy made in transport.
            continue
        seen.add((sensor, at))
        start = at // slide * slide
        while start > at - size:
            at_close, afterwards = windows[sensor, start]
            if start + size <= watermark:
                afterwards.append((at, event["value"]))
            else:
                at_close[at] = event["value"]
            start -= slide
    found = set()
    for (sensor, _), (values, afterwards) in windows.items():
        if values:
            found.update((sensor, at) for at in deviating(values, deviation))
        for at, value in afterwards:
            values[at] = value
            found.update((sensor, at) for at in deviating(values, deviation))
    return found
