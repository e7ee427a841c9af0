//! The bitmap, its font, its colours, and the few shapes that plots are made of. Positions are pixels.
//!
//! The drawing library is used as a pen only: its charts cut what reaches beyond the axes in half, its
//! legends lie on the lines, and its ticks cannot stand at the percentiles that people ask for.

use std::sync::OnceLock;

use plotters::{
    coord::Shift,
    element::{Circle, PathElement, Polygon, Rectangle, Text},
    prelude::{BitMapBackend, DrawingArea, IntoDrawingArea, RGBColor, WHITE},
    style::{
        Color, FontStyle, IntoFont, TextStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::ReportError;

/// What drawing returns: the library's errors have types of many parameters, their texts suffice.
pub(super) type Drawn = Result<(), String>;

pub(super) const WIDTH: u32 = 1440;
pub(super) const HEIGHT: u32 = 720;

// The colours of the report's light scheme, dark enough on white to be told apart in grey as well.
pub(super) const PAPER: RGBColor = WHITE;
pub(super) const INK: RGBColor = RGBColor(31, 41, 55);
pub(super) const FAINT: RGBColor = RGBColor(107, 114, 128);
pub(super) const GRID: RGBColor = RGBColor(229, 231, 235);
pub(super) const GREY: RGBColor = RGBColor(156, 163, 175);
pub(super) const BLUE: RGBColor = RGBColor(0, 95, 170);
pub(super) const ORANGE: RGBColor = RGBColor(200, 90, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 122, 92);

/// A name of our own, so that the library does not look for fonts of the system: plots are the same on
/// every machine.
const FONT: &str = "plot";
static FONT_BYTES: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// Characters of a title that fit above a plot.
const TITLE_LENGTH: usize = 84;

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: RGBColor,
    pub(super) width: u32,
    /// Lengths of dash and gap; none is solid.
    pub(super) dash: Option<[f64; 2]>,
}

impl Stroke {
    /// A line without gaps.
    pub(super) const fn solid(colour: RGBColor, width: u32) -> Self {
        let dash = None;
        Self {
            colour,
            width,
            dash,
        }
    }

    /// A line of dashes: told from others without colour.
    pub(super) const fn dashed(colour: RGBColor, width: u32, dash: [f64; 2]) -> Self {
        let dash = Some(dash);
        Self {
            colour,
            width,
            dash,
        }
    }
}

/// Which side of a text its position is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Where plots are drawn.
pub(super) struct Canvas<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
}

impl Canvas<'_> {
    /// A text whose middle line is at the height of the position.
    pub(super) fn text(
        &self,
        [x, y]: [f64; 2],
        size: u32,
        colour: RGBColor,
        anchor: Anchor,
        text: &str,
    ) -> Drawn {
        let side = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let font = (FONT, size).into_font().color(&colour.to_rgba());
        let style: TextStyle<'_> = font.pos(Pos::new(side, VPos::Center));
        // The library centres a box that reaches further above the letters than below.
        let at = pixel([x, y + f64::from(size) * 0.16]);
        self.area.draw(&Text::new(text, at, style)).map_err(told)
    }

    /// A straight line.
    pub(super) fn line(&self, from: [f64; 2], to: [f64; 2], stroke: Stroke) -> Drawn {
        self.path(&[from, to], stroke)
    }

    /// A line through the points; a single one is a dot.
    pub(super) fn path(&self, points: &[[f64; 2]], stroke: Stroke) -> Drawn {
        let style = stroke.colour.stroke_width(stroke.width);
        let pieces = match (points, stroke.dash) {
            ([only], _) => return self.circle(*only, 4, stroke.colour),
            (_, Some(dash)) => dashes(points, dash),
            (_, None) => vec![points.to_vec()],
        };
        for piece in pieces {
            let piece: Vec<(i32, i32)> = piece.into_iter().map(pixel).collect();
            self.area
                .draw(&PathElement::new(piece, style))
                .map_err(told)?;
        }
        Ok(())
    }

    /// A filled circle.
    pub(super) fn circle(&self, at: [f64; 2], radius: i32, colour: RGBColor) -> Drawn {
        let circle = Circle::new(pixel(at), radius, colour.filled());
        self.area.draw(&circle).map_err(told)
    }

    /// A filled square on its corner.
    pub(super) fn diamond(&self, [x, y]: [f64; 2], reach: f64, colour: RGBColor) -> Drawn {
        let corners = [
            [x, y - reach],
            [x + reach, y],
            [x, y + reach],
            [x - reach, y],
        ];
        let corners: Vec<(i32, i32)> = corners.into_iter().map(pixel).collect();
        self.area
            .draw(&Polygon::new(corners, colour.filled()))
            .map_err(told)
    }

    /// A filled area of grid colour between two corners.
    pub(super) fn band(&self, from: [f64; 2], to: [f64; 2]) -> Drawn {
        let corners = [pixel(from), pixel(to)];
        self.area
            .draw(&Rectangle::new(corners, GRID.filled()))
            .map_err(told)
    }

    /// The title, cut to what fits.
    pub(super) fn title(&self, text: &str) -> Drawn {
        let mut shown: String = text.chars().take(TITLE_LENGTH).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        self.text([40.0, 44.0], 28, INK, Anchor::Left, &shown)
    }

    /// Names the lines of a plot in a row below the title.
    pub(super) fn legend<'n>(&self, lines: impl Iterator<Item = (&'n str, Stroke)>) -> Drawn {
        let (mut x, y) = (44.0, 92.0);
        for (name, stroke) in lines {
            self.line([x, y], [x + 44.0, y], stroke)?;
            self.text([x + 54.0, y], 20, INK, Anchor::Left, name)?;
            x += 98.0 + name.chars().count() as f64 * 10.6;
        }
        Ok(())
    }
}

/// Draws onto a white bitmap and encodes it.
pub(super) fn draw(
    name: &'static str,
    fill: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<(&'static str, Vec<u8>), ReportError> {
    let failed = |reason: String| ReportError::Plot { name, reason };
    font().map_err(failed)?;
    let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE)
            .map_err(|error| failed(error.to_string()))?;
        let canvas = Canvas { area };
        fill(&canvas).map_err(failed)?;
        canvas
            .area
            .present()
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok((
        name,
        encode(&pixels).map_err(|error| failed(error.to_string()))?,
    ))
}

/// The library keeps fonts in a table of the process; ours goes in once, under a name of its own.
fn font() -> Result<(), String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = || register_font(FONT, FontStyle::Normal, FONT_BYTES).is_ok();
    if *REGISTERED.get_or_init(register) {
        Ok(())
    } else {
        Err("the embedded font cannot be read".to_owned())
    }
}

/// Three bytes for each pixel, no transparency: plots get pasted onto anything.
fn encode(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The drawn parts of a dashed line. The pattern runs on around corners: a curve of many short pieces
/// would otherwise come out solid.
fn dashes(points: &[[f64; 2]], [dash, gap]: [f64; 2]) -> Vec<Vec<[f64; 2]>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<[f64; 2]> = points.first().copied().into_iter().collect();
    let (mut on, mut left) = (true, dash);
    for ends in points.windows(2) {
        let [dx, dy] = [ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]];
        let length = dx.hypot(dy);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let share = done / length;
            let turn = [ends[0][0] + dx * share, ends[0][1] + dy * share];
            piece.push(turn);
            if on {
                pieces.push(std::mem::take(&mut piece));
            }
            piece = vec![turn];
            on = !on;
            left = if on { dash } else { gap };
        }
        left -= length - done;
        piece.push(ends[1]);
    }
    if on && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions lie on the bitmap or close to it; the cast saturates"
)]
/// The nearest pixel.
fn pixel([x, y]: [f64; 2]) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

/// The text of any error.
fn told(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_their_share_and_run_on_around_corners() {
        let corner = [[0.0, 0.0], [6.0, 0.0], [6.0, 6.0]];
        let expected = [vec![[0.0, 0.0], [4.0, 0.0]], vec![[6.0, 0.0], [6.0, 4.0]]];
        assert_eq!(dashes(&corner, [4.0, 2.0]), expected);
        let turned = dashes(&corner, [8.0, 2.0]);
        assert_eq!(turned[0], [[0.0, 0.0], [6.0, 0.0], [6.0, 2.0]]);
        assert!(dashes(&[], [4.0, 2.0]).is_empty());
    }
}
