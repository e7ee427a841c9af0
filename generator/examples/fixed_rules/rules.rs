//! The fixed rules of the usual demos: a number against a threshold, whatever is usual for the key.

use std::{collections::BTreeMap, error::Error};

use floodmark_contracts::{
    alert::Alert,
    clock::EventTime,
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
    job::GeneratorSection,
    key::{KeyType, TypedKey},
    kind::Kind,
    profile::Profile,
    record::EventSpan,
    result::Detection,
    stream::Stream,
};
use floodmark_generator::{Event, Plan, Share, events, labels};

/// A rule with the kind that it is written for.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it says.
    pub name: &'static str,
    /// What it is written for.
    pub kind: Kind,
    /// Its threshold, and then others that somebody might have chosen.
    pub thresholds: &'static [f64],
}

/// The rules.
pub const RULES: [Rule; 7] = [
    Rule {
        name: "over 200 views of a page in a minute",
        kind: Kind::TrafficSpike,
        thresholds: &[200.0, 50.0, 100.0, 150.0, 300.0, 400.0],
    },
    Rule {
        name: "over 10 errors of a page in a minute",
        kind: Kind::ErrorBurst,
        thresholds: &[10.0, 5.0, 7.0, 15.0, 20.0],
    },
    Rule {
        name: "over 20 events of a user in a minute",
        kind: Kind::Bot,
        thresholds: &[20.0, 8.0, 10.0, 12.0, 15.0],
    },
    Rule {
        name: "over 10 failed logins from an address in a minute",
        kind: Kind::CredentialStuffing,
        thresholds: &[10.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    },
    Rule {
        name: "session score of 0.8: 0.4 a payee change, 0.3 a transfer, 0.3 an input under 100 ms",
        kind: Kind::AccountTakeover,
        thresholds: &[0.79, 0.59, 0.69, 0.99],
    },
    Rule {
        name: "session score of 0.8: 0.2 an input under 20 ms",
        kind: Kind::MachineSpeedInput,
        thresholds: &[0.79, 0.19, 0.39, 0.99],
    },
    Rule {
        name: "reading over 50 from the mean of its 10 s window",
        kind: Kind::SensorSpike,
        thresholds: &[50.0, 6.0, 8.0, 10.0, 20.0, 30.0],
    },
];

/// Length of a window of counts.
const MINUTE_MS: i64 = 60_000;
/// Length of a sensor's window, and how many readings it needs.
const WINDOW_MS: i64 = 10_000;
const LEAST_READINGS: usize = 3;

/// The shipped catalogue with the stream and incidents of one kind, at the default magnitude or another.
pub fn profile_of(kind: Kind, magnitude: Option<f64>) -> Result<Profile, Box<dyn Error>> {
    let text = include_str!("../../../profiles/catalogue.yaml");
    let mut tree: serde_json::Value = serde_saphyr::from_str(text)?;
    let stream = tree["streams"][kind.stream().name()].take();
    tree["streams"] = serde_json::json!({ kind.stream().name(): stream });
    let section = &mut tree["streams"][kind.stream().name()];
    let of_kind = |entry: &serde_json::Value| entry.get(kind.name()).cloned();
    let entries = section["anomalies"].as_array();
    let entry = entries.into_iter().flatten().find_map(of_kind);
    let mut entry = entry.ok_or("the catalogue has no such kind")?;
    if let Some(magnitude) = magnitude {
        entry["magnitude"] = magnitude.into();
    }
    section["anomalies"] = serde_json::json!([{ kind.name(): entry }]);
    section["decoys"] = serde_json::json!([]);
    Ok(serde_json::from_value(tree)?)
}

/// The scores of a rule on a profile's events, one for each of its thresholds.
pub fn scored(rule: Rule, profile: &Profile, seed: u64) -> Result<Vec<Detection>, Box<dyn Error>> {
    let section = GeneratorSection {
        seed,
        ..GeneratorSection::from(profile)
    };
    let plan = Plan::resolve(&section).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.join("\n")
    })?;
    let mut watch = Watch::new(rule);
    for event in events(&plan, rule.kind.stream(), Share::WHOLE)
        .into_iter()
        .flatten()
    {
        watch.see(&event)?;
    }
    let span = EventSpan {
        from: plan.warm_up_until(),
        until: plan.event_time_end(),
    };
    let labels = labels(&plan);
    let scoring = floodmark_contracts::profile::ScoringSection::default();
    let at = |threshold: &f64| {
        let alerts = watch.alerts(*threshold);
        floodmark_scoring::score_files(&labels, &alerts, &scoring, Some(span)).map_err(Into::into)
    };
    rule.thresholds.iter().map(at).collect()
}

/// What a rule has seen.
struct Watch {
    rule: Rule,
    /// Counts or scores by key and window (or session).
    sums: BTreeMap<(String, i64), (f64, i64)>,
    /// Readings by sensor and window.
    readings: BTreeMap<(String, i64), Vec<(i64, f64)>>,
}

impl Watch {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            sums: BTreeMap::new(),
            readings: BTreeMap::new(),
        }
    }

    fn see(&mut self, event: &Event) -> Result<(), Box<dyn Error>> {
        match self.rule.kind.stream() {
            Stream::Clickstream => self.click(&ClickEvent::decode(&event.value)?),
            Stream::Banking => self.bank(&BankingUiEvent::decode_body(event.body())?),
            Stream::Sensors => self.reading(&SensorReading::decode(&event.value)?),
        }
        Ok(())
    }

    fn click(&mut self, click: &ClickEvent<'_>) {
        let is_error = click.event_type == "error";
        let (key, counts) = match self.rule.kind {
            Kind::TrafficSpike => (&click.page_url, !is_error),
            Kind::ErrorBurst => (&click.page_url, is_error),
            _ => (&click.user_id, true),
        };
        if counts {
            self.count(key, click.timestamp);
        }
    }

    fn bank(&mut self, bank: &BankingUiEvent<'_>) {
        if self.rule.kind == Kind::CredentialStuffing {
            if bank.event_type == "login_failed" {
                self.count(bank.ip_address, bank.timestamp);
            }
            return;
        }
        let quick = |ms: i32| bank.latency_ms < ms && bank.event_type != "login_success";
        let worth = match (self.rule.kind, bank.event_type) {
            (Kind::AccountTakeover, "payee_change") => 0.4,
            (Kind::AccountTakeover, "transfer") => 0.3,
            (Kind::AccountTakeover, _) if quick(100) => 0.3,
            (Kind::MachineSpeedInput, _) if quick(20) => 0.2,
            _ => return,
        };
        let entry = (bank.session_id.to_owned(), 0);
        let score = self.sums.entry(entry).or_insert((0.0, 0));
        *score = (score.0 + worth, score.1.max(bank.timestamp.0));
    }

    fn reading(&mut self, reading: &SensorReading<'_>) {
        let window = reading.timestamp.0.div_euclid(WINDOW_MS);
        let key = (reading.sensor_id.to_string(), window);
        let place = (reading.timestamp.0, reading.value);
        self.readings.entry(key).or_default().push(place);
    }

    fn count(&mut self, key: &str, at: EventTime) {
        let window = at.0.div_euclid(MINUTE_MS);
        let entry = (key.to_owned(), window);
        let count = self.sums.entry(entry).or_insert((0.0, 0));
        *count = (count.0 + 1.0, (window + 1) * MINUTE_MS);
    }

    fn alerts(&self, threshold: f64) -> Vec<Alert> {
        let key_type = match self.rule.kind {
            Kind::TrafficSpike | Kind::ErrorBurst => KeyType::Page,
            Kind::Bot => KeyType::User,
            Kind::CredentialStuffing => KeyType::Ip,
            Kind::SensorSpike => KeyType::Sensor,
            _ => KeyType::Session,
        };
        let mut found: Vec<(String, i64)> = Vec::new();
        for ((key, _), (sum, at)) in &self.sums {
            if *sum > threshold {
                found.push((key.clone(), *at));
            }
        }
        for ((key, _), window) in &self.readings {
            let mean = window.iter().map(|(_, v)| v).sum::<f64>() / window.len() as f64;
            let off = window.iter().find(|(_, v)| (v - mean).abs() > threshold);
            if let Some((at, _)) = off.filter(|_| window.len() >= LEAST_READINGS) {
                found.push((key.clone(), *at));
            }
        }
        let alert = |(number, (key, at)): (usize, (String, i64))| Alert {
            id: number.to_string(),
            detector: "fixed".to_owned(),
            stream: Some(self.rule.kind.stream()),
            kind: Some(self.rule.kind.name().to_owned()),
            key: TypedKey::new(key_type, key),
            start: EventTime(at),
            end: EventTime(at),
            score: None,
            event_ids: Vec::new(),
            emitted_at: None,
            evidence: BTreeMap::new(),
        };
        found.into_iter().enumerate().map(alert).collect()
    }
}
