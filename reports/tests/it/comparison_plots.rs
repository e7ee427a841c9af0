//! The forest plot of a comparison alone, as SVG and as PNG.

use floodmark_reports::{comparison_png, comparison_svg};
use roxmltree::Node;

use crate::{
    compared::{inconclusive, kept},
    comparison_pages::all,
    sound::with_page,
};

#[test]
fn a_metric_that_falls_and_should_not_stands_on_the_bad_side() {
    let mut comparison = inconclusive();
    comparison
        .metrics
        .retain(|metric| metric.name == "throughput.consumed");
    let metric = &comparison.metrics[0];
    assert!(metric.effect.is_some_and(|effect| effect < 0.0));
    let (_, svg) = comparison_svg(&comparison);
    with_page(&svg, |page| {
        let find = |class: &str| {
            let mut all = page.descendants();
            all.find(|n| n.attribute("class") == Some(class)).unwrap()
        };
        let number = |node: Node<'_, '_>, name: &str| -> f64 {
            node.attribute(name).unwrap().parse().unwrap()
        };
        let zero = number(find("side-bad"), "x");
        assert!(number(find("interval"), "x1") > zero, "{svg}");
        assert!(zero > number(find("side-good"), "x"), "{svg}");
    });
}

#[test]
fn the_plot_alone_is_complete_without_a_style_sheet() {
    for (name, comparison) in all() {
        let (file, svg) = comparison_svg(&comparison);
        assert_eq!(file, "comparison.svg");
        kept(&format!("comparison-{name}.svg"), svg.as_bytes());
        with_page(&svg, |page| {
            assert!(
                page.root_element()
                    .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
            );
        });
        assert!(!svg.contains("var(") && !svg.contains("NaN"), "{name}");
    }
}

#[test]
fn the_picture_has_colours_and_nothing_at_its_edges() {
    for (name, mut comparison) in all() {
        comparison.cand.name = "a-name-that-goes-on-".repeat(9);
        let (file, bytes) = comparison_png(&comparison).unwrap();
        assert_eq!(file, "comparison.png");
        kept(&format!("comparison-{name}.png"), &bytes);
        let mut reader = png::Decoder::new(bytes.as_slice()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).unwrap();
        let rows: Vec<&[u8]> = pixels.chunks_exact(1440 * 3).collect();
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 255);
        for row in rows[..12].iter().chain(&rows[720 - 12..]) {
            assert!(blank(row), "{name}");
        }
        for row in &rows {
            assert!(
                blank(&row[..12 * 3]) && blank(&row[(1440 - 12) * 3..]),
                "{name}"
            );
        }
        let coloured = pixels
            .chunks_exact(3)
            .filter(|p| p.iter().max().unwrap() - p.iter().min().unwrap() > 100)
            .count();
        let is_drawn = comparison
            .metrics
            .iter()
            .any(|m| m.gated && m.effect.is_some());
        assert_eq!(coloured > 100, is_drawn, "{name}: {coloured}");
    }
}
