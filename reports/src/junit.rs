//! `junit.xml`: a run, or a comparison of runs, as a test suite, for what shows test results.
//!
//! Nobody owns the format. What is written fits the two schemas that tools check against: that of Ant's task, whose
//! required attributes are all there, and that of Jenkins' xUnit plugin, which also allows `system-out` in a test case.

mod comparison;
mod run;

use std::io::{self, Write};

use floodmark_contracts::clock::WallTime;
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

pub use self::{comparison::comparison_junit, run::junit};
use crate::prose::visible;

/// A test suite that is ready to be written.
struct Suite {
    /// Its name, and the class of its test cases.
    name: String,
    /// When it began; `None` where that is not known.
    started_at: Option<WallTime>,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
    /// What there is to say of the whole.
    out: String,
    /// What was said by what broke.
    err: String,
    /// The line below what did not pass: how it was made.
    made_by: String,
}

/// A test case.
struct Case {
    name: String,
    seconds: f64,
    verdict: Verdict,
}

/// What becomes of a test case.
enum Verdict {
    /// With what it has to say all the same; may be empty.
    Passed(String),
    /// It is not what was asked for: the element's type and message.
    Failure(&'static str, String),
    /// Nothing can be said, as something is wrong with the measurement: the same.
    Error(&'static str, String),
    /// Nothing was found either way: why.
    Skipped(String),
}

impl Case {
    fn new(name: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            name: name.into(),
            seconds: 0.0,
            verdict,
        }
    }
}

impl Suite {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut xml = Writer::new_with_indent(out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let counts = self.counts();
        let counts = counts
            .each_ref()
            .map(|(name, count)| (*name, count.as_str()));
        xml.create_element("testsuites")
            .with_attribute(("name", "floodmark"))
            .with_attributes(counts)
            .write_inner_content(|xml| self.suite(xml, counts))?;
        writeln!(xml.get_mut())
    }

    /// Attributes that suite and root share.
    fn counts(&self) -> [(&'static str, String); 4] {
        let failed = |case: &Case| matches!(case.verdict, Verdict::Failure(..));
        let erred = |case: &Case| matches!(case.verdict, Verdict::Error(..));
        let seconds: f64 = self.cases.iter().map(|case| case.seconds).sum();
        [
            ("tests", self.cases.len().to_string()),
            ("failures", self.count(failed)),
            ("errors", self.count(erred)),
            ("time", format!("{seconds:.3}")),
        ]
    }

    fn count(&self, wanted: fn(&Case) -> bool) -> String {
        let found = self.cases.iter().filter(|case| wanted(case));
        found.count().to_string()
    }

    fn suite<W: Write>(&self, xml: &mut Writer<W>, counts: [(&str, &str); 4]) -> io::Result<()> {
        let skipped = self.count(|case| matches!(case.verdict, Verdict::Skipped(_)));
        let started_at = self.started_at.map(timestamp);
        let started_at = started_at.iter().map(|at| ("timestamp", at.as_str()));
        xml.create_element("testsuite")
            .with_attributes([
                ("id", "0"),
                ("package", "floodmark"),
                ("name", token(&self.name).as_str()),
            ])
            .with_attributes(started_at)
            // What Ant's schema wants where the host's name is not known, which no result holds.
            .with_attributes([("hostname", "localhost"), ("skipped", skipped.as_str())])
            .with_attributes(counts)
            .write_inner_content(|xml| {
                self.properties(xml)?;
                for case in &self.cases {
                    self.case(xml, case)?;
                }
                text_element(xml, "system-out", &self.out)?;
                text_element(xml, "system-err", &self.err)
            })?;
        Ok(())
    }

    fn properties<W: Write>(&self, xml: &mut Writer<W>) -> io::Result<()> {
        let element = xml.create_element("properties");
        element.write_inner_content(|xml| {
            for (name, value) in &self.properties {
                xml.create_element("property")
                    .with_attributes([("name", *name), ("value", one_line(value).as_str())])
                    .write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn case<W: Write>(&self, xml: &mut Writer<W>, case: &Case) -> io::Result<()> {
        let seconds = format!("{:.3}", case.seconds);
        let element = xml.create_element("testcase").with_attributes([
            ("name", token(&case.name).as_str()),
            ("classname", token(&self.name).as_str()),
            ("time", seconds.as_str()),
        ]);
        match &case.verdict {
            Verdict::Passed(note) if note.is_empty() => element.write_empty()?,
            Verdict::Passed(note) => {
                element.write_inner_content(|xml| text_element(xml, "system-out", note))?
            }
            Verdict::Skipped(why) => element.write_inner_content(|xml| {
                let skipped = xml.create_element("skipped");
                let skipped = skipped.with_attribute(("message", one_line(why).as_str()));
                skipped.write_empty().map(|_| ())
            })?,
            Verdict::Failure(kind, message) => {
                element.write_inner_content(|xml| self.verdict(xml, "failure", kind, message))?
            }
            Verdict::Error(kind, message) => {
                element.write_inner_content(|xml| self.verdict(xml, "error", kind, message))?
            }
        };
        Ok(())
    }

    /// The element of a test case that did not pass. GitLab shows its text and no attribute, most others the message.
    fn verdict<W: Write>(
        &self,
        xml: &mut Writer<W>,
        tag: &str,
        kind: &str,
        message: &str,
    ) -> io::Result<()> {
        let body = sound(&format!("{message}\n{}", self.made_by));
        xml.create_element(tag)
            .with_attributes([("message", one_line(message).as_str()), ("type", kind)])
            .write_text_content(BytesText::new(&body))?;
        Ok(())
    }
}

/// An element that holds nothing but text.
fn text_element<W: Write>(xml: &mut Writer<W>, name: &str, text: &str) -> io::Result<()> {
    let text = sound(text);
    xml.create_element(name)
        .write_text_content(BytesText::new(&text))?;
    Ok(())
}

/// An instant in UTC as Ant's schema has it, without a zone; the epoch where it is beyond any calendar.
fn timestamp(at: WallTime) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A text without characters that XML 1.0 cannot hold; lines stay lines.
fn sound(text: &str) -> String {
    let sound = |c: char| match c {
        '\n' => '\n',
        c => in_xml(visible(c)),
    };
    text.chars().map(sound).collect()
}

/// The same on one line, for attributes.
fn one_line(text: &str) -> String {
    text.chars().map(|c| in_xml(visible(c))).collect()
}

/// The same without spaces at its ends or side by side, as names must be; never empty.
fn token(text: &str) -> String {
    let line = one_line(text);
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return "unnamed".to_owned();
    }
    words.join(" ")
}

/// The last two characters of the basic plane are none, says XML.
fn in_xml(c: char) -> char {
    if matches!(c, '\u{fffe}' | '\u{ffff}') {
        '\u{fffd}'
    } else {
        c
    }
}
