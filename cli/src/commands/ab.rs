//! `floodmark ab`: two sides in turn, and which is worse.

use floodmark_reports::{comparison_text, detectors_text};

use crate::{
    args::{AbArgs, Global},
    commands::{
        compare::{exit_of, leave, leave_detectors, paired_by_label},
        noise,
        rounds::{Rounds, Side, check_gates, check_plan, plan},
        say, say_marked, tell,
    },
    exit::{Exit, Failure},
};

/// Makes the rounds and says what differs.
pub fn run(args: &AbArgs, global: &Global) -> Result<Exit, Failure> {
    check_gates(&args.margin.gate)?;
    let (mut plan, gates) = plan(&args.rounds, &args.margin);
    plan.further_rounds = args.further_rounds.unwrap_or(plan.further_rounds);
    plan.confirming_rounds = args.confirming_rounds.unwrap_or(plan.confirming_rounds);
    plan.is_order_free = args.order_free;
    check_plan(&plan)?;
    let base = Side::new(&args.profile, &args.base)?;
    let cand = Side::new(&args.profile, &args.cand)?;
    let wanted = noise::measured(&base, Default::default())?;
    let state = args.rounds.calibration.state.as_deref();
    // Either way it is said what margins rest on.
    let noise = match noise::find(args.noise_floor.as_deref(), &wanted, state)? {
        Ok(floor) => {
            let said = noise::dated(&floor);
            plan.noise_floor = Some(floor);
            said
        }
        Err(why) => why,
    };
    let mut rounds = Rounds::begin([base, cand], &args.rounds, global)?;
    tell(global, &format!("note: {noise}"));
    let compared = rounds.compare(plan, gates)?;
    let mut comparison = compared.comparison;
    comparison.warnings.push(noise);
    leave(&rounds.out, &comparison)?;
    let detectors = match rounds.folders(&compared.rounds) {
        Some([base, cand]) => paired_by_label(&base, &cand)?,
        None => None,
    };
    if let Some(detectors) = &detectors {
        leave_detectors(&rounds.out, detectors)?;
    }
    if args.rounds.json {
        say(&serde_json::to_string_pretty(&comparison)?);
    } else {
        say_marked(comparison_text(&comparison).trim_end());
        if let Some(detectors) = detectors.filter(|found| found.only_base + found.only_cand > 0) {
            say("\nIn the first round that counts:");
            say(detectors_text(&detectors).trim_end());
        }
        say(&format!("results: {}", rounds.out.display()));
    }
    Ok(match compared.is_interrupted {
        true => Exit::Interrupted,
        false => exit_of(&comparison),
    })
}
