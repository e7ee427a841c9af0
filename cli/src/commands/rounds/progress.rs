//! How far the rounds have got: a bar on a terminal, a line for every round.

use std::{io::IsTerminal, time::Duration};

use floodmark_contracts::compare::Look;
use floodmark_scoring::compare::{Figures, Plan, RoundFigures};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{args::Global, commands::tell};

/// Gated metrics whose change a line shows.
const SHOWN: usize = 4;

/// Tells on standard error.
pub(super) struct Progress<'a> {
    global: &'a Global,
    bar: Option<ProgressBar>,
    look: Option<Look>,
    /// Rounds of this look, and the last of them.
    last: u32,
    number: u32,
    role: &'static str,
}

impl<'a> Progress<'a> {
    pub(super) fn new(global: &'a Global) -> Self {
        Self {
            global,
            bar: None,
            look: None,
            last: 0,
            number: 0,
            role: "",
        }
    }

    /// Says what is going to happen.
    pub(super) fn begin(&mut self, plan: &Plan) {
        let further = match plan.further_rounds {
            0 => String::new(),
            n => format!("; {n} more if these do not tell"),
        };
        let line = format!(
            "{} rounds of two runs{further}; {} fresh ones if they find a change",
            plan.rounds, plan.confirming_rounds
        );
        tell(self.global, &line);
    }

    /// Takes note of what the next rounds are for.
    pub(super) fn look(&mut self, look: Look, number: u32, rounds: u32) {
        (self.number, self.last) = (number, number + rounds - 1);
        if self.look.replace(look).is_some_and(|before| before != look) {
            let why = match look {
                Look::First => "the first look",
                Look::Second => "the rounds do not tell, so one further look",
                Look::Confirmation => {
                    "a change was found, so fresh rounds to see whether it is there again"
                }
            };
            self.line(&format!("{why}: {rounds} rounds"));
        }
    }

    /// A run begins.
    pub(super) fn run(&mut self, role: &'static str) {
        self.role = role;
        self.tick(0.0);
    }

    /// A run has gone on for so long.
    pub(super) fn tick(&mut self, seconds: f64) {
        if self.global.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(1);
            if let Ok(style) = ProgressStyle::with_template("  [{bar:40}] {msg}, {elapsed} so far")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        bar.set_length(u64::from(self.last));
        bar.set_position(u64::from(self.number - 1));
        bar.set_message(format!(
            "round {} of {}, {} for {seconds:.0} s",
            self.number, self.last, self.role
        ));
    }

    /// A round has ended.
    pub(super) fn round(&mut self, number: u32, round: &RoundFigures, plan: &Plan) {
        let first = if round.base_first { "base" } else { "cand" };
        let found = match &round.void {
            Some(why) => format!("void: {why}"),
            None => changes(&round.base, &round.cand, plan),
        };
        let last = self.last;
        self.line(&format!(
            "  round {number:>2} of {last}, {first} first: {found}"
        ));
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(self.global, text)),
            None => tell(self.global, text),
        }
    }
}

/// The gated metrics that a round changed most, with by how much.
fn changes(base: &Figures, cand: &Figures, plan: &Plan) -> String {
    let value = |figures: &Figures, name: &String| figures.get(name)?.value;
    let change = |name: &String| -> Option<(String, f64)> {
        let (base, cand) = (value(base, name)?, value(cand, name)?);
        let change = (cand - base) / base;
        (base > 0.0 && change.abs() >= 0.0005).then(|| (name.clone(), change))
    };
    let mut changed: Vec<(String, f64)> = plan.gated.iter().filter_map(change).collect();
    changed.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    changed.truncate(SHOWN);
    if changed.is_empty() {
        return "no gated metric changed".to_owned();
    }
    let words = changed
        .iter()
        .map(|(name, change)| format!("{name} {:+.1} %", 100.0 * change));
    words.collect::<Vec<_>>().join(", ")
}
