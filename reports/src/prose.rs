//! Sentences of others (warnings, reasons, conditions) on their way into HTML and Markdown.
//!
//! They hold values in backticks, and among the values may be anything that came off a wire. Markup in
//! them stays text; backticks become code.

/// HTML in which values in backticks are code.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for part in parts(text) {
        if part.is_code {
            out.push_str(&html_code(part.text));
        } else {
            escape(part.text, &mut out);
        }
    }
    out
}

/// A value as code in HTML, whatever it holds.
pub(crate) fn html_code(text: &str) -> String {
    let mut out = "<code>".to_owned();
    escape(text, &mut out);
    out.push_str("</code>");
    out
}

/// Keeps markup from being markup.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(visible(c)),
        }
    }
}

/// Markdown on one line, in which nothing but values in backticks is markup.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for part in parts(text) {
        if part.is_code {
            out.push('`');
            out.extend(part.text.chars().map(visible));
            out.push('`');
            continue;
        }
        for c in part.text.chars() {
            if matches!(c, '<' | '[' | ']' | '*' | '_' | '`' | '\\' | '~' | '&') {
                out.push('\\');
            }
            out.push(visible(c));
        }
    }
    out
}

/// A value as code in Markdown, whatever it holds, in a table too.
pub(crate) fn code(text: &str) -> String {
    let is_plain = |c: char| !matches!(c, '`' | '|' | '\\') && visible(c) == c;
    if !text.is_empty() && text.trim() == text && text.chars().all(is_plain) {
        return format!("`{text}`");
    }
    // A backtick ends the span and a bar the cell of a table, where no escape is certain to work. What is
    // written as a number is never markup.
    let mut out = "<code>".to_owned();
    for c in text.chars().map(visible) {
        if c.is_ascii_punctuation() {
            out.push_str(&format!("&#{};", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.push_str("</code>");
    out
}

/// A command as a block of Markdown, to be copied.
pub(crate) fn block(text: &str) -> String {
    let line: String = text.chars().map(visible).collect();
    let runs = line.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}sh\n{line}\n{fence}\n")
}

/// A character as it can be shown: nothing that moves a cursor, turns the direction of reading or
/// breaks a line.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A piece of a text that is code throughout or not at all.
struct Part<'a> {
    text: &'a str,
    is_code: bool,
}

/// Splits at pairs of backticks; one without a partner is a character like any other.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, beyond)) = after.split_once('`') else {
            break;
        };
        parts.push(Part {
            text: before,
            is_code: false,
        });
        parts.push(Part {
            text: code,
            is_code: !code.is_empty(),
        });
        rest = beyond;
    }
    parts.push(Part {
        text: rest,
        is_code: false,
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_backticks_are_code_and_markup_is_text() {
        for (text, in_html, in_markdown) in [
            ("plain", "plain", "plain"),
            ("set `a < b`", "set <code>a &lt; b</code>", "set `a < b`"),
            ("<b>`&`", "&lt;b&gt;<code>&amp;</code>", "\\<b>`&`"),
            ("one ` only", "one ` only", "one \\` only"),
            ("`` none", " none", " none"),
            ("a\nb\u{1b}[2J", "a b\u{fffd}[2J", "a b\u{fffd}\\[2J"),
            ("\u{202e}x", "\u{fffd}x", "\u{fffd}x"),
            ("~~a~~ &lt;", "~~a~~ &amp;lt;", "\\~\\~a\\~\\~ \\&lt;"),
        ] {
            assert_eq!(html(text), in_html);
            assert_eq!(markdown(text), in_markdown);
        }
    }

    #[test]
    fn a_value_is_code_whatever_it_holds() {
        for (text, expected) in [
            ("a <b> *c*", "`a <b> *c*`"),
            ("a`b", "<code>a&#96;b</code>"),
            ("a|b", "<code>a&#124;b</code>"),
            (r"a\", "<code>a&#92;</code>"),
            (" a", "<code> a</code>"),
            ("", "<code></code>"),
            (
                "a`</code><img src=x>\n",
                "<code>a&#96;&#60;&#47;code&#62;&#60;img src&#61;x&#62; </code>",
            ),
        ] {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(block("run\n--x"), "```sh\nrun --x\n```\n");
        assert_eq!(block("a ```` b"), "`````sh\na ```` b\n`````\n");
    }
}
