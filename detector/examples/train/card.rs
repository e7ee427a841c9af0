//! The model's card, as Markdown.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use floodmark_contracts::kind::Kind;
use floodmark_detector::fraud::{Feature, Model, boost::Training};

use crate::{
    data::Session,
    figures::{Figures, Rule, at, average_precision, by_model, scores},
};

/// Log of the odds of a score of 0.8, the default threshold.
const DEFAULT_THRESHOLD: f64 = 1.386_294_361_119_890_6;

type Seeds<'a> = (RangeInclusive<u64>, &'a [Session]);

/// What the card is about.
pub struct Card<'a> {
    pub learn: Seeds<'a>,
    pub judge: Seeds<'a>,
    pub shipped: Seeds<'a>,
    pub rows: usize,
    pub how: Training,
    pub model: &'a Model,
}

impl fmt::Display for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Training {
            trees,
            levels,
            rate,
            lambda,
            borders,
        } = self.how;
        writeln!(
            f,
            "# The fraud model\n\n\
             Written by `just train`, which trains the model anew and judges it; do not edit. Why it is what it is: \
             [adr/0017-fraud.md](adr/0017-fraud.md). What is done with its scores: [fraud.md](fraud.md).\n\n\
             | | |\n| --- | --- |\n\
             | what | {} oblivious trees of at most {levels} levels over {} features, in `detector/model/fraud.json` |\n\
             | training | gradient boosting on the logistic loss, at most {trees} trees, rate {rate}, lambda {lambda}, {borders} borders a feature |\n\
             | answers | is somebody else than the customer at work in this session? |\n\
             | learnt from | {} sessions in {} rows: `detector/model/train.yaml` under the seeds {} to {} |\n\
             | judged on | {} sessions: the same profile under the seeds {} to {}; {} sessions: `profiles/banking.yaml` under the seeds {} to {} |\n",
            self.model.trees.len(),
            Feature::ALL.len(),
            self.learn.1.len(),
            self.rows,
            self.learn.0.start(),
            self.learn.0.end(),
            self.judge.1.len(),
            self.judge.0.start(),
            self.judge.0.end(),
            self.shipped.1.len(),
            self.shipped.0.start(),
            self.shipped.0.end(),
        )?;
        self.held_out(f)?;
        self.per_kind(f)?;
        self.questions(f)?;
        writeln!(f, "{LIMITS}")
    }
}

impl Card<'_> {
    fn held_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## Held-out figures\n\n\
             By session: flagged if its score ever reaches the threshold. The rule is the one over a single feature that has the best \
             F1 on what the model learnt from; AP is average precision over all thresholds.\n\n\
             | sessions | who | recall | precision | F1 | false flags per 1000 customers' sessions | AP |\n\
             | --- | --- | --- | --- | --- | --- | --- |"
        )?;
        let rule = Rule::best(self.learn.1);
        for (name, sessions) in [
            ("seen in training", self.learn.1),
            ("unseen seeds", self.judge.1),
            ("`banking.yaml`", self.shipped.1),
        ] {
            let model = scores(sessions, by_model(self.model));
            line(f, name, "model at 0.8", sessions, &model, DEFAULT_THRESHOLD)?;
            let looked_up = scores(sessions, |case| {
                self.model.log_odds(&case.vector) + case.standing.log_odds()
            });
            let who = "model at 0.8 with look-ups";
            line(f, name, who, sessions, &looked_up, DEFAULT_THRESHOLD)?;
            if let Some(rule) = &rule {
                let values = scores(sessions, |case| rule.value(case));
                line(
                    f,
                    name,
                    &rule.to_string(),
                    sessions,
                    &values,
                    rule.threshold,
                )?;
            }
        }
        if let Some(rule) = &rule {
            let f1 = |sessions: &[Session]| {
                let model = scores(sessions, by_model(self.model));
                let values = scores(sessions, |case| rule.value(case));
                at(DEFAULT_THRESHOLD, sessions, &model).f1()
                    - at(rule.threshold, sessions, &values).f1()
            };
            writeln!(
                f,
                "\nThe model beats that rule by {:.2} of F1 on unseen seeds, and by {:.2} on `banking.yaml`. The look-ups of generated \
                 data are drawn without regard to the labels: what they move is chance, \
                 and the second lines show how much.",
                f1(self.judge.1),
                f1(self.shipped.1)
            )?;
        }
        Ok(())
    }

    fn per_kind(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n## By kind, on unseen seeds, at 0.8\n\n| kind | sessions | flagged |\n| --- | --- | --- |"
        )?;
        let scores = scores(self.judge.1, by_model(self.model));
        let mut kinds: BTreeMap<Option<Kind>, (usize, usize)> = BTreeMap::new();
        for (session, score) in self.judge.1.iter().zip(scores) {
            let (all, flagged) = kinds.entry(session.kind).or_default();
            *all += 1;
            *flagged += usize::from(score >= DEFAULT_THRESHOLD);
        }
        for (kind, (all, flagged)) in kinds {
            let name = match kind {
                None => "customers'".to_owned(),
                Some(kind) if kind.is_benign() => format!("`{kind}`, a decoy"),
                Some(kind) => format!("`{kind}`"),
            };
            let share = 100.0 * flagged as f64 / all as f64;
            writeln!(f, "| {name} | {all} | {flagged} ({share:.1} %) |")?;
        }
        Ok(())
    }

    /// How often each feature is asked.
    fn questions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut asked: BTreeMap<Feature, usize> = BTreeMap::new();
        for (feature, _) in self.model.trees.iter().flat_map(|tree| &tree.levels) {
            *asked.entry(*feature).or_default() += 1;
        }
        let mut order: Vec<(Feature, usize)> = asked.into_iter().collect();
        order.sort_by_key(|(feature, count)| (std::cmp::Reverse(*count), *feature));
        let asked: Vec<String> = order
            .iter()
            .map(|(feature, count)| format!("`{}` {count}", feature.name()))
            .collect();
        writeln!(
            f,
            "\n## What it asks\n\nQuestions by feature: {}.\n",
            asked.join(", ")
        )
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    who: &str,
    sessions: &[Session],
    scores: &[f64],
    threshold: f64,
) -> fmt::Result {
    let figures: Figures = at(threshold, sessions, scores);
    writeln!(
        f,
        "| {name} | {who} | {:.3} | {:.3} | {:.3} | {:.2} | {:.3} |",
        figures.recall(),
        figures.precision(),
        figures.f1(),
        1000.0 * figures.false_flags as f64 / figures.customers as f64,
        average_precision(sessions, scores)
    )
}

const LIMITS: &str = "## What it is not\n
- It has seen generated customers only, and learns the generator's habits with the frauds: how long a form is, say. For a bank's own data \
it has to be trained on that bank's own data.
- Sessions that end before anybody is logged in (`credential-stuffing`, `slow-brute-force`) are not scored: the rules find those.
- It knows one account at a time. A device that turns up on many accounts is seen only through what is strange about each.
- It scores each session by itself, so that its scores are probabilities only where frauds are as frequent as in what it learnt from.";
