//! Axes around a diagram, and the way from its values to pixels.

use super::canvas::{Anchor, Canvas, Drawn, FAINT, GRID, HEIGHT, INK, Stroke, WIDTH};
use crate::chart::Scale;

// Inside of these are only lines; names of ticks and axes have the margins.
const LEFT: f64 = 130.0;
const TOP: f64 = 130.0;
const RIGHT: f64 = WIDTH as f64 - 60.0;
const BOTTOM: f64 = HEIGHT as f64 - 90.0;

/// A value of an axis and what is written there.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) name: String,
}

/// A diagram below title and legend.
pub(super) struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    /// A diagram over the ranges of both axes.
    pub(super) fn new(x: [f64; 2], y: [f64; 2]) -> Self {
        Self {
            x: Scale::new(x, [LEFT, RIGHT]),
            y: Scale::new(y, [BOTTOM, TOP]),
        }
    }

    /// Grid, axis, ticks and the name of the horizontal axis.
    pub(super) fn axes(
        &self,
        canvas: &Canvas<'_>,
        x_ticks: impl Iterator<Item = Tick>,
        y_ticks: impl Iterator<Item = Tick>,
        x_name: &str,
    ) -> Drawn {
        let grid = Stroke::solid(GRID, 1);
        for Tick { at, name } in x_ticks {
            let x = self.x.at(at);
            canvas.line([x, TOP], [x, BOTTOM], grid)?;
            canvas.text([x, BOTTOM + 22.0], 20, INK, Anchor::Middle, &name)?;
        }
        for Tick { at, name } in y_ticks {
            let y = self.y.at(at);
            canvas.line([LEFT, y], [RIGHT, y], grid)?;
            canvas.text([LEFT - 12.0, y], 20, INK, Anchor::Right, &name)?;
        }
        canvas.line([LEFT, BOTTOM], [RIGHT, BOTTOM], Stroke::solid(FAINT, 1))?;
        let below = [f64::midpoint(LEFT, RIGHT), BOTTOM + 58.0];
        canvas.text(below, 20, FAINT, Anchor::Middle, x_name)
    }

    /// Values as positions.
    pub(super) fn points(&self, values: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let point = |[x, y]: &[f64; 2]| [self.x.at(*x), self.y.at(*y)];
        values.iter().map(point).collect()
    }

    /// Where a note stands if there is nothing to draw.
    pub(super) fn middle(&self) -> [f64; 2] {
        [f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)]
    }
}
