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

#[test]
fn nothing_reaches_the_edge_of_a_plot_where_it_would_be_cut() {
    let mut long = full();
    long.result.profile = "a-name-that-goes-on-and-on-".repeat(9);
    for run in [long, full(), empty(), invalid(), interrupted()] {
        for (name, pixels) in decoded(&run) {
            let rows: Vec<&[u8]> = pixels.chunks_exact(1440 * 3).collect();
            let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 255);
            for row in rows[..12].iter().chain(&rows[720 - 12..]) {
                assert!(blank(row), "{name} of {}", run.result.profile);
            }
            for row in &rows {
                let edges = blank(&row[..12 * 3]) && blank(&row[(1440 - 12) * 3..]);
                assert!(edges, "{name} of {}", run.result.profile);
            }
        }
    }
}

#[test]
fn a_mark_at_zero_is_drawn_whole() {
    let mut run = full();
    for baseline in run.result.detection.random_baseline_per_kind.values_mut() {
        (baseline.recall, baseline.deduplicated_precision) = (Some(0.0), Some(0.0));
    }
    let (_, pixels) = decoded(&run).swap_remove(2);
    let orange = |x: usize| {
        let column = pixels.chunks_exact(1440 * 3);
        // Below the legend, which has a diamond of its own.
        let dots = column.skip(120).map(|row| &row[x * 3..x * 3 + 3]);
        dots.filter(|dot| *dot == [200, 90, 0]).count()
    };
    // As much to the left of the axis as to its right.
    assert!(orange(286) > 6 * 2, "{}", orange(286));
    assert_eq!(orange(286), orange(294));
}
