//! Draws the pictures of the anomaly catalogue from events that were really generated (`just anomaly-plots`): for each kind of
//! anomaly and decoy one incident of a run, the one of middling difficulty, with what gives it away before, during and after.
//!
//!   floodmark generate profiles/catalogue.yaml --sink file:EVENTS --rate max --out TRUTH
//!   anomaly_plots EVENTS TRUTH/labels.ndjson docs/images/anomalies

mod draw;
mod gather;
mod view;

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    path::Path,
    process::ExitCode,
};

use floodmark_contracts::{kind::Kind, label::Label, stream::Stream};

use self::gather::Incident;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [events, labels, out] = arguments.as_slice() else {
        return complain(
            "three arguments are needed: the folder of events, the file of labels, the folder for pictures",
        );
    };
    match run(Path::new(events), Path::new(labels), Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a program for whoever makes the pictures again"
)]
fn complain(what: &str) -> ExitCode {
    eprintln!("error: {what}");
    ExitCode::FAILURE
}

fn run(events: &Path, labels: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let labels: Vec<Label> = lines(labels, |line| Ok(serde_json::from_str(line)?))?;
    let mut incidents = Vec::new();
    for kind in Kind::ALL.into_iter().chain(Kind::DECOYS) {
        let label = middling(&labels, kind).ok_or(format!("no label of kind `{kind}`"))?;
        incidents.push(Incident::new(label)?);
    }
    for stream in Stream::ALL {
        lines(&events.join(format!("{stream}.ndjson")), |line| {
            let event = serde_json::from_str(line)?;
            incidents
                .iter_mut()
                .for_each(|incident| incident.take(stream, &event));
            Ok(())
        })?;
    }
    std::fs::create_dir_all(out)?;
    for incident in incidents {
        let name = format!("{}.svg", incident.kind());
        std::fs::write(out.join(name), draw::picture(incident.shown()))?;
    }
    Ok(())
}

/// Every line of a file, read by `read`.
fn lines<T>(
    path: &Path,
    mut read: impl FnMut(&str) -> Result<T, Box<dyn Error>>,
) -> Result<Vec<T>, Box<dyn Error>> {
    let at = |error: &dyn Error| format!("`{}`: {error}", path.display());
    let file = std::fs::File::open(path).map_err(|e| at(&e))?;
    let mut all = Vec::new();
    for line in BufReader::new(file).lines() {
        all.push(read(&line?).map_err(|e| at(&*e))?);
    }
    Ok(all)
}

/// The label of a kind whose signal is in the middle of all of them: neither the plainest nor the faintest is typical.
fn middling(labels: &[Label], kind: Kind) -> Option<&Label> {
    let mut of_kind: Vec<&Label> = labels.iter().filter(|label| label.kind == kind).collect();
    of_kind.sort_by(|a, b| a.snr.unwrap_or(0.0).total_cmp(&b.snr.unwrap_or(0.0)));
    of_kind.get(of_kind.len() / 2).copied()
}
