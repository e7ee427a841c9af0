//! Between the pipelines and the topic: cases are looked up and scored, and become flags.
//!
//! With everything in the process that is arithmetic on the spot. With a Redis or a service it is the work of a thread,
//! so that the detector reads on meanwhile; before a commit it waits for what is still under way. Whoever does not
//! answer in time is done without: nothing is held up for longer than a time-out, and no case is lost.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use floodmark_contracts::{
    alert::FraudFlag,
    trace::{TraceParent, Tracer},
};

use super::{
    case::{Case, Standing},
    model::{Model, ModelError, score},
    redis::RedisLookUps,
    service::Service,
    settings::FraudSettings,
    spans::Spans,
    threshold::Threshold,
    vector::Vector,
};
use crate::{pipelines::banking::Lookups, reach::RedisSetupError};

/// Batches on their way to the thread; the next one is scored without look-ups.
const UNDER_WAY: usize = 16;

/// How long a commit waits for the thread: far longer than its time-outs add up to.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why sessions cannot be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FraudError {
    /// The compiled-in model is damaged.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The Redis cannot be used.
    #[error(transparent)]
    Redis(#[from] RedisSetupError),
    /// The system has no room for another thread.
    #[error("the thread that scores sessions cannot be started")]
    Thread(#[source] std::io::Error),
    /// The thread is gone, or does not come back.
    #[error("the thread that scores sessions does not answer")]
    Lost,
}

/// A session with its score.
#[derive(Debug, Clone, PartialEq)]
struct Scored {
    session_id: String,
    score: f64,
    /// The span of its scoring, if it is traced.
    trace: Option<TraceParent>,
}

/// A flag, and the span of the scoring that raised it, if that is traced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Flag {
    pub(crate) flag: FraudFlag,
    pub(crate) trace: Option<TraceParent>,
}

/// Turns cases into flags.
pub(crate) struct Stage {
    threshold: Threshold,
    route: Route,
    ready: Vec<Scored>,
}

enum Route {
    /// On the spot.
    Here(Here),
    /// On a thread; on the spot where that has too much to do.
    There(There, Here),
}

struct Here {
    lookups: Arc<Lookups>,
    model: Arc<Model>,
    spans: Spans,
}

struct There {
    to: SyncSender<Batch>,
    from: Receiver<Batch<Scored>>,
    /// Goes up when what is under way is given up.
    generation: u64,
    under_way: usize,
}

struct Batch<T = Case> {
    generation: u64,
    now_us: i64,
    items: Vec<T>,
}

impl Stage {
    /// A stage by these settings.
    ///
    /// # Errors
    /// If something that it needs is not there; a Redis or a service that is down is borne.
    pub(crate) fn open(
        settings: &FraudSettings,
        lookups: &Arc<Lookups>,
        tracer: Option<Tracer>,
    ) -> Result<Self, FraudError> {
        let spans = Spans::new(tracer);
        let here = Here {
            lookups: Arc::clone(lookups),
            model: Arc::new(Model::compiled_in()?),
            spans: spans.clone(),
        };
        let route = if settings.redis.is_none() && settings.service.is_none() {
            Route::Here(here)
        } else {
            let worker = Worker {
                here: Here {
                    lookups: Arc::clone(lookups),
                    model: Arc::clone(&here.model),
                    spans,
                },
                redis: settings
                    .redis
                    .as_ref()
                    .map(RedisLookUps::open)
                    .transpose()?,
                service: settings.service.as_ref().map(Service::open),
            };
            Route::There(There::start(worker)?, here)
        };
        Ok(Self {
            threshold: Threshold::new(settings.threshold, settings.threshold_file.clone()),
            route,
            ready: Vec::new(),
        })
    }

    /// Takes cases; the flags that are ready.
    pub(crate) fn take(&mut self, cases: Vec<Case>, now_us: i64) -> Vec<Flag> {
        if !cases.is_empty() {
            match &mut self.route {
                Route::Here(here) => self.ready.extend(here.score(&cases)),
                Route::There(there, here) => match there.send(cases, now_us) {
                    Ok(()) => there.receive(&mut self.ready),
                    Err(cases) => self.ready.extend(here.score(&cases)),
                },
            }
        }
        self.flags(now_us)
    }

    /// Waits for all cases so far; their flags.
    ///
    /// # Errors
    /// If the thread is gone: then nothing may be committed.
    pub(crate) fn settle(&mut self, now_us: i64) -> Result<Vec<Flag>, FraudError> {
        if let Route::There(there, _) = &mut self.route {
            there.wait(&mut self.ready)?;
        }
        Ok(self.flags(now_us))
    }

    /// Gives up what is under way: it will come again.
    pub(crate) fn give_up(&mut self) {
        self.ready.clear();
        if let Route::There(there, _) = &mut self.route {
            there.generation += 1;
        }
    }

    fn flags(&mut self, now_us: i64) -> Vec<Flag> {
        if self.ready.is_empty() {
            return Vec::new();
        }
        let threshold = self.threshold.at(now_us);
        let scored = self.ready.drain(..);
        scored
            .filter(|scored| scored.score >= threshold)
            .map(|scored| Flag {
                flag: FraudFlag {
                    // Sessions may be named by anyone: a comma in one would break the line.
                    session_id: scored.session_id.replace([',', '\n', '\r'], "_"),
                    score: scored.score,
                },
                trace: scored.trace,
            })
            .collect()
    }
}

impl Here {
    fn score(&self, cases: &[Case]) -> Vec<Scored> {
        let mut laps = self.spans.begin(cases);
        let look_up = |case: &Case| (self.known(case), case.with_journey(&self.lookups.places));
        let found: Vec<(Standing, Vector)> = cases.iter().map(look_up).collect();
        laps.enriched();
        let one = |(case, (known, vector)): (&Case, &(Standing, Vector))| {
            scored(case, self.odds(vector, known))
        };
        let mut all = cases.iter().zip(&found).map(one).collect::<Vec<Scored>>();
        trace(&mut all, laps.scored(cases, "model"));
        all
    }

    fn known(&self, case: &Case) -> Standing {
        self.lookups.enrichment.known(&case.device, &case.user_id)
    }

    fn odds(&self, vector: &Vector, known: &Standing) -> f64 {
        score(self.model.log_odds(vector) + known.log_odds())
    }
}

fn scored(case: &Case, score: f64) -> Scored {
    Scored {
        session_id: case.session_id.clone(),
        score,
        trace: None,
    }
}

/// Gives each result the span of its scoring.
fn trace(all: &mut [Scored], spans: Vec<Option<TraceParent>>) {
    for (scored, span) in all.iter_mut().zip(spans) {
        scored.trace = span;
    }
}

impl There {
    fn start(mut worker: Worker) -> Result<Self, FraudError> {
        let (to, batches) = sync_channel::<Batch>(UNDER_WAY);
        // As long as what goes there: nobody ever waits for room on the way back.
        let (done, from) = sync_channel(UNDER_WAY + 2);
        let work = move || {
            for batch in batches {
                let items = worker.score(&batch.items, batch.now_us);
                let batch = Batch {
                    generation: batch.generation,
                    now_us: batch.now_us,
                    items,
                };
                if done.send(batch).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("fraud".to_owned())
            .spawn(work)
            .map_err(FraudError::Thread)?;
        Ok(Self {
            to,
            from,
            generation: 0,
            under_way: 0,
        })
    }

    /// Hands cases to the thread, or back.
    fn send(&mut self, items: Vec<Case>, now_us: i64) -> Result<(), Vec<Case>> {
        if self.under_way >= UNDER_WAY {
            return Err(items);
        }
        let batch = Batch {
            generation: self.generation,
            now_us,
            items,
        };
        match self.to.try_send(batch) {
            Ok(()) => {
                self.under_way += 1;
                Ok(())
            }
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => Err(batch.items),
        }
    }

    /// Takes what is done.
    fn receive(&mut self, ready: &mut Vec<Scored>) {
        while let Ok(batch) = self.from.try_recv() {
            self.keep(batch, ready);
        }
    }

    fn wait(&mut self, ready: &mut Vec<Scored>) -> Result<(), FraudError> {
        while self.under_way > 0 {
            let batch = self.from.recv_timeout(PATIENCE);
            self.keep(batch.map_err(|_| FraudError::Lost)?, ready);
        }
        Ok(())
    }

    fn keep(&mut self, batch: Batch<Scored>, ready: &mut Vec<Scored>) {
        self.under_way = self.under_way.saturating_sub(1);
        if batch.generation == self.generation {
            ready.extend(batch.items);
        }
    }
}

/// What the thread has.
struct Worker {
    here: Here,
    redis: Option<RedisLookUps>,
    service: Option<Service>,
}

impl Worker {
    fn score(&mut self, cases: &[Case], now_us: i64) -> Vec<Scored> {
        let here = &self.here;
        let places = &here.lookups.places;
        let mut laps = here.spans.begin(cases);
        let vectors: Vec<Vector> = cases.iter().map(|case| case.with_journey(places)).collect();
        let known = match &mut self.redis {
            Some(redis) => redis.known(cases, now_us),
            None => cases.iter().map(|case| here.known(case)).collect(),
        };
        laps.enriched();
        let by_service = match &mut self.service {
            Some(service) => service.scores(cases, &vectors, &known),
            None => vec![None; cases.len()],
        };
        let mut all = Vec::with_capacity(cases.len());
        for (number, case) in cases.iter().enumerate() {
            let by_model = || here.odds(&vectors[number], &known[number]);
            all.push(scored(case, by_service[number].unwrap_or_else(by_model)));
        }
        let scorer = if self.service.is_some() {
            "service"
        } else {
            "model"
        };
        trace(&mut all, laps.scored(cases, scorer));
        all
    }
}

#[cfg(test)]
mod tests;
