//! One run among several: of a search, or of a curve.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use floodmark_contracts::{
    clock::{Clock, SystemClock, WallTime},
    problem::Problem,
    profile::{Profile, SubjectSection},
    record::{Ending, SeriesRow},
    result::RunResult,
};
use floodmark_harness::{
    broker::BrokerChoice,
    run::{Request, RunEvent, execute, read_alerts, read_labels, read_series},
};
use serde::Serialize;

use crate::{
    args::{Global, SeriesArgs},
    commands::bench::{default_out, exit_of},
    exit::Failure,
    load::{self, Basis, Loaded},
    output,
    watch::Watcher,
};

/// What the runs have in common.
pub(super) struct Series<'a> {
    /// Where all results go.
    pub(super) out: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) started_at: WallTime,
    basis: Basis,
    begun_us: i64,
    exe: PathBuf,
    reproduce: String,
    workers: u32,
    global: &'a Global,
}

/// A run that has ended by itself.
pub(super) struct Ran {
    /// Its folder, from that of the series.
    pub(super) folder: String,
    pub(super) result: RunResult,
    pub(super) series: Vec<SeriesRow>,
    pub(super) seconds: f64,
}

impl<'a> Series<'a> {
    /// Claims the folder and begins to watch for Ctrl-C.
    pub(super) fn begin(
        loaded: &Loaded,
        args: &SeriesArgs,
        reproduce: String,
        global: &'a Global,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stop = crate::signals::stop_flag()?;
        let default = || default_out(loaded, &*clock);
        let out = args.out.clone().unwrap_or_else(default);
        output::claim(&out, args.force)?;
        Ok(Self {
            out,
            stop,
            started_at: clock.now(),
            basis: loaded.basis(),
            begun_us: clock.monotonic_us(),
            clock,
            exe: std::env::current_exe()?,
            reproduce,
            workers: args.workers,
            global,
        })
    }

    /// Whether a signal asked for the end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Wall time since the beginning, seconds.
    pub(super) fn seconds(&self) -> f64 {
        (self.clock.monotonic_us() - self.begun_us) as f64 / 1e6
    }

    /// What every crate makes of a profile that was varied, on topics and with a group of its own, unless a detector
    /// that is running already knows them by name.
    pub(super) fn check(&self, mut profile: Profile, name: &str) -> Result<Loaded, Vec<Problem>> {
        if !matches!(profile.subject, SubjectSection::External(_)) {
            profile.topic_prefix = format!("{}{name}-", profile.topic_prefix);
        }
        load::examine(profile, &self.basis)
    }

    /// Runs and scores; facts and result stay in a folder by that name. `None` if a signal cut it short.
    pub(super) fn run(&self, loaded: &Loaded, name: &str) -> Result<Option<Ran>, Failure> {
        let folder = format!("trials/{name}");
        let out = self.out.join(&folder);
        std::fs::create_dir_all(&out)?;
        let begun_us = self.clock.monotonic_us();
        let request = Request {
            exe: &self.exe,
            out: &out,
            profile: &loaded.profile,
            sound: &loaded.sound,
            plan: &loaded.plan,
            client: &loaded.client,
            settings: &loaded.settings,
            clock: Arc::clone(&self.clock),
            stop: &self.stop,
            reproduce: self.reproduce.clone(),
            version: env!("CARGO_PKG_VERSION"),
            keep: false,
            workers: self.workers,
            metrics: None,
        };
        let mut watcher = Watcher::new(self.global);
        let outcome = execute(&request, &mut |event| {
            // The stages of a dozen runs would only hide what they come to.
            if let RunEvent::Progress(_) = event {
                watcher.see(&event);
            }
        });
        watcher.finish();
        let (record, _) = outcome.map_err(|error| Failure::new(exit_of(&error), error))?;
        if record.ending == Ending::Interrupted || self.is_stopped() {
            return Ok(None);
        }
        let labels = read_labels(&out.join("labels.ndjson"))?;
        let alerts = read_alerts(&out.join("alerts.ndjson"))?;
        let series = read_series(&out.join("timeseries.ndjson"))?;
        let result = floodmark_scoring::score(&record, &labels, &alerts, &series)?;
        write_json(&out.join("result.json"), &result)?;
        Ok(Some(Ran {
            folder,
            result,
            series,
            seconds: (self.clock.monotonic_us() - begun_us) as f64 / 1e6,
        }))
    }
}

/// What broker and subject are called in results.
pub(super) fn names(loaded: &Loaded) -> (String, String) {
    let broker = match &loaded.sound.broker {
        BrokerChoice::External(_) => "external".to_owned(),
        other => {
            let text = other.to_string();
            text.split(':').next().unwrap_or_default().to_owned()
        }
    };
    (broker, loaded.profile.subject.name())
}

/// Writes a result for people and programs.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    Ok(file.flush()?)
}
