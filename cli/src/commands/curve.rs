//! `floodmark curve`: recall, precision and latency over one axis.

mod over;

use std::fs::File;

use floodmark_contracts::{
    curve::{Axis, CurvePoint, CurveResult, SCHEMA_VERSION},
    problem::Problem,
    profile::Profile,
    result::{RunResult, ValidityStatus},
};
use floodmark_harness::{
    environment,
    vary::{mean_rate, scaled, with_lateness, with_magnitude},
};
use floodmark_reports::{curve_html, curve_pngs, curve_text};

use self::over::Over;
use crate::{
    args::{CurveArgs, Global},
    commands::{
        bench::reproduce,
        generate::job::check_senders,
        say, tell,
        trial::{Series, names, write_json},
    },
    exit::{Exit, Failure},
    load::{self, Loaded},
};

/// Runs at every value, and leaves what came out.
pub fn run(args: &CurveArgs, global: &Global) -> Result<Exit, Failure> {
    let over: Over = args.over.parse().map_err(Failure::usage)?;
    if args.seeds == 0 {
        return Err(Failure::usage("nothing is run with 0 seeds; use 1 or more"));
    }
    let loaded = load::load(&args.profile)?;
    check_senders(&loaded.plan, args.series.workers, 1)?;
    let further = format!("--over {} --seeds {}", args.over, args.seeds);
    let again = reproduce("curve", &args.profile, &[], args.series.workers);
    let reproduce = format!("{again} {further}");
    // All of them before the first run, so that no mistake costs an hour.
    let profiles = profiles(&loaded, &over)?;
    let series = Series::begin(&loaded, &args.series, reproduce.clone(), global)?;
    let mut curve = Curve {
        series: &series,
        seeds: args.seeds,
        global,
        runs: 0,
        of: args.seeds as usize * profiles.len(),
    };
    let (mut points, mut failure) = (Vec::new(), None);
    for (value, profile) in &profiles {
        let (point, is_whole) = match curve.point(*value, profile) {
            Ok(found) => found,
            // What was found so far stands.
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        points.extend(point);
        if !is_whole {
            break;
        }
    }
    let (broker, subject) = names(&loaded);
    let result = CurveResult {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: loaded.profile.name.clone(),
        reproduce,
        broker,
        subject,
        started_at: series.started_at,
        seconds: series.seconds(),
        speed: loaded.sound.timeline.speed,
        axis: over.axis,
        points,
        interrupted: series.is_stopped(),
        environment: environment::here(),
    };
    leave(&series, &result)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if args.series.json {
        say(&serde_json::to_string_pretty(&result)?);
    } else {
        say(curve_text(&result).trim_end());
        say(&format!("results: {}", series.out.display()));
    }
    Ok(exit_of(&result))
}

fn leave(series: &Series<'_>, result: &CurveResult) -> Result<(), Failure> {
    write_json(&series.out.join("curve.json"), result)?;
    curve_html(result, &mut File::create(series.out.join("curve.html"))?)?;
    for (name, bytes) in curve_pngs(result)? {
        std::fs::write(series.out.join(name), bytes)?;
    }
    Ok(())
}

/// A point without a run that can be trusted is no point.
fn exit_of(result: &CurveResult) -> Exit {
    let is_hollow = |point: &CurvePoint| {
        let mut runs = point.runs.iter();
        runs.all(|run| run.status == ValidityStatus::Invalid)
    };
    if result.interrupted {
        Exit::Interrupted
    } else if result.points.iter().any(is_hollow) {
        Exit::Invalid
    } else {
        Exit::Pass
    }
}

/// The profile at every value; gates are for single runs.
fn profiles(loaded: &Loaded, over: &Over) -> Result<Vec<(f64, Profile)>, Failure> {
    let mut base = loaded.profile.clone();
    base.gates.clear();
    let vary = |value: f64| -> Result<Profile, Problem> {
        match over.axis {
            Axis::Rate => Ok(scaled(&base, value / mean_rate(&loaded.plan))),
            Axis::Lateness => with_lateness(&base, value),
            Axis::Difficulty => with_magnitude(&base, value),
        }
    };
    let mut all = Vec::new();
    let basis = loaded.basis();
    for value in &over.values {
        let named = |problems: &[Problem]| {
            let name = format!("{} at {} {value}", base.name, over.axis.name());
            Failure::bad_profile(&name, problems)
        };
        let profile = vary(*value).map_err(|problem| named(&[problem]))?;
        load::examine(profile.clone(), &basis).map_err(|problems| named(&problems))?;
        all.push((*value, profile));
    }
    Ok(all)
}

/// A curve on its way.
struct Curve<'a> {
    series: &'a Series<'a>,
    seeds: u32,
    global: &'a Global,
    runs: usize,
    of: usize,
}

impl Curve<'_> {
    /// The runs at one value; with `false` if a signal cut them short.
    fn point(
        &mut self,
        value: f64,
        profile: &Profile,
    ) -> Result<(Option<CurvePoint>, bool), Failure> {
        let mut runs: Vec<(String, RunResult)> = Vec::new();
        for further in 0..self.seeds {
            self.runs += 1;
            let name = format!("{:03}-{value}", self.runs);
            let mut profile = profile.clone();
            profile.seed = profile.seed.wrapping_add(u64::from(further));
            tell(
                self.global,
                &format!(
                    "run {} of {}: {value}, seed {}",
                    self.runs, self.of, profile.seed
                ),
            );
            let unsound = |problems: Vec<_>| Failure::bad_profile(&name, &problems);
            let loaded = self
                .series
                .check(profile, &format!("{:03}", self.runs))
                .map_err(unsound)?;
            let ran = if self.series.is_stopped() {
                None
            } else {
                self.series.run(&loaded, &name)?
            };
            let Some(ran) = ran else {
                let point = floodmark_scoring::curve::point(value, &runs);
                return Ok(((!runs.is_empty()).then_some(point), false));
            };
            runs.push((ran.folder, ran.result));
        }
        Ok((Some(floodmark_scoring::curve::point(value, &runs)), true))
    }
}
