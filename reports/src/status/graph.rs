//! The graph of a detector: topics that are read, pipelines, topics that are written.

use std::fmt::Write as _;

use floodmark_contracts::status::DetectorStatus;

use crate::format;

const BOX: [f64; 2] = [270.0, 50.0];
const GAP: f64 = 16.0;
const COLUMNS: [f64; 3] = [2.0, 385.0, 768.0];
const HEADING: f64 = 26.0;

/// Letters that fit into a box.
const FITS: usize = 32;

/// A box: its name and what stands below it.
struct Node {
    name: String,
    note: String,
}

/// The graph as SVG; nothing without pipelines.
pub(super) fn svg(status: &DetectorStatus) -> String {
    let pipelines = &status.pipelines;
    if pipelines.is_empty() {
        return String::new();
    }
    let inputs = distinct(pipelines.iter().flat_map(|of| &of.inputs));
    let outputs = distinct(pipelines.iter().flat_map(|of| &of.outputs));
    let most = inputs.len().max(outputs.len()).max(pipelines.len()) as f64;
    let height = HEADING + most * (BOX[1] + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart graph\" role=\"img\" viewBox=\"0 0 1040 {height:.0}\" \
         aria-labelledby=\"graph-title\"><title id=\"graph-title\">Topics read, pipelines, topics written</title>"
    );
    let names = ["reads", "pipelines", "writes"];
    for (x, name) in COLUMNS.iter().zip(names) {
        let _ = write!(out, "<text class=\"note\" x=\"{x}\" y=\"14\">{name}</text>");
    }
    for (row, pipeline) in pipelines.iter().enumerate() {
        let middle = centre(row, pipelines.len(), height);
        for input in places(&inputs, &pipeline.inputs) {
            let from = centre(input, inputs.len(), height);
            edge(&mut out, 0, from, middle);
        }
        for output in places(&outputs, &pipeline.outputs) {
            let to = centre(output, outputs.len(), height);
            edge(&mut out, 1, middle, to);
        }
    }
    let columns = [
        inputs.iter().map(|topic| read(status, topic)).collect(),
        pipelines
            .iter()
            .map(|of| Node {
                name: of.name.clone(),
                note: of.does.clone(),
            })
            .collect(),
        outputs.iter().map(|name| written(name)).collect(),
    ];
    for (x, nodes) in COLUMNS.iter().zip::<[Vec<Node>; 3]>(columns) {
        for (row, node) in nodes.iter().enumerate() {
            draw(&mut out, *x, centre(row, nodes.len(), height), node);
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
    Node {
        name: topic.to_owned(),
        note,
    }
}

fn written(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        note: String::new(),
    }
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

/// The middle of a row, the column standing in the middle of the picture.
fn centre(row: usize, of: usize, height: f64) -> f64 {
    let pitch = BOX[1] + GAP;
    let top = HEADING + (height - HEADING - of as f64 * pitch) / 2.0;
    top + row as f64 * pitch + BOX[1] / 2.0
}

fn edge(out: &mut String, column: usize, from: f64, to: f64) {
    let (x, end) = (COLUMNS[column] + BOX[0], COLUMNS[column + 1]);
    let bend = f64::midpoint(x, end);
    let _ = write!(
        out,
        "<path class=\"edge\" d=\"M{x:.0} {from:.1}C{bend:.1} {from:.1} {bend:.1} {to:.1} {end:.0} {to:.1}\"/>"
    );
}

fn draw(out: &mut String, x: f64, middle: f64, node: &Node) {
    let [width, height] = BOX;
    let top = middle - height / 2.0;
    let alone = node.note.is_empty();
    let name_y = if alone { middle + 5.0 } else { top + 21.0 };
    let _ = write!(
        out,
        "<g><title>{}</title><rect class=\"node\" x=\"{x:.0}\" y=\"{top:.1}\" width=\"{width}\" height=\"{height}\" \
         rx=\"6\"/><text class=\"strong\" x=\"{:.0}\" y=\"{name_y:.1}\">{}</text>",
        escaped(&node.name),
        x + 12.0,
        escaped(&short(&node.name)),
    );
    if !alone {
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            x + 12.0,
            top + 39.0,
            escaped(&node.note)
        );
    }
    out.push_str("</g>");
}

fn short(name: &str) -> String {
    if name.chars().count() <= FITS {
        return name.to_owned();
    }
    // The end tells names with a common prefix apart.
    let tail: Vec<char> = name.chars().rev().take(FITS - 1).collect();
    format!("…{}", tail.into_iter().rev().collect::<String>())
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
    fn long_names_keep_their_ends() {
        let long = format!("{}-sensors", "x".repeat(60));
        assert!(short(&long).ends_with("x-sensors"));
        assert_eq!(short(&long).chars().count(), FITS);
        assert_eq!(svg(&DetectorStatus::default()), "");
    }
}
