//! The format of `java.util.Properties`, as far as people use it: comments, `=`, `:` or a blank
//! between key and value, lines continued by a backslash, escapes.

/// The pairs of a file in their order; on error, the line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (line_no, line) in logical_lines(text) {
        let (key, value) = split(&line);
        let at = |problem: String| format!("line {line_no}: {problem}");
        let key = unescape(key).map_err(at)?;
        if key.is_empty() {
            return Err(at("the key is missing".to_owned()));
        }
        pairs.push((key, unescape(value).map_err(at)?));
    }
    Ok(pairs)
}

/// Lines without comments, joined where one ends in an odd number of backslashes; numbered from 1
/// by their first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, raw) in text.lines().enumerate() {
        let line = raw.trim_start_matches([' ', '\t', '\u{c}']);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (number, mut joined) = open.take().unwrap_or((i + 1, String::new()));
        let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(&line[..line.len() - 1]);
            open = Some((number, joined));
        } else {
            joined.push_str(line);
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Key and value of a line, both still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let mut end = line.len();
    for (i, c) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '=' || c == ':' || c.is_ascii_whitespace() {
            end = i;
            break;
        }
    }
    let (key, rest) = line.split_at(end);
    // Blanks around one separator belong to neither side; a second separator is part of the value.
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start())
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4);
                let Some(c) = code.and_then(char::from_u32) else {
                    return Err(
                        "`\\u` is followed by something else than a character's four \
                                hexadecimal digits"
                            .to_owned(),
                    );
                };
                plain.push(c);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(text).unwrap();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn reads_what_java_reads() {
        check("a=b", &[("a", "b")]);
        check("a = b\nc:d\ne f", &[("a", "b"), ("c", "d"), ("e", "f")]);
        check("# no\n! no\n\n  a=1", &[("a", "1")]);
        check("a=one \\\n    two", &[("a", "one two")]);
        check("a\\=b=c", &[("a=b", "c")]);
        check("a==b", &[("a", "=b")]);
        check("path=C:\\\\ca.pem", &[("path", "C:\\ca.pem")]);
        check("tab=\\t.\\u00e9", &[("tab", "\t.\u{e9}")]);
        check("empty=", &[("empty", "")]);
        check("a=#not a comment", &[("a", "#not a comment")]);
        check("a=1\r\nb=2\r\n", &[("a", "1"), ("b", "2")]);
        check("last=1\\", &[("last", "1")]);
        check("even=1\\\\\nnext=2", &[("even", "1\\"), ("next", "2")]);
    }

    #[test]
    fn problems_name_their_line() {
        assert_eq!(parse("a=1\n=2").unwrap_err(), "line 2: the key is missing");
        let error = parse("\n\na=\\u12").unwrap_err();
        assert!(error.starts_with("line 3: `\\u`"), "{error}");
    }
}
