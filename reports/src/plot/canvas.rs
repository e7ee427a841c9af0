//! The bitmap, its font and its colours.

use std::sync::OnceLock;

use plotters::{
    coord::{Shift, ranged1d::Ranged},
    prelude::{
        BitMapBackend, Cartesian2d, ChartContext, DrawingArea, IntoDrawingArea, RGBColor,
        SeriesLabelPosition, WHITE,
    },
    style::{Color, FontStyle, IntoFont, TextStyle, register_font},
};

use crate::ReportError;

/// Where plots are drawn.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// What drawing returns: the library's errors have types of many parameters, their texts suffice.
pub(super) type Drawn = Result<(), String>;

pub(super) const WIDTH: u32 = 1440;
pub(super) const HEIGHT: u32 = 720;

pub(super) const INK: RGBColor = RGBColor(31, 41, 55);
pub(super) const FAINT: RGBColor = RGBColor(107, 114, 128);
pub(super) const GRID: RGBColor = RGBColor(229, 231, 235);
pub(super) const GREY: RGBColor = RGBColor(156, 163, 175);
pub(super) const BLUE: RGBColor = RGBColor(0, 95, 170);
pub(super) const ORANGE: RGBColor = RGBColor(200, 90, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 122, 92);

const FONT: &str = "plot";
static FONT_BYTES: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// Text of `size` pixels.
pub(super) fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour.to_rgba())
}

/// Draws onto a white bitmap and encodes it.
pub(super) fn draw(
    name: &'static str,
    fill: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<(&'static str, Vec<u8>), ReportError> {
    let failed = |reason: String| ReportError::Plot { name, reason };
    font().map_err(failed)?;
    let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)
            .map_err(|error| failed(error.to_string()))?;
        fill(&root).map_err(failed)?;
        root.present().map_err(|error| failed(error.to_string()))?;
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

/// Names the lines of a chart in its upper right corner.
pub(super) fn legend<'a, 'b: 'a, X, Y>(
    chart: &mut ChartContext<'a, BitMapBackend<'b>, Cartesian2d<X, Y>>,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .legend_area_size(44)
        .margin(14)
        .label_font(text(20, INK))
        .draw()
        .map_err(told)
}

/// The text of any error.
pub(super) fn told(error: impl ToString) -> String {
    error.to_string()
}
