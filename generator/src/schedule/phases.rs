//! From the phases of a profile to a cumulated intensity.

use floodmark_contracts::{
    problem::Problems,
    profile::phases::{RawBurst, RawDiurnal, RawPhase, RawSelfSimilar, RawSteps, RawTrace},
    units::{UnitError, parse_duration, parse_rate},
};

use super::intensity::{Builder, Intensity};
use crate::{draw::Key, math::sin_turns};

/// Segments that a stream's schedule may have: 32 bytes each.
const MOST_SEGMENTS: f64 = 2_000_000.0;
/// Straight lines in one period of a sine: the rate is off by at most 0.03 % of the amplitude.
const LINES_A_PERIOD: f64 = 128.0;

/// The intensity of `phases`, which together last `duration_ns`. Problems are noted under `path`.
pub(crate) fn resolve_phases(
    phases: &[RawPhase],
    path: &str,
    duration_ns: i64,
    key: Key,
    problems: &mut Problems,
) -> Option<Intensity> {
    let duration = duration_ns as f64;
    let mut builder = Builder::default();
    let (mut start_ns, mut sound) = (0.0, true);
    for (index, phase) in phases.iter().enumerate() {
        let mut reader = Reader {
            path: format!("{path}[{index}].{}", name_of(phase)),
            problems,
            sound: true,
        };
        let rest = (index + 1 == phases.len()).then_some(duration - start_ns);
        let plan = reader.phase(phase, rest);
        sound &= reader.sound;
        let Some((span_ns, shape)) = plan.filter(|_| sound) else {
            sound = false;
            continue;
        };
        let pieces = builder.len() as f64 + shape.pieces(span_ns);
        if pieces > MOST_SEGMENTS {
            let text = format!(
                "this makes {pieces:.0} stretches of one rate, more than {MOST_SEGMENTS:.0}; use longer bins, \
                 a longer period or a shorter phase"
            );
            problems.add(format!("{path}[{index}]"), text);
            sound = false;
            continue;
        }
        shape.draw(&mut builder, start_ns, span_ns, key.child(index as u64));
        start_ns += span_ns;
    }
    if !sound {
        return None;
    }
    if (start_ns - duration).abs() > 0.5 {
        let text = format!(
            "the phases last `{}` together, the run `{}`; make them equal, or leave out `for` of the last",
            seconds(start_ns),
            seconds(duration)
        );
        problems.add(path, text);
        return None;
    }
    Some(builder.build())
}

fn name_of(phase: &RawPhase) -> &'static str {
    match phase {
        RawPhase::Constant(_) => "constant",
        RawPhase::Ramp(_) => "ramp",
        RawPhase::Steps(_) => "steps",
        RawPhase::Burst(_) => "burst",
        RawPhase::Diurnal(_) => "diurnal",
        RawPhase::SelfSimilar(_) => "self-similar",
        RawPhase::Trace(_) => "trace",
    }
}

fn seconds(ns: f64) -> String {
    format!("{}s", ns / 1e9)
}

/// What a phase looks like, known to be sound. Times in nanoseconds, rates in events per second.
enum Shape {
    Line {
        from: f64,
        to: f64,
    },
    Steps {
        rates: Vec<f64>,
    },
    Burst {
        base: f64,
        peak: f64,
        every_ns: f64,
        length_ns: f64,
    },
    Sine {
        mean: f64,
        swing: f64,
        period_ns: f64,
        offset: f64,
    },
    SelfSimilar {
        mean: f64,
        bias: f64,
        levels: u32,
    },
    Counts {
        counts: Vec<f64>,
        bin_ns: f64,
    },
    Arrivals {
        gaps_ns: Vec<f64>,
        weight: f64,
    },
}

impl Shape {
    /// How many segments it makes.
    fn pieces(&self, span_ns: f64) -> f64 {
        match self {
            Self::Line { .. } => 1.0,
            Self::Steps { rates } => rates.len() as f64,
            Self::Burst { every_ns, .. } => 2.0 * (span_ns / every_ns).ceil(),
            Self::Sine { period_ns, .. } => LINES_A_PERIOD * (span_ns / period_ns).ceil(),
            Self::SelfSimilar { levels, .. } => f64::from(1u32 << levels),
            Self::Counts { bin_ns, .. } => (span_ns / bin_ns).ceil(),
            Self::Arrivals { gaps_ns, .. } => {
                let length: f64 = gaps_ns.iter().sum();
                gaps_ns.len() as f64 * (span_ns / length.max(1.0)).ceil()
            }
        }
    }

    /// Adds its segments, from `start_ns` on for `span_ns`.
    fn draw(&self, out: &mut Builder, start_ns: f64, span_ns: f64, key: Key) {
        let span = Span {
            start_ns,
            span_ns,
            end_ns: start_ns + span_ns,
        };
        match self {
            Self::Line { from, to } => out.line(span.end_ns, *from, *to),
            Self::Steps { rates } => {
                let each_ns = span_ns / rates.len() as f64;
                for (index, rate) in rates.iter().enumerate() {
                    out.line(start_ns + (index + 1) as f64 * each_ns, *rate, *rate);
                }
            }
            Self::Burst {
                base,
                peak,
                every_ns,
                length_ns,
            } => span.bursts(out, [*base, *peak], *every_ns, *length_ns),
            Self::Sine {
                mean,
                swing,
                period_ns,
                offset,
            } => {
                let rate = |turns: f64| (mean * (1.0 + swing * sin_turns(turns + offset))).max(0.0);
                span.sine(out, *period_ns, rate);
            }
            Self::SelfSimilar { mean, bias, levels } => {
                let bins = 1u32 << levels;
                let events = mean * span_ns / 1e9;
                for bin in 0..bins {
                    let share = b_model_share(bin, *levels, *bias, key);
                    let bin_end = start_ns + f64::from(bin + 1) * span_ns / f64::from(bins);
                    out.events(bin_end, events * share);
                }
            }
            Self::Counts { counts, bin_ns } => span.counts(out, counts, *bin_ns),
            Self::Arrivals { gaps_ns, weight } => span.arrivals(out, gaps_ns, *weight),
        }
    }
}

/// The time of a phase.
#[derive(Clone, Copy)]
struct Span {
    start_ns: f64,
    span_ns: f64,
    end_ns: f64,
}

impl Span {
    /// A base rate, and a peak at the end of each period.
    fn bursts(self, out: &mut Builder, [base, peak]: [f64; 2], every_ns: f64, length_ns: f64) {
        let mut number = 1.0;
        let mut burst_end = self.start_ns + every_ns;
        while burst_end - every_ns < self.end_ns {
            out.line((burst_end - length_ns).min(self.end_ns), base, base);
            out.line(burst_end.min(self.end_ns), peak, peak);
            number += 1.0;
            burst_end = self.start_ns + number * every_ns;
        }
    }

    /// A rate over turns of a period, as straight lines.
    fn sine(self, out: &mut Builder, period_ns: f64, rate: impl Fn(f64) -> f64) {
        let mut line = 0.0;
        let mut from = rate(0.0);
        loop {
            line += 1.0;
            let at_ns = self.start_ns + line * period_ns / LINES_A_PERIOD;
            let to = rate((at_ns.min(self.end_ns) - self.start_ns) / period_ns);
            out.line(at_ns.min(self.end_ns), from, to);
            if at_ns >= self.end_ns {
                break;
            }
            from = to;
        }
    }

    /// Recorded numbers of events in bins, again and again.
    fn counts(self, out: &mut Builder, counts: &[f64], bin_ns: f64) {
        for (bin, count) in counts.iter().cycle().enumerate() {
            let (from, to) = (bin as f64 * bin_ns, (bin + 1) as f64 * bin_ns);
            if from >= self.span_ns {
                break;
            }
            let inside = (to.min(self.span_ns) - from) / bin_ns;
            out.events(self.start_ns + to.min(self.span_ns), count * inside);
        }
    }

    /// Recorded gaps between events, again and again; the last gap may be cut.
    fn arrivals(self, out: &mut Builder, gaps_ns: &[f64], weight: f64) {
        let mut at_ns = self.start_ns;
        for gap in gaps_ns.iter().cycle() {
            let next = at_ns + gap;
            if next > self.end_ns {
                let share = (self.end_ns - at_ns) / gap;
                out.events(self.end_ns, weight * share);
                break;
            }
            out.events(next, weight);
            at_ns = next;
            if at_ns >= self.end_ns {
                break;
            }
        }
    }
}

/// Share of the events that fall into a bin: the product, over the halvings that lead to it, of `bias` or
/// `1 - bias`. Which half is the busier one is drawn for each stretch.
fn b_model_share(bin: u32, levels: u32, bias: f64, key: Key) -> f64 {
    (0..levels).fold(1.0, |share, level| {
        let stretch = bin >> (levels - level);
        let second_half = (bin >> (levels - level - 1)) & 1 == 1;
        // Stretches are numbered as in a heap: one at level 0, two at level 1, and so on.
        let busy_second = key.bits(u64::from((1 << level) + stretch)) & 1 == 1;
        share
            * if second_half == busy_second {
                bias
            } else {
                1.0 - bias
            }
    })
}

/// Reads the texts of one phase and notes what is wrong with them.
struct Reader<'a> {
    path: String,
    problems: &'a mut Problems,
    sound: bool,
}

impl Reader<'_> {
    /// How long the phase lasts and what it looks like. `rest` is what is left of the run for the last.
    fn phase(&mut self, phase: &RawPhase, rest: Option<f64>) -> Option<(f64, Shape)> {
        match phase {
            RawPhase::Constant(raw) => {
                let rate = self.rate("rate", &raw.rate);
                let span = self.span(raw.span.as_deref(), rest);
                let (from, to) = (rate?, rate?);
                Some((span?, Shape::Line { from, to }))
            }
            RawPhase::Ramp(raw) => {
                let (from, to) = (self.rate("from", &raw.from), self.rate("to", &raw.to));
                let span = self.span(raw.span.as_deref(), rest);
                let (from, to) = (from?, to?);
                Some((span?, Shape::Line { from, to }))
            }
            RawPhase::Steps(raw) => self.steps(raw),
            RawPhase::Burst(raw) => {
                let span = self.span(raw.span.as_deref(), rest);
                let shape = self.burst(raw);
                Some((span?, shape?))
            }
            RawPhase::Diurnal(raw) => {
                let span = self.span(raw.span.as_deref(), rest);
                let shape = self.diurnal(raw);
                Some((span?, shape?))
            }
            RawPhase::SelfSimilar(raw) => {
                let span = self.span(raw.span.as_deref(), rest)?;
                self.self_similar(raw, span).map(|shape| (span, shape))
            }
            RawPhase::Trace(raw) => self.trace(raw),
        }
    }

    fn steps(&mut self, raw: &RawSteps) -> Option<(f64, Shape)> {
        let each = self.duration("each", &raw.each);
        if raw.rates.is_empty() {
            self.add("rates", "there is no step; name a rate or more");
        }
        let rates: Vec<Option<f64>> = (0..)
            .zip(&raw.rates)
            .map(|(index, text)| self.rate(&format!("rates[{index}]"), text))
            .collect();
        let rates: Vec<f64> = rates.into_iter().collect::<Option<_>>()?;
        Some((each? * rates.len() as f64, Shape::Steps { rates }))
    }

    fn burst(&mut self, raw: &RawBurst) -> Option<Shape> {
        let (base, peak) = (self.rate("base", &raw.base), self.rate("peak", &raw.peak));
        let every = self.duration("every", &raw.every);
        let length = self.duration("length", &raw.length);
        let (every_ns, length_ns) = (every?, length?);
        if length_ns > every_ns {
            let text = format!(
                "a burst of `{}` does not fit into `{}`; use a shorter one, or a longer `every`",
                raw.length, raw.every
            );
            self.add("length", text);
            return None;
        }
        Some(Shape::Burst {
            base: base?,
            peak: peak?,
            every_ns,
            length_ns,
        })
    }

    fn diurnal(&mut self, raw: &RawDiurnal) -> Option<Shape> {
        let mean = self.rate("mean", &raw.mean);
        let period = self.duration("period", &raw.period);
        self.share("amplitude", raw.amplitude, 0.0, 1.0);
        self.share("offset", raw.offset, 0.0, 1.0);
        Some(Shape::Sine {
            mean: mean?,
            swing: raw.amplitude,
            period_ns: period?,
            offset: raw.offset,
        })
    }

    fn self_similar(&mut self, raw: &RawSelfSimilar, span_ns: f64) -> Option<Shape> {
        let mean = self.rate("mean", &raw.mean);
        let bin = self.duration("bin", &raw.bin);
        self.share("bias", raw.bias, 0.5, 0.95);
        let (mean, bin_ns) = (mean?, bin?);
        let mut levels = 0;
        while span_ns / f64::from(1u32 << levels) > bin_ns {
            levels += 1;
            if levels > 20 {
                self.add("bin", "more than a million bins; use longer ones");
                return None;
            }
        }
        Some(Shape::SelfSimilar {
            mean,
            bias: raw.bias,
            levels,
        })
    }

    fn trace(&mut self, raw: &RawTrace) -> Option<(f64, Shape)> {
        if raw.file.is_some() {
            self.add(
                "file",
                "the trace was not read; its numbers belong into `numbers` here",
            );
            return None;
        }
        if !(raw.scale > 0.0 && raw.scale <= 1e6) {
            let text = format!(
                "`{}` is no factor of a rate; use more than 0 and at most 1e6",
                raw.scale
            );
            self.add("scale", text);
        }
        let bad = raw
            .numbers
            .iter()
            .position(|n| !(n.is_finite() && *n >= 0.0 && *n <= 1e12));
        if let Some(index) = bad {
            let text = format!(
                "number {} is `{}`; use numbers from 0 on",
                index + 1,
                raw.numbers[index]
            );
            self.add("numbers", text);
        }
        let span = raw.span.as_ref().map(|text| self.duration("for", text));
        let bin = raw.bin.as_ref().map(|text| self.duration("bin", text));
        if !self.sound {
            return None;
        }
        let (length_ns, shape) = match bin {
            Some(bin) => counts(&raw.numbers, bin?, raw.scale),
            None => arrivals(&raw.numbers, raw.scale),
        }
        .map_err(|text| self.add("numbers", text))
        .ok()?;
        Some((span.unwrap_or(Some(length_ns))?, shape))
    }

    /// A rate that may be zero.
    fn rate(&mut self, field: &str, text: &str) -> Option<f64> {
        match parse_rate(text) {
            Ok(rate) => Some(rate),
            Err(UnitError::NoLoad { .. }) => Some(0.0),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// A duration in nanoseconds, above zero.
    fn duration(&mut self, field: &str, text: &str) -> Option<f64> {
        match parse_duration(text) {
            Ok(duration) if duration.is_zero() => {
                self.add(
                    field,
                    format!("`{text}` is no time at all; use a longer one"),
                );
                None
            }
            Ok(duration) => Some(duration.as_nanos() as f64),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// The length of a phase: its own, or what is left of the run.
    fn span(&mut self, own: Option<&str>, rest: Option<f64>) -> Option<f64> {
        match (own, rest) {
            (Some(text), _) => self.duration("for", text),
            (None, Some(rest)) if rest > 0.0 => Some(rest),
            (None, Some(_)) => {
                self.add(
                    "for",
                    "the phases before this one last as long as the run; nothing is left for it",
                );
                None
            }
            (None, None) => {
                self.add(
                    "for",
                    "only the last phase may leave it out; say how long, such as `20s`",
                );
                None
            }
        }
    }

    fn share(&mut self, field: &str, found: f64, least: f64, most: f64) {
        if !(least..=most).contains(&found) {
            self.add(
                field,
                format!("`{found}` is not possible; use {least} to {most}"),
            );
        }
    }

    fn add(&mut self, field: &str, text: impl Into<String>) {
        self.sound = false;
        self.problems.add(format!("{}.{field}", self.path), text);
    }
}

/// Length and shape of a trace of counts.
fn counts(numbers: &[f64], bin_ns: f64, scale: f64) -> Result<(f64, Shape), String> {
    if numbers.is_empty() {
        return Err("there is no number; name a `file` or `numbers`".to_owned());
    }
    let counts: Vec<f64> = numbers.iter().map(|count| count * scale).collect();
    Ok((
        bin_ns * counts.len() as f64,
        Shape::Counts { counts, bin_ns },
    ))
}

/// Length and shape of a trace of arrivals. The last one is followed by the mean gap, so that a trace
/// that begins again has no two arrivals at its seam.
fn arrivals(numbers: &[f64], scale: f64) -> Result<(f64, Shape), String> {
    let [first, .., last] = numbers else {
        return Err("arrivals need two numbers or more; for counts say `bin`".to_owned());
    };
    if let Some(index) = numbers.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(format!(
            "arrival {} at `{}` s is before the one above it; sort them, or say `bin` if they are counts",
            index + 2,
            numbers[index + 1]
        ));
    }
    let length_ns = (last - first) * 1e9;
    if length_ns < 1.0 {
        return Err("all arrivals are at one instant; use a trace that takes time".to_owned());
    }
    let mut gaps_ns: Vec<f64> = numbers
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) * 1e9)
        .collect();
    let mean = length_ns / gaps_ns.len() as f64;
    gaps_ns.push(mean);
    Ok((
        length_ns + mean,
        Shape::Arrivals {
            gaps_ns,
            weight: scale,
        },
    ))
}
