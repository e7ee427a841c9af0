//! Where each value of a YAML text stands.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser};

/// Line and column (both from 1) of every key and list item, by path: `streams.sensors.rate`,
/// `gates[0].require`.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_path: BTreeMap<String, (usize, usize)>,
}

/// A collection that the parser is inside of.
enum Level {
    /// A mapping, with the path of the key that was read last and waits for its value.
    Mapping { path: String, key: Option<String> },
    /// A list, with the number of items read.
    List { path: String, items: usize },
}

impl Places {
    /// Places of everything in `text`, up to the first syntax error.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        let mut stack: Vec<Level> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            let place = (span.start.line(), span.start.col() + 1);
            match event {
                Event::Scalar(scalar, ..) => {
                    if let Some(Level::Mapping {
                        path,
                        key: key @ None,
                    }) = stack.last_mut()
                    {
                        let full = join(path, &scalar);
                        places.by_path.insert(full.clone(), place);
                        *key = Some(full);
                    } else {
                        places.value(&mut stack, place);
                    }
                }
                Event::Alias(_) => {
                    places.value(&mut stack, place);
                }
                Event::MappingStart(..) => {
                    let path = places.value(&mut stack, place);
                    stack.push(Level::Mapping { path, key: None });
                }
                Event::SequenceStart(..) => {
                    let path = places.value(&mut stack, place);
                    stack.push(Level::List { path, items: 0 });
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    stack.pop();
                }
                _ => {}
            }
        }
        places
    }

    /// Place of `path`, or of the nearest part of it that the text has.
    pub(super) fn find(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.by_path.get(path) {
                return Some(*place);
            }
            let cut = path.rfind(['.', '['])?;
            path = &path[..cut];
        }
    }

    /// Takes note of a value and gives its path.
    fn value(&mut self, stack: &mut [Level], place: (usize, usize)) -> String {
        match stack.last_mut() {
            None => String::new(),
            Some(Level::Mapping { key, .. }) => key.take().unwrap_or_default(),
            Some(Level::List { path, items }) => {
                let full = format!("{path}[{items}]");
                *items += 1;
                self.by_path.insert(full.clone(), place);
                full
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_items_are_found_and_missing_ones_give_the_nearest_parent() {
        let text = "name: x\nstreams:\n  sensors:\n    rate: 1/s\n    anomalies:\n      - drop-out: {count: 1}\n";
        let places = Places::of(text);
        for (path, place) in [
            ("name", Some((1, 1))),
            ("streams.sensors.rate", Some((4, 5))),
            ("streams.sensors.anomalies[0]", Some((6, 9))),
            ("streams.sensors.anomalies[0].drop-out.count", Some((6, 20))),
            ("streams.sensors.missing", Some((3, 3))),
            ("nowhere", None),
        ] {
            assert_eq!(places.find(path), place, "{path}");
        }
    }
}
