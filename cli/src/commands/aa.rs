//! `floodmark aa`: the same against itself.

use floodmark_contracts::compare::Verdict;
use floodmark_reports::{comparison_text, noise_floor_text};
use floodmark_scoring::compare::noise::noise_floor;

use crate::{
    args::{AaArgs, Global},
    commands::{
        compare::leave,
        noise,
        rounds::{Rounds, Side, check_gates, check_plan, plan},
        say, say_marked, tell,
        trial::write_json,
    },
    exit::{Exit, Failure},
};

/// Makes the rounds, and keeps how much they differ.
pub fn run(args: &AaArgs, global: &Global) -> Result<Exit, Failure> {
    check_gates(&args.margin.gate)?;
    let (mut plan, gates) = plan(&args.rounds, &args.margin);
    // Noise is what is wanted, not a verdict: nothing is gained from a further look.
    plan.further_rounds = 0;
    check_plan(&plan)?;
    let [base, cand] = [0, 1].map(|_| Side::new(&args.profile, &[]));
    let (mut base, mut cand) = (base?, cand?);
    base.name = "one half".to_owned();
    cand.name = "the other half".to_owned();
    let mut measured = noise::measured(&base, Default::default())?;
    let mut rounds = Rounds::begin([base, cand], &args.rounds, global)?;
    measured.at = rounds.clock.now();
    let compared = rounds.compare(plan, gates)?;
    let comparison = &compared.comparison;
    leave(&rounds.out, comparison)?;
    // As many as `ab` has before its first look, of which it spends half of alpha.
    let mut for_ab = compared.plan;
    for_ab.further_rounds = args.rounds.rounds;
    let floor = noise_floor(&compared.rounds, measured, &for_ab);
    write_json(&rounds.out.join("noise-floor.json"), &floor)?;
    let is_whole = !compared.is_interrupted && comparison.verdict != Verdict::Invalid;
    if is_whole {
        let state = args.rounds.calibration.state.as_deref();
        match noise::keep(&floor, state) {
            Ok(path) => tell(global, &format!("kept in {}", path.display())),
            Err(failure) => tell(global, &format!("note: not kept for `ab`: {failure}")),
        }
    }
    if args.rounds.json {
        say(&serde_json::to_string_pretty(&floor)?);
    } else {
        say(noise_floor_text(&floor).trim_end());
        say("");
        say_marked(comparison_text(comparison).trim_end());
        say(&format!("results: {}", rounds.out.display()));
    }
    Ok(match comparison.verdict {
        _ if compared.is_interrupted => Exit::Interrupted,
        // What is called different from itself was measured on a machine that changed meanwhile.
        Verdict::Regressed | Verdict::Improved | Verdict::Invalid => Exit::Invalid,
        _ => Exit::Pass,
    })
}
