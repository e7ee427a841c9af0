use proptest::prelude::*;

use super::*;

#[derive(Debug, Default, Clone, PartialEq)]
struct Count(u32);

impl Aggregate for Count {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
}

type Counts = Windows<String, Count>;

fn close(windows: &mut Counts, to: i64) -> Vec<(i64, i64, String, u32)> {
    let mut out = Vec::new();
    windows.close(EventTime(to), |window, group, parts| {
        out.push((
            window.start.0,
            window.end.0,
            group.clone(),
            parts.merged().0,
        ));
    });
    out
}

fn add(windows: &mut Counts, at: i64, group: &str) {
    windows.pane(EventTime(at), group).0 += 1;
}

#[test]
fn a_tumbling_window_closes_when_the_watermark_reaches_its_end() {
    let mut windows = Counts::new(WindowSpec::tumbling(60), 0);
    for (at, group) in [(0, "b"), (59, "a"), (60, "a"), (1, "b")] {
        add(&mut windows, at, group);
    }
    assert_eq!(close(&mut windows, 59), []);
    assert_eq!(
        close(&mut windows, 60),
        [(0, 60, "a".into(), 1), (0, 60, "b".into(), 2)]
    );
    assert_eq!(close(&mut windows, 200), [(60, 120, "a".into(), 1)]);
    assert_eq!(windows.len(), 0);
}

#[test]
fn an_event_is_in_every_sliding_window_that_covers_it() {
    let mut windows = Counts::new(WindowSpec::sliding(10, 5).unwrap(), 0);
    add(&mut windows, 12, "a");
    add(&mut windows, 16, "a");
    assert_eq!(
        close(&mut windows, 100),
        [
            (5, 15, "a".into(), 1),
            (10, 20, "a".into(), 2),
            (15, 25, "a".into(), 1)
        ]
    );
}

#[test]
fn a_late_event_within_the_allowed_lateness_corrects_the_closed_windows_only() {
    let mut windows = Counts::new(WindowSpec::sliding(10, 5).unwrap(), 20);
    add(&mut windows, 12, "a");
    assert_eq!(close(&mut windows, 15).len(), 1);
    add(&mut windows, 11, "a");
    let mut corrected = Vec::new();
    windows.correct(EventTime(11), &"a".into(), |window, _, parts| {
        corrected.push((window.start.0, parts.merged().0));
    });
    assert_eq!(corrected, [(5, 2)]);
    assert_eq!(close(&mut windows, 30), [(10, 20, "a".into(), 2)]);
    assert_eq!(windows.len(), 1, "kept until 20 + 20");
    assert_eq!(close(&mut windows, 40), []);
    assert_eq!(windows.len(), 0);
}

#[test]
fn a_far_jump_closes_old_windows_without_walking_the_gap() {
    let mut windows = Counts::new(WindowSpec::tumbling(1), 0);
    add(&mut windows, 5, "a");
    add(&mut windows, 4_000_000_000_000, "a");
    assert_eq!(close(&mut windows, 4_000_000_000_001).len(), 2);
}

#[test]
fn times_before_the_epoch_fall_into_aligned_windows() {
    let mut windows = Counts::new(WindowSpec::tumbling(60), 0);
    add(&mut windows, -1, "a");
    assert_eq!(close(&mut windows, 0), [(-60, 0, "a".into(), 1)]);
}

#[test]
fn a_slide_must_divide_the_size() {
    for (size, slide) in [(10, 3), (10, 0), (5, 10), (0, 0)] {
        assert_eq!(WindowSpec::sliding(size, slide), None, "{size}/{slide}");
    }
}

proptest! {
    /// forall events and steps of the watermark: windows hold what a plain count over all events says.
    #[test]
    fn windows_equal_a_plain_count(
        times in prop::collection::vec(0i64..300, 0..60),
        panes in 1i64..4,
        steps in prop::collection::vec(1i64..50, 1..20),
    ) {
        let (slide, size) = (10, 10 * panes);
        let mut windows = Counts::new(WindowSpec::sliding(size, slide).unwrap(), 0);
        for at in &times {
            add(&mut windows, *at, "a");
        }
        let mut got = Vec::new();
        let mut to = 0;
        for step in steps.into_iter().chain([1000]) {
            to += step;
            got.extend(close(&mut windows, to).into_iter().map(|(start, _, _, n)| (start, n)));
        }
        let mut want = Vec::new();
        for start in (-size..300).filter(|start| start % slide == 0) {
            let n = times.iter().filter(|at| (start..start + size).contains(at)).count();
            if n > 0 {
                want.push((start, u32::try_from(n).unwrap()));
            }
        }
        prop_assert_eq!(got, want);
    }
}
