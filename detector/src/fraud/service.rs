//! A service that scores sessions over HTTP: what is sent, what comes back, and the client.
//!
//! ```text
//! POST /score  {"sessions":[{"session_id":"…","user_id":"…","at":1749531600000,
//!                            "features":{"new-device":1,…},"known":{"device_risk":0.2}}]}
//! 200          {"scores":[0.93]}
//! ```

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::{
    case::{Case, Standing},
    link::Link,
    model::{Model, score},
    settings::ServiceSettings,
    vector::{Feature, Vector},
};

/// Sessions in one request.
const SESSIONS: usize = 500;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreRequest {
    /// The sessions to score.
    pub sessions: Vec<ScoreSession>,
}

/// A session to score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSession {
    /// The session.
    pub session_id: String,
    /// The account.
    pub user_id: String,
    /// Event time.
    pub at: EventTime,
    /// What describes the session; what is missing is 0.
    pub features: BTreeMap<Feature, f32>,
    /// What was looked up.
    #[serde(default)]
    pub known: Standing,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreAnswer {
    /// A score from 0 to 1 for each session, in their order.
    pub scores: Vec<f64>,
}

impl ScoreRequest {
    /// What a model says to it.
    #[must_use]
    pub fn answer(&self, model: &Model) -> ScoreAnswer {
        let one = |session: &ScoreSession| {
            let mut vector = Vector::default();
            for (feature, value) in &session.features {
                vector.set(*feature, *value);
            }
            score(model.log_odds(&vector) + session.known.log_odds())
        };
        ScoreAnswer {
            scores: self.sessions.iter().map(one).collect(),
        }
    }
}

/// A client of such a service.
pub(crate) struct Service {
    link: Link<Agent>,
    url: String,
}

impl Service {
    /// Connects; one that does not answer is asked again in the background.
    pub(crate) fn open(settings: &ServiceSettings) -> Self {
        let (url, timeout) = (settings.url.clone(), settings.timeout);
        let connect = {
            let url = url.clone();
            Arc::new(move || {
                let agent = agent(timeout);
                ask(&agent, &url, Vec::new()).map(|_| agent)
            })
        };
        Self {
            link: Link::open(format!("scorer at `{url}`"), connect),
            url,
        }
    }

    /// The scores of cases; none for what the service did not answer.
    pub(crate) fn scores(
        &mut self,
        cases: &[Case],
        vectors: &[Vector],
        standings: &[Standing],
    ) -> Vec<Option<f64>> {
        let mut sessions = cases
            .iter()
            .zip(vectors.iter().zip(standings))
            .map(|(case, (vector, standing))| session(case, vector, *standing));
        let mut scores = Vec::with_capacity(cases.len());
        while scores.len() < cases.len() {
            let part: Vec<ScoreSession> = sessions.by_ref().take(SESSIONS).collect();
            let length = part.len();
            let answer = self.link.get().map(|agent| ask(agent, &self.url, part));
            match answer {
                Some(Ok(answer)) => scores.extend(answer.into_iter().map(Some)),
                Some(Err(reason)) => {
                    self.link.broke(&reason);
                    scores.extend(std::iter::repeat_n(None, length));
                }
                None => scores.extend(std::iter::repeat_n(None, length)),
            }
        }
        scores
    }
}

fn session(case: &Case, vector: &Vector, known: Standing) -> ScoreSession {
    ScoreSession {
        session_id: case.session_id.clone(),
        user_id: case.user_id.clone(),
        at: case.at,
        features: Feature::ALL
            .into_iter()
            .map(|feature| (feature, vector.get(feature)))
            .collect(),
        known,
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .build()
        .into()
}

fn ask(agent: &Agent, url: &str, sessions: Vec<ScoreSession>) -> Result<Vec<f64>, String> {
    let wanted = sessions.len();
    let body = serde_json::to_vec(&ScoreRequest { sessions }).map_err(|e| e.to_string())?;
    let mut response = agent
        .post(url)
        .content_type("application/json")
        .send(&body[..])
        .map_err(|error| error.to_string())?;
    let answer = response
        .body_mut()
        .with_config()
        .limit(LONGEST_ANSWER)
        .read_to_vec()
        .map_err(|error| error.to_string())?;
    read_answer(&answer, wanted)
}

/// The scores in the body of an answer.
pub(crate) fn read_answer(body: &[u8], wanted: usize) -> Result<Vec<f64>, String> {
    let answer: ScoreAnswer = serde_json::from_slice(body)
        .map_err(|error| format!("the answer is not one of a scorer: {error}"))?;
    let scores = answer.scores;
    if scores.len() != wanted || !scores.iter().all(|score| (0.0..=1.0).contains(score)) {
        let found = scores.len();
        return Err(format!(
            "the answer has {found} scores; expected {wanted} from 0 to 1"
        ));
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_as_the_model_scores_in_the_process() {
        let model = Model::compiled_in().unwrap();
        let json = r#"{"sessions":[
            {"session_id":"s","user_id":"u","at":1,"features":{"new-device":1,"new-address":1,"payee-changes":1}},
            {"session_id":"s","user_id":"u","at":1,"features":{},"known":{"device_risk":1.0,"status":"locked"}}]}"#;
        let request: ScoreRequest = serde_json::from_str(json).unwrap();
        let mut vector = Vector::default();
        for feature in [
            Feature::NewDevice,
            Feature::NewAddress,
            Feature::PayeeChanges,
        ] {
            vector.set(feature, 1);
        }
        let usual = model.log_odds(&Vector::default());
        let expected = [score(model.log_odds(&vector)), score(usual + 1.75)];
        assert_eq!(request.answer(&model).scores, expected);
    }

    #[test]
    fn a_feature_that_nobody_knows_is_refused() {
        let json = r#"{"sessions":[{"session_id":"s","user_id":"u","at":1,"features":{"age":1}}]}"#;
        let error = serde_json::from_str::<ScoreRequest>(json).unwrap_err();
        assert!(error.to_string().contains("age"), "{error}");
    }
}
