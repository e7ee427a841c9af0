use proptest::prelude::*;

use super::{
    super::saved::{Saved, Writer},
    *,
};

const SUMS: MergerId = MergerId(7);

/// Sums numbers up per ten milliseconds of event time, each source's last one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sums {
    windows: BTreeMap<i64, BTreeMap<Source, u32>>,
    closed: i64,
}

impl Merger for Sums {
    type Partial = (i64, u32);
    type Output = String;

    fn accept(&mut self, source: Source, (start, n): (i64, u32), _: &mut Vec<String>) -> bool {
        let in_time = start >= self.closed;
        if in_time {
            self.windows.entry(start).or_default().insert(source, n);
        }
        in_time
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<String>) {
        while let Some(window) = self.windows.first_entry() {
            if window.key() + 10 > to.0 {
                break;
            }
            let (start, parts) = window.remove_entry();
            out.push(format!("{start}: {}", parts.values().sum::<u32>()));
        }
        self.closed = to.0 / 10 * 10;
    }
}

impl Saved for Sums {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        encoded(self)
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        *self = from.get()?;
        Ok(())
    }
}

fn exchange(sources: &[Source]) -> Exchange<String> {
    let mut exchange = Exchange::default().with(SUMS, &[0, 1], Box::new(Sums::default()));
    sources.iter().for_each(|source| exchange.expect(*source));
    exchange
}

fn packet(start: i64, n: u32) -> Packet {
    Packet::new(SUMS, 0, &(start, n)).unwrap()
}

fn at(watermark: i64) -> Standing {
    Standing {
        watermark: EventTime(watermark),
        idle: false,
    }
}

const A: Source = (0, 0);
const B: Source = (0, 1);
const OTHER_INPUT: Source = (1, 0);

/// Feeds one frame of parts and standings; gives what came out.
fn feed(
    exchange: &mut Exchange<String>,
    parts: &[(Source, i64, u32)],
    standings: &[(Source, Standing)],
) -> Vec<String> {
    let mut frame = Frame::default();
    for (source, start, n) in parts {
        frame.part(*source, &packet(*start, *n)).unwrap();
    }
    for (source, standing) in standings {
        frame.standing(*source, *standing).unwrap();
    }
    let mut out = Vec::new();
    exchange.feed(&frame.into_bytes(), &mut out).unwrap();
    out
}

#[test]
fn a_window_waits_for_every_source_of_every_input() {
    let mut exchange = exchange(&[A, B, OTHER_INPUT]);
    let nothing = [""; 0];
    assert_eq!(feed(&mut exchange, &[(A, 0, 2)], &[(A, at(30))]), nothing);
    assert_eq!(feed(&mut exchange, &[(B, 0, 3)], &[(B, at(30))]), nothing);
    let last = feed(
        &mut exchange,
        &[(OTHER_INPUT, 0, 4)],
        &[(OTHER_INPUT, at(12))],
    );
    assert_eq!(last, ["0: 9"]);
}

#[test]
fn a_part_that_is_sent_again_counts_once() {
    let mut exchange = exchange(&[A]);
    feed(&mut exchange, &[(A, 0, 2), (A, 0, 3)], &[]);
    assert_eq!(feed(&mut exchange, &[(A, 0, 3)], &[(A, at(10))]), ["0: 3"]);
}

#[test]
fn an_idle_source_tells_what_it_held_before_anybody_goes_on_without_it() {
    let mut exchange = exchange(&[A, B]);
    let idle = |watermark| Standing {
        idle: true,
        ..at(watermark)
    };
    let found = feed(&mut exchange, &[(A, 0, 2)], &[(A, at(15)), (B, idle(3))]);
    assert_eq!(found, [""; 0]);
    // Its owner takes it along, and with that comes what it held of the open window.
    let found = feed(&mut exchange, &[(B, 0, 5)], &[(B, idle(15))]);
    assert_eq!(found, ["0: 7"]);
    assert_eq!(exchange.late(), 0);
}

#[test]
fn an_input_whose_sources_are_all_idle_holds_no_other_back() {
    let mut exchange = exchange(&[A, OTHER_INPUT]);
    let idle = Standing {
        idle: true,
        ..at(0)
    };
    let found = feed(
        &mut exchange,
        &[(A, 0, 2)],
        &[(A, at(15)), (OTHER_INPUT, idle)],
    );
    assert_eq!(found, ["0: 2"]);
    // What it had from before is too late when it comes back, and counted.
    feed(
        &mut exchange,
        &[(OTHER_INPUT, 0, 9)],
        &[(OTHER_INPUT, at(1))],
    );
    assert_eq!(exchange.late(), 1);
}

#[test]
fn with_all_sources_idle_nothing_moves() {
    let mut exchange = exchange(&[A]);
    let idle = Standing {
        idle: true,
        ..at(50)
    };
    assert_eq!(feed(&mut exchange, &[(A, 0, 2)], &[(A, idle)]), [""; 0]);
}

#[test]
fn a_watermark_never_goes_back() {
    let mut exchange = exchange(&[A, B]);
    feed(&mut exchange, &[(A, 0, 1)], &[(A, at(20)), (A, at(5))]);
    assert_eq!(feed(&mut exchange, &[], &[(B, at(20))]), ["0: 1"]);
}

#[test]
fn what_is_no_frame_is_refused_with_a_reason() {
    let mut exchange = exchange(&[A]);
    let mut foreign = Frame::default();
    let packet = Packet::new(MergerId(9), 0, &1u8).unwrap();
    foreign.part(A, &packet).unwrap();
    for (bytes, reason) in [
        (Vec::new(), "it is empty"),
        (vec![9, 1, 2], "version 9"),
        (vec![1, 0xff, 0xff], "no frame"),
        (foreign.into_bytes(), "there is no merger 9"),
    ] {
        let error = exchange.feed(&bytes, &mut Vec::new()).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

proptest! {
    /// forall frames and places to stop: saved, loaded and gone on is undisturbed; and cutting the
    /// same items into other frames changes nothing.
    #[test]
    fn frames_alone_decide(
        items in prop::collection::vec((0i32..3, 0i64..8, 0u32..5, any::<bool>()), 1..60),
        stop in any::<prop::sample::Index>(),
    ) {
        let sources = [A, B, OTHER_INPUT];
        let mut clocks = [0; 3];
        let frames: Vec<_> = items
            .iter()
            .map(|(source, step, n, idle)| {
                let number = usize::try_from(*source).unwrap();
                let part = (sources[number], clocks[number] / 10 * 10, *n);
                clocks[number] += step;
                let standing = Standing { idle: *idle, ..at(clocks[number]) };
                ([part], [(sources[number], standing)])
            })
            .collect();
        let mut whole = exchange(&sources);
        let expected: Vec<String> = frames
            .iter()
            .flat_map(|(parts, standings)| feed(&mut whole, parts, standings))
            .collect();
        let mut first = exchange(&sources);
        let mut found = Vec::new();
        let stop = stop.index(frames.len());
        for (parts, standings) in &frames[..stop] {
            found.extend(feed(&mut first, parts, &[]));
            found.extend(feed(&mut first, &[], standings));
        }
        let mut writer = Writer::default();
        first.freeze().unwrap()(&mut writer).unwrap();
        let bytes = writer.seal(0);
        let mut reader = Reader::open(&bytes, 0).unwrap();
        let mut second = exchange(&[]);
        second.load(&mut reader).unwrap();
        reader.end().unwrap();
        for (parts, standings) in &frames[stop..] {
            found.extend(feed(&mut second, parts, standings));
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(first.late() + second.late(), whole.late());
    }
}
