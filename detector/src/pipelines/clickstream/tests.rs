use floodmark_contracts::stream::Stream;

use super::{super::testing, *};
use crate::runtime::TimeSettings;

fn click(seconds: f64, user: &str, event_type: &str, page: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ClickEvent {
        event_id: format!("{user}-{seconds}").into(),
        user_id: user.into(),
        session_id: format!("session of {user}").into(),
        event_type: event_type.into(),
        page_url: page.into(),
        timestamp: testing::at(seconds),
        ip_address: "192.0.2.1".into(),
        country: "DE".into(),
        device_type: "mobile".into(),
        referrer: None,
    }
    .encode(&mut out);
    out
}

fn run(lateness_ms: i64, mut clicks: Vec<Vec<u8>>) -> Vec<Output> {
    clicks.push(click(3600.0, "closing", event_type::PAGE_VIEW, "/home"));
    let links = Arc::new(Links::published());
    let logic = move || Clickstream::new(links.clone(), lateness_ms);
    testing::run(Stream::Clickstream, lateness_ms, logic, &clicks)
}

/// Visits of one event to a page, by as many users, evenly over a minute.
fn visits(minute: u32, n: u32, event_type: &str, page: &str) -> Vec<Vec<u8>> {
    (0..n)
        .map(|i| {
            let seconds = f64::from(minute * 60) + 60.0 * f64::from(i) / f64::from(n);
            click(
                seconds,
                &format!("visitor-{page}-{minute}-{i}"),
                event_type,
                page,
            )
        })
        .collect()
}

#[test]
fn a_spike_of_visits_is_found_on_its_page() {
    let mut clicks = Vec::new();
    for minute in 0..6 {
        clicks.extend(visits(minute, 400, event_type::PAGE_VIEW, "/home"));
        let n = if minute == 4 { 90 } else { 20 };
        clicks.extend(visits(minute, n, event_type::PAGE_VIEW, "/offers"));
    }
    clicks.sort_by_key(|value| ClickEvent::decode(value).unwrap().timestamp);
    let outputs = run(0, clicks);
    let found = testing::alerts(&outputs, "traffic-spike");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].key.id, "/offers");
    assert_eq!(
        (found[0].start, found[0].end),
        (testing::at(240.0), testing::at(300.0))
    );
    assert_eq!(found[0].evidence["visits"], 90);
}

#[test]
fn a_burst_of_errors_is_found_on_its_page() {
    let mut clicks = visits(1, 30, event_type::PAGE_VIEW, "/cart");
    clicks.extend(visits(1, 15, event_type::ERROR, "/cart"));
    clicks.sort_by_key(|value| ClickEvent::decode(value).unwrap().timestamp);
    let outputs = run(0, clicks);
    let found = testing::alerts(&outputs, "error-burst");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.id, "/cart");
}

#[test]
fn a_late_error_can_complete_a_burst_within_the_allowed_lateness() {
    let mut clicks = visits(1, 8, event_type::ERROR, "/cart");
    clicks.push(click(130.0, "other", event_type::PAGE_VIEW, "/home"));
    clicks.push(click(110.0, "late", event_type::ERROR, "/cart"));
    assert_eq!(
        testing::alerts(&run(0, clicks.clone()), "error-burst").len(),
        0
    );
    assert_eq!(
        testing::alerts(&run(60_000, clicks), "error-burst").len(),
        1
    );
}

#[test]
fn a_bot_is_found_by_its_beat_though_its_events_arrive_in_disorder() {
    let bot = |i: u32| {
        click(
            f64::from(i) * 2.0,
            "robot",
            event_type::PAGE_VIEW,
            "/search",
        )
    };
    let person = |i: u32| {
        click(
            f64::from(i) * 2.0 + 0.9,
            "other",
            event_type::CLICK,
            "/search",
        )
    };
    // Each of the bot's events arrives behind a later one of somebody else's.
    let outputs = run(0, (0..20).flat_map(|i| [person(i), bot(i)]).collect());
    let mut found = testing::alerts(&outputs, "bot");
    found.retain(|alert| alert.key.id == "robot");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end, testing::at(24.0));
}

#[test]
fn a_crawler_without_a_beat_is_found_by_its_five_minutes() {
    let clicks = (0..100)
        .map(|i| {
            let seconds = f64::from(i) * 2.9 + f64::from(i % 5) * 0.7;
            click(seconds, "crawler", event_type::PAGE_VIEW, "/search")
        })
        .collect();
    let outputs = run(0, clicks);
    let rules: Vec<&str> = testing::alerts(&outputs, "bot")
        .iter()
        .map(|alert| alert.detector.as_str())
        .collect();
    assert!(rules.contains(&"user-views"), "{rules:?}");
}

#[test]
fn a_walk_without_links_is_found_and_lists_the_event_that_completed_it() {
    let pages = ["/home", "/confirmation", "/blog/2", "/checkout", "/contact"];
    let clicks = (0..)
        .zip(pages)
        .map(|(i, page)| click(f64::from(i) * 9.0, "walker", event_type::PAGE_VIEW, page))
        .collect();
    let outputs = run(0, clicks);
    let found = testing::alerts(&outputs, "impossible-navigation");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].event_ids, ["walker-27"]);
    assert_eq!(found[0].start, testing::at(9.0));
}

#[test]
fn a_session_that_changes_country_is_found() {
    let mut far = click(20.0, "hopper", event_type::PAGE_VIEW, "/search");
    let text = String::from_utf8(far).unwrap();
    far = text
        .replace("\"DE\"", "\"JP\"")
        .replace("192.0.2.1", "198.51.100.9")
        .into_bytes();
    let outputs = run(
        0,
        vec![click(0.0, "hopper", event_type::PAGE_VIEW, "/home"), far],
    );
    let found = testing::alerts(&outputs, "geo-hop");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].evidence["from"], &found[0].evidence["to"]),
        (&"DE".into(), &"JP".into())
    );
}

#[test]
fn clicks_on_one_page_are_found_and_views_of_it_are_not() {
    for (event_type, found) in [(event_type::CLICK, 1), (event_type::PAGE_VIEW, 0)] {
        let clicks = (0..15)
            .map(|i| {
                let seconds = f64::from(i) * 10.0 + f64::from(i % 4) * 2.2;
                click(seconds, "clicker", event_type, "/product/1")
            })
            .collect();
        let outputs = run(0, clicks);
        assert_eq!(testing::alerts(&outputs, "click-fraud").len(), found);
    }
}

#[test]
fn a_visit_faster_than_reading_is_found_and_is_no_bot() {
    let clicks = (0..20)
        .map(|i| {
            let seconds = f64::from(i) * 1.2 + f64::from(i * i % 7) * 0.3;
            click(seconds, "hasty", event_type::PAGE_VIEW, "/search")
        })
        .collect();
    let outputs = run(0, clicks);
    assert_eq!(testing::alerts(&outputs, "inhuman-speed").len(), 1);
    assert_eq!(testing::alerts(&outputs, "bot").len(), 0);
}

#[test]
fn visits_that_name_one_small_site_are_spam_and_no_spike() {
    let mut clicks = Vec::new();
    let named = |values: Vec<Vec<u8>>, site: &'static str| {
        values.into_iter().map(move |value| {
            let mut event = ClickEvent::decode(&value).unwrap();
            event.referrer = Some(site.into());
            let mut named = Vec::new();
            event.encode(&mut named);
            named
        })
    };
    for minute in 0..6 {
        let home = visits(minute, 400, event_type::PAGE_VIEW, "/home");
        clicks.extend(named(home, "https://search.example/"));
        let n = if minute == 4 { 60 } else { 2 };
        let help = visits(minute, n, event_type::PAGE_VIEW, "/help");
        clicks.extend(named(help, "https://site-7.example/"));
    }
    clicks.sort_by_key(|value| ClickEvent::decode(value).unwrap().timestamp);
    let outputs = run(0, clicks);
    let found = testing::alerts(&outputs, "referrer-spam");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].key.id, "/help");
    assert_eq!(found[0].evidence["referrer"], "https://site-7.example");
    assert_eq!(testing::alerts(&outputs, "traffic-spike").len(), 0);
}

#[test]
fn what_cannot_be_an_event_is_refused_with_a_reason() {
    let mut logic = Clickstream::new(Arc::new(Links::published()), 0);
    let huge = click(0.0, &"u".repeat(70_000), event_type::PAGE_VIEW, "/home");
    let ancient = click(-2e9, "user", event_type::PAGE_VIEW, "/home");
    for (value, reason) in [
        (b"{}".to_vec(), "missing field"),
        (b"[[[[[[".to_vec(), "not a JSON"),
        (huge, "64 KiB"),
        (ancient, "since 1970"),
    ] {
        let refused = logic.decode(&value).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn memory_is_given_back_when_event_time_goes_on() {
    let mut job = crate::runtime::partition::Partition::new(
        &TimeSettings {
            bound_ms: 0,
            lateness_ms: 0,
            idleness_us: 0,
        },
        Clickstream::new(Arc::new(Links::published()), 0),
        0,
    );
    let mut emit = Emit::default();
    for minute in 0..600 {
        let user = format!("user-{minute}");
        job.feed(
            &click(
                f64::from(minute) * 60.0,
                &user,
                event_type::PAGE_VIEW,
                "/home",
            ),
            0,
            &mut emit,
        );
    }
    let logic = job.logic();
    assert!(logic.sessions.len() < 60, "{}", logic.sessions.len());
    assert!(logic.users.len() < 10 && logic.pages.len() < 3);
}
