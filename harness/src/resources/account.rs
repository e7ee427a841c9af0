//! The books of one role: processes and threads come and go, what they used stays.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{record::ProcessFacts, resources::Usage};

use super::procfs::{Procfs, Reading, Thread};

/// Processes that one role may have at once: a subject that forks without end does not stop the run's
/// own clockwork.
const MOST_PROCESSES: usize = 512;

/// One role's books.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// By id and start: ids are used again.
    live: BTreeMap<(u32, u64), Process>,
    /// When each process that was ever read under an id began.
    begun: BTreeMap<u32, u64>,
    /// What ended processes used.
    gone: Usage,
    seen: u64,
    total: Usage,
    peak_rss: u64,
}

/// A process of the role.
#[derive(Debug, Default)]
struct Process {
    used: Usage,
    /// User and system time in whole ticks, as last read.
    ticks: [f64; 2],
    /// User and system time of its children that have ended and that it has waited for.
    reaped: [f64; 2],
    threads: BTreeMap<u32, Thread>,
    /// Of threads that have ended.
    ended: Thread,
}

impl Account {
    /// Reads a process, and with `tree` all that descend from it or did when they were first seen.
    pub(super) fn read(
        &mut self,
        procfs: &mut Procfs,
        root: u32,
        tree: bool,
        readings: &mut Vec<Reading>,
    ) {
        let mut open = vec![root];
        if tree {
            // Whose parent has died is nobody's child any more, and the role's all the same.
            open.extend(self.live.keys().map(|(id, _)| *id));
        }
        let mut done: BTreeSet<u32> = readings.iter().map(|reading| reading.id).collect();
        while let Some(id) = open.pop() {
            if !done.insert(id) || readings.len() >= MOST_PROCESSES {
                continue;
            }
            let Some(reading) = procfs.process(id, tree) else {
                continue;
            };
            if *self.begun.entry(id).or_insert(reading.started) != reading.started {
                // Somebody else's process has got the id of one that ended.
                if id == root {
                    continue;
                }
                self.begun.insert(id, reading.started);
            }
            open.extend(&reading.children);
            readings.push(reading);
        }
    }

    /// Enters one look: the processes that are there, and what control groups used in all. Gives totals of
    /// what is counted, and memory, threads and processes as they are now.
    pub(super) fn take(&mut self, readings: Vec<Reading>, groups: &Usage) -> Usage {
        let there: BTreeSet<(u32, u64)> = readings.iter().map(|r| (r.id, r.started)).collect();
        let gone = &mut self.gone;
        self.live.retain(|id, process| {
            let stays = there.contains(id);
            if !stays {
                gone.add(&process.counted());
            }
            stays
        });
        for reading in readings {
            self.peak_rss = self.peak_rss.max(reading.peak_rss);
            let process = self.live.entry((reading.id, reading.started));
            self.seen += u64::from(matches!(
                process,
                std::collections::btree_map::Entry::Vacant(_)
            ));
            process.or_default().take(reading);
        }
        let mut now = Usage::default();
        let mut reaped = [0.0; 2];
        for process in self.live.values() {
            now.add(&process.used);
            reaped[0] += process.reaped[0];
            reaped[1] += process.reaped[1];
        }
        now.add(&ended(&self.gone, reaped));
        now.add(groups);
        self.total.advance(&now);
        Usage {
            rss_bytes: now.rss_bytes,
            threads: now.threads,
            processes: now.processes,
            ..self.total
        }
    }

    /// The totals under a role's name.
    pub(super) fn facts(self, role: String) -> ProcessFacts {
        let peak = self.peak_rss.max(self.total.rss_bytes.unwrap_or(0));
        ProcessFacts {
            role,
            cpu_seconds: self.total.cpu_seconds().unwrap_or(0.0),
            peak_rss_bytes: peak,
            usage: Usage {
                processes: Some(self.seen.max(self.total.processes.unwrap_or(0))),
                ..self.total
            },
        }
    }
}

/// What ended processes used. One that came and went between two looks is known only to the parent that
/// waited for it; one that was seen and then waited for is in both figures, so the higher one stands.
fn ended(gone: &Usage, reaped: [f64; 2]) -> Usage {
    let higher = |of: Option<f64>, reaped: f64| Some(of.unwrap_or(0.0).max(reaped));
    Usage {
        user_seconds: higher(gone.user_seconds, reaped[0]),
        system_seconds: higher(gone.system_seconds, reaped[1]),
        ..*gone
    }
}

impl Process {
    fn take(&mut self, reading: Reading) {
        let there: BTreeSet<u32> = reading.threads.iter().map(|(id, _)| *id).collect();
        let ended = &mut self.ended;
        self.threads.retain(|id, thread| {
            let stays = there.contains(id);
            if !stays {
                ended.add(*thread);
            }
            stays
        });
        self.threads.extend(reading.threads.iter().copied());
        let mut threads = self.ended;
        for thread in self.threads.values() {
            threads.add(*thread);
        }
        let own = self.exact(&reading);
        let now = Usage {
            voluntary_switches: threads.voluntary,
            involuntary_switches: threads.involuntary,
            run_delay_seconds: threads.run_delay_ns.map(|ns| ns as f64 / 1e9),
            ..own
        };
        self.used.advance(&now);
        (self.used.rss_bytes, self.used.threads) = (now.rss_bytes, now.threads);
        for (of, later) in self.reaped.iter_mut().zip(reading.reaped) {
            *of = of.max(later);
        }
    }

    /// What it used, with user and system time that add up to what the kernel's clock of the process says. Ticks alone leave
    /// 10 ms open: some per cent of a short run, which is as much as comparisons look for. What has come since the last
    /// look is shared as its ticks are, so that neither part ever falls.
    fn exact(&mut self, reading: &Reading) -> Usage {
        let own = reading.own;
        let (Some(total), Some(user), Some(system)) =
            (reading.cpu_seconds, own.user_seconds, own.system_seconds)
        else {
            return own;
        };
        let before =
            [self.used.user_seconds, self.used.system_seconds].map(Option::unwrap_or_default);
        let [new_user, new_system] = [user - self.ticks[0], system - self.ticks[1]];
        let share = match new_user + new_system {
            new if new > 0.0 => new_user / new,
            _ => 0.5,
        };
        let new = (total - before[0] - before[1]).max(0.0);
        self.ticks = [user, system];
        Usage {
            user_seconds: Some(before[0] + new * share),
            system_seconds: Some(before[1] + new * (1.0 - share)),
            ..own
        }
    }

    /// What stays of it when it has ended.
    fn counted(&self) -> Usage {
        Usage {
            rss_bytes: None,
            threads: None,
            processes: None,
            ..self.used
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process with CPU time, time of its ended children, and the run delay of each of its threads.
    fn reading(id: u32, user: f64, reaped: f64, delays: &[(u32, u64)]) -> Reading {
        let thread = |(id, ns): &(u32, u64)| {
            let thread = Thread {
                voluntary: Some(1),
                involuntary: Some(0),
                run_delay_ns: Some(*ns),
            };
            (*id, thread)
        };
        Reading {
            id,
            started: 1,
            cpu_seconds: None,
            own: Usage {
                user_seconds: Some(user),
                system_seconds: Some(0.0),
                rss_bytes: Some(100),
                threads: Some(delays.len() as u64),
                processes: Some(1),
                ..Usage::default()
            },
            peak_rss: 150,
            reaped: [reaped, 0.0],
            threads: delays.iter().map(thread).collect(),
            children: Vec::new(),
        }
    }

    fn check(looks: &[Vec<Reading>], user: f64, delay_s: f64, seen: u64) {
        let mut account = Account::default();
        for look in looks {
            account.take(look.clone(), &Usage::default());
        }
        let usage = account.facts(String::new()).usage;
        assert_eq!(usage.user_seconds, Some(user));
        assert_eq!(usage.run_delay_seconds, Some(delay_s));
        assert_eq!(usage.processes, Some(seen));
    }

    #[test]
    fn a_process_that_ended_keeps_what_it_had_once() {
        let shell = |reaped| reading(1, 1.0, reaped, &[(1, 0)]);
        let child = || reading(2, 5.0, 0.0, &[(2, 1_000_000_000)]);
        check(&[vec![shell(0.0), child()]], 6.0, 1.0, 2);
        // Its parent has waited for it and has its time now: it does not count twice.
        check(&[vec![shell(0.0), child()], vec![shell(5.5)]], 6.5, 1.0, 2);
        // One that nobody saw is known through its parent.
        check(&[vec![shell(0.0)], vec![shell(3.0)]], 4.0, 0.0, 1);
        // All of them ended.
        check(&[vec![shell(0.0), child()], vec![]], 6.0, 1.0, 2);
    }

    #[test]
    fn a_thread_that_ended_keeps_what_it_waited() {
        let with = |delays: &[(u32, u64)]| vec![reading(1, 1.0, 0.0, delays)];
        let (a, b) = ((7, 2_000_000_000), (8, 500_000_000));
        check(&[with(&[a, b]), with(&[b])], 1.0, 2.5, 1);
    }

    #[test]
    fn memory_is_the_most_at_once_and_a_look_tells_what_is_there_now() {
        let mut account = Account::default();
        let two = vec![reading(1, 1.0, 0.0, &[]), reading(2, 1.0, 0.0, &[])];
        assert_eq!(account.take(two, &Usage::default()).rss_bytes, Some(200));
        let one = vec![reading(1, 1.0, 0.0, &[])];
        let now = account.take(one, &Usage::default());
        assert_eq!((now.rss_bytes, now.processes), (Some(100), Some(1)));
        assert_eq!(account.facts(String::new()).peak_rss_bytes, 200);
    }

    #[test]
    fn cpu_time_adds_up_to_what_the_clock_of_the_process_says_and_no_part_falls() {
        let mut process = Process::default();
        let mut last = [0.0; 2];
        // Ticks of user and system time, and the clock.
        for (user, system, total) in [
            (0.0, 0.0, 0.004),
            (0.01, 0.0, 0.013),
            (0.01, 0.01, 0.018),
            (0.02, 0.01, 0.034),
        ] {
            process.take(Reading {
                cpu_seconds: Some(total),
                own: Usage {
                    user_seconds: Some(user),
                    system_seconds: Some(system),
                    ..Usage::default()
                },
                ..Reading::default()
            });
            let now = [process.used.user_seconds, process.used.system_seconds].map(Option::unwrap);
            assert!((now[0] + now[1] - total).abs() < 1e-12, "{now:?}");
            assert!(now[0] >= last[0] && now[1] >= last[1], "{last:?} {now:?}");
            last = now;
        }
    }

    #[test]
    fn the_clock_of_this_process_runs_finer_than_ticks() {
        let look = || {
            let reading = Procfs::default().process(std::process::id(), false);
            reading.unwrap().cpu_seconds.unwrap()
        };
        let before = look();
        let mut sum = 0u64;
        (0..300_000u64).for_each(|i| sum = std::hint::black_box(sum ^ i));
        let steps = [look(), look(), look()];
        assert!(before < steps[0] && steps[0] < steps[1] && steps[1] < steps[2]);
    }

    #[test]
    fn a_container_counts_beside_processes() {
        let mut account = Account::default();
        let group = Usage {
            user_seconds: Some(2.0),
            rss_bytes: Some(1000),
            ..Usage::default()
        };
        account.take(vec![reading(1, 1.0, 0.0, &[])], &group);
        let facts = account.facts("broker".to_owned());
        assert_eq!((facts.cpu_seconds, facts.peak_rss_bytes), (3.0, 1100));
    }
}
