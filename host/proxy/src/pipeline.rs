//! The story of a request, on one screen. Start reading here.

use std::net::IpAddr;
use std::sync::Arc;

use herdwick_dialect::{Endpoint, Family};
use herdwick_fleet::Profile;
use herdwick_fleet::dispatch::Prompt;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::admission::{self, Admitted, Manner};
use crate::aside::{self, Matter};
use crate::attempt::{self, Call, Content, Failure};
use crate::ending::{Account, Followed};
use crate::lesson::{self, Pace, Pupil};
use crate::options::Dressing;
use crate::peer::Peer;
use crate::relay::Body;
use crate::rescue::Problem;
use crate::router::Router;
use crate::routes::{self, Route};
use crate::tries::{Ended, Tries};
use crate::vigil::Vigil;
use crate::{aggregate, answer, asked, encoding, gate, headers, ready, show};

/// Answers one request. Never fails: what goes wrong becomes a response that says so.
pub(crate) async fn serve(
    router: &Router,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Followed> {
    let id = router.ids.mint();
    let family = Family::of_path(request.uri().path());
    let admitted = router.gate.admit(peer, &request);
    let route = routes::find(request.method(), request.uri().path());
    let mut account = Account::open(&router.scene, id, peer, route.as_ref().ok());
    account.has_no_body(request.method() == Method::HEAD);
    let (admitted, answered) = match admitted {
        Err(refused) => (None, Err(refused)),
        Ok(admitted) => (Some(admitted), dispatch(router, peer, &mut account, route, request).await),
    };
    let mut response = answered.unwrap_or_else(|problem| {
        account.refused(problem.code());
        problem.response(family, id)
    });
    response.headers_mut().insert(headers::REQUEST_ID, headers::id(id));
    if let Some(admitted) = admitted {
        admitted.sign(response.headers_mut());
    }
    account.follow(response)
}

/// Answers whoever may come in.
async fn dispatch(
    router: &Router,
    peer: &Peer,
    account: &mut Account,
    route: Result<Route, Problem>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    if let Some(answered) = gate::options(&request) {
        return answered;
    }
    // What takes kilobytes of state has them only while it runs: every idle connection would have to hold them ready.
    match route {
        // Operators and their tools are answered to the end.
        Ok(Route::Healthz) => Ok(ready::alive()),
        Ok(Route::Readyz) => ready::ready(&router.snapshot(), peer.is_draining()),
        Ok(Route::Admin) => Box::pin(admin(router, peer, request)).await,
        // So are agents: what they tell is shown, and streams of theirs may still run.
        Ok(Route::Beat(matter)) => Box::pin(beat(router, peer, matter, request)).await,
        _ if peer.is_draining() => Err(Problem::Draining),
        Ok(Route::Inference(endpoint)) => {
            let inferring = infer(router, (account, peer.address()), endpoint, request);
            peer.unless_cut(Box::pin(inferring)).await
        }
        Ok(Route::Show) => peer.unless_cut(Box::pin(show::show(router, account, request))).await,
        Ok(Route::Tags) => Ok(aggregate::tags(&router.snapshot(), &router.aliases)),
        Ok(Route::Ps) => Ok(aggregate::ps(&router.snapshot(), router.now())),
        Ok(Route::Models) => Ok(aggregate::models(&router.snapshot(), &router.aliases)),
        Ok(Route::Model(id)) => aggregate::model(&router.snapshot(), &router.aliases, &id),
        Ok(Route::Version) => aggregate::version(&router.snapshot()),
        Ok(Route::Status) => Ok(aggregate::status()),
        Ok(Route::Root) => Ok(aggregate::root()),
        Err(problem) => Err(problem),
    }
}

/// Lets in who may ask, and has it answered elsewhere.
async fn admin(router: &Router, peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    aside::admit(&request, peer.address())?;
    let (head, body) = request.into_parts();
    let body = encoding::read(body, &head, router).await?;
    let request = Request::from_parts(head, body);
    Ok(aside::serve(router.aside(), Matter::Admin, peer.address(), request).await)
}

/// The same for an agent's heartbeat. How much it may say does not follow how large a prompt may be.
async fn beat(
    router: &Router,
    peer: &Peer,
    matter: Matter,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    aside::admit_beat(&request, peer.address(), router.gate.is_near(peer.address()))?;
    let (head, body) = request.into_parts();
    let body =
        encoding::read_within(aside::BEAT_BYTES, body, &head, router).await.map_err(
            |problem| match problem {
                Problem::BodyTooLarge { limit } => Problem::BeatTooLarge { limit },
                problem => problem,
            },
        )?;
    Ok(aside::serve(router.aside(), matter, peer.address(), Request::from_parts(head, body)).await)
}

/// Reads what is asked, finds a slot, asks its backend, and passes the answer on. A backend that fails before its
/// answer began is left out, and the fallback rules say what next.
async fn infer(
    router: &Router,
    (account, client): (&mut Account, IpAddr),
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    let body = encoding::read(body, &head, router).await?;
    let mut asked = asked::read(endpoint, &head.headers, &body).await?;
    let body = asked::rename(&mut asked, &router.aliases, body, &router.room)?;
    account.asks_for(&asked.model);
    let pupil = Pupil::new(endpoint, &head.headers, &asked);
    let session = headers::session(&head.headers).or(asked.session.as_deref().map(str::as_bytes));
    let manner = Manner {
        client: router.dispatcher.client(headers::key(&head.headers), client),
        class: headers::class(&head.headers),
        bytes: body.len() as u64,
        context: asked.spots.context.filter(|_| endpoint.family() == Family::Ollama),
        prompt: Prompt { session: session.map(|name| router.dispatcher.session(name)), ..Prompt::default() },
    };
    let mut profile = Profile {
        id: account.id(),
        model: asked.model,
        endpoint: endpoint.path(),
        prompt_tokens: 0.0,
        expected_tokens: 0.0,
        context_min_tokens: 0.0,
        context_tokens: 0.0,
        streaming: asked.streaming,
        attempts: 0,
    };
    estimate(router, &pupil, &mut profile, asked.prompt_bytes);
    let call = Call {
        id: account.id(),
        signature: headers::id(account.id()),
        endpoint,
        headers: head.headers,
        body,
        spots: asked.spots,
        only_loads: asked.only_loads,
        pupil,
    };
    let mut tries = Tries::new(&router.limits, asked.written);
    loop {
        let ended = match attempt(router, account, (&profile, &manner, &call), &mut tries).await {
            Ok(response) => return Ok(response),
            Err(ended) => ended,
        };
        match ended {
            None => profile.attempts = tries.count(),
            Some(Ended::Ours(problem)) => return Err(problem),
            Some(Ended::Theirs(answered)) => return Ok(answer::theirs(answered, &tries)),
        }
    }
}

/// Says how long prompt and answer will be, by what was learned of the model.
fn estimate(router: &Router, pupil: &Pupil, profile: &mut Profile, prompt_bytes: usize) {
    let snapshot = router.snapshot();
    let model = profile.model.clone();
    let of_model = snapshot.holders(&model).next().map(|(_, holding)| &*holding.live.of_model);
    pupil.estimate(profile, of_model, prompt_bytes as f64);
}

/// Tries once. `Err(None)` = it failed, and may be tried again.
async fn attempt(
    router: &Router,
    account: &mut Account,
    (profile, manner, call): (&Profile, &Manner, &Call),
    tries: &mut Tries,
) -> Result<Response<Body>, Option<Ended>> {
    let admitted = account.waits_for(admission::admit(router, profile, manner, tries)).await;
    let Admitted { mut ticket, retry, place } = admitted.map_err(Some)?;
    account.asks(&ticket);
    let began = Instant::now();
    let mut vigil = Vigil::over_request(&router.scene, ticket.backend.row, &profile.model);
    let dressing = Dressing::of(call, &ticket);
    let asked = vigil.over(attempt::ask(router, &ticket.backend, call, dressing)).await;
    let asked = asked.unwrap_or_else(|sign| Err(Failure::Hung(sign)));
    drop(retry);
    match asked {
        Ok(answer) => {
            if answer.head.status.is_success() {
                ticket.succeeded();
                ticket.lesson.answers(&call.pupil, matches!(answer.body, Content::Stream(_)));
            }
            if let Content::Whole(_, facts) = &answer.body {
                account.learns(facts.figures);
                ticket.counted(facts.figures.answer_tokens);
                ticket.lesson.end(lesson::Ended::Whole, facts.figures, 0, Pace::default());
            }
            let why = ticket.why(tries.advised_row());
            let mut response = answer::response(answer, (ticket, vigil), profile, &why);
            let said = response.headers_mut();
            if let Some(place) = place {
                said.insert(headers::POSITION, place.ahead.into());
            }
            if let Some(context) = dressing.context {
                said.insert(headers::CONTEXT, context.into());
            }
            account.because(why);
            Ok(response)
        }
        Err(failure) => {
            ticket.failed(&failure);
            tries.failed(&ticket, failure, began.elapsed());
            // The slot is free before anybody thinks about what to do next, and the plugins are let go before anybody
            // waits.
            let decision = Arc::clone(&ticket.decision);
            drop(ticket);
            let advice = tries.advice(&decision, &*router.policy().pin()).map_err(Some)?;
            tries.follow(advice).await.map_err(Some)?;
            Err(None)
        }
    }
}
