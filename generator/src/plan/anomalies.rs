//! From a profile's anomalies and decoys to what is placed: validation that reports every problem.

use std::time::Duration;

use floodmark_contracts::{
    kind::Kind,
    problem::Problems,
    profile::{
        StreamSection,
        anomalies::{RawIncidents, RawMagnitudes},
    },
    stream::Stream,
    units::parse_duration,
};

use super::{Magnitudes, Spec, resolve::Run};
use crate::incident::{Facts, GROUP_SIZE, HappensTo, facts};

/// Most entities that a prevalence can come to, which is far more than any run has room for.
const MOST_INCIDENTS: f64 = 1_000_000.0;

/// The anomalies of a stream's section.
pub(super) fn of_stream(
    stream: Stream,
    raw: &StreamSection,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Vec<Spec> {
    let entries = raw.anomalies.iter().map(|entry| entry.parts());
    resolve_all("anomalies", stream, raw, entries, run, problems)
}

/// The decoys of a stream's section.
pub(super) fn decoys(
    stream: Stream,
    raw: &StreamSection,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Vec<Spec> {
    let entries = raw.decoys.iter().map(|entry| entry.parts());
    resolve_all("decoys", stream, raw, entries, run, problems)
}

fn resolve_all<'a>(
    list: &str,
    stream: Stream,
    section: &StreamSection,
    entries: impl Iterator<Item = (Kind, &'a RawIncidents)>,
    run: Option<&Run>,
    problems: &mut Problems,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    for (index, (kind, raw)) in entries.enumerate() {
        let entry = Entry {
            kind,
            facts: facts(kind),
            raw,
            path: format!("streams.{stream}.{list}[{index}].{kind}"),
        };
        if kind.stream() != stream {
            let text = format!(
                "`{kind}` belongs to the stream `{}`; move it there",
                kind.stream()
            );
            problems.add(&entry.path, text);
            continue;
        }
        specs.extend(entry.resolve(section.population.entities, run, problems));
    }
    specs
}

/// One entry of a list of anomalies or decoys.
struct Entry<'a> {
    kind: Kind,
    facts: Facts,
    raw: &'a RawIncidents,
    path: String,
}

impl Entry<'_> {
    fn resolve(self, entities: u32, run: Option<&Run>, problems: &mut Problems) -> Option<Spec> {
        let count = self.count(entities, problems);
        let magnitudes = self.magnitudes(problems);
        let size = self.size(problems);
        let asked_ms = self
            .duration("duration", self.raw.duration.as_ref(), problems)
            .map_or(self.facts.length_ms, millis);
        let start_ms = self
            .time("start", self.raw.start.as_ref(), problems)
            .map(millis);
        let ramp_ms = self.ramp_ms(asked_ms, problems);
        let (run, magnitudes) = (run?, magnitudes?);
        let lengths = [magnitudes.from, magnitudes.to].map(|m| self.facts.scaled_ms(asked_ms, m));
        let window = Window {
            run_ms: event_ms(run, run.duration_ns),
            earliest_ms: start_ms.unwrap_or(event_ms(run, run.warm_up_ns)),
            length_ms: lengths[0].max(lengths[1]),
        };
        let (earliest_ms, latest_ms) = window.starts(self.kind, &self.path, problems)?;
        Some(Spec {
            kind: self.kind,
            count: count?,
            asked_ms,
            magnitudes,
            ramp_ms,
            size,
            overlap: self.raw.overlap,
            earliest_ms,
            latest_ms,
            path: self.path,
        })
    }

    /// The number of incidents: as given, or a share of what they happen to.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of at most a million"
    )]
    fn count(&self, entities: u32, problems: &mut Problems) -> Option<u32> {
        match (self.raw.count, self.raw.prevalence) {
            (Some(0), None) => self.refuse(
                "count",
                "`0` injects nothing; use 1 or more, or leave the kind out",
                problems,
            ),
            (Some(count), None) => return Some(count),
            (None, Some(share)) if share > 0.0 && share <= 1.0 => {
                let there_are = match self.facts.happens_to {
                    HappensTo::Users | HappensTo::Sensors => entities,
                    HappensTo::Pages(pages) => pages,
                    HappensTo::Groups => entities / GROUP_SIZE,
                };
                let wanted = (share * f64::from(there_are)).round();
                return Some(wanted.clamp(1.0, MOST_INCIDENTS) as u32);
            }
            (None, Some(share)) => self.refuse(
                "prevalence",
                &format!("`{share}` is no share of the entities; use more than 0 and at most 1"),
                problems,
            ),
            (Some(_), Some(_)) => self.refuse(
                "prevalence",
                "says how many there are, as `count` does; leave one of them out",
                problems,
            ),
            (None, None) => self.refuse(
                "count",
                "is missing; give the number of incidents, or `prevalence` as a share of the entities",
                problems,
            ),
        }
        None
    }

    fn magnitudes(&self, problems: &mut Problems) -> Option<Magnitudes> {
        let fits = |magnitude: f64| magnitude > 0.0 && magnitude <= 10.0;
        match (self.raw.magnitude, self.raw.magnitudes) {
            (Some(_), Some(_)) => {
                let text = "says how strong they are, as `magnitude` does; leave one of them out";
                self.refuse("magnitudes", text, problems);
                None
            }
            (None, Some(RawMagnitudes { from, to })) => {
                if !(fits(from) && fits(to) && from <= to) {
                    let text = format!(
                        "`{from}` to `{to}` is no range of magnitudes; use more than 0 and at most 10, the weakest \
                         first"
                    );
                    self.refuse("magnitudes", &text, problems);
                    return None;
                }
                Some(Magnitudes { from, to })
            }
            (given, None) => {
                let magnitude = given.unwrap_or(self.facts.magnitude);
                if !fits(magnitude) {
                    let text =
                        format!("`{magnitude}` is no magnitude; use more than 0 and at most 10");
                    self.refuse("magnitude", &text, problems);
                    return None;
                }
                Some(Magnitudes {
                    from: magnitude,
                    to: magnitude,
                })
            }
        }
    }

    fn size(&self, problems: &mut Problems) -> u32 {
        match (self.raw.size, self.facts.size) {
            (None, known) => known.map_or(1, |size| size.default),
            (Some(_), None) => {
                let text = format!("`{}` has no size; leave it out", self.kind);
                self.refuse("size", &text, problems);
                1
            }
            (Some(wanted), Some(size)) => {
                if !(size.least..=size.most).contains(&wanted) {
                    let text = format!(
                        "`{wanted}` is no size of `{}`; use {} to {}",
                        self.kind, size.least, size.most
                    );
                    self.refuse("size", &text, problems);
                }
                wanted
            }
        }
    }

    fn ramp_ms(&self, asked_ms: i64, problems: &mut Problems) -> i64 {
        let Some(ramp) = self.time("ramp_in", self.raw.ramp_in.as_ref(), problems) else {
            return 0;
        };
        if !self.facts.ramps {
            let text = format!("`{}` does not build up; leave it out", self.kind);
            self.refuse("ramp_in", &text, problems);
        } else if millis(ramp) > asked_ms {
            let text = format!(
                "`{}` is longer than the incident of `{}`; shorten it, or raise `duration`",
                seconds(millis(ramp)),
                seconds(asked_ms)
            );
            self.refuse("ramp_in", &text, problems);
        }
        millis(ramp)
    }

    /// A length of time that must not be nothing.
    fn duration(
        &self,
        field: &str,
        text: Option<&String>,
        problems: &mut Problems,
    ) -> Option<Duration> {
        let found = self.time(field, text, problems);
        if found.is_some_and(|d| d.as_millis() == 0) {
            self.refuse(field, "`0s` is too short; use `1s` or more", problems);
        }
        found
    }

    fn time(
        &self,
        field: &str,
        text: Option<&String>,
        problems: &mut Problems,
    ) -> Option<Duration> {
        problems.check(&format!("{}.{field}", self.path), parse_duration(text?))
    }

    fn refuse(&self, field: &str, text: &str, problems: &mut Problems) {
        problems.add(format!("{}.{field}", self.path), text);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a run is far shorter than i64 milliseconds"
)]
fn event_ms(run: &Run, wall_ns: i64) -> i64 {
    (wall_ns as f64 * run.timeline.speed / 1e6) as i64
}

/// The room that a kind's incidents have, in milliseconds of event time from the origin.
struct Window {
    run_ms: i64,
    earliest_ms: i64,
    length_ms: i64,
}

impl Window {
    /// First and last instant at which an incident may begin.
    fn starts(&self, kind: Kind, path: &str, problems: &mut Problems) -> Option<(i64, i64)> {
        let &Self {
            run_ms,
            earliest_ms,
            length_ms,
        } = self;
        if earliest_ms >= run_ms {
            let text = format!(
                "`{}` is outside the run (`0s`..`{}` of event time); move it or raise `duration`",
                seconds(earliest_ms),
                seconds(run_ms)
            );
            problems.add(format!("{path}.start"), text);
            return None;
        }
        if earliest_ms + length_ms > run_ms {
            let text = format!(
                "an incident of `{}` that begins at `{}` or later does not end inside the run (`0s`..`{}` of \
                 event time); shorten it, or raise the run's `duration` or `event_time.speed`",
                seconds(length_ms),
                seconds(earliest_ms),
                seconds(run_ms)
            );
            problems.add(format!("{path}.duration"), text);
            return None;
        }
        // Labels whose tolerance passes the end are not scored, so room is kept for it where there
        // is enough of it.
        let latest = run_ms - length_ms;
        let scored = latest - kind.late_ms();
        let roomy = scored - earliest_ms >= (latest - earliest_ms) / 4;
        Some((earliest_ms, if roomy { scored } else { latest }))
    }
}

fn seconds(ms: i64) -> String {
    format!("{}s", ms as f64 / 1000.0)
}
