//! A worker's share of a run: whole partitions, so that each partition's log is the same however many
//! workers there are.

/// The partitions that one of several workers makes the events of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: u32,
    of: u32,
}

impl Share {
    /// All partitions: the share of a single worker.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// No partition at all: for whoever only asks in which partitions events are.
    pub(crate) const NONE: Self = Self {
        index: u32::MAX,
        of: u32::MAX,
    };

    /// The share of worker `index` (from 0) of `of` workers: every `of`th partition. None if there is
    /// no such worker.
    ///
    /// ```
    /// use floodmark_generator::Share;
    /// let share = Share::new(1, 3).unwrap();
    /// assert!(share.owns(1) && share.owns(4) && !share.owns(3));
    /// assert!(Share::new(3, 3).is_none());
    /// ```
    #[must_use]
    pub fn new(index: u32, of: u32) -> Option<Self> {
        (index < of).then_some(Self { index, of })
    }

    /// True if events of this partition are this worker's.
    #[must_use]
    pub fn owns(self, partition: u32) -> bool {
        // One worker is the usual case, and a division is what costs here.
        self.of == 1 || partition % self.of == self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_nobody_has_no_partition() {
        assert!(
            (0..5000)
                .chain([u32::MAX])
                .all(|number| !Share::NONE.owns(number))
        );
    }

    #[test]
    fn every_partition_belongs_to_one_worker() {
        for of in 1..8 {
            let shares: Vec<Share> = (0..of).filter_map(|i| Share::new(i, of)).collect();
            assert_eq!(shares.len(), of as usize);
            for number in 0..100 {
                let owners = shares.iter().filter(|s| s.owns(number)).count();
                assert_eq!(owners, 1, "{number} of {of}");
            }
        }
    }
}
