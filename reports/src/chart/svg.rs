//! A small SVG writer: shapes with classes, text, and a title and description for those who listen.

use std::fmt::Write as _;

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// The attribute's value.
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A chart under construction. Writing to a string cannot fail, so results are dropped.
///
/// Coordinates are written with one decimal: a tenth of a pixel shows nowhere, and the charts are most of
/// the page's bytes.
pub(super) struct Svg {
    out: String,
}

impl Svg {
    /// Begins a chart; `id` is unique in the page.
    pub(super) fn new(id: &str, size: [f64; 2], title: &str, description: &str) -> Self {
        Self::of_class("chart", id, size, title, description)
    }

    /// Begins a drawing that is no chart of full width.
    pub(super) fn of_class(
        class: &str,
        id: &str,
        [width, height]: [f64; 2],
        title: &str,
        description: &str,
    ) -> Self {
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" id=\"{id}\" role=\"img\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
            escape(title),
            escape(description)
        );
        Self { out }
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let _ = write!(
            self.out,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A rectangle from its upper left corner.
    pub(super) fn rect(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        );
    }

    /// A text, escaped.
    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{}\">{}</text>",
            anchor.name(),
            escape(text)
        );
    }

    /// A line through `points`.
    pub(super) fn polyline(&mut self, class: &str, points: &[[f64; 2]]) {
        if points.len() < 2 {
            // A single value would be invisible as a line.
            for point in points {
                self.circle(&format!("{class} dot"), *point, 2.5);
            }
            return;
        }
        let _ = write!(self.out, "<polyline class=\"{class}\" points=\"");
        for [x, y] in points {
            let _ = write!(self.out, "{x:.1},{y:.1} ");
        }
        self.out.push_str("\"/>");
    }

    /// The area between `points` and the level `base`.
    pub(super) fn area(&mut self, class: &str, points: &[[f64; 2]], base: f64) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let _ = write!(
            self.out,
            "<polygon class=\"{class}\" points=\"{:.1},{base:.1} ",
            first[0]
        );
        for [x, y] in points {
            let _ = write!(self.out, "{x:.1},{y:.1} ");
        }
        let _ = write!(self.out, "{:.1},{base:.1}\"/>", last[0]);
    }

    /// A circle.
    pub(super) fn circle(&mut self, class: &str, [x, y]: [f64; 2], radius: f64) {
        let _ = write!(
            self.out,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
        );
    }

    /// A triangle with its tip at the point, as a pin from above.
    pub(super) fn pin(&mut self, class: &str, [x, y]: [f64; 2], size: f64) {
        let (left, right, top) = (x - size * 0.6, x + size * 0.6, y - size);
        let _ = write!(
            self.out,
            "<polygon class=\"{class}\" points=\"{x:.1},{y:.1} {left:.1},{top:.1} {right:.1},{top:.1}\"/>"
        );
    }

    /// Two crossed strokes.
    pub(super) fn cross(&mut self, class: &str, [x, y]: [f64; 2], reach: f64) {
        let (left, right, top, bottom) = (x - reach, x + reach, y - reach, y + reach);
        let _ = write!(
            self.out,
            "<path class=\"{class}\" d=\"M{left:.1} {top:.1}L{right:.1} {bottom:.1}M{left:.1} \
             {bottom:.1}L{right:.1} {top:.1}\"/>"
        );
    }

    /// A diamond around the point.
    pub(super) fn diamond(&mut self, class: &str, [x, y]: [f64; 2], reach: f64) {
        let _ = write!(
            self.out,
            "<polygon class=\"{class}\" points=\"{x:.1},{:.1} {:.1},{y:.1} {x:.1},{:.1} {:.1},{y:.1}\"/>",
            y - reach,
            x + reach,
            y + reach,
            x - reach
        );
    }

    /// A pattern of slanted strokes that classes can fill with.
    pub(super) fn hatch(&mut self, id: &str, class: &str) {
        let _ = write!(
            self.out,
            "<defs><pattern id=\"{id}\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><line class=\"{class}\" x1=\"0\" y1=\"0\" x2=\"0\" \
             y2=\"5\"/></pattern></defs>"
        );
    }

    /// A rectangle outside of which shapes that name it do not show.
    pub(super) fn clip(&mut self, id: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        let _ = write!(
            self.out,
            "<defs><clipPath id=\"{id}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/></clipPath></defs>"
        );
    }

    /// Begins a group; attributes are names and values.
    pub(super) fn begin(&mut self, attributes: &[(&str, &str)]) {
        self.out.push_str("<g");
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"{}\"", escape(value));
        }
        self.out.push('>');
    }

    /// What a pointer is told that rests on the group; stands first in it.
    pub(super) fn title(&mut self, text: &str) {
        let _ = write!(self.out, "<title>{}</title>", escape(text));
    }

    /// Ends the group that was begun last.
    pub(super) fn end(&mut self) {
        self.out.push_str("</g>");
    }

    /// The whole chart.
    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// Keeps markup in names from becoming markup of the page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::new("x", [10.0, 10.0], "a & b", "<c>");
        svg.text("t", [0.0, 0.0], Anchor::Start, "\"<script>\"");
        let out = svg.finish();
        assert!(out.contains("a &amp; b") && out.contains("&lt;c&gt;"));
        assert!(out.contains("&quot;&lt;script&gt;&quot;"), "{out}");
    }

    #[test]
    fn a_line_of_one_point_is_a_dot() {
        let mut svg = Svg::new("x", [10.0, 10.0], "", "");
        svg.polyline("sent", &[[1.0, 2.0]]);
        svg.area("sent", &[], 0.0);
        assert!(
            svg.finish()
                .contains("<circle class=\"sent dot\" cx=\"1.0\" cy=\"2.0\"")
        );
    }
}
