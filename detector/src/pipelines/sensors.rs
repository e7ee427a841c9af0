//! Sensors: the window rule of the field's demos, and rules that learn each sensor's ways.
//!
//! The topic is keyed by sensor, so that everything is decided within a partition; nothing is merged.

use std::sync::Arc;

use floodmark_contracts::{
    clock::EventTime,
    event::sensor::{SensorReading, reading_id},
    key::KeyType,
};
use serde::{Deserialize, Serialize};

use super::alert;
use crate::{
    finding::Output,
    rules::{
        drop_out::{DropOut, Look},
        level_shift::LevelShift,
        sensor_level::SensorLevel,
        sensor_spike,
        sensor_window::{self, Readings},
        stuck_value::StuckValue,
    },
    runtime::{
        Deadlines, Emit, KeyedState, Logic, Merger, Once, Reader, Saved, SavedError, Window,
        Windows, Writer, keyed::Slot, plausible, window::Parts,
    },
    settings::Settings,
};

/// A sensor's state is kept this long after its last reading, and longer where windows, which name
/// their sensors by slot, are kept longer.
const SENSOR_TTL_MS: i64 = 6 * 3_600_000;

/// A reading that waits for its turn.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Reading {
    sensor: Slot,
    value: f64,
}

/// Logic of one partition.
#[derive(Debug)]
pub struct Sensors {
    sensors: KeyedState<Arc<str>, Sensor>,
    deadlines: Deadlines<Slot>,
    windows: Windows<Slot, Readings>,
    reported: Once<Slot>,
    keep_ms: i64,
    deviation: f64,
    print: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sensor {
    last: Option<EventTime>,
    level: SensorLevel,
    shift: LevelShift,
    stuck: StuckValue,
    drop_out: DropOut,
}

impl Sensors {
    /// Logic without state.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let keep_ms = settings.sensor_window.size_ms() + settings.time.lateness_ms;
        Self {
            sensors: KeyedState::new(SENSOR_TTL_MS.max(keep_ms.saturating_mul(4))),
            deadlines: Deadlines::default(),
            windows: Windows::new(settings.sensor_window, settings.time.lateness_ms),
            reported: Once::default(),
            keep_ms,
            deviation: settings.sensor_deviation,
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
    type Partial = ();
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

    fn event(&mut self, at: EventTime, reading: Reading, emit: &mut Emit<(), Output>) {
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
        let mut found = [None, None, sensor.stuck.reading(at, value)];
        if sensor_spike::is_spike(&sensor.level, value) {
            found[0] = Some(sensor_spike::finding(&sensor.level, at, value));
        } else {
            found[1] = sensor.shift.reading(&mut sensor.level, at, value);
            sensor.level.learn(at, value);
        }
        for finding in found.into_iter().flatten() {
            let name = self.sensors.key(slot);
            let finding = finding.event(reading_id(name, at));
            emit.outputs.push(alert(finding, KeyType::Sensor, name));
        }
    }

    fn late_event(&mut self, at: EventTime, reading: Reading, emit: &mut Emit<(), Output>) {
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

    fn advance(&mut self, to: EventTime, emit: &mut Emit<(), Output>) {
        self.look(to, &mut emit.outputs);
        let (windows, mut report) = self.windows_and_report();
        windows.close(to, |window, slot, parts| {
            Self::report(&mut report, window, *slot, &parts, &mut emit.outputs);
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
        ))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.sensors, self.deadlines, self.windows, self.reported) = from.get()?;
        Ok(())
    }
}

/// Nothing to merge.
#[derive(Debug, Default)]
pub struct NoMerger;

impl Merger for NoMerger {
    type Partial = ();
    type Output = Output;

    fn accept(&mut self, _: i32, (): (), _: &mut Vec<Output>) -> bool {
        true
    }

    fn advance(&mut self, _: EventTime, _: &mut Vec<Output>) {}
}

impl Saved for NoMerger {
    fn save(&self, _: &mut Writer) -> Result<(), SavedError> {
        Ok(())
    }

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), SavedError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
