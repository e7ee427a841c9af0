//! What alerts placed at random get, beside what the detector got: the same code over alerts that [`draw`] places.

mod draw;
mod groups;

use std::collections::BTreeMap;

use floodmark_contracts::{
    accuracy::{
        Accuracy, BesideRandom, Counted, Entities, EntityShares, Kinds, NabFigures, Published,
        RandomDraws, Rates,
    },
    kind::Kind,
};

use self::draw::{Plan, SEED};
use super::{
    Ground, Setting, counted, entities, kinds, levels,
    published::{self, RowRules},
    sweep,
};
use crate::{baseline::Space, matching, merged::FalseRuns};

/// Writes the baselines beside the figures.
pub(super) fn beside(
    ground: &Ground<'_>,
    space: &Space<'_>,
    setting: Setting,
    rows: RowRules,
    accuracy: &mut Accuracy,
) {
    if let Some(events) = &mut accuracy.events {
        events.random = random_events(events, setting.events);
    }
    accuracy.random.seed = SEED;
    let Some(plan) = Plan::new(ground, space.key_counts()) else {
        return;
    };
    let settings = space.settings();
    let mut tally = Tally::default();
    for repetition in 0..plan.repetitions {
        let scope = plan.draw(repetition);
        let found = matching::find(&scope, settings);
        let is_false = |alert: u32| {
            let alert = alert as usize;
            !found.is_true[alert] && !found.touches_left_out[alert]
        };
        let gap_ms = settings.merge_gap_ms;
        let false_runs = FalseRuns::new(&scope, is_false, gap_ms);
        // What is drawn is no part of its own: nobody watches it.
        let drawn = Ground::new(
            &scope,
            &found,
            &false_runs,
            ground.alerts,
            ground.bounds,
            settings.merge_gap_ms,
            &|_| {},
        );
        tally.add(&drawn, rows);
    }
    tally.write(accuracy);
    accuracy.random = RandomDraws {
        seed: SEED,
        repetitions: plan.repetitions,
        alerts: plan.n_alerts() * u64::from(plan.repetitions),
        labels_share: plan.labels_share,
        thinned: plan.thinned,
    };
}

/// Of `said` events that are drawn from `n`, the share `truth / n` is affected, whatever `said` is.
fn random_events(events: &Counted, n_events: Option<u64>) -> Rates {
    let Some(n) = n_events.filter(|n| *n > 0 && events.said > 0 && events.truth > 0) else {
        return Rates::default();
    };
    let share = |part: u64| (part as f64 / n as f64).min(1.0);
    let (precision, recall) = (share(events.truth), share(events.said));
    Rates {
        precision: Some(precision),
        recall: Some(recall),
        f1: Some(crate::incident::f_beta(precision, recall, 1.0)),
    }
}

/// Figures over all repetitions.
#[derive(Default)]
struct Tally {
    one_to_one: [u64; 3],
    windows: [u64; 3],
    hit_share: Mean,
    macro_recall: Mean,
    macro_precision: Mean,
    average_precision: Mean,
    micro: MeanRates,
    macro_average: MeanRates,
    of_kinds: BTreeMap<Kind, Mean>,
    /// Range-based with its three biases, then affiliation.
    published: [MeanRates; 4],
    nab: [Mean; 3],
}

impl Tally {
    fn add(&mut self, drawn: &Ground<'_>, rows: RowRules) {
        add_counts(&mut self.one_to_one, levels::one_to_one(drawn));
        add_counts(&mut self.windows, levels::windows(drawn).counted);
        self.add_entities(&entities::shares(&entities::counts(drawn)));
        self.average_precision
            .add(sweep::sweep(drawn).average_precision);
        self.add_kinds(&kinds::score(drawn));
        self.add_published(&published::score(drawn, rows));
    }

    fn add_entities(&mut self, entities: &Entities) {
        self.hit_share.add(entities.hit_share);
        self.macro_recall.add(entities.macro_recall);
        self.macro_precision.add(entities.macro_precision);
    }

    fn add_kinds(&mut self, kinds: &Kinds) {
        self.micro.add(kinds.micro);
        self.macro_average.add(kinds.macro_average);
        for (kind, rates) in &kinds.per_kind {
            let mean = self.of_kinds.entry(*kind).or_default();
            mean.add(rates.average_precision);
        }
    }

    fn add_published(&mut self, found: &Published) {
        let rates = [
            &found.range,
            &found.range_front,
            &found.range_back,
            &found.affiliation,
        ];
        for (mean, rates) in self.published.iter_mut().zip(rates) {
            mean.add(rates.rates());
        }
        for (mean, score) in self.nab.iter_mut().zip(nab_scores(&found.nab)) {
            mean.add(score);
        }
    }

    fn write(&self, accuracy: &mut Accuracy) {
        accuracy.one_to_one.random = rates_of(self.one_to_one);
        accuracy.windows.counted.random = rates_of(self.windows);
        accuracy.entities.random = EntityShares {
            hit_share: self.hit_share.value(),
            macro_recall: self.macro_recall.value(),
            macro_precision: self.macro_precision.value(),
        };
        let thresholds = &mut accuracy.thresholds;
        if thresholds.average_precision.is_some() {
            thresholds.random_average_precision = self.average_precision.value();
        }
        accuracy.kinds.random_micro = self.micro.value();
        accuracy.kinds.random_macro_average = self.macro_average.value();
        for (kind, rates) in &mut accuracy.kinds.per_kind {
            let random = self.of_kinds.get(kind).and_then(Mean::value);
            rates.random_average_precision = random.filter(|_| rates.average_precision.is_some());
        }
        self.write_published(&mut accuracy.published);
    }

    fn write_published(&self, published: &mut Published) {
        let beside: [&mut BesideRandom; 4] = [
            &mut published.range,
            &mut published.range_front,
            &mut published.range_back,
            &mut published.affiliation,
        ];
        for (beside, mean) in beside.into_iter().zip(&self.published) {
            beside.random = mean.value();
        }
        let [standard, few_false, few_missed] = &self.nab;
        published.random_nab = NabFigures {
            standard: standard.value(),
            reward_low_fp_rate: few_false.value(),
            reward_low_fn_rate: few_missed.value(),
        };
    }
}

fn nab_scores(nab: &NabFigures) -> [Option<f64>; 3] {
    [nab.standard, nab.reward_low_fp_rate, nab.reward_low_fn_rate]
}

fn add_counts(sums: &mut [u64; 3], of: Counted) {
    for (sum, count) in sums.iter_mut().zip([of.truth, of.said, of.both]) {
        *sum += count;
    }
}

fn rates_of([truth, said, both]: [u64; 3]) -> Rates {
    counted(truth, said, both).rates()
}

/// The mean of those values that are defined.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// Means of rates.
#[derive(Debug, Clone, Copy, Default)]
struct MeanRates {
    precision: Mean,
    recall: Mean,
    f1: Mean,
}

impl MeanRates {
    fn add(&mut self, rates: Rates) {
        self.precision.add(rates.precision);
        self.recall.add(rates.recall);
        self.f1.add(rates.f1);
    }

    fn value(&self) -> Rates {
        Rates {
            precision: self.precision.value(),
            recall: self.recall.value(),
            f1: self.f1.value(),
        }
    }
}
