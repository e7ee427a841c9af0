//! `floodmark search`: the highest rate that a detector sustains with its accuracy intact.

use std::fs::File;

use floodmark_contracts::{
    profile::Profile,
    result::{RunResult, Validity, ValidityStatus},
    search::{SCHEMA_VERSION, SearchEnd, SearchResult, TrialFacts, TrialFigures, TrialVerdict},
};
use floodmark_harness::{
    environment,
    search::{Found, Judgement, Observed, Quest, Settings, Trial, judge, search, trial_profile},
    vary::{mean_rate, scaled},
};
use floodmark_reports::{search_html, search_png, search_text, trial_text};
use floodmark_scoring::curve::alert_p99;

use crate::{
    args::{Global, SearchArgs},
    commands::{
        bench::reproduce,
        generate::job::check_senders,
        say, tell,
        trial::{Ran, Series, names, write_json},
    },
    exit::{Exit, Failure},
    load,
};

/// Wall time of a trial beside its events: broker, topics and subject up, the last alerts, and down again.
const BESIDE_S: f64 = 4.0;

/// Trials in a row that may not be run at all.
const MOST_FAILED: u32 = 3;

/// Searches, and leaves what was found.
pub fn run(args: &SearchArgs, global: &Global) -> Result<Exit, Failure> {
    let sets = args.sets();
    let loaded = load::load_with(&args.profile, &sets)?;
    check_senders(&loaded.plan, args.series.workers, 1)?;
    let unfit = |problems: Vec<_>| Failure::bad_profile(&loaded.profile.name, &problems);
    let settings =
        Settings::read(&loaded.profile.search, loaded.sound.timeline.speed).map_err(unfit)?;
    let profile = trial_profile(&loaded.profile).map_err(unfit)?;
    let reproduce = reproduce("search", &args.profile, &sets, args.series.workers);
    let series = Series::begin(&loaded, &args.series, reproduce.clone(), global)?;
    // As long as a trial is, so that the mean of phases is that of a trial.
    let usual = series.check(profile.clone(), "usual").map_err(unfit)?;
    let quest = settings.quest(mean_rate(&usual.plan));
    let each_s = usual.sound.duration.as_secs_f64() + BESIDE_S;
    let limit = &loaded.profile.search.limit;
    tell(global, &estimate(&quest, each_s, limit));
    let mut trials = Trials {
        series: &series,
        profile,
        usual: mean_rate(&usual.plan),
        settings: &settings,
        facts: Vec::new(),
        failed: 0,
        failure: None,
        global,
    };
    let found = search(&quest, &mut |rate| trials.run(rate))?;
    let (broker, subject) = names(&loaded);
    let result = SearchResult {
        schema_version: SCHEMA_VERSION,
        floodmark_version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: loaded.profile.name.clone(),
        seed: loaded.profile.seed,
        reproduce,
        broker,
        subject,
        started_at: series.started_at,
        seconds: series.seconds(),
        limits: settings.limits,
        sustained: found.sustained,
        not_sustained: found.not_sustained,
        limited_by: found.limited_by,
        ended: found.ended,
        trials: std::mem::take(&mut trials.facts),
        environment: environment::here(),
    };
    leave(&series, &result)?;
    if let Some(failure) = trials.failure {
        return Err(failure);
    }
    if args.series.json {
        say(&serde_json::to_string_pretty(&result)?);
    } else {
        say(search_text(&result).trim_end());
        say(&format!("results: {}", series.out.display()));
    }
    Ok(exit_of(&found))
}

/// What is going to happen, before it does.
fn estimate(quest: &Quest, each_s: f64, limit: &str) -> String {
    let trials = quest.probable_trials();
    format!(
        "search: from {:.0}/s; about {trials} trials of {each_s:.0} s, so {:.0} min; none begins after {limit}",
        quest.start,
        (f64::from(trials) * each_s / 60.0).ceil()
    )
}

fn leave(series: &Series<'_>, result: &SearchResult) -> Result<(), Failure> {
    write_json(&series.out.join("search.json"), result)?;
    search_html(result, &mut File::create(series.out.join("search.html"))?)?;
    let (name, bytes) = search_png(result)?;
    Ok(std::fs::write(series.out.join(name), bytes)?)
}

fn exit_of(found: &Found) -> Exit {
    match found.ended {
        SearchEnd::Found => Exit::Pass,
        SearchEnd::NothingSustained => Exit::GateFailed,
        SearchEnd::NothingOffered => Exit::Invalid,
        SearchEnd::TimeLimit => Exit::Inconclusive,
        SearchEnd::Interrupted => Exit::Interrupted,
        SearchEnd::Failed => Exit::Internal,
    }
}

/// The trials of a search, run one after the other.
struct Trials<'a> {
    series: &'a Series<'a>,
    /// The profile of a trial, at its own rate.
    profile: Profile,
    /// That rate.
    usual: f64,
    settings: &'a Settings,
    facts: Vec<TrialFacts>,
    /// Trials in a row that could not be run.
    failed: u32,
    /// Why there are no more.
    failure: Option<Failure>,
    global: &'a Global,
}

impl Trials<'_> {
    fn run(&mut self, rate: f64) -> Result<Trial, Failure> {
        if self.series.is_stopped() {
            return Ok(Trial::Stopped(SearchEnd::Interrupted));
        }
        if self.series.seconds() > self.settings.limit.as_secs_f64() {
            return Ok(Trial::Stopped(SearchEnd::TimeLimit));
        }
        let name = format!("{:02}-{rate:.0}", self.facts.len() + 1);
        let varied = scaled(&self.profile, rate / self.usual);
        let loaded = match self.series.check(varied, &name) {
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in problems {
                    tell(
                        self.global,
                        &format!("{rate:.0}/s makes no sense: {problem}"),
                    );
                }
                return Ok(Trial::Refused);
            }
        };
        let ran = match self.series.run(&loaded, &name) {
            Ok(Some(ran)) => ran,
            Ok(None) => return Ok(Trial::Stopped(SearchEnd::Interrupted)),
            Err(failure) => return Ok(self.failed(rate, name, failure)),
        };
        self.failed = 0;
        let judgement = judge(
            &self.settings.limits,
            &Observed {
                rate,
                warm_up_s: loaded.sound.warm_up.as_secs_f64(),
                duration_s: loaded.sound.duration.as_secs_f64(),
                series: &ran.series,
                validity: &ran.result.validity,
                alert_p99_us: alert_p99(&ran.result),
                recall: recall(&ran.result),
            },
        );
        let trial = Trial::Judged {
            verdict: judgement.verdict,
            clear: judgement.clear && judgement.verdict == TrialVerdict::Sustained,
            saturated_at: judgement.saturated_at,
        };
        let facts = facts(rate, judgement, ran);
        tell(self.global, &trial_text(self.facts.len() + 1, &facts));
        self.facts.push(facts);
        Ok(trial)
    }
}

impl Trials<'_> {
    /// A trial that could not be run says nothing, and what others have found stands; several in a row end the search.
    fn failed(&mut self, rate: f64, name: String, failure: Failure) -> Trial {
        self.failed += 1;
        let facts = TrialFacts {
            rate,
            verdict: TrialVerdict::Void,
            clear: false,
            reasons: vec![failure.to_string()],
            figures: TrialFigures::default(),
            validity: Validity {
                status: ValidityStatus::Invalid,
                reasons: Vec::new(),
            },
            folder: format!("trials/{name}"),
            seconds: 0.0,
        };
        tell(self.global, &trial_text(self.facts.len() + 1, &facts));
        self.facts.push(facts);
        if self.failed >= MOST_FAILED {
            self.failure = Some(failure);
            return Trial::Stopped(SearchEnd::Failed);
        }
        Trial::Judged {
            verdict: TrialVerdict::Void,
            clear: false,
            saturated_at: None,
        }
    }
}

fn facts(rate: f64, judgement: Judgement, ran: Ran) -> TrialFacts {
    TrialFacts {
        rate,
        verdict: judgement.verdict,
        clear: judgement.clear,
        reasons: judgement.reasons,
        figures: judgement.figures,
        validity: ran.result.validity,
        folder: ran.folder,
        seconds: ran.seconds,
    }
}

fn recall(result: &RunResult) -> (Option<f64>, Option<[f64; 2]>) {
    let overall = &result.detection.overall;
    (overall.recall, overall.recall_interval)
}
