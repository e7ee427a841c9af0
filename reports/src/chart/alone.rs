//! A chart as a file of its own, in the light colours of the report.

/// The colours by name, those of the light scheme first.
const COLOURS: &str = include_str!("../../templates/colours.css");
const SHAPES: &str = include_str!("../../templates/chart.css");

/// A font that is there wherever pictures are shown; in the report it is the page's.
const FONT: &str = ".chart{font-family:\"DejaVu Sans\",Verdana,Arial,sans-serif}\n";

/// The chart with its style and a background, for what shows pictures and not only browsers: colours stand where
/// the report has names of colours, which few other programs know.
pub(crate) fn alone(chart: &str) -> String {
    let end = "</desc>";
    let (head, shapes) = chart.split_once(end).unwrap_or(("", chart));
    let paper = colour("paper").unwrap_or("#fff");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}{end}<style>\n{}{FONT}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>{shapes}\n",
        style()
    )
}

/// The rules of charts with every `var(--name)` replaced.
fn style() -> String {
    let mut out = String::new();
    let mut rest = SHAPES;
    while let Some((before, after)) = rest.split_once("var(--") {
        let (name, beyond) = after.split_once(')').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(colour(name).unwrap_or("currentColor"));
        rest = beyond;
    }
    out + rest
}

/// The value of a named colour.
fn colour(name: &str) -> Option<&'static str> {
    let (_, after) = COLOURS.split_once(&format!("--{name}:"))?;
    after.split([';', '}']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_where_their_names_stood() {
        assert_eq!(colour("ink"), Some("#1b2430"));
        let style = style();
        assert!(!style.contains("var(") && !style.contains("currentColor"));
        assert!(style.contains(".series.sent{stroke:#0b5cad}"), "{style}");
    }
}
