//! Sensors: the window rule of the field's demos, and rules that learn each sensor's ways.
//!
//! The topic is keyed by sensor, so that nearly everything is decided within a partition. Groups of sensors
//! lie in several; what their sensors' minutes show is put together by the merger.

mod merger;

use std::sync::Arc;

use floodmark_contracts::{
    clock::EventTime,
    event::sensor::{SensorReading, reading_id},
    key::{KeyType, TypedKey},
    kind::Kind,
    profile::detector::{SensorRules, WindowReport},
    status::StateSize,
};
use serde::{Deserialize, Serialize};

use super::alert;
use crate::{
    finding::{Finding, HeldAlert, Output},
    rules::{
        adaptive::{Adaptive, AdaptiveSettings},
        drift::Drift,
        drop_out::{DropOut, Look},
        group_failure::{self, BUCKET_MS, LastBuckets, Step, Steps},
        level_shift::LevelShift,
        lone_reading::LoneReading,
        noise_burst::NoiseBurst,
        robust_z::{RobustZ, RobustZSettings},
        season_shift::SeasonShift,
        sensor_level::SensorLevel,
        sensor_season::SensorSeason,
        sensor_spike,
        sensor_window::{self, Deviation, Readings},
        stuck_value::StuckValue,
    },
    runtime::{
        Aggregate, Deadlines, Emit, Frozen, KeyedState, Logic, Once, Reader, Saved, SavedError,
        Spill, State, Window, WindowSpec, Windows, encoded, keyed::Slot, later, plausible,
        together, window::Parts,
    },
    settings::Settings,
};

pub(crate) use merger::{GroupMerger, GroupPart};

/// Longest id of a sensor, bytes: as long as all texts of an event of the other streams may be.
const LONGEST_ID: usize = 65_535;

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

/// Logic of one partition.
#[derive(Debug)]
pub struct Sensors {
    sensors: KeyedState<Box<str>, Tracked>,
    deadlines: Deadlines<Slot>,
    windows: Windows<Slot, Readings>,
    reported: Once<Slot>,
    groups: Windows<String, Steps>,
    keep_ms: i64,
    deviation: f64,
    adaptive: Option<AdaptiveSettings>,
    report: WindowReport,
    rules: SensorRules,
    robust_z: Option<RobustZSettings>,
    print: bool,
}

/// What is kept of a sensor beside its windows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tracked {
    last: Option<EventTime>,
    /// Several times the rest, and absent where the rules are not asked for. Apart, so that what each record looks at
    /// lies close together.
    learnt: Option<Box<Sensor>>,
}

/// What the rules over single readings have learnt of a sensor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sensor {
    level: SensorLevel,
    shift: LevelShift,
    lone: LoneReading,
    stuck: StuckValue,
    drop_out: DropOut,
    noise: NoiseBurst,
    season: SensorSeason,
    drift: Drift,
    phase: SeasonShift,
    buckets: LastBuckets,
    /// Large, and only there if the rule runs.
    adaptive: Option<Box<Adaptive>>,
    robust_z: Option<Box<RobustZ>>,
}

/// A finding with the time of the reading that it is about.
type Judged = Option<(EventTime, Finding)>;

impl State for Tracked {
    fn heap(&self) -> usize {
        let of = |sensor: &Sensor| size_of::<Sensor>() + sensor.heap();
        self.learnt.as_deref().map_or(0, of)
    }
}

impl Sensor {
    /// Bytes that it holds on the heap.
    fn heap(&self) -> usize {
        let adaptive = |rule: &Adaptive| size_of::<Adaptive>() + rule.heap();
        let robust_z = |rule: &RobustZ| size_of::<RobustZ>() + rule.heap();
        self.level.heap()
            + self.shift.heap()
            + self.lone.heap()
            + self.noise.heap()
            + self.season.heap()
            + self.drift.heap()
            + self.phase.heap()
            + self.buckets.heap()
            + self.adaptive.as_deref().map_or(0, adaptive)
            + self.robust_z.as_deref().map_or(0, robust_z)
    }

    /// What the rules over single readings find, with the time of the reading that each is about; and the sensor's step,
    /// for its group.
    fn judge(&mut self, at: EventTime, value: f64) -> ([Judged; 6], Option<Step>) {
        let now = |finding| Some((at, finding));
        let stuck = self.stuck.reading(at, value).and_then(now);
        if sensor_spike::is_spike(&self.level, value) {
            self.lone.reported();
            let spike = sensor_spike::finding(&self.level, at, value);
            return ([now(spike), stuck, None, None, None, None], None);
        }
        let usual = self.noise.usual();
        let mut lone = usual.and_then(|noise| self.lone.reading(&self.level, noise, at, value));
        let noise = usual.unwrap_or_else(|| self.level.noise());
        let mut shift = None;
        if self.level.is_known() {
            let (level, season) = (&mut self.level, &self.season);
            shift = self.shift.reading(level, season, noise, at, value);
        }
        self.level.learn(at, value);
        let burst = self.noise.reading(at, value);
        if self.noise.is_loud() {
            (lone, shift) = (None, None);
            self.shift.disturbed();
        }
        if self.phase.is_out_of_step(at) {
            shift = None;
        }
        let season = &mut self.season;
        let minute = usual.and_then(|noise| season.reading(at, value, noise));
        let step = usual.and_then(|noise| self.buckets.reading(&self.season, noise, at, value));
        let drift = minute.and_then(|minute| self.drift.minute(minute));
        if drift.is_some() || self.shift.is_pending() {
            self.phase.disturbed(at);
        }
        let phase = minute.and_then(|minute| self.phase.minute(&self.season, minute));
        let [shift, burst, drift, phase] =
            [shift, burst, drift, phase].map(|found| found.and_then(now));
        ([stuck, lone, shift, burst, drift, phase], step)
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
            groups: Windows::new(WindowSpec::tumbling(BUCKET_MS), 0),
            keep_ms,
            deviation: settings.sensor_deviation,
            adaptive: settings.adaptive,
            report: settings.sensor_report,
            rules: settings.sensor_rules,
            robust_z: settings.robust_z,
            print: settings.print_anomalies,
        }
    }

    /// The same, with what there is no room for on disk.
    #[must_use]
    pub fn within(mut self, room: &Arc<Spill>) -> Self {
        self.sensors = self.sensors.within(room);
        self
    }

    /// The windows, and beside them what is needed to report from them.
    fn windows_and_report(&mut self) -> (&mut Windows<Slot, Readings>, Report<'_>) {
        let report = Report {
            sensors: &self.sensors,
            reported: &mut self.reported,
            deviation: self.deviation,
            report: self.report,
            print: self.print,
        };
        (&mut self.windows, report)
    }

    fn look(&mut self, before: EventTime, out: &mut Vec<Output>) {
        // A deadline has passed once no reading at it can come any more.
        while let Some((deadline, slot)) = self.deadlines.pop(before.plus_ms(-1)) {
            let Some(sensor) = &mut self.sensors.peek(slot).learnt else {
                continue;
            };
            match sensor.drop_out.look(deadline) {
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
    sensors: &'a KeyedState<Box<str>, Tracked>,
    reported: &'a mut Once<Slot>,
    deviation: f64,
    report: WindowReport,
    print: bool,
}

impl Report<'_> {
    /// Reports what deviates in a window of one sensor.
    fn window(
        &mut self,
        window: Window,
        slot: Slot,
        parts: &Parts<'_, Slot, Readings>,
        out: &mut Vec<Output>,
    ) {
        let found = sensor_window::deviations(parts.iter(), self.deviation);
        match self.report {
            WindowReport::Readings => {
                for found in found {
                    if self.reported.first(found.at, slot) {
                        self.reading(window, slot, found, out);
                    }
                }
            }
            WindowReport::Windows => {
                if !found.is_empty() && self.reported.first(window.end, slot) {
                    let name = self.sensors.key(slot);
                    let finding = sensor_window::window_finding(window, &found, self.deviation);
                    out.push(alert(finding, KeyType::Sensor, name));
                }
            }
        }
    }

    fn reading(&self, window: Window, slot: Slot, found: Deviation, out: &mut Vec<Output>) {
        let name = self.sensors.key(slot);
        let id = reading_id(name, found.at);
        let finding = sensor_window::finding(window, found, self.deviation, id);
        out.push(alert(finding, KeyType::Sensor, name));
        if self.print {
            out.push(Output::Line(sensor_window::line(name, found)));
        }
    }
}

impl Logic for Sensors {
    type Event = Reading;
    type Partial = GroupPart;
    type Output = Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Reading), String> {
        let reading = SensorReading::decode(value).map_err(|error| error.to_string())?;
        let at = plausible(reading.timestamp)?;
        // An alert names its sensor several times, and must not be larger than a broker takes.
        if reading.sensor_id.len() > LONGEST_ID {
            return Err("the sensor's id is longer than 64 KiB".to_owned());
        }
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
        let tracked = self.sensors.state(slot, at);
        // Readings are unique by sensor and time: a second one is a copy made in transport.
        if tracked.last.replace(at).is_some_and(|last| last >= at) {
            return;
        }
        self.windows.pane(at, &slot).add(at, value);
        if self.rules == SensorRules::Window {
            return;
        }
        let sensor = tracked.learnt.get_or_insert_default();
        if let Some(deadline) = sensor.drop_out.reading(at) {
            self.deadlines.set(deadline, slot);
        }
        let (found, step) = sensor.judge(at, value);
        let rare = self.adaptive.as_ref().and_then(|settings| {
            let rule = sensor.adaptive.get_or_insert_default();
            Some((at, rule.reading(at, value, settings)?))
        });
        let far = self.robust_z.as_ref().and_then(|settings| {
            let rule = sensor.robust_z.get_or_insert_default();
            Some((at, rule.reading(at, value, settings)?))
        });
        let name = self.sensors.key(slot);
        if let Some(step) = step
            && let Some((group, number)) = group_failure::group_of(name)
        {
            let steps = Steps::of(number, step);
            self.groups.pane(at, &group).merge(&steps);
        }
        for (of, finding) in found.into_iter().flatten().chain(rare).chain(far) {
            let finding = finding.event(reading_id(name, of));
            match group_failure::group_of(name) {
                Some((group, _)) if finding.kind == Some(Kind::LevelShift) => {
                    let shift = finding.into_alert(TypedKey::new(KeyType::Sensor, &**name));
                    emit.partials
                        .push(GroupPart::Shift(group, HeldAlert(Box::new(shift))));
                }
                _ => emit.outputs.push(alert(finding, KeyType::Sensor, name)),
            }
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
            report.window(window, *slot, &parts, &mut emit.outputs);
        });
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<GroupPart, Output>) {
        self.look(to, &mut emit.outputs);
        let (windows, mut report) = self.windows_and_report();
        windows.close(to, |window, slot, parts| {
            report.window(window, *slot, &parts, &mut emit.outputs);
        });
        let partials = &mut emit.partials;
        self.groups.close(to, |window, group, parts| {
            partials.push(GroupPart::Steps(window, group.clone(), parts.merged()));
        });
        self.reported.forget(to.plus_ms(-self.keep_ms));
        self.sensors.sweep(to);
    }

    fn size(&self) -> StateSize {
        self.sensors.size()
    }
}

impl Saved for Sensors {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let sensors = self.sensors.freeze()?;
        let (deadlines, windows) = (later(self.deadlines.clone()), self.windows.freeze());
        let (reported, groups) = (encoded(&self.reported)?, self.groups.freeze());
        Ok(together([sensors, deadlines, windows, reported, groups]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.sensors.load(from)?;
        (self.deadlines, self.windows, self.reported, self.groups) = from.get()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
