//! Actors over two streams: whoever asks for pages like a machine, and takes over an account from the same
//! address.
//!
//! Users of the site and accounts of the bank have nothing in common, so the address is what their parts meet
//! by. A takeover waits until both streams have passed it: only then is it known which of the two it is.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};

use super::ACTORS;
use crate::{
    finding::{HeldAlert, Output},
    rules::bot_then_takeover::Scrapers,
    runtime::{Frozen, Merger, Packet, Part, Reader, Saved, SavedError, Source, encoded},
};

/// What an actor at an address did, the address as a hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ActorPart {
    /// This user was found to keep a bot's beat.
    Scraped(u64, EventTime, String),
    /// An account was taken over: the alert if that is all, and the one if the address has scraped.
    TookOver(u64, EventTime, HeldAlert, HeldAlert),
}

impl Part for ActorPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        let (Self::Scraped(address, ..) | Self::TookOver(address, ..)) = self;
        Packet::new(ACTORS, *address, self)
    }
}

/// A part for the merger of its own stream, or for that of actors.
#[derive(Debug)]
pub enum Routed<P> {
    /// For its own stream's.
    Own(P),
    /// For that of actors.
    Actor(ActorPart),
}

impl<P: Part> Part for Routed<P> {
    fn packet(&self) -> Result<Packet, SavedError> {
        match self {
            Self::Own(part) => part.packet(),
            Self::Actor(part) => part.packet(),
        }
    }
}

/// Puts the two streams together.
#[derive(Debug, Default)]
pub struct ActorMerger {
    scrapers: Scrapers,
    /// By time and by the alert's id.
    takeovers: BTreeMap<(EventTime, String), (u64, HeldAlert, HeldAlert)>,
    passed: Option<EventTime>,
}

impl Merger for ActorMerger {
    type Partial = ActorPart;
    type Output = Output;

    fn accept(&mut self, _: Source, part: ActorPart, out: &mut Vec<Output>) -> bool {
        match part {
            ActorPart::Scraped(address, at, user) => self.scrapers.add(address, at, user),
            ActorPart::TookOver(address, at, alone, joined) => {
                let key = (at, alone.0.id.clone());
                self.takeovers.insert(key, (address, alone, joined));
                // From a partition that was taken for idle: nobody is waited for any more.
                if let Some(passed) = self.passed {
                    self.settle(passed, out);
                }
            }
        }
        true
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        self.passed = Some(to);
        self.settle(to, out);
        self.scrapers.forget(to);
    }
}

impl ActorMerger {
    /// Decides about the takeovers that nothing from before will come to any more.
    fn settle(&mut self, to: EventTime, out: &mut Vec<Output>) {
        while let Some(entry) = self.takeovers.first_entry()
            && entry.key().0 < to
        {
            let ((at, _), (address, alone, mut joined)) = entry.remove_entry();
            let alert = match self.scrapers.before(address, at) {
                None => alone,
                Some((since, user)) => {
                    let before_ms = at.since(since);
                    let evidence = &mut joined.0.evidence;
                    evidence.insert("site_user".to_owned(), user.into());
                    evidence.insert("scraped_before_ms".to_owned(), before_ms.into());
                    joined
                }
            };
            out.push(Output::Alert(alert.0));
        }
    }
}

impl Saved for ActorMerger {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        encoded(&(&self.scrapers, &self.takeovers, &self.passed))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.scrapers, self.takeovers, self.passed) = from.get()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{
        key::{KeyType, TypedKey},
        kind::Kind,
    };

    use super::*;
    use crate::{finding::Finding, rules::bot_then_takeover::joined};

    const MINUTE_MS: i64 = 60_000;

    fn took_over(address: u64, minute: i64) -> ActorPart {
        let at = EventTime(minute * MINUTE_MS);
        let finding = Finding::at("strange-session", Kind::AccountTakeover, at);
        let both = [finding.clone(), joined(&finding, "192.0.2.1")];
        let [alone, joined] = both.map(|finding| {
            HeldAlert(Box::new(
                finding.into_alert(TypedKey::new(KeyType::User, "account-1")),
            ))
        });
        ActorPart::TookOver(address, at, alone, joined)
    }

    fn scraped(address: u64, minute: i64) -> ActorPart {
        ActorPart::Scraped(address, EventTime(minute * MINUTE_MS), "user-1".to_owned())
    }

    /// Feeds parts, lets both streams pass everything, and gives the kinds of the alerts.
    fn kinds(parts: Vec<ActorPart>) -> Vec<String> {
        let mut merger = ActorMerger::default();
        let mut out = Vec::new();
        for part in parts {
            assert!(merger.accept((0, 0), part, &mut out));
        }
        assert!(
            out.is_empty(),
            "nothing is said before both streams are there"
        );
        merger.advance(EventTime(100 * MINUTE_MS), &mut out);
        out.iter().filter_map(kind).collect()
    }

    fn kind(output: &Output) -> Option<String> {
        match output {
            Output::Alert(alert) => alert.kind.clone(),
            _ => None,
        }
    }

    fn name(kind: Kind) -> String {
        kind.name().to_owned()
    }

    #[test]
    fn a_takeover_from_an_address_that_scraped_is_one_actor_in_any_order() {
        let joined = [name(Kind::BotThenTakeover)];
        assert_eq!(kinds(vec![scraped(7, 10), took_over(7, 15)]), joined);
        assert_eq!(kinds(vec![took_over(7, 15), scraped(7, 10)]), joined);
    }

    #[test]
    fn another_address_another_day_and_a_scraper_that_comes_later_are_not() {
        let alone = [name(Kind::AccountTakeover)];
        assert_eq!(kinds(vec![scraped(8, 10), took_over(7, 15)]), alone);
        assert_eq!(kinds(vec![scraped(7, 10), took_over(7, 55)]), alone);
        assert_eq!(kinds(vec![scraped(7, 16), took_over(7, 15)]), alone);
    }

    #[test]
    fn a_takeover_that_comes_late_is_told_at_once() {
        let (mut merger, mut out) = (ActorMerger::default(), Vec::new());
        merger.accept((0, 0), scraped(7, 10), &mut out);
        merger.advance(EventTime(20 * MINUTE_MS), &mut out);
        merger.accept((1, 0), took_over(7, 15), &mut out);
        assert_eq!(kind(&out[0]), Some(name(Kind::BotThenTakeover)));
        assert!(merger.takeovers.is_empty());
    }

    #[test]
    fn what_waits_survives_a_snapshot() {
        let (mut merger, mut out) = (ActorMerger::default(), Vec::new());
        merger.accept((0, 0), scraped(7, 10), &mut out);
        merger.accept((1, 0), took_over(7, 15), &mut out);
        let mut writer = crate::runtime::Writer::default();
        merger.save(&mut writer).unwrap();
        let bytes = writer.seal(1);
        let mut reborn = ActorMerger::default();
        reborn.load(&mut Reader::open(&bytes, 1).unwrap()).unwrap();
        merger.advance(EventTime(20 * MINUTE_MS), &mut out);
        let mut again = Vec::new();
        reborn.advance(EventTime(20 * MINUTE_MS), &mut again);
        assert_eq!(again, out);
        assert_eq!(out.len(), 1);
    }
}
