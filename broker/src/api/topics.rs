//! CreateTopics, DeleteTopics and DescribeConfigs.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeConfigsRequest, DescribeConfigsResponse,
};

use crate::api::{code, text};
use crate::dispatch::Call;
use crate::topics::settings::{Shown, TopicSettings};

const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;
const SET_ON_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;
/// Partitions of a topic whose creator does not say.
const DEFAULT_PARTITIONS: i32 = 1;

/// Handles CreateTopics.
pub(crate) fn create(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let create = |topic: &CreatableTopic| create_one(call, topic, request.validate_only);
    CreateTopicsResponse::default().with_topics(request.topics.iter().map(create).collect())
}

/// Handles DeleteTopics.
pub(crate) fn delete(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let delete = |name: kafka_protocol::messages::TopicName| {
        let outcome = call.shared.topics.delete(&name.0);
        if outcome.is_ok() {
            call.shared.groups.lock().forget_topic(&name.0);
        }
        DeletableTopicResult::default()
            .with_name(Some(name))
            .with_error_code(code(&outcome))
    };
    let responses = request.topic_names.into_iter().map(delete).collect();
    DeleteTopicsResponse::default().with_responses(responses)
}

/// Handles DescribeConfigs.
pub(crate) fn describe_configs(
    call: &Call<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let describe = |resource| describe_one(call, resource, request.include_synonyms);
    DescribeConfigsResponse::default()
        .with_results(request.resources.into_iter().map(describe).collect())
}

fn create_one(
    call: &Call<'_>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    let refuse = |error: ResponseError, message: String| {
        result
            .clone()
            .with_error_code(error.code())
            .with_error_message(Some(text(message)))
    };
    let name = topic.name.0.as_str();
    let n_partitions = match (topic.num_partitions, topic.assignments.len()) {
        (-1, 0) => DEFAULT_PARTITIONS,
        (-1, n) => i32::try_from(n).unwrap_or(i32::MAX),
        (n, _) => n,
    };
    if topic.assignments.is_empty() && !matches!(topic.replication_factor, -1 | 1) {
        let found = topic.replication_factor;
        return refuse(
            ResponseError::InvalidReplicationFactor,
            format!(
                "replication factor of topic `{name}` is `{found}`; use `1`: there is one broker"
            ),
        );
    }
    let given = topic
        .configs
        .iter()
        .map(|c| (c.name.as_str(), c.value.as_deref()));
    let settings = match TopicSettings::parse(given) {
        Ok(settings) => settings,
        Err(message) => return refuse(ResponseError::InvalidConfig, message),
    };
    let configs = settings.shown().into_iter().map(created_config).collect();
    let outcome = if validate_only {
        call.shared.topics.check(name, n_partitions)
    } else {
        call.shared.topics.create(name, n_partitions, settings)
    };
    if let Err(error) = outcome {
        return refuse(error, refusal(error, name, n_partitions));
    }
    let result = result
        .with_num_partitions(n_partitions)
        .with_replication_factor(1);
    if call.version >= 5 {
        result.with_configs(Some(configs))
    } else {
        result
    }
}

fn refusal(error: ResponseError, name: &str, n_partitions: i32) -> String {
    match error {
        ResponseError::TopicAlreadyExists => format!("topic `{name}` exists already"),
        ResponseError::InvalidPartitions => {
            let most = crate::topics::MAX_PARTITIONS;
            format!("`{n_partitions}` partitions for topic `{name}`; use `1` to `{most}`")
        }
        _ => format!("topic name `{name}`; use letters, digits, `.`, `_` and `-`, at most 249"),
    }
}

fn created_config(shown: Shown) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(text(shown.name))
        .with_value(Some(text(shown.value)))
        .with_config_source(if shown.is_given {
            SET_ON_TOPIC
        } else {
            DEFAULT
        })
}

fn describe_one(
    call: &Call<'_>,
    resource: DescribeConfigsResource,
    include_synonyms: bool,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    let shown = match resource.resource_type {
        TOPIC_RESOURCE => match call.shared.topics.get(&resource.resource_name) {
            Some(topic) => topic.settings.shown(),
            None => {
                return result.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            }
        },
        // Nothing can be set on the broker through the protocol.
        BROKER_RESOURCE => Vec::new(),
        _ => return result.with_error_code(ResponseError::InvalidRequest.code()),
    };
    let keys = resource.configuration_keys;
    let is_wanted = |s: &Shown| {
        keys.as_ref()
            .is_none_or(|keys| keys.is_empty() || keys.iter().any(|k| **k == *s.name))
    };
    let describe = |s: Shown| {
        let source = if s.is_given { SET_ON_TOPIC } else { DEFAULT };
        let (name, value) = (text(s.name), Some(text(s.value)));
        let synonym = DescribeConfigsSynonym::default()
            .with_name(name.clone())
            .with_value(value.clone())
            .with_source(source);
        DescribeConfigsResourceResult::default()
            .with_name(name)
            .with_value(value)
            .with_config_source(source)
            .with_synonyms(if include_synonyms {
                vec![synonym]
            } else {
                Vec::new()
            })
    };
    result.with_configs(shown.into_iter().filter(is_wanted).map(describe).collect())
}
