//! What most figures need of a label.

use floodmark_contracts::{kind::Kind, label::Label};

/// Kind and time of a label: labels are large, and those that an alert may be about lie far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    pub(crate) kind: Kind,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Outline {
    pub(super) fn of(label: &Label) -> Self {
        Self {
            kind: label.kind,
            start: label.start.0,
            end: label.end.0,
        }
    }
}
