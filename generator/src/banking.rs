//! Customers of a bank: accounts, devices, addresses, and what a visit to the bank's site is made of.

mod habits;

use std::net::Ipv4Addr;

use self::habits::Payees;
pub(crate) use self::habits::{Habits, Typing, new_payee};
use crate::{
    address::AddressBook,
    content::{Bank, BankAction, Content, Typed},
    crowd::Visits,
    draw::{Draws, Key, Purpose, below},
};

/// Share of the accounts that share an office's address.
const IN_OFFICE: f64 = 0.03;
/// Accounts for each office, on average.
const OFFICE_SIZE: u32 = 500;
/// Share of the accounts that are abroad for the whole run.
const ABROAD: f64 = 0.02;
/// Share of the visits with a device that the account never used.
const NEW_DEVICE: f64 = 0.01;
/// Share of the visits with the first device that are made in another network at home.
const OTHER_NETWORK: f64 = 1.0 / 12.0;
/// Share of the visits that seem to come from a neighbouring country.
const ROAMING: f64 = 0.01;
/// Shortest and mean further gap between two events of a visit, and the longest, in milliseconds.
const DWELL_MS: (f64, f64, f64) = (1_000.0, 4_000.0, 60_000.0);

/// The customers of the bank.
#[derive(Debug, Clone)]
pub(crate) struct Customers<'a> {
    book: &'a AddressBook,
    entities: u32,
    users: Key,
    devices: Key,
    spare_devices: Key,
    offices: Key,
    visits: Key,
    habits: Key,
    payees: Payees,
}

/// A visit between two events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    session: u64,
    user: u32,
    device: u64,
    address: Ipv4Addr,
    payee: u64,
    typing: Typing,
    step: u8,
    script: Script,
}

/// Where a customer usually is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) country: u8,
    pub(crate) address: Ipv4Addr,
    /// True if this is not home.
    pub(crate) abroad: bool,
}

impl<'a> Customers<'a> {
    pub(crate) fn new(book: &'a AddressBook, entities: u32, key: Key) -> Self {
        Self {
            book,
            entities,
            users: key.purpose(Purpose::User),
            devices: key.purpose(Purpose::Device),
            spare_devices: key.purpose(Purpose::SpareDevice),
            offices: key.purpose(Purpose::Address),
            visits: key.purpose(Purpose::Visit),
            habits: key.purpose(Purpose::Habit),
            payees: Payees::new(key),
        }
    }

    /// Where the customer is during the run.
    pub(crate) fn place(&self, user: u32) -> Place {
        let mut draws = self.users.draws(u64::from(user));
        if draws.chance(IN_OFFICE) {
            let office = draws.below(self.entities.div_ceil(OFFICE_SIZE));
            draws = self.offices.draws(u64::from(office));
        }
        let home = self.book.draw_country(&mut draws);
        let address = self.book.draw_address(home, &mut draws);
        let mut travel = self.users.child(1).draws(u64::from(user));
        if !travel.chance(ABROAD) {
            return Place {
                country: home,
                address,
                abroad: false,
            };
        }
        let country = self.book.draw_country(&mut travel);
        Place {
            country,
            address: self.book.draw_address(country, &mut travel),
            abroad: true,
        }
    }

    /// Number of devices that the account is known to use: 1 to 3.
    pub(crate) fn device_count(&self, user: u32) -> u32 {
        1 + below(self.devices.bits(u64::from(user)), 3)
    }

    /// One of the account's known devices.
    pub(crate) fn device(&self, user: u32, number: u32) -> u64 {
        self.devices.child(u64::from(number)).bits(u64::from(user))
    }

    /// A device that no account is known to use. There is one for each account, but an attacker
    /// uses any of them.
    pub(crate) fn spare_device(&self, user: u32) -> u64 {
        self.spare_devices.bits(u64::from(user))
    }

    /// How the customer logs in and types.
    pub(crate) fn habits(&self, user: u32) -> Habits {
        Habits::draw(self.habits.draws(u64::from(user)))
    }

    /// The payee of an account's visit that changes none.
    pub(crate) fn known_payee(&self, user: u32, session: u64) -> u64 {
        self.payees.known(user, session)
    }

    /// A visit that begins.
    fn visit(&self, user: u32, draws: &mut Draws) -> Visit {
        let session = draws.bits();
        let (place, habits) = (self.place(user), self.habits(user));
        let (mut device, mut address) = (self.device(user, 0), place.address);
        if !place.abroad {
            if !draws.chance(habits.first_device) {
                device = self.device(user, draws.below(self.device_count(user)));
            } else if draws.chance(OTHER_NETWORK) {
                address = self.book.draw_address(place.country, draws);
            }
            if draws.chance(ROAMING) {
                address = self
                    .book
                    .draw_address(self.book.neighbour(place.country), draws);
            }
            if draws.chance(NEW_DEVICE) {
                device = self.spare_device(user);
            }
        }
        // What the customer does is drawn from the session and the customer's habits alone.
        let script = Script::draw(self.visits.draws(session), habits);
        Visit {
            session,
            user,
            device,
            address,
            payee: if script.payee_change {
                new_payee(session)
            } else {
                self.known_payee(user, session)
            },
            typing: habits.typing,
            step: 0,
            script,
        }
    }
}

impl Visits for Customers<'_> {
    type Visit = Visit;

    fn open(&self, user: u32, draws: &mut Draws) -> Visit {
        self.visit(user, draws)
    }

    fn resume(&self, user: u32, draws: &mut Draws) -> Visit {
        let mut visit = self.visit(user, draws);
        let steps = u32::from(visit.script.len());
        visit.step = u8::try_from(draws.below(steps)).unwrap_or_default();
        visit
    }

    fn step(&self, visit: &mut Visit, draws: &mut Draws) -> (Content, Option<i64>) {
        let script = visit.script;
        let (action, quick) = script.action(visit.step);
        visit.step += 1;
        let latency_ms = if quick {
            fast_latency_ms(draws)
        } else {
            visit.typing.latency_ms(draws)
        };
        let gap = (visit.step < script.len()).then(|| dwell_ms(draws));
        let Visit {
            user,
            session,
            device,
            address,
            payee,
            ..
        } = *visit;
        (
            Content::Bank(Bank {
                user,
                session,
                device,
                address,
                action,
                latency_ms,
                typed: Typed::For(payee),
            }),
            gap,
        )
    }

    fn single(&self, user: u32, draws: &mut Draws) -> Content {
        let action = if draws.chance(0.5) {
            BankAction::LoginView
        } else {
            BankAction::BalanceView
        };
        Content::Bank(Bank {
            user,
            session: draws.bits(),
            device: self.device(user, 0),
            address: self.place(user).address,
            action,
            latency_ms: self.habits(user).typing.latency_ms(draws),
            typed: Typed::Anew,
        })
    }

    fn mean_dwell_ms(&self) -> f64 {
        DWELL_MS.0 + DWELL_MS.1
    }
}

/// Time between two inputs of a password manager.
fn fast_latency_ms(draws: &mut Draws) -> i32 {
    3 + i32::try_from(draws.below(18)).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "cut at a minute")]
fn dwell_ms(draws: &mut Draws) -> i64 {
    let (shortest, further, longest) = DWELL_MS;
    (shortest + draws.exponential(further)).min(longest) as i64
}

/// What a customer does in a visit, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Script {
    failed_logins: u8,
    /// Balances looked at, after the first.
    balances: u8,
    inputs: u8,
    payee_change: bool,
    logout: bool,
    password_manager: bool,
}

impl Script {
    fn draw(mut draws: Draws, habits: Habits) -> Self {
        let small = |draws: &mut Draws, n| u8::try_from(draws.below(n)).unwrap_or_default();
        let failed_logins = match draws.unit() {
            x if x < 0.01 => 2,
            x if x < 0.09 => 1,
            _ => 0,
        };
        let transfers = draws.chance(0.35);
        let payee = draws.below(7) == 0;
        Self {
            failed_logins,
            balances: if transfers {
                0
            } else {
                1 + small(&mut draws, 3)
            },
            inputs: if transfers {
                3 + small(&mut draws, 4)
            } else {
                0
            },
            payee_change: transfers && payee,
            logout: draws.chance(0.7),
            password_manager: draws.chance(habits.password_manager),
        }
    }

    /// Number of events.
    fn len(self) -> u8 {
        let transfer = u8::from(self.inputs > 0);
        3 + self.failed_logins
            + self.balances
            + self.inputs
            + u8::from(self.payee_change)
            + transfer
            + u8::from(self.logout)
    }

    /// The event at a step, and whether a password manager makes it.
    fn action(self, step: u8) -> (BankAction, bool) {
        use BankAction::{
            BalanceView, FieldInput, LoginFailed, LoginSuccess, LoginView, Logout, PayeeChange,
            Transfer,
        };
        let runs = [
            (LoginView, 1),
            (LoginFailed, self.failed_logins),
            (LoginSuccess, 1),
            (BalanceView, 1 + self.balances),
            (FieldInput, self.inputs),
            (PayeeChange, u8::from(self.payee_change)),
            (Transfer, u8::from(self.inputs > 0)),
        ];
        let mut end = 0;
        for (action, length) in runs {
            end += length;
            if step < end {
                return (action, self.password_manager && action == LoginSuccess);
            }
        }
        (Logout, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(script: Script) -> Vec<BankAction> {
        (0..script.len())
            .map(|step| script.action(step).0)
            .collect()
    }

    #[test]
    fn a_visit_logs_in_does_its_business_and_leaves() {
        use BankAction::{
            BalanceView, FieldInput, LoginFailed, LoginSuccess, LoginView, Logout, PayeeChange,
            Transfer,
        };
        let look = Script {
            failed_logins: 1,
            balances: 2,
            inputs: 0,
            payee_change: false,
            logout: false,
            password_manager: false,
        };
        let (l, b) = ([LoginView, LoginFailed, LoginSuccess], [BalanceView; 3]);
        assert_eq!(actions(look), [l, b].concat());
        let pay = Script {
            failed_logins: 0,
            balances: 0,
            inputs: 2,
            payee_change: true,
            logout: true,
            password_manager: true,
        };
        let start = [LoginView, LoginSuccess, BalanceView, FieldInput, FieldInput];
        assert_eq!(
            actions(pay),
            [&start[..], &[PayeeChange, Transfer, Logout]].concat()
        );
        assert!(pay.action(1).1 && !pay.action(3).1);
    }

    #[test]
    fn visits_come_in_the_shares_that_the_catalogue_states() {
        let key = Key::root(1).purpose(Purpose::Visit);
        let habits = Key::root(1).purpose(Purpose::Habit);
        let scripts: Vec<Script> = (0..20_000)
            .map(|n| Script::draw(key.draws(n), Habits::draw(habits.draws(n))))
            .collect();
        let share = |test: &dyn Fn(&Script) -> bool| {
            scripts.iter().filter(|s| test(s)).count() as f64 / scripts.len() as f64
        };
        for (found, wanted) in [
            (share(&|s| s.inputs > 0), 0.35),
            (share(&|s| s.payee_change), 0.05),
            (share(&|s| s.failed_logins == 1), 0.08),
            (share(&|s| s.logout), 0.7),
            (share(&|s| s.password_manager), 0.03),
        ] {
            assert!((found - wanted).abs() < 0.012, "{found} for {wanted}");
        }
    }

    #[test]
    fn places_devices_and_latencies_are_those_of_the_catalogue() {
        let book = AddressBook::load().unwrap();
        let customers = Customers::new(&book, 10_000, Key::root(1));
        let abroad = (0..10_000).filter(|u| customers.place(*u).abroad).count();
        assert!((150..250).contains(&abroad), "{abroad}");
        assert!((0..1000).all(|u| (1..=3).contains(&customers.device_count(u))));
        assert_ne!(customers.device(1, 0), customers.device(1, 1));
        let key = Key::root(2);
        assert!((0..5000).all(|n| (3..=20).contains(&fast_latency_ms(&mut key.draws(n)))));
    }
}
