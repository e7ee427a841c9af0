//! The PNG plots: valid files that show something.

use std::collections::BTreeSet;

use floodmark_reports::png;

use crate::runs::{Scored, empty, full, interrupted, invalid};

/// Decoded pixels of each plot.
fn decoded(run: &Scored) -> Vec<(&'static str, Vec<u8>)> {
    let plots = png(&run.input()).unwrap();
    plots
        .into_iter()
        .map(|(name, bytes)| {
            if let Some(dir) = std::env::var_os("FLOODMARK_REPORT_OUT") {
                let name = format!("{}-{:?}-{name}", run.result.profile, run.result.outcome);
                std::fs::write(std::path::Path::new(&dir).join(name), &bytes).unwrap();
            }
            let mut reader = ::png::Decoder::new(bytes.as_slice()).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size()];
            let frame = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((frame.width, frame.height), (1440, 720));
            (name, pixels)
        })
        .collect()
}

#[test]
fn three_plots_are_drawn_in_more_than_ink_on_paper() {
    let plots = decoded(&full());
    let names: Vec<&str> = plots.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["throughput.png", "latency.png", "detection.png"]);
    for (name, pixels) in plots {
        let strong: BTreeSet<[u8; 3]> = pixels
            .chunks_exact(3)
            .map(|p| [p[0], p[1], p[2]])
            .filter(|p| p.iter().max().unwrap() - p.iter().min().unwrap() > 100)
            .collect();
        assert!(strong.len() >= 2, "{name} has colours {strong:?}");
    }
}

#[test]
fn bad_days_have_plots_too() {
    for run in [empty(), invalid(), interrupted()] {
        assert_eq!(decoded(&run).len(), 3);
    }
}

#[test]
fn plots_differ_where_runs_do() {
    let (one, other) = (decoded(&full()), decoded(&interrupted()));
    assert!(one.iter().zip(&other).all(|((_, a), (_, b))| a != b));
}
