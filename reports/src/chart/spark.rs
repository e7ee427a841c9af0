//! A trend as small as a word, for a cell of a table.

use super::{scale::Scale, svg::Svg};

const SIZE: [f64; 2] = [150.0, 30.0];

/// Positions that a small line can show.
const COLUMNS: usize = 70;

/// Draws the values in their order, the last one marked; `changes` are positions before which something changed.
/// What is undefined leaves a gap.
pub(crate) fn spark(id: &str, title: &str, values: &[Option<f64>], changes: &[usize]) -> String {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let description = format!("{} of {} values are known.", known.len(), values.len());
    let mut svg = Svg::of_class("spark", id, SIZE, title, &description);
    let [width, height] = SIZE;
    let last = values.len().saturating_sub(1).max(1) as f64;
    let x = Scale::new([0.0, last], [5.0, width - 5.0]);
    let y = if high > low {
        Scale::new([low, high], [height - 5.0, 5.0])
    } else {
        // The same all along stands in the middle.
        Scale::new([low - 1.0, low + 1.0], [height - 5.0, 5.0])
    };
    for at in changes {
        let along = x.at(*at as f64 - 0.5);
        svg.line("mark", [along, 0.0], [along, height]);
    }
    for stretch in stretches(&thinned(values)) {
        let points: Vec<[f64; 2]> = stretch
            .iter()
            .map(|(i, value)| [x.at(*i as f64), y.at(*value)])
            .collect();
        svg.polyline("series sent", &points);
    }
    if let Some((i, value)) = last_known(values) {
        svg.circle("estimate", [x.at(i as f64), y.at(value)], 3.5);
    }
    svg.finish()
}

fn last_known(values: &[Option<f64>]) -> Option<(usize, f64)> {
    let all = values.iter().enumerate();
    all.rev().find_map(|(i, value)| Some((i, (*value)?)))
}

/// Positions with their values; of many, the lowest and the highest of each column.
fn thinned(values: &[Option<f64>]) -> Vec<(usize, Option<f64>)> {
    let every = values.len().div_ceil(COLUMNS).max(1);
    let all: Vec<(usize, Option<f64>)> = values.iter().copied().enumerate().collect();
    if every == 1 {
        return all;
    }
    let column = |part: &[(usize, Option<f64>)]| {
        let known = || part.iter().filter(|(_, value)| value.is_some());
        let by = |a: &&(usize, Option<f64>), b: &&(usize, Option<f64>)| {
            let [a, b] = [a.1, b.1].map(Option::unwrap_or_default);
            a.total_cmp(&b)
        };
        let mut kept: Vec<(usize, Option<f64>)> = [known().min_by(by), known().max_by(by)]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        if kept.is_empty() {
            kept.extend(part.first().copied());
        }
        kept.sort_by_key(|(i, _)| *i);
        kept.dedup_by_key(|(i, _)| *i);
        kept
    };
    all.chunks(every).flat_map(column).collect()
}

/// Runs of known values.
fn stretches(values: &[(usize, Option<f64>)]) -> Vec<Vec<(usize, f64)>> {
    let parts = values.split(|(_, value)| value.is_none());
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.iter()
                .filter_map(|(i, value)| Some((*i, (*value)?)))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_among_thousands_is_kept() {
        let mut values = vec![Some(1.0); 5_000];
        values[3_333] = Some(9.0);
        let kept = thinned(&values);
        assert!(kept.len() <= 2 * COLUMNS, "{}", kept.len());
        assert!(kept.contains(&(3_333, Some(9.0))));
    }

    #[test]
    fn what_is_undefined_leaves_a_gap() {
        let values = [Some(1.0), None, Some(2.0), Some(3.0)];
        let parts = stretches(&thinned(&values));
        assert_eq!(parts, [vec![(0, 1.0)], vec![(2, 2.0), (3, 3.0)]]);
        let drawn = spark("s", "t", &[None, None], &[]);
        assert!(
            !drawn.contains("polyline") && !drawn.contains("circle"),
            "{drawn}"
        );
    }
}
