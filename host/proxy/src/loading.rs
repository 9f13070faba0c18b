//! Has models loaded and let go of, as dispatch wants it: requests of the router's own that ask nothing of the model. They
//! run on nobody's behalf, so that no client that leaves ends a load that others wait for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use herdwick_dialect::Endpoint;
use herdwick_fleet::dispatch::{LoadEnd, LoadOrder};
use herdwick_fleet::{Backend, Candidate, Holding, Load, ModelName, RowId};
use http::HeaderMap;
use tokio::time::timeout;

use crate::attempt::{self, Answered, Call, Failure};
use crate::dispatcher::Order;
use crate::headers;
use crate::lesson::Pupil;
use crate::options::{Dressing, Spots};
use crate::router::Router;
use crate::vigil::Vigil;

/// How long a load may take at least before it is given up, and by how many times its prediction if that is more. Ollama
/// itself gives up one that makes no progress for five minutes.
const LOAD: (Duration, u32) = (Duration::from_secs(300), 3);
/// How long letting go of a model may take. Nothing runs there.
const UNLOAD: Duration = Duration::from_secs(15);
/// Loads that failed and are remembered, for whoever waited for them.
const REMEMBERED: usize = 64;

/// How loads failed lately.
#[derive(Default)]
pub(crate) struct Loads {
    failed: Mutex<VecDeque<(RowId, ModelName, LoadFailure)>>,
}

/// How a load failed.
#[derive(Clone)]
pub(crate) struct LoadFailure {
    /// In words.
    pub(crate) told: String,
    /// In those of its backend, if it had any.
    pub(crate) answered: Option<Answered>,
}

impl Loads {
    /// How the last load of a model there failed.
    pub(crate) fn failed(&self, row: RowId, model: &ModelName) -> Option<LoadFailure> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = failed.iter().rev();
        last.find(|(at, name, _)| (*at, name) == (row, model)).map(|(_, _, failure)| failure.clone())
    }

    fn note(&self, row: RowId, model: &ModelName, failure: LoadFailure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|(at, name, _)| (*at, name) != (row, model));
        if failed.len() >= REMEMBERED {
            failed.pop_front();
        }
        failed.push_back((row, model.clone(), failure));
    }
}

/// Does what dispatch wants, and tells it how that went.
pub(crate) async fn carry_out(router: Arc<Router>, order: Order) {
    match order {
        Order::Load(order) => {
            let end = load(&router, &order).await;
            router.dispatcher.load_ended(order.load, end);
        }
        Order::Unload(order) => {
            let end = match unload(&router, &order.backend, &order.holding).await {
                true => LoadEnd::Done,
                false => LoadEnd::Failed,
            };
            router.dispatcher.load_ended(order.load, end);
        }
    }
}

async fn load(router: &Arc<Router>, order: &LoadOrder) -> LoadEnd {
    let LoadOrder { backend, holding, evict, predicted, .. } = order;
    for victim in evict.iter().filter_map(|victim| backend.holdings.get(victim)) {
        // If it stays, the server makes room by itself, or says that there is none.
        unload(router, backend, victim).await;
    }
    let (least, times) = LOAD;
    let model = &holding.model.name;
    let how = if holding.is_cached(router.now()) { Load::Cache } else { Load::Disk };
    let began = Instant::now();
    let call = call(router, endpoint(order.endpoint), model_body(holding, order.context, "-1"));
    let mut vigil = Vigil::over_request(&router.scene, backend.row, model);
    let asked = vigil.over(attempt::ask(router, backend, &call, Dressing::default()));
    let failure = match timeout(least.max(*predicted * times), asked).await {
        Ok(Ok(Ok(answer))) if answer.head.status.is_success() => {
            let now = router.now();
            holding.live.speed.learn_load(how, holding.model.bytes, began.elapsed(), now);
            router.scene.turned(backend, backend.live.breaker.succeeded(true, now));
            return LoadEnd::Done;
        }
        Ok(Ok(Ok(answer))) => {
            let told = format!("{}: it answered {} to a load", backend.node.name, answer.head.status);
            router.loads.note(backend.row, model, LoadFailure { told, answered: None });
            return LoadEnd::Failed;
        }
        Ok(Ok(Err(failure))) => failure,
        Ok(Err(sign)) => Failure::Hung(sign),
        Err(_) => {
            // Ollama's scheduler can be stuck for cold models alone (ollama#17408).
            router.scene.turned(backend, backend.live.breaker.load_hung(router.now()));
            let told = format!("{}: the load did not come to an end", backend.node.name);
            router.loads.note(backend.row, model, LoadFailure { told, answered: None });
            return LoadEnd::Failed;
        }
    };
    let candidate = Candidate { backend: Arc::clone(backend), holding: Arc::clone(holding) };
    router.scene.failed(&candidate, &failure, true);
    let told = format!("{}: {failure}", backend.node.name);
    let answered = if let Failure::Answered(answered) = failure { Some(answered) } else { None };
    router.loads.note(backend.row, model, LoadFailure { told, answered });
    LoadEnd::Failed
}

/// Whether it did.
async fn unload(router: &Router, backend: &Backend, holding: &Holding) -> bool {
    // On this route Ollama lets go of every kind of model, before it looks whether it can generate anything.
    let call = call(router, Endpoint::Generate, model_body(holding, None, "0"));
    let asked = timeout(UNLOAD, attempt::ask(router, backend, &call, Dressing::default())).await;
    matches!(asked, Ok(Ok(answer)) if answer.head.status.is_success())
}

/// The route that loads what the request wants: a model that only embeds does not take part in the others.
fn endpoint(path: &str) -> Endpoint {
    match path {
        "/api/embed" | "/api/embeddings" | "/v1/embeddings" => Endpoint::Embed,
        _ => Endpoint::Generate,
    }
}

/// A body that asks nothing, and therefore loads or lets go.
fn model_body(holding: &Holding, context: Option<u32>, keep_alive: &str) -> String {
    // As its server spells it; what it lists are names, and a name holds nothing that JSON would have to escape.
    let name: String =
        holding.model.listed_as.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).collect();
    let options = context.map_or(String::new(), |tokens| format!(",\"options\":{{\"num_ctx\":{tokens}}}"));
    format!("{{\"model\":\"{name}\",\"keep_alive\":{keep_alive},\"stream\":false{options}}}")
}

fn call(router: &Router, endpoint: Endpoint, mut body: String) -> Call {
    if endpoint == Endpoint::Embed {
        body = body.replacen(",\"stream\":false", ",\"input\":\"\"", 1);
    }
    let id = router.ids.mint();
    Call {
        id,
        signature: headers::id(id),
        endpoint,
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        spots: Spots::default(),
        only_loads: true,
        pupil: Pupil::of_nobody(endpoint),
    }
}
