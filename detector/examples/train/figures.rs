//! Figures of a score over sessions.

use floodmark_detector::fraud::{Feature, Model, Vector};

use crate::data::{Scored, Session};

/// What a threshold finds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Sessions of frauds that are flagged.
    pub found: usize,
    /// Sessions of frauds.
    pub frauds: usize,
    /// Sessions of customers that are flagged.
    pub false_flags: usize,
    /// Sessions of customers.
    pub customers: usize,
}

impl Figures {
    pub fn recall(self) -> f64 {
        self.found as f64 / self.frauds as f64
    }

    pub fn precision(self) -> f64 {
        self.found as f64 / (self.found + self.false_flags) as f64
    }

    pub fn f1(self) -> f64 {
        2.0 * self.found as f64 / (self.found + self.false_flags + self.frauds) as f64
    }
}

/// Score of a session: its highest one.
pub fn scores(sessions: &[Session], of: impl Fn(&Scored) -> f64) -> Vec<f64> {
    let highest = |session: &Session| session.cases.iter().map(&of).fold(f64::MIN, f64::max);
    sessions.iter().map(highest).collect()
}

/// The model's log of the odds, without what is looked up.
pub fn by_model(model: &Model) -> impl Fn(&Scored) -> f64 {
    |case| model.log_odds(&case.vector)
}

/// What flagging from a score on finds.
pub fn at(threshold: f64, sessions: &[Session], scores: &[f64]) -> Figures {
    let mut figures = Figures::default();
    for (session, score) in sessions.iter().zip(scores) {
        let (all, flagged) = if session.is_fraud() {
            (&mut figures.frauds, &mut figures.found)
        } else {
            (&mut figures.customers, &mut figures.false_flags)
        };
        *all += 1;
        *flagged += usize::from(*score >= threshold);
    }
    figures
}

/// Average precision: the sum of precision times gain in recall, ties taken together.
pub fn average_precision(sessions: &[Session], scores: &[f64]) -> f64 {
    let points = sweep(sessions, scores);
    let mut before = 0.0;
    let mut sum = 0.0;
    for (_, figures) in points {
        sum += (figures.recall() - before) * figures.precision();
        before = figures.recall();
    }
    sum
}

/// The threshold with the best F1.
pub fn best(sessions: &[Session], scores: &[f64]) -> (f64, Figures) {
    sweep(sessions, scores)
        .into_iter()
        .max_by(|a, b| a.1.f1().total_cmp(&b.1.f1()))
        .unwrap_or_default()
}

/// Every threshold that the scores have, from the highest on, with what it finds.
fn sweep(sessions: &[Session], scores: &[f64]) -> Vec<(f64, Figures)> {
    let mut order: Vec<usize> = (0..sessions.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut figures = at(f64::INFINITY, sessions, scores);
    let mut points = Vec::new();
    for (place, session) in order.iter().enumerate() {
        if sessions[*session].is_fraud() {
            figures.found += 1;
        } else {
            figures.false_flags += 1;
        }
        let next = order.get(place + 1).map(|next| scores[*next]);
        if next != Some(scores[*session]) {
            points.push((scores[*session], figures));
        }
    }
    points
}

/// A rule over one feature: above a value, or below it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub feature: Feature,
    pub sign: f64,
    pub threshold: f64,
}

impl Rule {
    /// The rule with the best F1 over these sessions.
    pub fn best(sessions: &[Session]) -> Option<Self> {
        let rules = Feature::ALL
            .into_iter()
            .flat_map(|feature| [(feature, 1.0), (feature, -1.0)]);
        let judged = rules.map(|(feature, sign)| {
            let rule = Self {
                feature,
                sign,
                threshold: 0.0,
            };
            let (threshold, figures) = best(sessions, &scores(sessions, |case| rule.value(case)));
            (figures.f1(), Self { threshold, ..rule })
        });
        let best = judged.max_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, rule)| rule)
    }

    pub fn value(&self, case: &Scored) -> f64 {
        self.of(&case.vector)
    }

    fn of(&self, vector: &Vector) -> f64 {
        self.sign * f64::from(vector.get(self.feature))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, limit) = if self.sign > 0.0 {
            ("at least", self.threshold)
        } else {
            ("at most", -self.threshold)
        };
        write!(f, "`{}` {sign} {limit}", self.feature.name())
    }
}
