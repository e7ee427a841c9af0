//! The law: what there is room for in memory changes no state.

use std::sync::Arc;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::runtime::{
    saved::{Reader, Saved, Writer},
    spill::Spill,
};

/// A state that grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Grown(Vec<u64>);

impl State for Grown {
    fn heap(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

type Keyed = KeyedState<Arc<str>, Grown>;

const TTL_MS: i64 = 100;

fn room(limit: u64) -> Arc<Spill> {
    Spill::new(limit, &std::env::temp_dir())
}

fn saved(state: &mut Keyed) -> Vec<u8> {
    let mut writer = Writer::default();
    state.save(&mut writer).unwrap();
    writer.seal(7)
}

fn loaded(bytes: &[u8], room: Option<&Arc<Spill>>) -> Keyed {
    let mut state = Keyed::new(TTL_MS);
    if let Some(room) = room {
        state = state.within(room);
    }
    let mut reader = Reader::open(bytes, 7).unwrap();
    state.load(&mut reader).unwrap();
    reader.end().unwrap();
    state
}

/// What is done with state.
#[derive(Debug, Clone)]
enum Deed {
    /// An event of a key, so much later than the last one.
    Event(u16, i64),
    /// An event that waits for its turn.
    Wait(u16),
    /// A look at what waits, without using it.
    Peek,
    /// All keys of a range, one after the other.
    Scan(u16, u16),
    /// State is saved, and goes on.
    Save,
    /// State is saved, and another one goes on with it.
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        20 => (0u16..60, 0i64..3).prop_map(|(key, step)| Deed::Event(key, step)),
        4 => (0u16..60).prop_map(Deed::Wait),
        4 => Just(Deed::Peek),
        2 => (0u16..50, 1u16..40).prop_map(|(from, n)| Deed::Scan(from, n)),
        1 => Just(Deed::Save),
        1 => Just(Deed::Restart),
    ]
}

/// The state and a plain one, side by side.
struct Pair {
    room: Arc<Spill>,
    bound: Keyed,
    plain: Keyed,
    now: EventTime,
    waits: Vec<(Slot, Slot)>,
}

impl Pair {
    fn new(limit: u64) -> Self {
        let room = room(limit);
        Self {
            bound: Keyed::new(TTL_MS).within(&room),
            plain: Keyed::new(TTL_MS),
            room,
            now: EventTime(0),
            waits: Vec::new(),
        }
    }

    fn event(&mut self, key: u16) {
        let key = format!("key-{key}");
        for state in [&mut self.bound, &mut self.plain] {
            let Grown(values) = state.at(key.as_str(), self.now);
            values.push(self.now.0.unsigned_abs());
            if values.len() > 20 {
                values.clear();
            }
        }
        assert_eq!(
            self.bound.at(key.as_str(), self.now),
            self.plain.at(key.as_str(), self.now)
        );
    }

    fn sweep(&mut self) {
        self.bound.sweep(self.now);
        self.plain.sweep(self.now);
    }

    fn apply(&mut self, deed: &Deed) {
        match *deed {
            Deed::Event(key, step) => {
                self.now = self.now.plus_ms(step);
                self.sweep();
                self.event(key);
                self.sweep();
            }
            Deed::Wait(key) => {
                let (key, at) = (format!("key-{key}"), self.now.plus_ms(2));
                let slots =
                    [&mut self.bound, &mut self.plain].map(|state| state.reserve(key.as_str(), at));
                assert_eq!(slots[0], slots[1], "slots are a part of state");
                self.waits.push((slots[0], slots[1]));
                self.now = self.now.plus_ms(1);
            }
            Deed::Peek => {
                if let Some((bound, plain)) = self.waits.pop() {
                    assert_eq!(self.bound.peek(bound), self.plain.peek(plain));
                    assert_eq!(self.bound.key(bound), self.plain.key(plain));
                }
            }
            Deed::Scan(from, n) => {
                for key in from..from + n {
                    self.event(key);
                    self.sweep();
                }
            }
            Deed::Save => assert_eq!(saved(&mut self.bound), saved(&mut self.plain)),
            Deed::Restart => {
                let bytes = saved(&mut self.bound);
                assert_eq!(bytes, saved(&mut self.plain));
                self.bound = loaded(&bytes, Some(&self.room));
                self.plain = loaded(&bytes, None);
                assert_eq!(saved(&mut self.bound), bytes);
            }
        }
        self.room.check().unwrap();
    }
}

proptest! {
    /// forall bounds and uses: state, slots and snapshots are those of state that is all in memory.
    #[test]
    fn a_bound_changes_nothing(limit in 0u64..6_000, deeds in prop::collection::vec(deed(), 0..200)) {
        let mut pair = Pair::new(limit);
        deeds.iter().for_each(|deed| pair.apply(deed));
        prop_assert_eq!(saved(&mut pair.bound), saved(&mut pair.plain));
    }
}

#[test]
fn memory_stays_within_the_bound_and_the_rest_is_told() {
    let limit = 256 * 1024;
    let room = room(limit);
    let mut state = Keyed::new(i64::MAX).within(&room);
    for round in 0..4 {
        for key in 0..3000 {
            let now = EventTime(round * 3000 + key);
            let Grown(values) = state.at(key.to_string().as_str(), now);
            values.extend([now.0.unsigned_abs(); 25]);
            state.sweep(now);
        }
        let size = state.size();
        assert_eq!(size.keys, 3000);
        assert!(size.bytes < limit + limit / 4, "{size:?}");
        assert!(size.disk_keys > 1000, "{size:?}");
        // Entries that nobody needs do not pile up.
        let entry = 4 + 3 + 25 * 4 * (round.unsigned_abs() + 1);
        assert!(size.disk_bytes < 3 * 3000 * entry, "{size:?}");
    }
    assert!(state.size().disk_reads > 3000);
    for key in 0..3000i64 {
        let Grown(values) = state.at(key.to_string().as_str(), EventTime(12_000));
        let expected = (0..4).flat_map(|round| [(round * 3000 + key).unsigned_abs(); 25]);
        assert!(expected.eq(values.iter().copied()), "{key}");
    }
    room.check().unwrap();
}

#[test]
fn what_expires_leaves_the_disk() {
    let room = room(0);
    let mut state = Keyed::new(TTL_MS).within(&room);
    for key in 0..2000 {
        state.at(key.to_string().as_str(), EventTime(0)).0.push(key);
        state.sweep(EventTime(0));
    }
    assert!(state.size().disk_keys > 1900);
    for now in 200..210 {
        state.at("another", EventTime(now)).0.push(1);
        state.sweep(EventTime(now));
    }
    let size = state.size();
    assert_eq!(size.keys, 1);
    assert!(size.disk_keys <= 1 && size.disk_bytes < 20_000, "{size:?}");
    room.check().unwrap();
}

#[test]
fn a_snapshot_is_as_state_was_while_it_goes_on() {
    let room = room(0);
    let mut state = Keyed::new(i64::MAX).within(&room);
    let fill = |state: &mut Keyed, round: u64| {
        for key in 0..3000u64 {
            let now = EventTime((round * 3000 + key).cast_signed());
            state.at(key.to_string().as_str(), now).0.push(round);
            state.sweep(now);
        }
    };
    fill(&mut state, 0);
    let then = saved(&mut state);
    let frozen = state.freeze().unwrap();
    (1..4).for_each(|round| fill(&mut state, round));
    let mut writer = Writer::default();
    frozen(&mut writer).unwrap();
    assert_eq!(writer.seal(7), then);
    assert_ne!(saved(&mut state), then);
}

#[test]
fn a_disk_that_refuses_is_told_and_what_was_in_memory_stays() {
    // Takes no byte, as a disk that is full.
    let full = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/full")
        .unwrap();
    let room = Spill::over(0, full);
    let mut state = Keyed::new(i64::MAX).within(&room);
    for key in ["a", "b"] {
        state.at(key, EventTime(0)).0.push(7);
        state.sweep(EventTime(0));
        assert_eq!(state.at(key, EventTime(0)).0, [7]);
    }
    let error = room.check().unwrap_err().to_string();
    assert!(error.contains("written to"), "{error}");
    assert!(error.contains("`detector.state.folder`"), "{error}");
}

#[test]
fn a_file_that_is_cut_off_is_told_and_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = || {
        let mut options = std::fs::File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(&path).unwrap()
    };
    let room = Spill::over(0, file());
    let mut state = Keyed::new(i64::MAX).within(&room);
    // More than the store's own memory holds.
    for key in 0..20_000u64 {
        let now = EventTime(key.cast_signed());
        let Grown(values) = state.at(key.to_string().as_str(), now);
        values.extend([key | 1 << 60; 100]);
        state.sweep(now);
    }
    room.check().unwrap();
    file().set_len(0).unwrap();
    for key in 0..20_000u64 {
        let _ = state.at(key.to_string().as_str(), EventTime(20_000));
    }
    let error = room.check().unwrap_err().to_string();
    assert!(error.contains("read from"), "{error}");
    let mut writer = Writer::default();
    let saved = state.save(&mut writer);
    assert!(saved.is_err(), "nor saved");
}
