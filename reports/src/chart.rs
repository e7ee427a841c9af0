//! Charts as SVG inside the HTML report. Colours are classes of the report's style sheet, so that the
//! same chart follows light, dark and print; what a colour says, a dash, a shape or a word says too.

mod accuracy;
mod curve;
mod difficulty;
mod latency;
mod scale;
mod search;
mod svg;
mod timeline;

pub(crate) use self::{
    accuracy::accuracy,
    curve::curve,
    difficulty::difficulty,
    latency::{Curves, decade_name, latency},
    scale::{Scale, nice_ticks},
    search::search,
    timeline::timeline,
};
