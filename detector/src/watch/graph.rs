//! Which topics go where: the graph of the status page.

use floodmark_contracts::{job::DetectorJob, row::Row, status::PipelineStatus, stream::Stream};

/// What puts together what lies in several partitions.
const GROUPS: &str = "groups";

/// The pipelines of a job.
pub(super) fn of(job: &DetectorJob) -> Vec<PipelineStatus> {
    let with_topics = job.inputs.iter().filter(|(_, topics)| !topics.is_empty());
    with_topics
        .map(|(stream, topics)| PipelineStatus {
            name: stream.name().to_owned(),
            does: does(*stream).to_owned(),
            inputs: topics.clone(),
            outputs: outputs(job, *stream),
        })
        .collect()
}

/// Adds the way through the exchange's topic: every pipeline may write parts to it, and what puts them together
/// reads it.
pub(super) fn add_exchange(pipelines: &mut Vec<PipelineStatus>, topic: &str) {
    if pipelines.iter().any(|of| of.name == GROUPS) {
        return;
    }
    let mut outputs: Vec<String> = Vec::new();
    for pipeline in pipelines.iter_mut() {
        let new = pipeline
            .outputs
            .iter()
            .filter(|name| !outputs.contains(name));
        outputs.extend(new.cloned().collect::<Vec<_>>());
        pipeline.outputs.push(topic.to_owned());
    }
    pipelines.push(PipelineStatus {
        name: GROUPS.to_owned(),
        does: "what lies in several partitions".to_owned(),
        inputs: vec![topic.to_owned()],
        outputs,
    });
}

fn does(stream: Stream) -> &'static str {
    match stream {
        Stream::Clickstream => "pages per minute, sessions, users",
        Stream::Banking => "sessions, accounts, addresses",
        Stream::Sensors => "sliding windows, levels, silences",
    }
}

fn outputs(job: &DetectorJob, stream: Stream) -> Vec<String> {
    let mut outputs = vec![job.anomalies.clone()];
    if stream == Stream::Banking {
        outputs.push(job.fraud_flags.clone());
    }
    if stream == Stream::Clickstream && job.section.rows.enabled {
        outputs.push(Row::topic_of(&job.group));
    }
    outputs.push(job.dead_letters.clone());
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_is_written_by_all_and_read_by_one_however_often_it_is_joined() {
        let of = |name: &str, outputs: &[&str]| PipelineStatus {
            name: name.to_owned(),
            outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
            ..PipelineStatus::default()
        };
        let mut pipelines = vec![of("banking", &["a", "f"]), of("sensors", &["a"])];
        for _ in 0..2 {
            add_exchange(&mut pipelines, "x");
        }
        assert_eq!(pipelines.len(), 3);
        assert_eq!(pipelines[1].outputs, ["a", "x"]);
        assert_eq!(pipelines[2].inputs, ["x"]);
        assert_eq!(pipelines[2].outputs, ["a", "f"]);
    }
}
