//! The profile's `search` section, validated.

use std::time::Duration;

use floodmark_contracts::{
    problem::{Problem, Problems},
    profile::{Profile, SearchSection},
    search::SearchLimits,
    units::{parse_duration, parse_rate},
};

use super::Quest;

/// Rates below the first one that are tried while none is sustained: a sixty-fourth.
const LOWEST: f64 = 64.0;

/// Nothing sends more.
const HIGHEST: f64 = 1e9;

/// Seconds that a trial needs after its warm-up, so that lag has a slope.
const LEAST_JUDGED: Duration = Duration::from_secs(4);

/// A search as it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    start: Option<f64>,
    from: Option<f64>,
    to: Option<f64>,
    trials: u32,
    retries: u32,
    /// What a trial is held against.
    pub limits: SearchLimits,
    /// Wall time after which no further trial begins.
    pub limit: Duration,
}

impl Settings {
    /// Reads the section.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(section: &SearchSection, speed: f64) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new();
        let [start, from, to] = [
            ("search.start", &section.start),
            ("search.from", &section.from),
            ("search.to", &section.to),
        ]
        .map(|(path, text)| {
            let text = text.as_deref()?;
            problems.check(path, parse_rate(text))
        });
        check_order(start, from, to, &mut problems);
        check_numbers(section, &mut problems);
        for (path, text) in [
            ("search.duration", &section.duration),
            ("search.warm_up", &section.warm_up),
        ] {
            if let Some(text) = text {
                problems.check(path, parse_duration(text));
            }
        }
        problems.check("search.drain", parse_duration(&section.drain));
        let lag = problems.check("search.lag", parse_duration(&section.lag));
        let limit = problems.check("search.limit", parse_duration(&section.limit));
        let alert_p99 = section
            .alert_p99
            .as_deref()
            .and_then(|text| problems.check("search.alert_p99", parse_duration(text)));
        if alert_p99.is_some() && speed != 1.0 {
            let message = format!(
                "the latency of alerts means nothing at `event_time.speed` {speed}, as waits for windows are \
                 shortened; leave it out, or use speed 1"
            );
            problems.add("search.alert_p99", message);
        }
        match (problems.is_empty(), lag, limit) {
            (true, Some(lag), Some(limit)) => Ok(Self {
                start,
                from,
                to,
                trials: section.trials,
                retries: section.retries,
                limits: SearchLimits {
                    precision: section.precision,
                    lag_growth: section.lag_growth,
                    lag_p99_s: lag.as_secs_f64(),
                    alert_p99_us: alert_p99
                        .map(|p99| u64::try_from(p99.as_micros()).unwrap_or(u64::MAX)),
                    recall: section.recall,
                },
                limit,
            }),
            _ => Err(problems.into_vec()),
        }
    }

    /// The search over a profile that offers `usual` events per second by itself.
    #[must_use]
    pub fn quest(&self, usual: f64) -> Quest {
        let both_ends = self.start.is_none() && self.from.is_some() && self.to.is_some();
        let to = self.to.unwrap_or(HIGHEST);
        let start = match (self.start, self.from) {
            (Some(start), _) => start,
            (None, Some(from)) if both_ends => from,
            _ => usual.clamp(self.from.unwrap_or(0.0), to),
        };
        Quest {
            start,
            usual,
            from: self.from.unwrap_or(start / LOWEST),
            to,
            both_ends,
            precision: self.limits.precision,
            lag_growth: self.limits.lag_growth,
            trials: self.trials,
            retries: self.retries,
        }
    }
}

/// The profile of a trial: as long as the search says, without gates, as one trial passes or fails by the
/// search's own limits.
///
/// # Errors
/// What makes it unfit to be searched.
pub fn trial_profile(profile: &Profile) -> Result<Profile, Vec<Problem>> {
    let mut problems = Problems::new();
    let section = &profile.search;
    let mut trial = profile.clone();
    trial.gates.clear();
    trial.drain.clone_from(&section.drain);
    for (own, asked) in [
        (&mut trial.duration, &section.duration),
        (&mut trial.warm_up, &section.warm_up),
    ] {
        if let Some(asked) = asked {
            own.clone_from(asked);
        }
    }
    if !profile.subject.commits() {
        let message = format!(
            "`{}` commits no offsets, so that its lag is not known; search with a subject that does",
            profile.subject.name()
        );
        problems.add("subject", message);
    }
    let incidents = profile.streams.iter();
    let incidents: usize = incidents.map(|(_, stream)| stream.anomalies.len()).sum();
    if incidents == 0 && section.recall > 0.0 {
        let message = "no stream has anomalies, so there is no recall to keep; inject some, or leave recall \
                       unjudged with `recall: 0`";
        problems.add("search.recall", message);
    }
    let [duration, warm_up] = [&trial.duration, &trial.warm_up].map(|text| parse_duration(text));
    if let (Ok(duration), Ok(warm_up)) = (duration, warm_up)
        && duration < warm_up + LEAST_JUDGED
    {
        let message = format!(
            "{duration:?} with a warm-up of {warm_up:?} leaves too little to see whether lag grows; use {:?} or more",
            warm_up + LEAST_JUDGED
        );
        problems.add("search.duration", message);
    }
    if problems.is_empty() {
        Ok(trial)
    } else {
        Err(problems.into_vec())
    }
}

fn check_order(start: Option<f64>, from: Option<f64>, to: Option<f64>, problems: &mut Problems) {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let message = format!("`{to}/s` is not above `from`, `{from}/s`");
        problems.add("search.to", message);
    } else if let Some(start) = start
        && (from.is_some_and(|from| start < from) || to.is_some_and(|to| start > to))
    {
        let message = format!("`{start}/s` is not between `from` and `to`");
        problems.add("search.start", message);
    }
}

fn check_numbers(section: &SearchSection, problems: &mut Problems) {
    if !(0.005..=4.0).contains(&section.precision) {
        let message = format!(
            "`{}` is no precision; use 0.005 to 4, such as 0.05 for five per cent",
            section.precision
        );
        problems.add("search.precision", message);
    }
    if section.trials.is_multiple_of(2) || section.trials > 9 {
        let message = format!(
            "`{}` trials have no majority; use an odd number up to 9",
            section.trials
        );
        problems.add("search.trials", message);
    }
    if section.retries > 20 {
        let message = format!("`{}` is too many; use up to 20", section.retries);
        problems.add("search.retries", message);
    }
    if !(section.lag_growth > 0.0 && section.lag_growth <= 0.5) {
        let message = format!(
            "`{}` is no growth that lag may have; use more than 0 and at most 0.5, such as 0.01",
            section.lag_growth
        );
        problems.add("search.lag_growth", message);
    }
    if !(0.0..=1.0).contains(&section.recall) {
        let message = format!("`{}` is no recall; use 0 to 1", section.recall);
        problems.add("search.recall", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(yaml: &str) -> SearchSection {
        serde_json::from_value(serde_saphyr::from_str(yaml).unwrap()).unwrap()
    }

    #[test]
    fn the_defaults_are_sound_and_begin_at_the_profiles_own_rate() {
        let settings = Settings::read(&SearchSection::default(), 60.0).unwrap();
        let quest = settings.quest(6_400.0);
        assert_eq!((quest.start, quest.from, quest.to), (6_400.0, 100.0, 1e9));
        assert!(!quest.both_ends);
    }

    #[test]
    fn a_range_is_kept_to() {
        for (yaml, expected) in [
            ("{ from: 1k/s, to: 4k/s }", (1e3, 1e3, 4e3, true)),
            (
                "{ from: 1k/s, to: 4k/s, start: 2k/s }",
                (2e3, 1e3, 4e3, false),
            ),
            ("{ to: 4k/s }", (4e3, 62.5, 4e3, false)),
            ("{ from: 8k/s }", (8e3, 8e3, 1e9, false)),
        ] {
            let quest = Settings::read(&section(yaml), 1.0).unwrap().quest(6e3);
            let found = (quest.start, quest.from, quest.to, quest.both_ends);
            assert_eq!(found, expected, "{yaml}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once_with_their_paths() {
        let yaml = "{ start: fast, from: 5k/s, to: 2k/s, precision: 0, trials: 4, retries: 99, duration: long, \
                    warm_up: short, drain: x, lag_growth: 0, lag: often, alert_p99: 1s, recall: 2, limit: z }";
        let problems = Settings::read(&section(yaml), 60.0).unwrap_err();
        let paths: Vec<&str> = problems
            .iter()
            .map(|problem| problem.path.trim_start_matches("search."))
            .collect();
        assert_eq!(
            paths,
            [
                "start",
                "to",
                "precision",
                "trials",
                "retries",
                "lag_growth",
                "recall",
                "duration",
                "warm_up",
                "drain",
                "lag",
                "limit",
                "alert_p99"
            ]
        );
        let order = Settings::read(&section("{ start: 9k/s, to: 2k/s }"), 1.0).unwrap_err();
        assert_eq!(
            order[0].to_string(),
            "search.start: `9000/s` is not between `from` and `to`"
        );
    }

    fn profile(yaml: &str) -> Profile {
        let text = format!(
            "{{ name: x, duration: 20s, warm_up: 5s, streams: {{ sensors: {{ rate: 1k/s, anomalies: [ drift: {{ count: 1 }} ] }} }}, {yaml} }}"
        );
        serde_json::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_trial_is_the_profile_with_the_searches_own_length_and_no_gates() {
        let trial = trial_profile(&profile(
            "gates: [ { require: detection.recall >= 1 } ], search: { duration: 12s, warm_up: 2s }",
        ))
        .unwrap();
        assert_eq!(
            (trial.duration.as_str(), trial.warm_up.as_str()),
            ("12s", "2s")
        );
        assert_eq!((trial.drain.as_str(), trial.gates.len()), ("5s", 0));
    }

    #[test]
    fn a_profile_that_cannot_be_searched_says_why() {
        for (yaml, expected) in [
            ("subject: none", "subject: `none` commits no offsets"),
            (
                "search: { duration: 8s }",
                "search.duration: 8s with a warm-up of 5s leaves too little",
            ),
        ] {
            let problems = trial_profile(&profile(yaml)).unwrap_err();
            assert!(
                problems[0].to_string().starts_with(expected),
                "{problems:?}"
            );
        }
        let mut quiet = profile("seed: 1");
        let sensors = floodmark_contracts::stream::Stream::Sensors;
        quiet.streams.get_mut(sensors).unwrap().anomalies.clear();
        let problems = trial_profile(&quiet).unwrap_err();
        assert_eq!(problems[0].path, "search.recall");
        quiet.search.recall = 0.0;
        assert!(trial_profile(&quiet).is_ok());
    }
}
