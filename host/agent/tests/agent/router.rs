//! A scripted router: checks every seal, gives sessions, keeps what it was told, answers what a test wants.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use herdwick_wire::beat::{Beat, Reply};
use herdwick_wire::seal::{self, Identity, PublicKey, Signature};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A router on a thread of its own. It is gone when this is dropped.
pub(crate) struct ScriptedRouter {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    identity: Identity,
    told: Mutex<Told>,
    came: Condvar,
}

struct Told {
    session: String,
    /// What each beat that was taken in is answered, but for its session.
    reply: Reply,
    /// Beats that were taken in, with the address that they came from.
    beats: Vec<(SocketAddr, Beat)>,
    introductions: usize,
    /// Why it takes nothing.
    refuses: Option<String>,
}

impl ScriptedRouter {
    /// A router with this key on a free port.
    pub(crate) fn start(key: u8) -> Self {
        Self::start_on("127.0.0.1:0", key)
    }

    /// A router with this key there.
    pub(crate) fn start_on(address: &str, key: u8) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let told = Told {
            session: format!("session of {key}, {:?}", Instant::now()),
            reply: Reply { interval_ms: 250, ..Reply::default() },
            beats: Vec::new(),
            introductions: 0,
            refuses: None,
        };
        let state = Arc::new(State {
            identity: Identity::from_seed(&[key; 32]),
            told: Mutex::new(told),
            came: Condvar::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// As `--router` takes it.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    /// Changes what beats are answered from now on.
    pub(crate) fn answers(&self, change: impl FnOnce(&mut Reply)) {
        change(&mut self.state.told.lock().expect("no test panicked").reply);
    }

    /// Takes nothing from now on.
    pub(crate) fn refuses(&self, why: &str) {
        self.state.told.lock().expect("no test panicked").refuses = Some(why.to_owned());
    }

    /// Its key.
    pub(crate) fn key(&self) -> PublicKey {
        self.state.identity.public()
    }

    /// Forgets its session, as a router does that was restarted.
    pub(crate) fn forgets(&self) {
        self.state.told.lock().expect("no test panicked").session.push('!');
    }

    /// Beats that came in until now.
    pub(crate) fn count(&self) -> usize {
        self.state.told.lock().expect("no test panicked").beats.len()
    }

    /// How often an agent was asked who it is.
    pub(crate) fn introductions(&self) -> usize {
        self.state.told.lock().expect("no test panicked").introductions
    }

    /// The beat that came last.
    pub(crate) fn last(&self) -> Beat {
        let told = self.state.told.lock().expect("no test panicked");
        told.beats.last().expect("some beat came").1.clone()
    }

    /// The first beat from `from` on of which `wanted` is true.
    pub(crate) fn beat(&self, what: &str, from: usize, mut wanted: impl FnMut(&Beat) -> bool) -> Beat {
        let until = Instant::now() + PATIENCE;
        let mut told = self.state.told.lock().expect("no test panicked");
        let mut next = from;
        loop {
            for (_, beat) in told.beats.iter().skip(next) {
                if wanted(beat) {
                    return beat.clone();
                }
            }
            next = next.max(told.beats.len());
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no beat came of which {what}: {:#?}", told.beats.last());
            told = self.state.came.wait_timeout(told, left).expect("no test panicked").0;
        }
    }
}

impl Drop for ScriptedRouter {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends without a word.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    loop {
        let (stream, from) = listener.accept().await.expect("it accepts");
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, hyper::Error>(answer(request, from, &state).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // An agent may leave whenever it likes.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, from: SocketAddr, state: &State) -> Response<Full<Bytes>> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/fleet/v1/beat"));
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a beat").to_bytes();
    let text = |headers: &HeaderMap, name: &str| {
        headers.get(name).expect("a seal").to_str().expect("a text").to_owned()
    };
    let key = PublicKey::parse(&text(&head.headers, seal::KEY)).expect("a key");
    let signature = Signature::parse(&text(&head.headers, seal::SIGNATURE)).expect("a signature");
    let meant = text(&head.headers, seal::ROUTER);
    let meant = (meant != seal::NO_ROUTER).then(|| PublicKey::parse(&meant).expect("a key"));
    assert!(key.signed_beat(&signature, meant.as_ref(), &body), "the seal is broken");
    let beat: Beat = serde_json::from_slice(&body).expect("a beat");

    let mut told = state.told.lock().expect("no test panicked");
    let is_for_us = meant == Some(state.identity.public());
    let mut reply = Reply { session: told.session.clone(), ..told.reply.clone() };
    let mut status = StatusCode::OK;
    if meant.is_some() && !is_for_us {
        status = StatusCode::FORBIDDEN;
        reply = Reply { problem: Some("this beat is another router's".to_owned()), ..Reply::default() };
    } else if let Some(why) = &told.refuses {
        status = StatusCode::FORBIDDEN;
        reply = Reply { problem: Some(why.clone()), ..Reply::default() };
    } else if beat.session != told.session {
        status = StatusCode::UNAUTHORIZED;
        told.introductions += 1;
    } else {
        assert!(is_for_us, "a session without a router's key");
        told.beats.push((from, beat));
        state.came.notify_all();
    }
    let body = serde_json::to_vec(&reply).expect("a reply");
    let sealed = state.identity.sign_reply(&signature, &body);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    for (name, value) in
        [(seal::KEY, state.identity.public().to_string()), (seal::SIGNATURE, sealed.to_string())]
    {
        response.headers_mut().insert(name, value.parse().expect("digits"));
    }
    response
}
