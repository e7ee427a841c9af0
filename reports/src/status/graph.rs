//! The graph of a detector: topics that are read, pipelines, topics that are written, and the sinks that take both on.

use std::fmt::Write as _;

use floodmark_contracts::{
    row::Row,
    status::{DetectorStatus, SinkStatus},
};

use crate::format;

const WIDTH: f64 = 1040.0;
const HEIGHT: f64 = 50.0;
const GAP: f64 = 16.0;
const HEADING: f64 = 26.0;

/// Room of a way below all boxes, from an input past the pipelines to a sink.
const LANE: f64 = 10.0;

/// Pixels that a letter takes, of a name and of what stands below it, at most.
const LETTERS: [f64; 2] = [9.2, 6.2];

/// A box: its name and what stands below it.
struct Node {
    name: String,
    note: String,
    /// What it says when somebody points at it.
    title: String,
    class: &'static str,
}

impl Node {
    fn new(name: &str, note: String) -> Self {
        Self {
            name: name.to_owned(),
            title: format!("{name}: {note}"),
            note,
            class: "node",
        }
    }
}

/// Where columns are: as wide as their number allows.
struct Columns {
    count: usize,
    width: f64,
    height: f64,
}

impl Columns {
    fn new(sizes: &[usize], lanes: usize) -> Self {
        let most = sizes.iter().max().copied().unwrap_or_default() as f64;
        Self {
            count: sizes.len(),
            width: if sizes.len() > 3 { 222.0 } else { 270.0 },
            height: HEADING + most * (HEIGHT + GAP) + lanes as f64 * LANE,
        }
    }

    /// Left side of a column.
    fn left(&self, column: usize) -> f64 {
        let pitch = (WIDTH - 4.0 - self.width) / (self.count - 1) as f64;
        2.0 + column as f64 * pitch
    }

    /// The middle of a row, the column standing in the middle of the picture, above the lanes.
    fn centre(&self, row: usize, of: usize, lanes: usize) -> f64 {
        let pitch = HEIGHT + GAP;
        let free = self.height - HEADING - lanes as f64 * LANE - of as f64 * pitch;
        HEADING + free / 2.0 + row as f64 * pitch + HEIGHT / 2.0
    }
}

/// The graph as SVG; nothing without pipelines.
pub(super) fn svg(status: &DetectorStatus) -> String {
    let pipelines = &status.pipelines;
    if pipelines.is_empty() {
        return String::new();
    }
    let sinks = &status.sinks;
    let inputs = distinct(pipelines.iter().flat_map(|of| &of.inputs));
    let outputs = distinct(pipelines.iter().flat_map(|of| &of.outputs));
    let mut columns = vec![
        inputs.iter().map(|topic| read(status, topic)).collect(),
        pipelines
            .iter()
            .map(|of| Node::new(&of.name, of.does.clone()))
            .collect(),
        outputs.iter().map(|name| written(status, name)).collect(),
    ];
    if !sinks.is_empty() {
        columns.push(sinks.iter().map(|(name, of)| sink(name, of)).collect());
    }
    // Inputs that a sink reads itself, each with a lane of its own.
    let passing = |topic: &&String| sinks.values().any(|of| of.inputs.contains(topic));
    let lanes: Vec<String> = inputs.iter().filter(passing).cloned().collect();
    let sizes: Vec<usize> = columns.iter().map(Vec::len).collect();
    let at = Columns::new(&sizes, lanes.len());
    let middle = |column: usize, row| at.centre(row, sizes[column], lanes.len());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart graph\" role=\"img\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" \
         aria-labelledby=\"graph-title\"><title id=\"graph-title\">Topics read, pipelines, topics written{}</title>",
        at.height,
        if sinks.is_empty() { "" } else { ", sinks" },
    );
    let names = ["reads", "pipelines", "writes", "sinks"];
    for (column, name) in names.iter().enumerate().take(columns.len()) {
        let x = at.left(column);
        let _ = write!(
            out,
            "<text class=\"note\" x=\"{x:.0}\" y=\"14\">{name}</text>"
        );
    }
    for (row, pipeline) in pipelines.iter().enumerate() {
        for input in places(&inputs, &pipeline.inputs) {
            edge(&mut out, &at, 0, middle(0, input), middle(1, row));
        }
        for output in places(&outputs, &pipeline.outputs) {
            edge(&mut out, &at, 1, middle(1, row), middle(2, output));
        }
    }
    for (row, of) in sinks.values().enumerate() {
        for output in places(&outputs, &of.inputs) {
            edge(&mut out, &at, 2, middle(2, output), middle(3, row));
        }
        for lane in places(&lanes, &of.inputs) {
            for input in places(&inputs, &lanes[lane..=lane]) {
                let y = at.height - (lane as f64 + 0.5) * LANE;
                pass(&mut out, &at, middle(0, input), y, middle(3, row));
            }
        }
    }
    for (column, nodes) in columns.iter().enumerate() {
        for (row, node) in nodes.iter().enumerate() {
            draw(&mut out, &at, column, middle(column, row), node);
        }
    }
    out.push_str("</svg>");
    out
}

/// A topic that is read, with what waits in it.
fn read(status: &DetectorStatus, topic: &str) -> Node {
    let partitions = status.partitions.iter().filter(|of| of.topic == topic);
    let (mut count, mut lag, mut paused) = (0, Some(0), 0);
    for of in partitions {
        count += 1;
        lag = lag.zip(of.lag).map(|(lag, more)| lag + more);
        paused += u64::from(of.paused);
    }
    let mut note = format::plural(count, "partition");
    if let (Some(lag), true) = (lag, count > 0) {
        let _ = write!(note, ", lag {}", format::count(lag));
    }
    if paused > 0 {
        let _ = write!(note, ", {paused} paused");
    }
    Node::new(topic, note)
}

/// A topic that is written; of rows, how many.
fn written(status: &DetectorStatus, name: &str) -> Node {
    let note = if name == Row::topic_of(&status.group) {
        format!("{} written", format::plural(status.written.rows, "row"))
    } else {
        String::new()
    };
    Node::new(name, note)
}

/// A sink, with how far it is or why it is not.
fn sink(name: &str, of: &SinkStatus) -> Node {
    let mut note = format!("{} written", format::count(of.written));
    if of.failing {
        note += ", failed, tries again";
    } else if let Some(lag) = of.lag {
        let _ = write!(note, ", lag {}", format::count(lag));
    }
    let mut node = Node::new(name, note);
    node.title = format!("{name}: {}, {}", of.does, of.place);
    if of.failing {
        node.class = "node failing";
    }
    node
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn places(all: &[String], of: &[String]) -> Vec<usize> {
    let found = of
        .iter()
        .filter_map(|name| all.iter().position(|other| other == name));
    found.collect()
}

/// From a column to the next.
fn edge(out: &mut String, at: &Columns, column: usize, from: f64, to: f64) {
    let (x, end) = (at.left(column) + at.width, at.left(column + 1));
    let bend = f64::midpoint(x, end);
    let _ = write!(
        out,
        "<path class=\"edge\" d=\"M{x:.0} {from:.1}C{bend:.1} {from:.1} {bend:.1} {to:.1} {end:.0} {to:.1}\"/>"
    );
}

/// From the first column to the last, below all boxes.
fn pass(out: &mut String, at: &Columns, from: f64, lane: f64, to: f64) {
    let (x, end) = (at.left(0) + at.width, at.left(3));
    let room = at.left(1) - x;
    let (down, up) = (x + room, end - room);
    let (first, second) = (x + room / 2.0, end - room / 2.0);
    let _ = write!(
        out,
        "<path class=\"edge\" d=\"M{x:.0} {from:.1}C{first:.1} {from:.1} {first:.1} {lane:.1} {down:.0} {lane:.1}H{up:.0}\
         C{second:.1} {lane:.1} {second:.1} {to:.1} {end:.0} {to:.1}\"/>"
    );
}

fn draw(out: &mut String, at: &Columns, column: usize, middle: f64, node: &Node) {
    let (x, width) = (at.left(column), at.width);
    let top = middle - HEIGHT / 2.0;
    let [name_fits, note_fits] = LETTERS.map(|letter| ((width - 20.0) / letter) as usize);
    let alone = node.note.is_empty();
    let name_y = if alone { middle + 5.0 } else { top + 21.0 };
    let _ = write!(
        out,
        "<g><title>{}</title><rect class=\"{}\" x=\"{x:.0}\" y=\"{top:.1}\" width=\"{width}\" height=\"{HEIGHT}\" \
         rx=\"6\"/><text class=\"strong\" x=\"{:.0}\" y=\"{name_y:.1}\">{}</text>",
        escaped(&node.title),
        node.class,
        x + 12.0,
        escaped(&short(&node.name, name_fits)),
    );
    if !alone {
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            x + 12.0,
            top + 39.0,
            escaped(&cut(&node.note, note_fits))
        );
    }
    out.push_str("</g>");
}

fn short(name: &str, fits: usize) -> String {
    let length = name.chars().count();
    if length <= fits {
        return name.to_owned();
    }
    // The end tells names with a common prefix apart.
    let tail: String = name.chars().skip(length + 1 - fits).collect();
    format!("…{tail}")
}

fn cut(note: &str, fits: usize) -> String {
    if note.chars().count() <= fits {
        return note.to_owned();
    }
    let head: String = note.chars().take(fits - 1).collect();
    format!("{head}…")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::status;

    #[test]
    fn every_topic_has_one_box_and_every_way_one_edge() {
        let mut status = status();
        let mut second = status.pipelines[0].clone();
        second.name = "again & again".to_owned();
        status.pipelines.push(second);
        let svg = svg(&status);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let n = |tag: &str, class: &str| {
            let nodes = document.descendants();
            nodes
                .filter(|node| node.has_tag_name(tag) || node.tag_name().name() == tag)
                .filter(|node| node.attribute("class") == Some(class))
                .count()
        };
        assert_eq!(n("rect", "node"), 1 + 2 + 2);
        assert_eq!(n("path", "edge"), 2 + 4);
        assert!(svg.contains("2 partitions, lag 9, 1 paused"), "{svg}");
        assert!(svg.contains("again &amp; again"));
    }

    #[test]
    fn sinks_hang_on_the_topics_that_they_read_and_say_how_far_they_are() {
        let mut status = status();
        status.pipelines[0]
            .outputs
            .push("floodmark-detector.rows".to_owned());
        status.written.rows = 1;
        let of = |input: &str, failing| SinkStatus {
            place: "s3://lake/<x>".to_owned(),
            inputs: vec![input.to_owned()],
            written: 4_200,
            lag: Some(7),
            failing,
            ..SinkStatus::default()
        };
        status
            .sinks
            .insert("raw".into(), of("sensor-data_2", false));
        status
            .sinks
            .insert("results".into(), of("floodmark-detector.rows", true));
        let svg = svg(&status);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let n = |class: &str| {
            let nodes = document.descendants();
            nodes
                .filter(|node| node.attribute("class") == Some(class))
                .count()
        };
        assert_eq!((n("node"), n("node failing")), (1 + 1 + 3 + 1, 1));
        // One of them goes past the pipelines.
        assert_eq!((n("edge"), svg.matches('H').count()), (1 + 3 + 2, 1));
        for text in [
            "1 row written",
            "4,200 written, lag 7",
            "s3://lake/&lt;x&gt;",
            "4,200 written, failed",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }

    #[test]
    fn long_names_keep_their_ends() {
        let long = format!("{}-sensors", "x".repeat(60));
        assert!(short(&long, 20).ends_with("x-sensors"));
        assert_eq!(short(&long, 20).chars().count(), 20);
        assert_eq!(cut("words that go on", 8), "words t…");
        assert_eq!(svg(&DetectorStatus::default()), "");
    }
}
