//! Default difficulty: the demos' fixed rules do badly on it, and at the hard end they know nothing.

#[path = "../../examples/fixed_rules/rules.rs"]
mod rules;

use floodmark_contracts::{
    kind::Kind,
    result::{Baseline, Scores},
};

use self::rules::{RULES, Rule, profile_of, scored};

/// The scores of a rule with its own threshold on its kind, and what chance would score.
fn found(rule: Rule, magnitude: Option<f64>) -> (Scores, Baseline) {
    let profile = profile_of(rule.kind, magnitude).unwrap();
    let detection = scored(rule, &profile, 101).unwrap().remove(0);
    let chance = detection.random_baseline_per_kind.get(&rule.kind);
    (
        detection.per_kind[&rule.kind].clone(),
        chance.copied().unwrap_or_default(),
    )
}

#[test]
fn fixed_rules_stay_below_seven_tenths_at_default_difficulty() {
    for rule in RULES {
        let (scores, _) = found(rule, None);
        assert!(scores.labels >= 10, "{}", rule.name);
        assert!(
            scores.f1.is_none_or(|f1| f1 < 0.7),
            "{}: {:?}",
            rule.name,
            scores.f1
        );
    }
}

#[test]
fn fixed_rules_find_what_is_strong_and_guess_at_what_is_weak() {
    // The demos' score of a session looks at what a takeover does, which no magnitude changes; and the
    // catalogue's rate has no room for a spike of the magnitude 1.
    let rules = RULES
        .into_iter()
        .filter(|rule| ![Kind::AccountTakeover, Kind::TrafficSpike].contains(&rule.kind));
    for rule in rules {
        let strong = found(rule, Some(1.0)).0.recall.unwrap();
        let (weak, chance) = found(rule, Some(0.02));
        let weak = weak.recall.unwrap();
        assert!(
            strong > weak && strong >= 0.5,
            "{}: {strong} {weak}",
            rule.kind
        );
        // Four standard deviations of a share among a dozen labels.
        let chance = chance.recall.unwrap_or(0.0);
        let spread = (chance * (1.0 - chance) / 12.0).sqrt();
        assert!(
            weak <= chance + 4.0 * spread + 0.1,
            "{}: {weak} {chance}",
            rule.kind
        );
    }
}
