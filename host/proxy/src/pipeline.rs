//! The story of a request, on one screen. Start reading here.

use std::sync::Arc;

use herdwick_fleet::Profile;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::attempt::{self, Call};
use crate::ending::{Account, Followed};
use crate::headers;
use crate::peer::Peer;
use crate::relay::{self, Body};
use crate::rescue::Problem;
use crate::router::Router;
use crate::routes::{self, Endpoint, Route};
use crate::ticket::Ticket;
use crate::tries::Tries;
use crate::{admission, aggregate, aside, body, dialect};

/// Answers one request. Never fails: what goes wrong becomes a response that says so.
pub(crate) async fn serve(
    router: &Router,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Followed> {
    let id = router.ids.mint();
    let route = routes::find(request.method(), request.uri().path());
    let mut account = Account::open(&router.ledger, id, peer, route.as_ref().ok());
    account.has_no_body(request.method() == Method::HEAD);
    let answer = match route {
        _ if peer.is_draining() => Err(Problem::Draining),
        Ok(Route::Inference(endpoint)) => {
            peer.unless_cut(infer(router, &mut account, endpoint, request)).await
        }
        Ok(Route::Tags) => Ok(aggregate::tags(&router.snapshot())),
        Ok(Route::Version) => aggregate::version(&router.snapshot()),
        Ok(Route::Root) => Ok(aggregate::root()),
        Ok(Route::Admin) => admin(router, peer, request).await,
        Err(problem) => Err(problem),
    };
    let mut response = answer.unwrap_or_else(|problem| {
        account.refused(problem.code());
        problem.response()
    });
    response.headers_mut().insert(headers::REQUEST_ID, headers::text(&id.to_string()));
    account.follow(response)
}

/// Lets in who may ask, and has it answered elsewhere.
async fn admin(router: &Router, peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    aside::admit(&head, peer.address())?;
    let limits = &router.limits;
    let body = body::read(body, &head.headers, limits.body_bytes, limits.body_patience).await?;
    Ok(aside::serve(router.aside(), head, body).await)
}

/// Reads what is asked, finds a slot, asks its backend, and passes the answer on. A backend that fails before
/// its answer began is left out, and the fallback rules say what next.
async fn infer(
    router: &Router,
    account: &mut Account,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    let limits = &router.limits;
    let body = body::read(body, &head.headers, limits.body_bytes, limits.body_patience).await?;
    let asked = dialect::read(&body)?;
    account.asks_for(&asked.model);
    let id = account.id();
    let mut profile = Profile {
        id,
        model: asked.model,
        endpoint: endpoint.path(),
        prompt_tokens: body.len() as f64 / Profile::BYTES_PER_TOKEN,
        expected_tokens: Profile::PRIOR_ANSWER_TOKENS,
        streaming: asked.streaming,
        attempts: 0,
    };
    let call = Call { id, endpoint, headers: head.headers, body };
    let mut tries = Tries::new(limits, asked.written);
    loop {
        let mut ticket = match account.waits_for(admission::admit(router, &profile, &tries)).await {
            Ok(ticket) => ticket,
            // Only the tries of this request know how each of them ended.
            Err(Problem::NodesFailed { .. }) => return Err(tries.exhausted()),
            Err(problem) => return Err(problem),
        };
        account.asks(&ticket);
        let began = Instant::now();
        match attempt::send(router, &ticket, &call).await {
            Ok((answer, link)) => {
                if answer.status().is_success() {
                    ticket.succeeded(router.now());
                }
                let why = ticket.why();
                let said = signature(&ticket, &profile, &why);
                account.because(why);
                let mut response = relay::answer(answer, link, ticket);
                for (name, value) in said {
                    response.headers_mut().insert(name, value);
                }
                return Ok(response);
            }
            Err(failure) => {
                profile.attempts += 1;
                tries.failed(&ticket, &failure, began.elapsed());
                // The slot is free before anybody thinks about what to do next.
                let decision = Arc::clone(&ticket.decision);
                drop(ticket);
                tries.advised(&decision, &*router.policy().pin()).await?;
            }
        }
    }
}

/// What we say of the answer: who gave it, why they, how many were asked.
fn signature(ticket: &Ticket, profile: &Profile, why: &str) -> [(http::HeaderName, http::HeaderValue); 4] {
    [
        (headers::NODE, headers::text(&ticket.backend.node.name)),
        (headers::MODEL, headers::text(profile.model.as_str())),
        (headers::ATTEMPTS, http::HeaderValue::from(profile.attempts + 1)),
        (headers::WHY, headers::text(why)),
    ]
}
