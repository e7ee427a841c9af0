//! What holds for every page.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};

/// Parses a page as XML, which HTML need not be, but ours is.
pub fn with_page<T>(text: &str, check: impl FnOnce(&Document<'_>) -> T) -> T {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(text, options)
        .unwrap_or_else(|error| panic!("page is not well formed: {error}"));
    check(&page)
}

/// All text below a node, without styles.
pub fn text_of(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(|n| n.is_text());
    let shown = texts.filter(|n| n.parent().is_some_and(|p| !p.has_tag_name("style")));
    shown.filter_map(|n| n.text()).collect::<Vec<_>>().join(" ")
}

/// What holds for every page: ids are unique, links and labels lead somewhere, charts tell what they show, nothing is fetched.
pub fn assert_sound(name: &str, text: &str) {
    with_page(text, |page| {
        let ids: Vec<&str> = page
            .descendants()
            .filter_map(|n| n.attribute("id"))
            .collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: an id is there twice");
        for node in page.descendants() {
            if let Some(target) = node
                .attribute("href")
                .and_then(|link| link.strip_prefix('#'))
            {
                assert!(unique.contains(target), "{name}: {target}");
            }
            let labels = node.attribute("aria-labelledby").unwrap_or_default();
            assert!(
                labels.split_whitespace().all(|id| unique.contains(id)),
                "{name}: {labels}"
            );
            if node.has_tag_name(("http://www.w3.org/2000/svg", "svg")) {
                let first = node.children().map(|n| n.tag_name().name()).take(2);
                assert_eq!(first.collect::<Vec<_>>(), ["title", "desc"], "{name}");
            }
        }
    });
    let without_names = text.replace("http://www.w3.org/2000/svg", "");
    for forbidden in [
        "http://", "https://", "<script", "@import", "onload", "NaN", "inf ",
    ] {
        assert!(!without_names.contains(forbidden), "{name}: {forbidden}");
    }
    assert!(text.len() < 3 << 20, "{name} has {} bytes", text.len());
}

/// A run's report without the script that it may hold: what is left is sound as any page is.
pub fn without_script(text: &str) -> String {
    let (before, rest) = text.split_once("<script>").unwrap();
    let (_, after) = rest.split_once("</script>").unwrap();
    format!("{before}{after}")
}
