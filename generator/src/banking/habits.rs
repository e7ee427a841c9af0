//! What is an account's own: to whom it pays, and how its customer logs in and types.

use crate::draw::{Draws, Key, Purpose, below, scramble};

/// Share of the accounts whose customers have a password manager, and of their visits the ones in which it
/// fills in the login.
const HAVE_MANAGER: f64 = 1.0 / 30.0;
const USE_MANAGER: f64 = 0.9;
/// Share of an account's visits that are made with its first device: drawn for each account.
const FIRST_DEVICE: (f64, f64) = (0.8, 1.0);
/// Mean time between two inputs beyond the shortest, in milliseconds: drawn for each person.
const TYPING_MS: (f64, f64) = (175.0, 325.0);
/// Fewest payees that an account knows, and how many numbers of them there are from there on.
const PAYEES: (u32, u32) = (2, 5);

/// How the customer of an account logs in and types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// Chance that a visit is made with the first device.
    pub(crate) first_device: f64,
    /// Chance that a visit's login is filled in by a password manager.
    pub(crate) password_manager: f64,
    pub(crate) typing: Typing,
}

/// How fast somebody types.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Typing {
    /// Mean time between two inputs beyond the shortest, in milliseconds.
    mean_ms: f32,
}

impl Habits {
    pub(super) fn draw(mut draws: Draws) -> Self {
        let (least, most) = FIRST_DEVICE;
        Self {
            typing: Typing::draw(&mut draws),
            first_device: draws.between(least, most),
            password_manager: if draws.chance(HAVE_MANAGER) {
                USE_MANAGER
            } else {
                0.0
            },
        }
    }
}

impl Typing {
    /// Somebody: a customer or an attacker.
    #[expect(clippy::cast_possible_truncation, reason = "a few digits suffice")]
    pub(crate) fn draw(draws: &mut Draws) -> Self {
        let (least, most) = TYPING_MS;
        Self {
            mean_ms: draws.between(least, most) as f32,
        }
    }

    /// Time between two inputs.
    #[expect(clippy::cast_possible_truncation, reason = "cut at two seconds")]
    pub(crate) fn latency_ms(self, draws: &mut Draws) -> i32 {
        (80.0 + draws.exponential(f64::from(self.mean_ms))).min(2000.0) as i32
    }
}

/// The payees of all accounts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payees {
    key: Key,
}

impl Payees {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key: key.purpose(Purpose::Payee),
        }
    }

    /// The payee of an account's visit: one that it knows, the first ones more often than the others.
    pub(super) fn known(self, user: u32, session: u64) -> u64 {
        let (least, further) = PAYEES;
        let own = u64::from(user) << 3;
        // Numbers from 0 are payees; the last one that fits is none, and says how many there are.
        let count = least + below(self.key.bits(own | 7), further);
        let drawn = scramble(session ^ 0x9a7e_e5ed);
        let number = below(drawn, count).min(below(drawn.rotate_left(32), count));
        self.key.bits(own | u64::from(number))
    }
}

/// A payee that no account knows, for this session.
pub(crate) fn new_payee(session: u64) -> u64 {
    scramble(session ^ 0x0e11_9a7e)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_account_pays_to_a_few_and_to_some_of_them_more_often() {
        let payees = Payees::new(Key::root(1));
        let mut counts = [0u32; 7];
        for user in 0..500 {
            let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
            for session in 0..400u64 {
                *seen
                    .entry(payees.known(user, scramble(session)))
                    .or_default() += 1;
            }
            counts[seen.len()] += 1;
            let (most, least) = (seen.values().max(), seen.values().min());
            assert!(most > least);
            assert!(!seen.contains_key(&new_payee(7)));
        }
        assert_eq!(counts[..2], [0, 0]);
        assert!(
            counts[2..].iter().all(|count| (60..140).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn people_type_at_speeds_of_their_own() {
        let key = Key::root(3);
        let mean = |person: u64| {
            let typing = Habits::draw(key.draws(person)).typing;
            let draws = |number: u64| key.child(person).draws(number);
            let latencies = (0..4000).map(|n| typing.latency_ms(&mut draws(n)));
            assert!(latencies.clone().all(|ms| (80..=2000).contains(&ms)));
            f64::from(latencies.sum::<i32>()) / 4000.0
        };
        let means: Vec<f64> = (0..200).map(mean).collect();
        let (least, most) = (
            means.iter().copied().fold(f64::MAX, f64::min),
            means.iter().copied().fold(0.0, f64::max),
        );
        assert!(
            (245.0..285.0).contains(&least) && (370.0..420.0).contains(&most),
            "{least} {most}"
        );
        let mean = means.iter().sum::<f64>() / 200.0;
        assert!((320.0..340.0).contains(&mean), "{mean}");
    }

    #[test]
    fn password_managers_fill_in_three_logins_in_a_hundred_of_few_customers() {
        let habits: Vec<Habits> = (0..20_000)
            .map(|n| Habits::draw(Key::root(4).draws(n)))
            .collect();
        let chances = || habits.iter().map(|habits| habits.password_manager);
        let having = chances().filter(|chance| *chance > 0.0).count();
        assert!((580..760).contains(&having), "{having}");
        assert!((chances().sum::<f64>() / 20_000.0 - 0.03).abs() < 0.005);
        let first = habits.iter().map(|habits| habits.first_device).sum::<f64>() / 20_000.0;
        assert!((first - 0.9).abs() < 0.005, "{first}");
    }
}
