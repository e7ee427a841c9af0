//! `floodmark jobs`: the detectors of this machine.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, SystemClock, WallTime},
    status::DetectorStatus,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    args::{JobsCommand, JobsList, JobsNamed, JobsStop},
    commands::say,
    exit::{Exit, Failure},
    jobs::{Condition, Job, Jobs},
};

/// How long a detector's page may take.
const PAGE: Duration = Duration::from_secs(2);

/// How long a resumed detector may take to be in the list, or to fail.
const START: Duration = Duration::from_secs(30);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Does what is asked.
pub fn run(command: &JobsCommand) -> Result<Exit, Failure> {
    match command {
        JobsCommand::List(args) => list(args),
        JobsCommand::Stop(args) => stop(args),
        JobsCommand::Resume(args) => resume(args),
        JobsCommand::Forget(args) => forget(args),
    }
}

fn list(args: &JobsList) -> Result<Exit, Failure> {
    let jobs = Jobs::open(args.state.as_deref())?.list()?;
    let rows: Vec<(Job, Option<DetectorStatus>)> = jobs
        .into_iter()
        .map(|job| {
            let runs = job.condition() == Condition::Running;
            let status = job.url.as_deref().filter(|_| runs).and_then(status_of);
            (job, status)
        })
        .collect();
    if args.json {
        for (job, status) in &rows {
            let line = json!({
                "id": job.id, "pid": job.pid, "group": job.group, "slot": job.slot, "url": job.url,
                "condition": job.condition().name(), "started_at": job.started_at, "ended": job.ended,
                "status": status,
            });
            say(&line.to_string());
        }
        return Ok(Exit::Pass);
    }
    if rows.is_empty() {
        say("no jobs; `floodmark detect` is one while it runs");
    } else {
        table(&rows);
    }
    Ok(Exit::Pass)
}

fn table(rows: &[(Job, Option<DetectorStatus>)]) {
    let mut lines =
        vec![["JOB", "STATE", "PID", "LAG", "ALERTS", "RESTARTS", "PAGE"].map(str::to_owned)];
    for (job, status) in rows {
        let figure = |of: &dyn Fn(&DetectorStatus) -> Option<u64>| {
            let known = status.as_ref().and_then(of);
            known.map_or("-".to_owned(), |figure| figure.to_string())
        };
        let phase = status.as_ref().map(|status| status.phase.name());
        let ended = job.ended.as_ref().map(|ended| ended.alerts.to_string());
        lines.push([
            job.id.clone(),
            phase.unwrap_or(job.condition().name()).to_owned(),
            job.pid.to_string(),
            figure(&DetectorStatus::lag),
            ended.unwrap_or_else(|| figure(&|status| Some(status.written.alerts))),
            figure(&|status| Some(status.restarts)),
            job.url
                .clone()
                .filter(|_| status.is_some())
                .unwrap_or("-".to_owned()),
        ]);
    }
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        say(cells.join("  ").trim_end());
    }
}

fn stop(args: &JobsStop) -> Result<Exit, Failure> {
    let jobs = Jobs::open(args.state.as_deref())?;
    let job = jobs.find(&args.job)?;
    if job.condition() != Condition::Running {
        let message = format!(
            "job `{}` does not run: it is {}",
            job.id,
            job.condition().name()
        );
        return Err(Failure::usage(message));
    }
    if args.snapshot && !job.snapshots {
        let message = format!(
            "job `{}` keeps no snapshots, as it delivers at least once; stop it without `--snapshot`",
            job.id
        );
        return Err(Failure::usage(message));
    }
    let clock = SystemClock::new();
    let asked_at = clock.now();
    let pid = Pid::from_raw(i32::try_from(job.pid)?);
    kill(pid, Signal::SIGTERM).map_err(|error| {
        let message = format!("cannot end job `{}`, process {}", job.id, job.pid);
        Failure::new(Exit::Internal, anyhow::Error::new(error).context(message))
    })?;
    let limit_us = i64::try_from(args.wait.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let deadline_us = clock.monotonic_us().saturating_add(limit_us);
    while job.is_there() {
        if clock.monotonic_us() >= deadline_us {
            let message = format!(
                "job `{}` has been asked to end, and has not within {} s; process {} still runs",
                job.id, args.wait, job.pid
            );
            return Err(Failure::new(Exit::Internal, anyhow::anyhow!(message)));
        }
        clock.sleep(LOOK);
    }
    report(&jobs.find(&job.id)?, args.snapshot, asked_at)
}

/// Says how a job ended, and whether with the snapshot that was asked for.
fn report(job: &Job, snapshot: bool, asked_at: WallTime) -> Result<Exit, Failure> {
    let failed = |message: String| Err(Failure::new(Exit::Internal, anyhow::anyhow!(message)));
    let Some(ended) = &job.ended else {
        return failed(format!(
            "job `{}` ended without a word; `resume` goes on from what is committed",
            job.id
        ));
    };
    if let Some(reason) = &ended.failure {
        return failed(format!("job `{}` failed as it ended: {reason}", job.id));
    }
    let taken = ended.snapshot_at.is_some_and(|at| at >= asked_at);
    if snapshot && !taken {
        return failed(format!(
            "job `{}` ended without a snapshot: it had no partitions, or was still reading again; `resume` goes on \
             from what is committed",
            job.id
        ));
    }
    let how = if taken { " with a snapshot" } else { "" };
    say(&format!(
        "stopped `{}`{how}, {} alerts",
        job.id, ended.alerts
    ));
    Ok(Exit::Pass)
}

fn resume(args: &JobsNamed) -> Result<Exit, Failure> {
    let jobs = Jobs::open(args.state.as_deref())?;
    let job = jobs.find(&args.job)?;
    if job.is_there() {
        let message = format!("job `{}` still runs, as process {}", job.id, job.pid);
        return Err(Failure::usage(message));
    }
    let log = jobs.log(&job.id);
    let out = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(&job.args)
        .current_dir(&job.folder)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        // A Ctrl-C at this terminal is none of its business.
        .process_group(0);
    if let Some(state) = &args.state {
        command.env("FLOODMARK_STATE", state);
    }
    let mut child = command.spawn()?;
    let clock = SystemClock::new();
    let deadline_us = clock.monotonic_us() + i64::try_from(START.as_micros())?;
    loop {
        if let Some(status) = child.try_wait()? {
            let message = format!(
                "job `{}` ended with {status}; the end of `{}`:\n{}",
                job.id,
                log.display(),
                last_lines(&log)
            );
            return Err(Failure::new(Exit::Internal, anyhow::anyhow!(message)));
        }
        let listed = jobs.list()?.into_iter().find(|job| job.pid == child.id());
        if let Some(job) = listed {
            let page = job.url.unwrap_or("without a page".to_owned());
            say(&format!(
                "resumed `{}` as process {}, {page}",
                job.id, job.pid
            ));
            return Ok(Exit::Pass);
        }
        if clock.monotonic_us() >= deadline_us {
            let message = format!(
                "process {} does not show up in the list; see `{}`",
                child.id(),
                log.display()
            );
            return Err(Failure::new(Exit::Internal, anyhow::anyhow!(message)));
        }
        clock.sleep(LOOK);
    }
}

fn forget(args: &JobsNamed) -> Result<Exit, Failure> {
    let jobs = Jobs::open(args.state.as_deref())?;
    let job = jobs.find(&args.job)?;
    if job.is_there() {
        let message = format!("job `{}` runs; stop it first", job.id);
        return Err(Failure::usage(message));
    }
    jobs.forget(&job)?;
    say(&format!(
        "forgot `{}`; its snapshots and offsets stay",
        job.id
    ));
    Ok(Exit::Pass)
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// What a detector's page says; nothing if it does not answer.
fn status_of(url: &str) -> Option<DetectorStatus> {
    let address: SocketAddr = url.strip_prefix("http://")?.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, PAGE).ok()?;
    stream.set_read_timeout(Some(PAGE)).ok()?;
    let request = format!("GET /status.json HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&answer[body..]).ok()
}
