//! Devices and accounts as a Redis knows them.
//!
//! | key | value |
//! | --- | --- |
//! | `risk:<device>:score` | a number from 0 to 1 |
//! | `account:<user>:status` | `active`, `new`, `dormant` or `locked` |
//! | `login:<user>:failures` | a whole number |
//!
//! All that a batch of sessions asks for goes in a few commands, and answers are remembered for a while. What is not
//! there, makes no sense, or is not answered in time counts as not known.

use std::{collections::HashMap, sync::Arc, time::Duration};

use floodmark_contracts::enrichment::AccountStatus;
use redis::Connection;

use super::{
    case::{Case, Standing},
    link::Link,
    settings::RedisSettings,
};
use crate::reach::{RedisSetupError, redis::connect};

/// Keys in one command.
const KEYS: usize = 512;

/// Devices and accounts that are remembered, of each; then the memory starts afresh.
const REMEMBERED: usize = 100_000;

/// Look-ups in a Redis.
pub(crate) struct RedisLookUps {
    link: Link<Connection>,
    remember_us: i64,
    devices: Remembered<Option<f64>>,
    accounts: Remembered<(Option<AccountStatus>, Option<u32>)>,
}

impl RedisLookUps {
    /// Connects; one that does not answer is asked again in the background.
    ///
    /// # Errors
    /// If the settings can lead to no Redis, whether or not it is up.
    pub(crate) fn open(settings: &RedisSettings) -> Result<Self, RedisSetupError> {
        let client = settings.address.client()?;
        let timeout = settings.timeout;
        // To connect takes several round trips with TLS and a password, and is nobody's wait.
        let to_connect = timeout.max(Duration::from_secs(1));
        let connect = Arc::new(move || {
            connect(&client, to_connect, timeout).map_err(|error| error.to_string())
        });
        Ok(Self {
            link: Link::open(format!("Redis at `{}`", settings.address.url), connect),
            remember_us: i64::try_from(settings.remember.as_micros()).unwrap_or(i64::MAX),
            devices: Remembered::default(),
            accounts: Remembered::default(),
        })
    }

    /// What is known about each case, as far as it can be had in time.
    pub(crate) fn known(&mut self, cases: &[Case], now_us: i64) -> Vec<Standing> {
        self.look_up(cases, now_us);
        let standing = |case: &Case| {
            let risk = self.devices.get(&case.device, now_us).copied();
            let account = self.accounts.get(&case.user_id, now_us).copied();
            let (status, login_failures) = account.unwrap_or_default();
            Standing {
                device_risk: risk.flatten(),
                status,
                login_failures,
            }
        };
        cases.iter().map(standing).collect()
    }

    /// Asks for what is not remembered.
    fn look_up(&mut self, cases: &[Case], now_us: i64) {
        let mut devices: Vec<&str> = cases.iter().map(|case| case.device.as_str()).collect();
        let mut users: Vec<&str> = cases.iter().map(|case| case.user_id.as_str()).collect();
        for names in [&mut devices, &mut users] {
            names.sort_unstable();
            names.dedup();
        }
        devices.retain(|device| self.devices.get(device, now_us).is_none());
        users.retain(|user| self.accounts.get(user, now_us).is_none());
        let until_us = now_us.saturating_add(self.remember_us);
        for devices in devices.chunks(KEYS) {
            let keys: Vec<String> = devices.iter().map(|d| format!("risk:{d}:score")).collect();
            let Some(answers) = self.ask(&keys) else {
                return;
            };
            for (device, answer) in devices.iter().zip(&answers) {
                let risk = number(answer).filter(|risk| (0.0..=1.0).contains(risk));
                self.devices.put(device, risk, until_us);
            }
        }
        for users in users.chunks(KEYS / 2) {
            let keys = users.iter().flat_map(|user| {
                [
                    format!("account:{user}:status"),
                    format!("login:{user}:failures"),
                ]
            });
            let Some(answers) = self.ask(&keys.collect::<Vec<String>>()) else {
                return;
            };
            for (user, answer) in users.iter().zip(answers.chunks(2)) {
                let account = (
                    answer.first().and_then(status),
                    answer.get(1).and_then(number),
                );
                self.accounts.put(user, account, until_us);
            }
        }
    }

    fn ask(&mut self, keys: &[String]) -> Option<Vec<Answer>> {
        let connection = self.link.get()?;
        match redis::cmd("MGET").arg(keys).query(connection) {
            Ok(answers) => Some(answers),
            Err(error) => {
                self.link.broke(&error.to_string());
                None
            }
        }
    }
}

type Answer = Option<Vec<u8>>;

fn text(answer: &Answer) -> Option<&str> {
    std::str::from_utf8(answer.as_deref()?).ok().map(str::trim)
}

fn number<T: std::str::FromStr>(answer: &Answer) -> Option<T> {
    text(answer)?.parse().ok()
}

fn status(answer: &Answer) -> Option<AccountStatus> {
    match text(answer)?.to_ascii_lowercase().as_str() {
        "active" => Some(AccountStatus::Active),
        "new" => Some(AccountStatus::New),
        "dormant" => Some(AccountStatus::Dormant),
        "locked" => Some(AccountStatus::Locked),
        _ => None,
    }
}

/// Answers that are remembered until an instant.
struct Remembered<T>(HashMap<Box<str>, (T, i64)>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Remembered<T> {
    fn get(&self, name: &str, now_us: i64) -> Option<&T> {
        let (answer, until_us) = self.0.get(name)?;
        (now_us < *until_us).then_some(answer)
    }

    fn put(&mut self, name: &str, answer: T, until_us: i64) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(name.into(), (answer, until_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_make_no_sense_are_not_known() {
        let answer = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(number::<f64>(&answer(" 0.25\n")), Some(0.25));
        assert_eq!(number::<u32>(&answer("-3")), None);
        assert_eq!(number::<f64>(&None), None);
        assert_eq!(number::<f64>(&Some(vec![0xff])), None);
        assert_eq!(status(&answer("LOCKED")), Some(AccountStatus::Locked));
        assert_eq!(status(&answer("gone")), None);
    }

    #[test]
    fn answers_are_forgotten_in_time_and_memory_is_bounded() {
        let mut remembered = Remembered::default();
        remembered.put("a", 1, 100);
        assert_eq!(remembered.get("a", 99), Some(&1));
        assert_eq!(remembered.get("a", 100), None);
        for n in 0..=REMEMBERED {
            remembered.put(&n.to_string(), 2, 100);
        }
        assert!(remembered.0.len() <= REMEMBERED);
    }
}
