//! Facts about one model, from whoever has it. They are the same wherever the model is the same, nothing runs for
//! them, and so no slot is taken and nothing decided.

use std::sync::Arc;
use std::time::Duration;

use herdwick_dialect::Endpoint;
use herdwick_fleet::{Backend, Failure as Class, Field, Profile};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::attempt::{self, Call, Content, Failure};
use crate::ending::Account;
use crate::lesson::Pupil;
use crate::options::{Dressing, Spots};
use crate::relay::Body;
use crate::rescue::Problem;
use crate::router::Router;
use crate::{asked, encoding, headers, lacking};

/// Machines that are asked before giving up; a fleet that fails is not asked all round.
const MOST: usize = 3;
/// How long one may take. It loads nothing for this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one holder after the other, in the order of their names.
pub(crate) async fn show(
    router: &Router,
    account: &mut Account,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    let body = encoding::read(body, &head, router).await?;
    let mut asked = asked::read(Endpoint::Show, &head.headers, &body).await?;
    let body = asked::rename(&mut asked, &router.aliases, body, &router.room)?;
    account.asks_for(&asked.model);
    let snapshot = router.snapshot();
    let mut holders: Vec<Arc<Backend>> = snapshot
        .holders(&asked.model)
        .map(|(backend, _)| Arc::clone(backend))
        .filter(|backend| backend.unreachable().is_none() && backend.kind.serves(Endpoint::Show.path()))
        .collect();
    holders.sort_by(|one, two| one.node.name.cmp(&two.node.name));
    if holders.is_empty() {
        let profile = profile(account, &asked);
        let field = Field::survey(&profile, &snapshot, &[], router.now());
        return Err(lacking::lacking(&field, &snapshot, &profile, &asked.written));
    }
    drop(snapshot);
    let call = Call {
        id: account.id(),
        signature: headers::id(account.id()),
        endpoint: Endpoint::Show,
        headers: head.headers,
        body,
        spots: Spots::default(),
        only_loads: true,
        pupil: Pupil::of_nobody(Endpoint::Show),
    };
    let mut told = Vec::new();
    let mut denied = 0;
    for backend in holders.iter().take(MOST) {
        let asked = timeout(PATIENCE, attempt::ask(router, backend, &call, Dressing::default())).await;
        match asked.unwrap_or(Err(Failure::Garbled("it does not answer"))) {
            Ok(answer) => {
                let mut response = Response::from_parts(answer.head, content(answer.body));
                response.headers_mut().insert(headers::NODE, headers::text(&backend.node.name));
                return Ok(response);
            }
            Err(failure) => {
                denied += usize::from(failure.class() == Class::ModelMissing);
                told.push(format!("{}: {failure}", backend.node.name));
            }
        }
    }
    if denied == told.len() {
        let nearest = lacking::nearest(&router.snapshot(), &asked.model);
        return Err(Problem::ModelNotFound { name: asked.written, nearest });
    }
    Err(Problem::NodesFailed { name: asked.written, attempts: told.join(", ") })
}

fn content(content: Content) -> Body {
    match content {
        Content::Whole(bytes, _) => Body::full(bytes),
        Content::Stream(stream) => Body::Stream(stream),
        Content::Pass(pass) => Body::Pass(Box::new(pass)),
    }
}

/// As much of a profile as telling why nobody has the model takes.
fn profile(account: &Account, asked: &asked::Asked) -> Profile {
    Profile {
        id: account.id(),
        model: asked.model.clone(),
        endpoint: Endpoint::Show.path(),
        prompt_tokens: 0.0,
        expected_tokens: 0.0,
        context_min_tokens: 0.0,
        context_tokens: 0.0,
        streaming: false,
        attempts: 0,
    }
}
