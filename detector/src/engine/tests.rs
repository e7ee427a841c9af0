//! The law of the engine: the alerts are a function of the partitions' logs.
//!
//! One seeded workload with every kind of anomaly is laid out over one, two and four partitions and
//! fed in many interleavings, with ticks in between; the alerts must always be those of the golden
//! run, which reads one partition in order.

mod room;

use std::collections::BTreeSet;

use floodmark_contracts::{
    clock::EventTime,
    event::{
        banking::{self, BankingUiEvent},
        clickstream::{self, ClickEvent},
        confluent::write_frame,
        sensor::SensorReading,
    },
    kind::Kind,
    profile::DetectorSection,
};

use super::*;
use crate::places::tests::address_in;

/// Start of the workload: a whole hour.
const START: i64 = 1_749_531_600_000;

/// Length of the workload, milliseconds.
const LENGTH: i64 = 20 * 60_000;

/// Disorder of arrival, less than the bound of five seconds.
const DISORDER: i64 = 4_500;

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: i64) -> i64 {
        i64::try_from(self.next() % n.unsigned_abs()).unwrap()
    }
}

#[derive(Clone)]
struct Event {
    stream: Stream,
    arrival: i64,
    key: String,
    value: Vec<u8>,
}

struct Workload {
    draw: Draw,
    events: Vec<Event>,
}

impl Workload {
    fn new(seed: u64) -> Self {
        let mut workload = Self {
            draw: Draw(seed),
            events: Vec::new(),
        };
        workload.clicks();
        workload.banking();
        workload.sensors();
        workload.group();
        workload.events.sort_by_key(|event| event.arrival);
        workload
    }

    fn push(&mut self, stream: Stream, at: i64, key: &str, value: Vec<u8>) {
        let arrival = at + self.draw.below(DISORDER);
        self.events.push(Event {
            stream,
            arrival,
            key: key.to_owned(),
            value,
        });
    }

    fn clicks(&mut self) {
        const PAGES: [&str; 5] = ["/home", "/search", "/offers", "/cart", "/contact"];
        for i in 0..4000 {
            let at = START + self.draw.below(LENGTH);
            let user = format!("user-{}", self.draw.below(150));
            let page = PAGES[usize::try_from(self.draw.below(5)).unwrap()];
            let from = (i % 10 == 0).then_some("https://search.example/");
            self.click_from(from, at, &user, page, clickstream::event_type::PAGE_VIEW, i);
        }
        for i in 0..400 {
            let at = START + 600_000 + self.draw.below(60_000);
            let (page, what) = if i < 370 {
                ("/offers", clickstream::event_type::PAGE_VIEW)
            } else {
                ("/blog", clickstream::event_type::ERROR)
            };
            self.click(at, &format!("visitor-{i}"), page, what, 5000 + i);
        }
        for i in 0..30 {
            let at = START + 480_000 + i * 1500;
            let what = clickstream::event_type::PAGE_VIEW;
            let (from, visitor) = (Some("https://spam.example/"), format!("spam-{i}"));
            self.click_from(from, at, &visitor, "/contact", what, 9200 + i);
        }
        for i in 0..60 {
            let what = clickstream::event_type::PAGE_VIEW;
            self.click(
                START + 300_000 + i * 2000,
                "robot",
                "/search",
                what,
                9000 + i,
            );
        }
    }

    fn click(&mut self, at: i64, user: &str, page: &str, event_type: &str, id: i64) {
        self.click_from(None, at, user, page, event_type, id);
    }

    fn click_from(
        &mut self,
        referrer: Option<&str>,
        at: i64,
        user: &str,
        page: &str,
        event_type: &str,
        id: i64,
    ) {
        let mut value = Vec::new();
        ClickEvent {
            event_id: format!("click-{id}").into(),
            user_id: user.into(),
            session_id: format!("{user}-{}", (at - START) / 300_000).into(),
            event_type: event_type.into(),
            page_url: page.into(),
            timestamp: EventTime(at),
            ip_address: "192.0.2.1".into(),
            country: "DE".into(),
            device_type: "mobile".into(),
            referrer: referrer.map(Into::into),
        }
        .encode(&mut value);
        self.push(Stream::Clickstream, at, user, value);
    }

    fn banking(&mut self) {
        use banking::event_type as what;
        let addresses = ["DE", "US", "JP"].map(address_in);
        for i in 0..3000 {
            let at = START + self.draw.below(LENGTH);
            let user = self.draw.below(60);
            let far = self.draw.below(40) == 0;
            let event_type = [what::LOGIN_SUCCESS, what::BALANCE_VIEW, what::PAYEE_CHANGE]
                [usize::try_from(self.draw.below(3)).unwrap()];
            let address = &addresses[usize::try_from(if far { i % 3 } else { user % 3 }).unwrap()];
            let latency = if self.draw.below(20) == 0 { 5 } else { 200 };
            // Half of those who are far away have the customer's device, the others their own.
            let device = if far && i % 2 == 0 {
                format!("fp-{i}")
            } else {
                format!("fp-{user}")
            };
            self.bank(
                at,
                &format!("account-{user}"),
                event_type,
                address,
                latency,
                &device,
                i,
            );
        }
        for i in 0..40 {
            let at = START + 500_000 + i * 3000;
            let user = format!("account-{}", 100 + i);
            self.bank(
                at,
                &user,
                what::LOGIN_FAILED,
                "126.0.0.9",
                200,
                "fp-bad",
                9000 + i,
            );
        }
        for i in 0..6 {
            let at = START + 300_000 + i * 40_000;
            let (user, home) = (format!("account-{}", 200 + i), addresses[0].as_str());
            self.bank(
                at,
                &user,
                what::LOGIN_SUCCESS,
                home,
                200,
                "fp-mule",
                9600 + i,
            );
        }
        for i in 0..8 {
            let at = START + 200_000 + i * 60_000;
            let address = format!("84.128.0.{}", 10 + i);
            let (user, device) = ("account-300", "fp-guess");
            self.bank(
                at,
                user,
                what::LOGIN_FAILED,
                &address,
                200,
                device,
                9700 + i,
            );
        }
        let home = address_in("DE");
        // A customer of long standing, and the robot of the site at the bank.
        for i in 0..9 {
            let (device, address) = if i < 7 {
                ("fp-100", home.as_str())
            } else {
                ("fp-actor", "192.0.2.1")
            };
            let what = if i == 8 {
                what::PAYEE_CHANGE
            } else {
                what::LOGIN_SUCCESS
            };
            let at = START + 60_000 * i.min(7) + 1000 * i;
            self.bank(at, "account-100", what, address, 200, device, 9800 + i);
        }
        for i in 0..8 {
            let at = START + 700_000 + i * 500;
            let (user, home) = ("account-7", addresses[1].as_str());
            self.bank(at, user, what::FIELD_INPUT, home, 5, "fp-7", 9500 + i);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an event")]
    fn bank(
        &mut self,
        at: i64,
        user: &str,
        event_type: &str,
        address: &str,
        latency_ms: i64,
        device: &str,
        id: i64,
    ) {
        let mut value = Vec::new();
        write_frame(&mut value, 1);
        BankingUiEvent {
            event_id: &format!("bank-{id}"),
            session_id: &format!("{user}-{device}-{}", (at - START) / 60_000),
            user_id: user,
            event_type,
            element_id: "button",
            input_hash: None,
            timestamp: EventTime(at),
            latency_ms: i32::try_from(latency_ms).unwrap(),
            device_fingerprint: device,
            ip_address: address,
        }
        .encode_body(&mut value);
        self.push(Stream::Banking, at, user, value);
    }

    fn sensors(&mut self) {
        for sensor in 0..12 {
            for i in 0..LENGTH / 2000 {
                let minute = i * 2000 / 60_000;
                if sensor == 3 && (8..10).contains(&minute) {
                    continue;
                }
                let noise = self.draw.below(400) as f64 / 100.0;
                let value = match (sensor, minute) {
                    (1, 12) if i % 30 == 0 => 190.0,
                    (2, 6..9) => 59.0 + noise,
                    (4, 5) => 51.25,
                    _ => 50.0 + noise,
                };
                let at = START + i * 2000 + self.draw.below(50);
                self.reading(at, &format!("sensor-{sensor}"), value);
            }
        }
    }

    /// A group that is off by little for two minutes.
    fn group(&mut self) {
        for sensor in 1..=8 {
            for i in 0..LENGTH / 2000 {
                let off = if (14..16).contains(&(i * 2000 / 60_000)) {
                    5.0
                } else {
                    0.0
                };
                let noise = self.draw.below(400) as f64 / 100.0;
                let at = START + i * 2000 + self.draw.below(50);
                self.reading(at, &format!("unit_{sensor}"), 50.0 + noise + off);
            }
        }
    }

    fn reading(&mut self, at: i64, sensor: &str, value: f64) {
        let mut bytes = Vec::new();
        SensorReading {
            sensor_id: sensor.into(),
            value,
            timestamp: EventTime(at),
            sensor_type: None,
        }
        .encode(&mut bytes);
        self.push(Stream::Sensors, at, sensor, bytes);
    }

    /// The events over `n` partitions per stream, by key, each ended by an event far ahead.
    fn logs(mut self, n: i32) -> Vec<(Stream, i32, Vec<Vec<u8>>)> {
        let mut logs: BTreeMap<(Stream, i32), Vec<Vec<u8>>> = BTreeMap::new();
        for event in std::mem::take(&mut self.events) {
            let hash = crate::hash::Fnv::new().text(&event.key).short();
            let partition = i32::try_from(hash % u64::from(n.unsigned_abs())).unwrap();
            logs.entry((event.stream, partition))
                .or_default()
                .push(event.value);
        }
        let end = START + LENGTH + 900_000;
        self.click(
            end,
            "closing",
            "/home",
            clickstream::event_type::PAGE_VIEW,
            0,
        );
        self.bank(
            end,
            "closing",
            banking::event_type::LOGIN_VIEW,
            "84.128.0.1",
            200,
            "fp",
            0,
        );
        self.reading(end, "closing", 50.0);
        for closing in &self.events {
            for partition in 0..n {
                logs.entry((closing.stream, partition))
                    .or_default()
                    .push(closing.value.clone());
            }
        }
        logs.into_iter()
            .map(|((stream, partition), log)| (stream, partition, log))
            .collect()
    }
}

fn engine(lateness: &str) -> Engine {
    let section = DetectorSection {
        allowed_lateness: lateness.to_owned(),
        ..DetectorSection::default()
    };
    let settings = Settings::validate(&section).unwrap();
    let subject = Subject::Bundled(EnrichmentStore::default());
    Engine::new(&settings, subject, Stream::ALL).unwrap()
}

/// The alerts of a run, less those about the silence after the end, with all they say.
fn alerts(engine: &mut Engine) -> BTreeSet<String> {
    engine
        .take(WallTime(0))
        .into_iter()
        .filter_map(|output| match output {
            Output::Alert(alert) if alert.end.0 <= START + LENGTH => {
                Some(serde_json::to_string(&alert).unwrap())
            }
            _ => None,
        })
        .collect()
}

/// Feeds logs in an order drawn from `seed`, up to `chunk` records of a partition at once.
fn simulate(
    engine: &mut Engine,
    logs: &[(Stream, i32, Vec<Vec<u8>>)],
    seed: u64,
    chunk: i64,
) -> BTreeSet<String> {
    let mut draw = Draw(seed);
    let mut wall_us = 0;
    let mut next = vec![0; logs.len()];
    for (stream, partition, _) in logs {
        engine.assign(*stream, *partition, wall_us);
    }
    let mut open: Vec<usize> = (0..logs.len()).collect();
    let mut found = BTreeSet::new();
    while !open.is_empty() {
        let pick = usize::try_from(draw.below(i64::try_from(open.len()).unwrap())).unwrap();
        let (stream, partition, log) = &logs[open[pick]];
        let from = next[open[pick]];
        let to = log
            .len()
            .min(from + 1 + usize::try_from(draw.below(chunk)).unwrap());
        for value in &log[from..to] {
            engine.feed(*stream, *partition, value, wall_us).unwrap();
        }
        next[open[pick]] = to;
        if to == log.len() {
            open.swap_remove(pick);
        }
        wall_us += draw.below(10_000);
        engine.tick(wall_us);
        found.extend(alerts(engine));
    }
    found
}

fn golden(seed: u64) -> BTreeSet<String> {
    simulate(
        &mut engine("0s"),
        &Workload::new(seed).logs(1),
        0,
        1_000_000,
    )
}

#[test]
fn the_workload_has_the_kinds_that_depend_on_order_and_partitions() {
    let golden = golden(1);
    let kinds = [
        Kind::TrafficSpike,
        Kind::Bot,
        Kind::ImpossibleNavigation,
        Kind::ErrorBurst,
        Kind::ReferrerSpam,
        Kind::CredentialStuffing,
        Kind::AccountTakeover,
        Kind::BotThenTakeover,
        Kind::ImpossibleTravel,
        Kind::MachineSpeedInput,
        Kind::MuleDevice,
        Kind::SlowBruteForce,
        Kind::SensorSpike,
        Kind::LevelShift,
        Kind::StuckValue,
        Kind::DropOut,
        Kind::GroupFailure,
    ];
    for kind in kinds {
        let name = format!("\"kind\":\"{kind}\"");
        assert!(golden.iter().any(|alert| alert.contains(&name)), "{kind}");
    }
}

#[test]
fn partitions_interleavings_and_batches_change_no_alert() {
    for seed in 1..=3 {
        let golden = golden(seed);
        for partitions in [1, 2, 4] {
            let logs = Workload::new(seed).logs(partitions);
            for (order, chunk) in [(11, 1), (12, 50), (13, 3000)] {
                let mut engine = engine("0s");
                let found = simulate(&mut engine, &logs, order, chunk);
                let case = format!("seed {seed}, {partitions} partitions, order {order}");
                assert_eq!(found, golden, "{case}");
                assert!(
                    engine.counts().all(|(_, counts)| counts.late == 0),
                    "{case}"
                );
            }
        }
    }
}

/// An engine with the state of another one, as snapshots keep it.
fn reborn(old: &mut Engine, lanes: &[Lane], lateness: &str) -> Engine {
    let mut new = engine(lateness);
    for lane in lanes.iter().chain([&Lane::Exchange(0)]) {
        let mut writer = Writer::default();
        old.save(*lane, &mut writer).unwrap();
        let bytes = writer.seal(3);
        let mut reader = Reader::open(&bytes, 3).unwrap();
        new.load(*lane, &mut reader, 0).unwrap();
        reader.end().unwrap();
    }
    new
}

#[test]
fn every_rule_goes_on_from_a_snapshot_as_if_nothing_had_been() {
    let logs = Workload::new(2).logs(2);
    let lanes: Vec<Lane> = logs
        .iter()
        .map(|(stream, lane, _)| Lane::Input(*stream, *lane))
        .collect();
    for lateness in ["0s", "1m"] {
        let mut undisturbed = engine(lateness);
        let expected = simulate(&mut undisturbed, &logs, 1, 1_000_000);
        // Eleven snapshots along the way, each of them the only thing that is left of what was before.
        let mut engine = engine(lateness);
        for lane in &lanes {
            engine.take_on(*lane, 0);
        }
        let mut found = BTreeSet::new();
        for part in 0..12 {
            for (stream, lane, log) in &logs {
                let bound = |part: usize| log.len() * part / 12;
                for value in &log[bound(part)..bound(part + 1)] {
                    engine.feed(*stream, *lane, value, 0).unwrap();
                }
            }
            found.extend(alerts(&mut engine));
            engine = reborn(&mut engine, &lanes, lateness);
        }
        assert_eq!(found, expected, "{lateness}");
    }
}

/// Engines that share lanes out and put the rest together through a topic, whose partitions they share too;
/// they take turns in an order drawn from `seed`. What they find together.
fn share(logs: &[(Stream, i32, Vec<Vec<u8>>)], engines: usize, seed: u64) -> BTreeSet<String> {
    const PARTITIONS: i32 = 3;
    let sources: Vec<_> = logs
        .iter()
        .map(|(stream, lane, _)| (*stream, *lane))
        .collect();
    let owner = |number: usize| number % engines;
    let mut all: Vec<Engine> = (0..engines).map(|_| engine("0s")).collect();
    for engine in &mut all {
        engine.exchange_over_topic(PARTITIONS, &sources);
    }
    for (number, (stream, lane)) in sources.iter().enumerate() {
        all[owner(number)].assign(*stream, *lane, 0);
    }
    for number in 0..PARTITIONS {
        all[owner(usize::try_from(number).unwrap())].take_on(Lane::Exchange(number), 0);
    }
    let mut draw = Draw(seed);
    let (mut next, mut found) = (vec![0; logs.len()], BTreeSet::new());
    while next
        .iter()
        .zip(logs)
        .any(|(next, (_, _, log))| *next < log.len())
    {
        let number = usize::try_from(draw.below(i64::try_from(logs.len()).unwrap())).unwrap();
        let (stream, lane, log) = &logs[number];
        let to = log
            .len()
            .min(next[number] + usize::try_from(draw.below(300)).unwrap());
        for value in &log[next[number]..to] {
            all[owner(number)].feed(*stream, *lane, value, 0).unwrap();
        }
        next[number] = to;
        for (number, frame) in all[owner(number)].take_frames(false) {
            let owner = owner(usize::try_from(number).unwrap());
            all[owner]
                .feed_lane(Lane::Exchange(number), &frame, 0)
                .unwrap();
        }
        all.iter_mut()
            .for_each(|engine| found.extend(alerts(engine)));
    }
    found
}

#[test]
fn any_number_of_processes_find_the_same() {
    let (golden, logs) = (golden(1), Workload::new(1).logs(4));
    for engines in 1..=3 {
        for seed in 0..2 {
            assert_eq!(
                share(&logs, engines, seed),
                golden,
                "{engines} engines, seed {seed}"
            );
        }
    }
}

#[test]
fn partitions_without_events_change_no_alert() {
    let golden = golden(1);
    let logs = Workload::new(1).logs(2);
    let mut engine = engine("0s");
    for stream in Stream::ALL {
        engine.assign(stream, 2, 0);
        engine.reached_end(stream, 2);
    }
    let mut found = simulate(&mut engine, &logs, 5, 200);
    // However little wall time has passed: once it has, the empty partitions hold nothing back.
    engine.tick(60_000_000);
    found.extend(alerts(&mut engine));
    assert_eq!(found, golden);
}

#[test]
fn late_events_are_the_same_whatever_the_interleaving() {
    let mut logs = Workload::new(2).logs(4);
    // Every fiftieth event arrives a hundred records of its partition later: tens of seconds.
    for (_, _, log) in &mut logs {
        let body = log.len() - 1;
        for i in (0..body.saturating_sub(101)).step_by(50) {
            log[i..=i + 100].rotate_left(1);
        }
    }
    for lateness in ["0s", "1m"] {
        let mut first = engine(lateness);
        let expected = simulate(&mut first, &logs, 1, 1_000_000);
        let late = |engine: &Engine| engine.counts().map(|(_, counts)| counts.late).sum::<u64>();
        assert!(lateness != "0s" || late(&first) > 20, "{}", late(&first));
        for order in 2..5 {
            let mut other = engine(lateness);
            assert_eq!(
                simulate(&mut other, &logs, order, 40),
                expected,
                "{lateness} {order}"
            );
            assert_eq!(late(&other), late(&first));
        }
    }
}

#[test]
fn always_alerts_on_every_key_in_every_minute() {
    let settings = Settings::validate(&DetectorSection::default()).unwrap();
    let mut engine = Engine::new(&settings, Subject::Always, [Stream::Sensors]).unwrap();
    let mut workload = Workload {
        draw: Draw(0),
        events: Vec::new(),
    };
    for minute in 0..3 {
        for sensor in ["a", "b"] {
            workload.reading(START + minute * 60_000, sensor, 1.0);
            workload.reading(START + minute * 60_000 + 30_000, sensor, 1.0);
        }
    }
    workload.events.sort_by_key(|event| event.arrival);
    let found = simulate(&mut engine, &workload.logs(2), 1, 10);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(
        found
            .iter()
            .all(|alert| alert.contains("\"detector\":\"always\""))
    );
}

#[test]
fn what_comes_last_before_all_fall_silent_still_moves_the_mergers() {
    let logs = Workload::new(1).logs(1);
    let mut engine = engine("0s");
    let sources: Vec<_> = logs
        .iter()
        .flat_map(|(stream, ..)| [(*stream, 0), (*stream, 1)])
        .collect();
    engine.exchange_over_topic(1, &sources);
    engine.take_on(Lane::Exchange(0), 0);
    for (stream, partition) in &sources {
        engine.assign(*stream, *partition, 0);
        engine.reached_end(*stream, *partition);
    }
    for (stream, partition, log) in &logs {
        for value in log {
            engine.feed(*stream, *partition, value, 10).unwrap();
        }
        engine.reached_end(*stream, *partition);
    }
    // By the time that anything is told, all are idle; the empty ones have been so for longer.
    engine.tick(60_000_000);
    for (number, frame) in engine.take_frames(false) {
        engine.feed_lane(Lane::Exchange(number), &frame, 0).unwrap();
    }
    assert_eq!(alerts(&mut engine), golden(1));
}

#[test]
fn a_silence_is_noticed_in_a_process_that_reads_nothing_else() {
    let mut engines = [engine("0s"), engine("0s")];
    let sources: Vec<_> = Stream::ALL
        .iter()
        .flat_map(|stream| [(*stream, 0), (*stream, 1)])
        .collect();
    for (number, engine) in (0..).zip(&mut engines) {
        engine.exchange_over_topic(2, &sources);
        engine.take_on(Lane::Exchange(number), 0);
        for stream in Stream::ALL {
            engine.assign(stream, number, 0);
            engine.reached_end(stream, number);
        }
    }
    let reading = |at: i64, sensor: &str| {
        format!(
            r#"{{"sensor_id":"{sensor}","value":50.0,"timestamp":{}}}"#,
            at * 1000
        )
    };
    for at in 0..100 {
        let feed = |engine: &mut Engine, number, sensor: &str| {
            let value = reading(1_000_000 + at, sensor);
            engine
                .feed(Stream::Sensors, number, value.as_bytes(), at * 100_000)
                .unwrap();
            engine.reached_end(Stream::Sensors, number);
        };
        let [first, second] = &mut engines;
        feed(first, 0, "s0");
        if at < 40 {
            feed(second, 1, "s1");
        }
        for engine in &mut engines {
            engine.tick(at * 100_000);
        }
        let frames: Vec<_> = engines
            .iter_mut()
            .flat_map(|engine| engine.take_frames(false))
            .collect();
        for (number, frame) in frames {
            for engine in &mut engines {
                engine.feed_lane(Lane::Exchange(number), &frame, 0).unwrap();
            }
        }
    }
    let found = alerts(&mut engines[1]);
    assert!(
        found.iter().any(|alert| alert.contains("drop-out")),
        "{found:?}"
    );
}
