//! Arguments of `search` and `curve`.

use std::path::PathBuf;

use clap::Args;

use super::ProfileArgs;

/// Arguments of `search`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark search profiles/sensors.yaml                       from the profile's own rate, up or down
  floodmark search profiles/sensors.yaml --start 40k/s --for 15s --warm-up 3s
  floodmark search profiles/sensors.yaml --from 10k/s --to 80k/s --precision 0.02 --recall 0.9
  floodmark search profiles/clickstream.yaml --set event_time.speed=1 --alert-p99 2s

A rate is sustained if lag does not grow, lag and latency stay under their limits and recall above its own.
Limits stand in the profile's section `search`; what is given here wins (docs/search.md).")]
pub struct SearchArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where to look and how
    #[command(flatten)]
    pub quest: QuestArgs,
    /// What counts as sustained
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Where the results go and who makes the load
    #[command(flatten)]
    pub series: SeriesArgs,
}

/// Where to look and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub struct QuestArgs {
    /// The first rate to try, of all streams together, such as `20k/s` [default: the profile's own]
    #[arg(long, value_name = "RATE")]
    pub start: Option<String>,
    /// Try no lower rate
    #[arg(long, value_name = "RATE")]
    pub from: Option<String>,
    /// Try no higher rate
    #[arg(long, value_name = "RATE")]
    pub to: Option<String>,
    /// How close the highest sustained rate and the lowest other one must come, as a share [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    pub precision: Option<f64>,
    /// Trials of one rate at most; the majority decides [default: 3]
    #[arg(long, value_name = "N")]
    pub trials: Option<u32>,
    /// Trials of one rate that may come to nothing before the machine counts as the limit [default: 3]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// How long events are due in a trial [default: the profile's `duration`]
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    /// How much of the start of a trial is not judged [default: the profile's `warm_up`]
    #[arg(long, value_name = "DURATION")]
    pub warm_up: Option<String>,
    /// Begin no further trial after this [default: 1h]
    #[arg(long, value_name = "DURATION")]
    pub limit: Option<String>,
}

/// What counts as sustained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sustained is")]
pub struct LimitArgs {
    /// Lag that grows by at most this share of the rate [default: 0.01]
    #[arg(long, value_name = "SHARE")]
    pub lag_growth: Option<f64>,
    /// Lag (p99) of at most this [default: 5s]
    #[arg(long, value_name = "DURATION")]
    pub lag: Option<String>,
    /// Latency of alerts (p99) of at most this; at `event_time.speed` 1 only [default: not judged]
    #[arg(long, value_name = "DURATION")]
    pub alert_p99: Option<String>,
    /// Recall of at least this; 0 leaves it unjudged [default: 0.8]
    #[arg(long, value_name = "SHARE")]
    pub recall: Option<f64>,
}

/// Several runs into one folder.
#[derive(Debug, Args)]
pub struct SeriesArgs {
    /// Where the results go [default: runs/PROFILE-TIME]
    #[arg(long, value_name = "DIR", env = "FLOODMARK_OUT")]
    pub out: Option<PathBuf>,
    /// Processes that generate the events, each with whole partitions
    #[arg(long, value_name = "N", default_value_t = 1, env = "FLOODMARK_WORKERS")]
    pub workers: u32,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `curve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark curve profiles/sensors.yaml --over rate=5k/s,10k/s,20k/s,40k/s
  floodmark curve profiles/sensors.yaml --over rate=5k/s..40k/s:4       the same, four steps of equal ratio
  floodmark curve profiles/clickstream.yaml --over lateness=0,0.01,0.05,0.2 --seeds 3
  floodmark curve profiles/sensors.yaml --over difficulty=0.1..1:5      magnitude of the incidents, equal steps

Each value is a run, or several with `--seeds`; counts of incidents are added up over them.")]
pub struct CurveArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// What to vary: `rate`, `lateness` (share of late events) or `difficulty` (magnitude of the incidents), and its
    /// values, or FROM..TO:STEPS
    #[arg(long, value_name = "AXIS=VALUES")]
    pub over: String,
    /// Runs for each value, with seeds from the profile's on
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u32,
    /// Where the results go and who makes the load
    #[command(flatten)]
    pub series: SeriesArgs,
}

impl SearchArgs {
    /// What is given here, as values of the profile's section `search`.
    pub fn sets(&self) -> Vec<(String, String)> {
        let (quest, limits) = (&self.quest, &self.limits);
        let text = |text: &Option<String>| {
            let text = text.as_deref()?;
            Some(serde_json::Value::from(text).to_string())
        };
        let share = |share: Option<f64>| share.map(|share| share.to_string());
        let count = |count: Option<u32>| count.map(|count| count.to_string());
        [
            ("start", text(&quest.start)),
            ("from", text(&quest.from)),
            ("to", text(&quest.to)),
            ("precision", share(quest.precision)),
            ("trials", count(quest.trials)),
            ("retries", count(quest.retries)),
            ("duration", text(&quest.duration)),
            ("warm_up", text(&quest.warm_up)),
            ("limit", text(&quest.limit)),
            ("lag_growth", share(limits.lag_growth)),
            ("lag", text(&limits.lag)),
            ("alert_p99", text(&limits.alert_p99)),
            ("recall", share(limits.recall)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((format!("search.{name}"), value?)))
        .collect()
    }
}
