//! The audit within a run: after the drain, before the broker goes.

use std::collections::BTreeMap;

use floodmark_contracts::{
    audit::AuditFacts,
    record::{Ending, GeneratorFacts, SubjectFacts},
    stream::Stream,
};
use floodmark_kafka::{Admin, ClientSettings, admin::Watermarks};

use super::{Request, RunEvent, alerts_file};
use crate::{
    audit::{self, AlertsOf, audit_alerts, audit_inputs},
    subject::SubjectKind,
};

/// Shares of the records at which it is said how far the comparison has got.
const STEPS: u64 = 10;

/// Records below which nobody waits long enough to be told.
const WORTH_TELLING: u64 = 500_000;

/// What is left of a run once its collector has ended.
pub(super) struct Remains<'a> {
    pub(super) client: &'a ClientSettings,
    pub(super) admin: &'a Admin,
    pub(super) inputs: &'a BTreeMap<Stream, Vec<String>>,
    pub(super) starts: &'a [Watermarks],
    pub(super) generator: &'a GeneratorFacts,
    pub(super) subject: Option<&'a SubjectFacts>,
    /// How the run ended.
    pub(super) ending: &'a Ending,
}

/// How the run was cut short, in words.
fn cut_short(of: &Remains<'_>) -> Option<String> {
    let how = match of.ending {
        Ending::Completed if of.generator.interrupted => "the generator ended early".to_owned(),
        Ending::Completed => return None,
        Ending::Interrupted => "by a signal".to_owned(),
        Ending::TimeLimit => "by its time limit".to_owned(),
        Ending::SubjectNotReady(_) => "the subject did not become ready".to_owned(),
        Ending::SubjectDied(how) => format!("the subject died, {how}"),
    };
    Some(how)
}

/// Audits the run's topics.
pub(super) fn audit(
    request: &Request<'_>,
    of: &Remains<'_>,
    watch: &mut dyn FnMut(RunEvent),
) -> AuditFacts {
    let inputs = audit::Request {
        plan: request.plan,
        client: of.client,
        admin: of.admin,
        inputs: of.inputs,
        starts: of.starts,
        generator: &of.generator.streams,
        cut_short: cut_short(of),
        workers: request.workers,
        mode: request.profile.audit,
        stop: request.stop,
        clock: &*request.clock,
    };
    let mut told = 0;
    let mut facts = audit_inputs(&inputs, &mut |done, total| {
        let step = (done * STEPS).checked_div(total).unwrap_or(0);
        if total >= WORTH_TELLING && step > told {
            told = step;
            watch(RunEvent::Stage(format!(
                "audit: {done} of {total} records compared with the plan"
            )));
        }
    });
    let ours = matches!(request.sound.subject.kind, SubjectKind::Bundled { .. });
    let told = of.subject.filter(|facts| ours && !facts.partial);
    let written = told.map(|facts| facts.alerts);
    facts.alerts = audit_alerts(&AlertsOf {
        file: &alerts_file(request),
        written,
    });
    facts
}
