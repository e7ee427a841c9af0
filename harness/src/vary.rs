//! One profile at many rates, shares of late events and magnitudes: what searches and curves go over.

use floodmark_contracts::{
    problem::Problem,
    profile::{
        Profile, RawAnomaly, StreamSection,
        phases::{
            RawBurst, RawConstant, RawDiurnal, RawPhase, RawRamp, RawSelfSimilar, RawSteps,
            RawTrace,
        },
    },
    stream::Stream,
    units::parse_rate,
};
use floodmark_generator::Plan;

/// Events per second of all streams together, on average over the run.
#[must_use]
pub fn mean_rate(plan: &Plan) -> f64 {
    let slots: u64 = plan.streams().map(|stream| plan.slots(stream)).sum();
    slots as f64 / (plan.duration().0 as f64 / 1e6)
}

/// The profile with every rate times `factor`: of all streams and phases, so that their shares and shapes
/// stay.
#[must_use]
pub fn scaled(profile: &Profile, factor: f64) -> Profile {
    with_each_stream(profile, |section| {
        if let Some(rate) = &mut section.rate {
            scale(rate, factor);
        }
        for phase in &mut section.phases {
            scale_phase(phase, factor);
        }
    })
}

fn scale_phase(phase: &mut RawPhase, factor: f64) {
    match phase {
        RawPhase::Constant(RawConstant { rate, .. }) => scale(rate, factor),
        RawPhase::Ramp(RawRamp { from, to, .. }) => {
            scale(from, factor);
            scale(to, factor);
        }
        RawPhase::Steps(RawSteps { rates, .. }) => {
            rates.iter_mut().for_each(|rate| scale(rate, factor));
        }
        RawPhase::Burst(RawBurst { base, peak, .. }) => {
            scale(base, factor);
            scale(peak, factor);
        }
        RawPhase::Diurnal(RawDiurnal { mean, .. })
        | RawPhase::SelfSimilar(RawSelfSimilar { mean, .. }) => scale(mean, factor),
        RawPhase::Trace(RawTrace { scale, .. }) => *scale *= factor,
    }
}

/// A pause stays one, and what is no rate stays for whoever validates it.
fn scale(text: &mut String, factor: f64) {
    if let Ok(rate) = parse_rate(text) {
        *text = format!("{:.6}/s", rate * factor);
    }
}

/// The profile with another share of late events, in every stream that has some.
///
/// # Errors
/// If no stream says how late its events are.
pub fn with_lateness(profile: &Profile, share: f64) -> Result<Profile, Problem> {
    if profile
        .streams
        .iter()
        .all(|(_, section)| section.lateness.is_none())
    {
        let message = "no stream has `lateness`, so that it is not known how late its events are; add one, such as \
                       `lateness: { share: 0.01, delay: { uniform: { min: 5s, max: 30s } } }`";
        return Err(Problem::new("streams", message));
    }
    Ok(with_each_stream(profile, |section| {
        match &mut section.lateness {
            // A share of nothing is no lateness: the section has no place for it.
            late if share == 0.0 => *late = None,
            Some(late) => late.share = share,
            None => {}
        }
    }))
}

/// The profile with one magnitude for all of its incidents.
///
/// # Errors
/// If there are none.
pub fn with_magnitude(profile: &Profile, magnitude: f64) -> Result<Profile, Problem> {
    if profile
        .streams
        .iter()
        .all(|(_, section)| section.anomalies.is_empty())
    {
        let message = "no stream has anomalies, so that there is nothing to find at any magnitude";
        return Err(Problem::new("streams", message));
    }
    Ok(with_each_stream(profile, |section| {
        section
            .anomalies
            .iter_mut()
            .map(RawAnomaly::parameters_mut)
            .for_each(|incidents| {
                incidents.magnitude = Some(magnitude);
                incidents.magnitudes = None;
            });
    }))
}

fn with_each_stream(profile: &Profile, change: impl Fn(&mut StreamSection)) -> Profile {
    let mut varied = profile.clone();
    for stream in Stream::ALL {
        if let Some(section) = varied.streams.get_mut(stream) {
            change(section);
        }
    }
    varied
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::job::GeneratorSection;

    use super::*;

    fn profile(streams: &str) -> Profile {
        let text = format!("{{ name: x, duration: 40s, streams: {{ {streams} }} }}");
        serde_json::from_value(serde_saphyr::from_str(&text).unwrap()).unwrap()
    }

    fn plan(profile: &Profile) -> Plan {
        Plan::resolve(&GeneratorSection::from(profile)).unwrap()
    }

    const PHASES: &str = "clickstream: { phases: [
        { constant: { rate: 0/s, for: 5s } }, { constant: { rate: 200/s, for: 5s } },
        { ramp: { from: 100/s, to: 300/s, for: 5s } }, { steps: { rates: [100/s, 50/s], each: 2s } },
        { burst: { base: 10/s, peak: 100/s, every: 2s, length: 1s, for: 6s } },
        { diurnal: { mean: 80/s, amplitude: 0.5, period: 5s, for: 5s } },
        { self-similar: { mean: 90/s, bias: 0.7, bin: 100ms, for: 5s } },
        { trace: { numbers: [10, 20], bin: 1s, for: 5s } } ] }";

    #[test]
    fn every_rate_is_scaled_and_a_pause_stays_one() {
        let streams = format!("sensors: {{ rate: 1k/s }}, {PHASES}");
        let before = profile(&streams);
        let after = scaled(&before, 2.5);
        let rates = [&before, &after].map(|profile| mean_rate(&plan(profile)));
        assert!((rates[1] / rates[0] - 2.5).abs() < 0.01, "{rates:?}");
        for stream in [Stream::Sensors, Stream::Clickstream] {
            let [one, other] = [&before, &after].map(|p| plan(p).slots(stream) as f64);
            assert!(
                (other / one - 2.5).abs() < 0.01,
                "{stream}: {one} and {other}"
            );
        }
        assert_eq!(plan(&after).expected_in(Stream::Clickstream, 2), 0.0);
    }

    #[test]
    fn the_rate_of_a_profile_is_that_of_all_streams_over_its_time() {
        let both = profile("sensors: { rate: 1k/s }, banking: { rate: 500/s }");
        assert!((mean_rate(&plan(&both)) - 1500.0).abs() < 1.0);
    }

    #[test]
    fn lateness_is_set_where_there_is_some_and_taken_away_by_nothing() {
        let late = "sensors: { rate: 1k/s, lateness: { share: 0.1, delay: { uniform: { min: 5s, max: 9s } } } }";
        let both = profile(&format!("{late}, banking: {{ rate: 500/s }}"));
        let share = |profile: &Profile, stream| {
            let late = profile.streams.get(stream)?.lateness.as_ref();
            late.map(|late| late.share)
        };
        let varied = with_lateness(&both, 0.3).unwrap();
        assert_eq!(share(&varied, Stream::Sensors), Some(0.3));
        assert_eq!(share(&varied, Stream::Banking), None);
        let none = with_lateness(&both, 0.0).unwrap();
        assert_eq!(share(&none, Stream::Sensors), None);
        assert!(with_lateness(&profile("sensors: { rate: 1k/s }"), 0.1).is_err());
    }

    #[test]
    fn one_magnitude_takes_the_place_of_all() {
        let streams = "sensors: { rate: 1k/s, anomalies: [ drift: { count: 1, magnitude: 3 }, \
                       sensor-spike: { count: 2, magnitudes: { from: 1, to: 2 } } ] }";
        let varied = with_magnitude(&profile(streams), 0.5).unwrap();
        let section = varied.streams.get(Stream::Sensors).unwrap();
        for entry in &section.anomalies {
            let (_, incidents) = entry.parts();
            assert_eq!(
                (incidents.magnitude, incidents.magnitudes),
                (Some(0.5), None)
            );
        }
        assert!(with_magnitude(&profile("sensors: { rate: 1k/s }"), 0.5).is_err());
    }
}
