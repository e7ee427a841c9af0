"""Detectors beside a broker, for the scripts that compare what they find: profiles, processes, topics read back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import reference  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BOUND, LATENESS, GAP, SIZE, SLIDE, DEVIATION = 5_000, 30_000, 1_800_000, 10_000, 5_000, 5.0
CLICKS, READINGS, ALERTS = "clickstream-events", "sensor-data_2", "anomalies"
SPEED = 60

PROFILE = """
name: rows
seed: {seed}
duration: {duration}s
event_time: {{ speed: {speed}, origin: "{origin}" }}
streams:
  clickstream:
    rate: {clicks}/s
    arrivals: poisson
    partitions: 6
    population: {{ entities: 5000, skew: 0.9 }}
    {click_disturbances}
    anomalies: [ {click_anomalies} ]
  sensors:
    rate: {readings}/s
    partitions: 6
    population: {{ entities: 60 }}
    {sensor_disturbances}
    anomalies: [ {sensor_anomalies} ]
{streams}topics: {{ anomalies: {alerts} }}
detector:
  watermark_bound: {bound}ms
  allowed_lateness: {lateness}ms
  idleness: {idleness}
  sensor_window: {{ size: {size}ms, slide: {slide}ms, deviation: {deviation} }}
  rows: {{ enabled: true, session_gap: {gap}ms }}
  delivery: {{ exactly-once: {{ snapshots: {snapshots}, snapshot_interval: {snapshot_interval} }} }}
{detector}"""

DISTURBANCES = """disorder: { share: 0.2, delay: { exponential: { mean: 500ms, max: 3s } } }
    lateness: { share: 0.01, delay: { uniform: { min: 5s, max: 60s } } }
    duplicates: { share: 0.01, new_ids: NEW, delay: { uniform: { min: 0ms, max: 50ms } } }
    malformed: { bad-json: 0.001, missing-field: 0.001, truncated: 0.001 }"""

# One partition falls silent for good, another comes back.
SILENCES = """
    idle: [ {{ partition: 1, from: {half}s, for: {half}s }}, {{ partition: 4, from: {quarter}s, for: {quarter}s }} ]"""

ANOMALIES = (
    "bot: { count: 8 }, traffic-spike: { count: 4 }, error-burst: { count: 4 }",
    "sensor-spike: { count: 30 }, level-shift: { count: 4 }, drop-out: { count: 4 }",
)


def say(text):
    print(text, flush=True)


class CannotRun(Exception):
    """Something did not start, or did not end."""


def until(what, seconds, ready, *processes):
    """Waits for `ready()`; fails if one of `processes` ends before."""
    deadline = time.monotonic() + seconds
    while True:
        found = ready()
        if found:
            return found
        for process in processes:
            if process.poll() is not None:
                raise CannotRun(f"waiting for {what}: a process ended with {process.returncode}: {process.args}")
        if time.monotonic() > deadline:
            raise CannotRun(f"waiting for {what}: not within {seconds} s")
        time.sleep(0.05)


class World:
    """A broker, a folder and a program. `prefix` gives each part of a test topics of its own."""

    def __init__(self, program, broker, folder, seed):
        self.program, self.broker, self.folder, self.seed = program, broker, Path(folder), seed
        self.prefix, self.registry = "", None
        self.n_partitions = 18
        self.running = []
        self.environment = os.environ | {"FLOODMARK_STATE": str(self.folder / "state")}

    def start_broker(self):
        ready = self.folder / "broker.json"
        command = [self.program, "broker", "--ready-file", str(ready)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self.environment)
        self.running.append(process)
        until("the broker", 30, ready.exists, process)
        self.broker = json.loads(ready.read_text())["bootstrap"]

    def profile(self, name, duration, clicks, readings, *, origin="2025-06-10T05:00:00Z", disturbances="", anomalies=("", ""),
                idleness="1s", snapshot_interval="5s", alerts=ALERTS, streams="", detector=""):
        """A profile of two streams, or more; `disturbances` for both, `anomalies` for each of them."""
        path = self.folder / f"{self.prefix}{name}.yaml"
        path.write_text(PROFILE.format(
            seed=self.seed, speed=SPEED, origin=origin, duration=duration, clicks=clicks, readings=readings, bound=BOUND,
            lateness=LATENESS, size=SIZE, slide=SLIDE, deviation=DEVIATION, gap=GAP, 
            # Readings have no id of their own, of which a copy could have another.
            click_disturbances=disturbances.replace("NEW", "0.25"), sensor_disturbances=disturbances.replace("NEW", "0"),
            click_anomalies=anomalies[0], sensor_anomalies=anomalies[1], idleness=idleness, alerts=alerts, streams=streams,
            detector=detector,
            snapshots=self.folder / "snapshots", snapshot_interval=snapshot_interval))
        return path

    def command(self, *arguments):
        command = [self.program, *map(str, arguments), "--broker", self.broker, "--topic-prefix", self.prefix]
        return command + (["--registry", self.registry] if self.registry else [])

    def run(self, *arguments, stdout=subprocess.DEVNULL):
        command = self.command(*arguments)
        with (self.folder / "commands.log").open("ab") as log:
            code = subprocess.run(command, stdout=stdout, stderr=log, env=self.environment, timeout=900).returncode
        # 98: the machine was too busy for figures of speed, which nobody takes here.
        if code not in (0, 98):
            tail = (self.folder / "commands.log").read_text(errors="replace")[-2000:]
            raise CannotRun(f"{' '.join(command)} ended with {code}: {tail}")

    def start(self, *arguments, log):
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(self.command(*arguments), stdout=out, stderr=out, env=self.environment)
        self.running.append(process)
        return process

    def generate(self, profile, *arguments):
        return ["generate", profile, "--out", self.folder / f"truth-{profile.stem}", "--over-rate", *arguments]

    def detector(self, profile, group, slot):
        return self.start("detect", profile, "--group", group, "--slot", slot, "--metrics", "0", log=f"{group}-{slot}.log")

    def records(self, profile, topic):
        """What is committed in a topic; each partition's records in the order of its log."""
        path = self.folder / "records.ndjson"
        with path.open("wb") as out:
            self.run("topics", "read", profile, "--topic", self.prefix + topic, "--format", "json", stdout=out)
        with path.open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def status(self, group):
        """What the group's processes say of themselves."""
        command = [self.program, "jobs", "list", "--json"]
        listed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment, timeout=60)
        jobs = map(json.loads, listed.stdout.splitlines())
        return [job["status"] for job in jobs if job["group"] == self.prefix + group and job.get("status")]

    def partitions(self, group):
        """The partitions that the group's processes have, with how far they are."""
        return {(p["topic"], p["partition"]): p for one in self.status(group) for p in one["partitions"]}

    def owners(self, group):
        """How many partitions each of the group's processes has: one entry for each of them."""
        return [len(one["partitions"]) for one in self.status(group) if one["partitions"]]

    def wait_until_read(self, group, processes, seconds=600):
        """Waits until nothing is left to read for three seconds: commits and the exchange follow each other by 0.1 s."""
        last, since = None, time.monotonic()

        def is_still():
            nonlocal last, since
            now = self.partitions(group)
            places = {place: p["position"] for place, p in now.items()}
            is_read = len(places) == self.n_partitions and all(p["lag"] == 0 for p in now.values())
            if not is_read or self.written(group, now) != last:
                last, since = self.written(group, now), time.monotonic()
            return is_read and time.monotonic() - since > 3

        until(f"group {group} to have read everything", seconds, is_still, *processes)

    def written(self, group, partitions):
        """What changes as long as something happens: the inputs' positions. The exchange's own move with each commit."""
        return {place: p["position"] for place, p in partitions.items() if p["of"] != "exchange"}

    def stop(self, processes, how=signal.SIGINT):
        for process in processes:
            process.send_signal(how)
        for process in processes:
            if process.wait(60) != 0:
                raise CannotRun(f"{process.args} ended with {process.returncode}")

    def kill_all(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()


class Reference:
    """What the records of one prefix come to."""

    def __init__(self, world, profile):
        self.verdicts = {"clicks": Counter(), "readings": Counter()}
        self.rows = reference.rows(world.records(profile, CLICKS), BOUND, LATENESS, GAP, self.verdicts["clicks"])
        self.alerts = reference.window_alerts(
            world.records(profile, READINGS), BOUND, LATENESS, SIZE, SLIDE, DEVIATION, self.verdicts["readings"])

    def __str__(self):
        parts = [f"{sum(n.values())} {name} ({', '.join(f'{k} {v}' for k, v in n.items())})" for name, n in self.verdicts.items()]
        return "; ".join(parts)


def rows_of(world, profile, group):
    """Every row as it stands in the end: the one with the highest revision. How many records they were, and which of
    these were there before, a revision and all."""
    newest, n_records, seen, again = {}, 0, {}, []
    for record in world.records(profile, f"{group}.rows"):
        row = json.loads(record["value"])
        n_records += 1
        key = (row["kind"], row["key"], row["start"])
        first = seen.setdefault((*key, row["revision"]), place_of(record))
        if first != place_of(record):
            again.append((f"{record['value']} at {place_of(record)}", first))
        if key not in newest or newest[key]["revision"] <= row["revision"]:
            newest[key] = row
    standing = {
        key: (row["end"], row["fields"]) for key, row in newest.items()
        # A visit that was put together with another, a segment whose visits have all gone elsewhere.
        if row["fields"] is not None and row["fields"].get("visits") != 0
    }
    return standing, n_records, again


def place_of(record):
    return f"{record['partition']}|{record['offset']}"


def differences(what, found, wanted):
    """Prints and counts how `found` differs from `wanted`."""
    missing = [key for key in wanted if key not in found]
    too_many = [key for key in found if key not in wanted]
    other = [key for key in found if key in wanted and found[key] != wanted[key]]
    for name, keys in (("missing", missing), ("too many", too_many), ("different", other)):
        for key in sorted(keys, key=str)[:3]:
            say(f"  {what} {name}: {key}: found {found.get(key)}, wanted {wanted.get(key)}")
        if keys:
            say(f"  {what} {name}: {len(keys)}")
    return len(missing) + len(too_many) + len(other)


def alerts_of(world, profile, topic=ALERTS):
    """Alerts by id, without what wall time decides; and those that are there more than once."""
    found, again, places = {}, [], {}
    for record in world.records(profile, topic):
        alert = json.loads(record["value"])
        at = f"{alert.pop('emitted_at', None)} at {place_of(record)}"
        if alert["id"] in found:
            again.append((f"{alert} of {at}", f"of {places[alert['id']]}"))
        found[alert["id"]], places[alert["id"]] = alert, at
    return found, again


def window_alerts_of(alerts):
    """Sensor and time of the sensor window's alerts."""
    ids = [alert["event_ids"] for alert in alerts.values() if alert["detector"] == "sensor-window"]
    return {(name, int(at)) for one in ids for name, _, at in (event.rpartition("@") for event in one)}


def close(world, hours, streams=""):
    """Events long after all others, in every partition: they close the windows, and leave some of their own open."""
    profile = world.profile("closing", 5, 600, 300, origin=f"2025-06-10T{5 + hours:02}:00:00Z", streams=streams)
    world.run(*world.generate(profile, "--rate", "max", "--append"))
    return 1_749_531_600_000 + hours * 3_600_000


def compare(world, profile, group, wanted, closed_at):
    """Compares a group's rows and the alerts of the sensor window with the reference, for the time before `closed_at`:
    after it, partitions come out of their silence one before another, and windows are still open. Returns the number
    of differences, and the alerts of that time."""

    def closed(rows):
        return {key: row for key, row in rows.items() if row[0] <= closed_at}

    rows, n_records, rows_again = rows_of(world, profile, group)
    rows = closed(rows)
    wrong = differences("row", rows, closed(wanted.rows))
    alerts, alerts_again = alerts_of(world, profile)
    for what, again in (("row", rows_again), ("alert", alerts_again)):
        for second, first in again[:3]:
            say(f"  {what} twice: {second}, and before {first}")
        if again:
            say(f"  {len(again)} {what}s are there twice")
            wrong += len(again)
    alerts = before(alerts, closed_at)
    found = {key for key in window_alerts_of(alerts) if key[1] < closed_at}
    wrong += differences("alert", dict.fromkeys(found), {key: None for key in wanted.alerts if key[1] < closed_at})
    kinds = Counter(kind for kind, _, _ in rows)
    compared = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    say(f"  {n_records} records came to {len(rows)} rows ({compared}); {len(found)} alerts of the sensor window; "
        f"{len(alerts)} alerts in all; {wrong} differences")
    return wrong, alerts


def before(alerts, closed_at):
    return {key: alert for key, alert in alerts.items() if alert["end"] <= closed_at}
