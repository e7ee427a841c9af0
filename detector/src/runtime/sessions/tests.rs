use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::runtime::{Reader, Writer};

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u32);

impl Aggregate for Count {
    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }
}

/// Sessions with a gap of ten, driven as a partition does, and the results that stand.
struct Bench {
    sessions: Sessions<String, Count>,
    watermark: i64,
    standing: BTreeMap<(String, i64), (i64, u32)>,
}

impl Bench {
    fn new(lateness_ms: i64) -> Self {
        Self {
            sessions: Sessions::new(10, lateness_ms),
            watermark: i64::MIN,
            standing: BTreeMap::new(),
        }
    }

    fn event(&mut self, key: &str, at: i64) {
        if at >= self.watermark {
            self.sessions.at(EventTime(at), key).0 += 1;
            return;
        }
        let correction = self
            .sessions
            .correct(EventTime(at), key, |count| count.0 += 1);
        for (window, count) in correction.before {
            let gone = self.standing.remove(&(key.to_owned(), window.start.0));
            assert_eq!(
                gone,
                Some((window.end.0, count.0)),
                "what is withdrawn had come out"
            );
        }
        if let Some((window, count)) = correction.now {
            let place = (key.to_owned(), window.start.0);
            assert_eq!(self.standing.insert(place, (window.end.0, count.0)), None);
        }
    }

    fn advance(&mut self, to: i64) {
        self.watermark = self.watermark.max(to);
        let standing = &mut self.standing;
        self.sessions.close(EventTime(to), |window, key, count| {
            let place = (key.clone(), window.start.0);
            assert_eq!(standing.insert(place, (window.end.0, count.0)), None);
        });
    }

    fn of(&self, key: &str) -> Vec<(i64, i64, u32)> {
        let mine = self.standing.iter().filter(|((of, _), _)| of == key);
        mine.map(|((_, start), (end, n))| (*start, *end, *n))
            .collect()
    }
}

#[test]
fn a_pause_of_a_gap_ends_a_session_and_a_shorter_one_does_not() {
    let mut bench = Bench::new(0);
    for at in [0, 9, 18, 28] {
        bench.event("a", at);
    }
    bench.advance(27);
    assert_eq!(bench.of("a"), []);
    bench.advance(28);
    assert_eq!(bench.of("a"), [(0, 28, 3)]);
    bench.advance(38);
    assert_eq!(bench.of("a"), [(0, 28, 3), (28, 38, 1)]);
    assert_eq!(bench.sessions.len(), 0, "nothing is kept without lateness");
}

#[test]
fn a_late_event_lengthens_a_closed_session() {
    let mut bench = Bench::new(20);
    bench.event("a", 0);
    bench.advance(12);
    assert_eq!(bench.of("a"), [(0, 10, 1)]);
    bench.event("a", 2);
    assert_eq!(bench.of("a"), [(0, 12, 2)]);
    bench.event("a", -3);
    assert_eq!(bench.of("a"), [(-3, 12, 3)], "a start that has moved");
    bench.advance(32);
    assert_eq!(bench.sessions.len(), 0, "gone after the lateness");
}

#[test]
fn a_late_event_bridges_two_sessions() {
    let mut bench = Bench::new(100);
    bench.event("a", 0);
    bench.event("a", 15);
    bench.advance(26);
    assert_eq!(bench.of("a"), [(0, 10, 1), (15, 25, 1)]);
    bench.event("a", 8);
    assert_eq!(bench.of("a"), [(0, 25, 3)]);
}

#[test]
fn a_late_event_that_reaches_an_open_session_waits_with_it() {
    let mut bench = Bench::new(100);
    bench.event("a", 0);
    bench.advance(14);
    bench.event("a", 17);
    assert_eq!(bench.of("a"), [(0, 10, 1)]);
    bench.event("a", 8);
    assert_eq!(bench.of("a"), [], "the first is part of one that is open");
    bench.advance(27);
    assert_eq!(bench.of("a"), [(0, 27, 3)]);
}

#[test]
fn a_late_event_by_itself_is_a_session_of_its_own() {
    let mut bench = Bench::new(100);
    bench.event("a", 50);
    bench.advance(40);
    bench.event("a", 20);
    assert_eq!(bench.of("a"), [(20, 30, 1)]);
    bench.advance(35);
    bench.event("a", 33);
    assert_eq!(bench.of("a"), [(20, 30, 1)], "at 33 it is open for a while");
    bench.advance(43);
    assert_eq!(bench.of("a"), [(20, 30, 1), (33, 43, 1)]);
}

/// Sessions of all events at once.
fn reference(events: &[(String, i64)]) -> BTreeMap<(String, i64), (i64, u32)> {
    let mut sorted = events.to_vec();
    sorted.sort();
    let mut out: BTreeMap<(String, i64), (i64, u32)> = BTreeMap::new();
    let mut open: Option<(String, i64, i64, u32)> = None;
    for (key, at) in sorted {
        match &mut open {
            Some((of, _, last, n)) if *of == key && at - *last < 10 => (*last, *n) = (at, *n + 1),
            _ => {
                if let Some((key, first, last, n)) = open.replace((key, at, at, 1)) {
                    out.insert((key, first), (last + 10, n));
                }
            }
        }
    }
    if let Some((key, first, last, n)) = open {
        out.insert((key, first), (last + 10, n));
    }
    out
}

proptest! {
    /// forall events within the lateness, in any order, with watermarks and a restart in between: what stands
    /// in the end is what one look at all events gives.
    #[test]
    fn what_stands_is_the_sessions_of_all_events(
        steps in prop::collection::vec((0u8..3, -30i64..15, any::<bool>()), 0..60),
        restart in any::<prop::sample::Index>(),
    ) {
        let mut bench = Bench::new(40);
        let (mut events, mut newest) = (Vec::new(), 0);
        bench.advance(-100);
        for (i, (key, offset, advance)) in steps.iter().enumerate() {
            if i == restart.index(steps.len()) {
                let mut saved = Writer::default();
                bench.sessions.freeze()(&mut saved).unwrap();
                let bytes = saved.seal(0);
                bench.sessions = Reader::open(&bytes, 0).unwrap().get().unwrap();
            }
            let at = newest + offset;
            newest = newest.max(at);
            if at >= bench.watermark - 40 {
                events.push((key.to_string(), at));
                bench.event(&key.to_string(), at);
            }
            if *advance {
                bench.advance(newest - 5);
            }
        }
        bench.advance(newest + 1000);
        prop_assert_eq!(&bench.standing, &reference(&events));
        prop_assert_eq!(bench.sessions.len(), 0);
    }
}
