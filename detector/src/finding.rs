//! What rules find, and how it becomes an alert.

use floodmark_contracts::{alert::Alert, clock::EventTime, key::TypedKey, kind::Kind, row::Row};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;

use crate::{fraud::Case, hash::Fnv};

/// What leaves a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// For the topic of alerts.
    Alert(Box<Alert>),
    /// A session to be scored; a flag, if its score reaches the threshold.
    Case(Box<Case>),
    /// For the topic of rows.
    Row(Box<Row>),
    /// A line for standard output.
    Line(String),
}

/// What a rule found about the key that it was asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// What the rule takes it for; `None` if it does not tell kinds apart.
    pub kind: Option<Kind>,
    /// First instant that it is about.
    pub start: EventTime,
    /// Last instant that it is about.
    pub end: EventTime,
    /// Tells it from other findings of the rule about the same key. Depends on events alone, so that
    /// every run over the same log gives the alert the same id.
    pub mark: EventTime,
    /// From 0 to 1; higher is more anomalous.
    pub score: f64,
    /// Ids of the events that it rests on.
    pub event_ids: Vec<String>,
    /// What convinced the rule.
    pub evidence: Vec<(&'static str, Value)>,
}

impl Finding {
    /// A finding raised by one event at `at`.
    #[must_use]
    pub fn at(rule: &'static str, kind: Kind, at: EventTime) -> Self {
        Self::between(rule, kind, at, at)
    }

    /// A finding about a span, marked by its end.
    #[must_use]
    pub fn between(rule: &'static str, kind: Kind, start: EventTime, end: EventTime) -> Self {
        Self {
            rule,
            kind: Some(kind),
            start,
            end,
            mark: end,
            score: 1.0,
            event_ids: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// The finding with a score, cut to 0..1.
    #[must_use]
    pub fn score(mut self, score: f64) -> Self {
        self.score = score.clamp(0.0, 1.0);
        self
    }

    /// The finding with a piece of evidence more.
    #[must_use]
    pub fn evidence(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.push((name, value.into()));
        self
    }

    /// The finding with the event that completed it.
    #[must_use]
    pub fn event(mut self, id: impl Into<String>) -> Self {
        self.event_ids.push(id.into());
        self
    }

    /// The alert about `key`. When it is emitted is left to the sink.
    #[must_use]
    pub fn into_alert(self, key: TypedKey) -> Alert {
        let id = Fnv::new()
            .text(self.rule)
            .text(self.kind.map_or("", Kind::name))
            .text(&format!("{:?}", key.key_type))
            .text(&key.id)
            .number(self.mark.0)
            .hex();
        Alert {
            id,
            detector: self.rule.to_owned(),
            stream: self.kind.map(Kind::stream),
            kind: self.kind.map(|kind| kind.name().to_owned()),
            key,
            start: self.start,
            end: self.end,
            score: Some(self.score),
            event_ids: self.event_ids,
            emitted_at: None,
            evidence: self
                .evidence
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// An alert that waits until it is known whether it goes out. It is saved as JSON, since its evidence can be
/// anything.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldAlert(pub Box<Alert>);

impl Serialize for HeldAlert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(&self.0).map_err(S::Error::custom)?;
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HeldAlert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// A value at two decimals, as evidence shows it.
#[must_use]
pub fn two_decimals(value: f64) -> f64 {
    // Formatting rounds the exact binary value, half to even, as the demos' `round(x, 2)` does;
    // multiplying by 100 first would round some halves the other way.
    format!("{value:.2}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::key::KeyType;

    use super::*;

    fn alert(rule: &'static str, key: &str, mark: i64) -> Alert {
        Finding::at(rule, Kind::Bot, EventTime(mark)).into_alert(TypedKey::new(KeyType::User, key))
    }

    #[test]
    fn the_same_finding_has_the_same_id_and_another_has_another() {
        let id = alert("a", "u", 1).id;
        assert_eq!(alert("a", "u", 1).id, id);
        for other in [alert("b", "u", 1), alert("a", "v", 1), alert("a", "u", 2)] {
            assert_ne!(other.id, id);
        }
    }

    #[test]
    fn ids_are_stable_across_versions() {
        // A restarted detector of a later version must repeat the ids of an earlier one.
        insta::assert_snapshot!(alert("a", "u", 1).id);
    }

    #[test]
    fn an_alert_carries_what_the_rule_said() {
        let finding = Finding::between("r", Kind::Bot, EventTime(1), EventTime(5))
            .score(1.5)
            .event("e1")
            .evidence("gap", 2.0);
        let alert = finding.into_alert(TypedKey::new(KeyType::User, "u"));
        assert_eq!((alert.start, alert.end), (EventTime(1), EventTime(5)));
        assert_eq!(alert.kind.as_deref(), Some("bot"));
        assert_eq!(alert.score, Some(1.0));
        assert_eq!(alert.event_ids, ["e1"]);
        assert_eq!(alert.evidence["gap"], 2.0);
    }

    #[test]
    fn a_held_alert_comes_back_whole() {
        let finding = Finding::between("r", Kind::Bot, EventTime(1), EventTime(5));
        let finding = finding.event("e1").evidence("gap", 2.0).evidence("n", 3);
        let held = HeldAlert(Box::new(
            finding.into_alert(TypedKey::new(KeyType::User, "u")),
        ));
        let bytes = postcard::to_allocvec(&held).unwrap();
        assert_eq!(postcard::from_bytes::<HeldAlert>(&bytes).unwrap(), held);
    }

    #[test]
    fn averages_are_rounded_as_the_demos_round_them() {
        for (value, shown) in [
            (59.205, "59.2"),
            (59.214, "59.21"),
            (59.0, "59.0"),
            (59.2, "59.2"),
            (-0.125, "-0.12"),
            (2.675, "2.67"),
        ] {
            assert_eq!(format!("{:?}", two_decimals(value)), shown);
        }
    }
}
