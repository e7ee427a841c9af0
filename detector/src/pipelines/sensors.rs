//! Sensors: the window rule of the field's demos, and rules that learn each sensor's ways.
//!
//! The topic is keyed by sensor, so that nearly everything is decided within a partition. Groups of sensors
//! lie in several; what their sensors' minutes show is put together by the merger.

use std::sync::Arc;

use floodmark_contracts::{
    clock::EventTime,
    event::sensor::{SensorReading, reading_id},
    key::KeyType,
};
use serde::{Deserialize, Serialize};

use super::alert;
use crate::{
    finding::{Finding, Output},
    hash::Fnv,
    rules::{
        adaptive::{Adaptive, AdaptiveSettings},
        drift::Drift,
        drop_out::{DropOut, Look},
        group_failure::{self, GroupFailure, LastMinutes, Steps},
        level_shift::LevelShift,
        lone_reading::LoneReading,
        noise_burst::NoiseBurst,
        sensor_level::SensorLevel,
        sensor_season::{MINUTE_MS, SensorSeason},
        sensor_spike,
        sensor_window::{self, Readings},
        stuck_value::StuckValue,
    },
    runtime::{
        Aggregate, Deadlines, Emit, KeyedState, Logic, MergedWindows, Merger, Once, Packet, Part,
        Reader, Saved, SavedError, Source, Window, WindowSpec, Windows, Writer, keyed::Slot,
        merge::Accepted, plausible, window::Parts,
    },
    settings::Settings,
};

/// A sensor's state is kept this long after its last reading, and longer where windows, which name
/// their sensors by slot, are kept longer.
const SENSOR_TTL_MS: i64 = 6 * 3_600_000;

/// With the adaptive rule, which lives on a long past, it is kept this long: machines rest over holidays, and
/// public series have gaps of a week.
const ADAPTIVE_TTL_MS: i64 = 30 * 24 * 3_600_000;

/// A reading that waits for its turn.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Reading {
    sensor: Slot,
    value: f64,
}

/// What sensors of a group showed in the minute before a window.
pub type GroupPart = (Window, String, Steps);

impl Part for GroupPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        Packet::new(super::GROUPS, Fnv::new().text(&self.1).short(), self)
    }
}

/// Logic of one partition.
#[derive(Debug)]
pub struct Sensors {
    sensors: KeyedState<Arc<str>, Sensor>,
    deadlines: Deadlines<Slot>,
    windows: Windows<Slot, Readings>,
    reported: Once<Slot>,
    groups: Windows<String, Steps>,
    keep_ms: i64,
    deviation: f64,
    adaptive: Option<AdaptiveSettings>,
    print: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sensor {
    last: Option<EventTime>,
    level: SensorLevel,
    shift: LevelShift,
    lone: LoneReading,
    stuck: StuckValue,
    drop_out: DropOut,
    noise: NoiseBurst,
    season: SensorSeason,
    drift: Drift,
    last_minutes: LastMinutes,
    /// Start of the last whole minute, and the step in it, until they have gone to the merger.
    step: Option<(EventTime, f64)>,
    /// Large, and only there if the rule runs.
    adaptive: Option<Box<Adaptive>>,
}

impl Sensor {
    /// What the rules over single readings find, with the time of the reading that each is about.
    fn judge(&mut self, at: EventTime, value: f64) -> [Option<(EventTime, Finding)>; 5] {
        let now = |finding| Some((at, finding));
        let stuck = self.stuck.reading(at, value).and_then(now);
        if sensor_spike::is_spike(&self.level, value) {
            self.lone.reported();
            let spike = sensor_spike::finding(&self.level, at, value);
            return [now(spike), stuck, None, None, None];
        }
        let usual = self.noise.usual();
        let mut lone = usual.and_then(|noise| self.lone.reading(&self.level, noise, at, value));
        let expected = self.season.expected(at);
        let mut shift = self.shift.reading(&mut self.level, expected, at, value);
        self.level.learn(at, value);
        let noise = self.noise.reading(at, value);
        if self.noise.is_loud() {
            (lone, shift) = (None, None);
        }
        let minute = usual.and_then(|noise| self.season.reading(at, value, noise));
        self.step = minute.and_then(|minute| {
            let step = self.last_minutes.step(minute)?;
            Some((minute.start, step))
        });
        let drift = minute.and_then(|minute| self.drift.minute(minute));
        let [shift, noise, drift] = [shift, noise, drift].map(|found| found.and_then(now));
        [stuck, lone, shift, noise, drift]
    }
}

impl Sensors {
    /// Logic without state.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let keep_ms = settings.sensor_window.size_ms() + settings.time.lateness_ms;
        let ttl_ms = match settings.adaptive {
            Some(_) => ADAPTIVE_TTL_MS,
            None => SENSOR_TTL_MS,
        };
        Self {
            sensors: KeyedState::new(ttl_ms.max(keep_ms.saturating_mul(4))),
            deadlines: Deadlines::default(),
            windows: Windows::new(settings.sensor_window, settings.time.lateness_ms),
            reported: Once::default(),
            groups: Windows::new(WindowSpec::tumbling(MINUTE_MS), 0),
            keep_ms,
            deviation: settings.sensor_deviation,
            adaptive: settings.adaptive,
            print: settings.print_anomalies,
        }
    }

    /// Reports what deviates in a window of one sensor.
    /// The windows, and beside them what is needed to report from them.
    fn windows_and_report(&mut self) -> (&mut Windows<Slot, Readings>, Report<'_>) {
        let report = Report {
            sensors: &self.sensors,
            reported: &mut self.reported,
            deviation: self.deviation,
            print: self.print,
        };
        (&mut self.windows, report)
    }

    fn report(
        report: &mut Report<'_>,
        window: Window,
        slot: Slot,
        parts: &Parts<'_, Slot, Readings>,
        out: &mut Vec<Output>,
    ) {
        for found in sensor_window::deviations(parts.iter(), report.deviation) {
            if !report.reported.first(found.at, slot) {
                continue;
            }
            let name = report.sensors.key(slot);
            let id = reading_id(name, found.at);
            let finding = sensor_window::finding(window, found, report.deviation, id);
            out.push(alert(finding, KeyType::Sensor, name));
            if report.print {
                out.push(Output::Line(sensor_window::line(name, found)));
            }
        }
    }

    fn look(&mut self, before: EventTime, out: &mut Vec<Output>) {
        // A deadline has passed once no reading at it can come any more.
        while let Some((deadline, slot)) = self.deadlines.pop(before.plus_ms(-1)) {
            match self.sensors.peek(slot).drop_out.look(deadline) {
                Look::Again(next) => self.deadlines.set(next, slot),
                Look::Found(finding) => {
                    out.push(alert(*finding, KeyType::Sensor, self.sensors.key(slot)));
                }
                Look::Done => {}
            }
        }
    }
}

/// What reporting needs beside the windows.
struct Report<'a> {
    sensors: &'a KeyedState<Arc<str>, Sensor>,
    reported: &'a mut Once<Slot>,
    deviation: f64,
    print: bool,
}

impl Logic for Sensors {
    type Event = Reading;
    type Partial = GroupPart;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Reading), String> {
        let reading = SensorReading::decode(value).map_err(|error| error.to_string())?;
        let at = plausible(reading.timestamp)?;
        let sensor = self.sensors.reserve(&*reading.sensor_id, at);
        Ok((
            at,
            Reading {
                sensor,
                value: reading.value,
            },
        ))
    }

    fn event(&mut self, at: EventTime, reading: Reading, emit: &mut Emit<GroupPart, Output>) {
        let Reading {
            sensor: slot,
            value,
        } = reading;
        let sensor = self.sensors.state(slot, at);
        // Readings are unique by sensor and time: a second one is a copy made in transport.
        if sensor.last.replace(at).is_some_and(|last| last >= at) {
            return;
        }
        self.windows.pane(at, &slot).add(at, value);
        if let Some(deadline) = sensor.drop_out.reading(at) {
            self.deadlines.set(deadline, slot);
        }
        let found = sensor.judge(at, value);
        let rare = self.adaptive.as_ref().and_then(|settings| {
            let rule = sensor.adaptive.get_or_insert_default();
            Some((at, rule.reading(at, value, settings)?))
        });
        let step = sensor.step.take();
        let name = self.sensors.key(slot);
        if let Some((window, group, steps)) = step.and_then(|step| group_part(name, at, step)) {
            self.groups.pane(window.start, &group).merge(&steps);
        }
        for (of, finding) in found.into_iter().flatten().chain(rare) {
            let finding = finding.event(reading_id(name, of));
            emit.outputs.push(alert(finding, KeyType::Sensor, name));
        }
    }

    fn late_event(&mut self, at: EventTime, reading: Reading, emit: &mut Emit<GroupPart, Output>) {
        // The rules over single readings have moved on; windows can still be put right.
        let slot = reading.sensor;
        let pane = self.windows.pane(at, &slot);
        if pane.holds(at) {
            return;
        }
        pane.add(at, reading.value);
        let (windows, mut report) = self.windows_and_report();
        windows.correct(at, &slot, |window, slot, parts| {
            Self::report(&mut report, window, *slot, &parts, &mut emit.outputs);
        });
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<GroupPart, Output>) {
        self.look(to, &mut emit.outputs);
        let (windows, mut report) = self.windows_and_report();
        windows.close(to, |window, slot, parts| {
            Self::report(&mut report, window, *slot, &parts, &mut emit.outputs);
        });
        let partials = &mut emit.partials;
        self.groups.close(to, |window, group, parts| {
            partials.push((window, group.clone(), parts.merged()));
        });
        self.reported.forget(to.plus_ms(-self.keep_ms));
        self.sensors.sweep(to);
    }
}

impl Saved for Sensors {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(
            &self.sensors,
            &self.deadlines,
            &self.windows,
            &self.reported,
            &self.groups,
        ))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (
            self.sensors,
            self.deadlines,
            self.windows,
            self.reported,
            self.groups,
        ) = from.get()?;
        Ok(())
    }
}

/// A sensor's part of its group's window, which is the minute of the reading at `at`: the minute before is whole
/// only then, and a part must come before its window closes.
fn group_part(sensor: &str, at: EventTime, (minute, step): (EventTime, f64)) -> Option<GroupPart> {
    let start = EventTime(at.0.div_euclid(MINUTE_MS) * MINUTE_MS);
    if minute.plus_ms(MINUTE_MS) != start {
        return None;
    }
    let (group, number) = group_failure::group_of(sensor)?;
    let window = Window {
        start,
        end: start.plus_ms(MINUTE_MS),
    };
    Some((window, group, Steps::of(number, step)))
}

/// Puts groups together, each of whose sensors is in one partition.
#[derive(Debug)]
pub struct GroupMerger {
    windows: MergedWindows<String, Steps>,
    rule: GroupFailure,
}

impl GroupMerger {
    /// A merger without state.
    #[must_use]
    pub fn new() -> Self {
        Self {
            windows: MergedWindows::new(0),
            rule: GroupFailure::default(),
        }
    }
}

impl Merger for GroupMerger {
    type Partial = GroupPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: GroupPart, _: &mut Vec<Output>) -> bool {
        let (window, group, steps) = part;
        self.windows.put(source, window, group, steps) != Accepted::TooLate
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self { windows, rule } = self;
        windows.close(to, |window, groups| {
            for (group, steps) in groups {
                if let Some(finding) = rule.window(window, &group, &steps) {
                    out.push(alert(finding, KeyType::Group, &group));
                }
            }
            rule.sweep(window.end);
        });
    }
}

impl Saved for GroupMerger {
    fn save(&self, to: &mut Writer) -> Result<(), SavedError> {
        to.put(&(&self.windows, &self.rule))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.rule) = from.get()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
