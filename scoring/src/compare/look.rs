//! One look at the rounds: every metric judged, gated ones together; and what fresh rounds say of it.

use floodmark_contracts::{compare::EffectScale, result::Direction};

use super::{
    figures::{Meaning, RoundFigures, Series},
    holm,
    judge::{Change, Evidence, Scales, missing},
};

/// What a look says of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judged {
    /// Weighed by the rounds.
    Weighed {
        evidence: Evidence,
        /// After Holm; the plain p of a metric that is not gated.
        p_adjusted: f64,
        change: Change,
    },
    /// The same in all rounds of a side: compared as it is.
    Exact { base: f64, cand: f64 },
    /// Why not.
    NotCompared(String),
}

/// What fresh rounds say of a change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Confirmed {
    /// `None` if the fresh rounds have too few values.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) p_adjusted: f64,
    pub(crate) is_confirmed: bool,
    pub(crate) n: usize,
}

impl Judged {
    /// Whether fresh rounds have to confirm it.
    pub(crate) fn is_candidate(&self, meaning: &Meaning) -> bool {
        let is_judged = meaning.is_gated && meaning.direction != Direction::Neutral;
        is_judged && matches!(self.change(), Some(Change::Up | Change::Down))
    }

    pub(crate) fn is_unclear(&self) -> bool {
        self.change() == Some(Change::Unclear)
    }

    /// The change that rounds showed; `None` where nothing was weighed.
    fn change(&self) -> Option<Change> {
        match self {
            Self::Weighed { change, .. } => Some(*change),
            Self::Exact { .. } | Self::NotCompared(_) => None,
        }
    }
}

/// Judges every metric by the rounds of a look, in the order of `metrics`.
pub(crate) fn look_at(
    metrics: &[Meaning],
    rounds: &[(u32, &RoundFigures)],
    scales: &mut Scales<'_>,
) -> Vec<Judged> {
    let mut judged: Vec<Judged> = metrics
        .iter()
        .map(|meaning| weigh(meaning, rounds, scales))
        .collect();
    let gated = |meaning: &Meaning, judged: &Judged| match judged {
        Judged::Weighed { evidence, .. } if meaning.is_gated => Some(evidence.p),
        _ => None,
    };
    let of_gated = metrics.iter().zip(&judged);
    let p: Vec<f64> = of_gated.filter_map(|(m, j)| gated(m, j)).collect();
    let mut adjusted = holm::adjusted(&p).into_iter();
    for (meaning, judged) in metrics.iter().zip(&mut judged) {
        if let Judged::Weighed {
            evidence,
            p_adjusted,
            change,
        } = judged
        {
            if meaning.is_gated {
                *p_adjusted = adjusted.next().unwrap_or(1.0);
            }
            *change = evidence.change(*p_adjusted, scales.plan.alpha_per_look());
        }
    }
    judged
}

fn weigh(meaning: &Meaning, rounds: &[(u32, &RoundFigures)], scales: &mut Scales<'_>) -> Judged {
    let series = Series::new(rounds, &meaning.name);
    if let Err(why) = missing(&series) {
        return Judged::NotCompared(why);
    }
    if scales.plan.is_exact(&meaning.name)
        && let (Some(base), Some(cand)) = (the_one(&series.base()), the_one(&series.cand()))
    {
        return Judged::Exact { base, cand };
    }
    match Evidence::new(&series, &meaning.name, &meaning.unit, scales) {
        Ok(evidence) => Judged::Weighed {
            p_adjusted: evidence.p,
            change: Change::Unclear,
            evidence,
        },
        Err(why) => Judged::NotCompared(why),
    }
}

/// The value, if all are the same.
fn the_one(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    values.iter().all(|v| *v == first).then_some(first)
}

/// Holds what a look found against fresh rounds alone: the same rule, with all of alpha, as what is tested
/// was fixed beforehand, and one-sided, as the way is too; Holm over what is to be confirmed.
pub(crate) fn confirm(
    judged: &[(Meaning, Judged)],
    fresh: &[(u32, &RoundFigures)],
    scales: &mut Scales<'_>,
) -> Vec<Option<Confirmed>> {
    let mut confirmed: Vec<Option<Confirmed>> = judged
        .iter()
        .map(|(meaning, judged)| {
            let found = judged.change().filter(|_| judged.is_candidate(meaning))?;
            let series = Series::new(fresh, &meaning.name);
            let (name, unit) = (&meaning.name, &meaning.unit);
            let evidence = Evidence::new(&series, name, unit, scales).ok();
            Some(Confirmed {
                p_adjusted: evidence.as_ref().map_or(1.0, |e| e.p_towards(found)),
                evidence,
                is_confirmed: false,
                n: series.pairs.len(),
            })
        })
        .collect();
    let p: Vec<f64> = confirmed.iter().flatten().map(|c| c.p_adjusted).collect();
    let adjusted = holm::adjusted(&p);
    let founds = judged.iter().zip(&mut confirmed);
    let founds =
        founds.filter_map(|((_, judged), fresh)| Some((judged.change()?, fresh.as_mut()?)));
    for ((found, fresh), p) in founds.zip(adjusted) {
        fresh.p_adjusted = p;
        let again = fresh
            .evidence
            .as_ref()
            .map(|e| e.change(p, scales.plan.alpha));
        fresh.is_confirmed = again == Some(found);
    }
    confirmed
}

/// Whether ratios stand behind an evidence.
pub(crate) fn is_relative(evidence: &Evidence) -> bool {
    evidence.scale == EffectScale::Relative
}
