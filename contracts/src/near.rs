//! Names that people may have meant.

/// The candidate that differs least from what was found (by edit distance with swaps), unless all are too different to have been
/// meant; of several that are as near, the first.
pub fn nearest<S: AsRef<str>>(found: &str, candidates: impl IntoIterator<Item = S>) -> Option<S> {
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(name.as_ref(), found), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 2.max(name.as_ref().len() / 3))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_asked_about() {
        for (found, expected) in [
            ("profle", Some("profile")),
            ("lables", Some("label")),
            ("something", None),
        ] {
            assert_eq!(nearest(found, ["label", "profile"]), expected);
        }
    }
}
