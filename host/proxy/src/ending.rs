//! Follows one request from its head to the end of its answer and reports how it ended, once, whatever happens: the
//! report is made when this is dropped, which is also how hyper tells that a client left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use herdwick_dialect::Figures;
use herdwick_fleet::{Ending, ModelName, Outcome, RequestId};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::peer::{Peer, UnderWay};
use crate::relay::{Body, Broken};
use crate::routes::Route;
use crate::scene::Scene;
use crate::ticket::Ticket;

/// What the log calls a path that is no route: what the client wrote may hold anything.
const NO_ROUTE: &str = "unknown";

/// A request under way. Dropping it reports how it ended.
pub(crate) struct Account {
    scene: Arc<Scene>,
    id: RequestId,
    began: Instant,
    /// Whether the answer's head is all of it, as for `HEAD`.
    head_only: bool,
    /// Whether it is for a model, which is what is counted.
    counts: bool,
    /// Taken when it is reported.
    outcome: Option<Box<Outcome>>,
    /// For whoever watches the connection.
    under_way: UnderWay,
}

/// An answer's body that keeps the account.
pub(crate) struct Followed {
    body: Body,
    account: Account,
}

impl Account {
    /// A request's head is here. Until something else is said, its client left.
    pub(crate) fn open(scene: &Arc<Scene>, id: RequestId, peer: &Arc<Peer>, route: Option<&Route>) -> Self {
        let counts = matches!(route, Some(Route::Inference(_)));
        if counts {
            scene.counters.began();
        }
        let outcome = Outcome {
            id,
            client: peer.address(),
            route: route.map_or(NO_ROUTE, |route| route.name()),
            model: None,
            node: None,
            why: String::new(),
            status: None,
            ending: Ending::ClientGone,
            attempts: 0,
            queued: Duration::ZERO,
            first_byte: None,
            total: Duration::ZERO,
            bytes: 0,
            prompt_tokens: None,
            answer_tokens: None,
        };
        let (scene, outcome) = (Arc::clone(scene), Some(Box::new(outcome)));
        let under_way = peer.begin(counts);
        Self { scene, id, began: Instant::now(), head_only: false, counts, outcome, under_way }
    }

    /// Whose it is.
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// Whether the answer will be a head alone, so that nobody asks for its body.
    pub(crate) fn has_no_body(&mut self, head_only: bool) {
        self.head_only = head_only;
    }

    /// It asks for this model.
    pub(crate) fn asks_for(&mut self, model: &ModelName) {
        self.note(|outcome| outcome.model = Some(model.clone()));
    }

    /// Waits for a slot, as long as `slot` takes.
    pub(crate) async fn waits_for<T>(&mut self, slot: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let got = {
            let _waiting = self.scene.counters.waits();
            slot.await
        };
        self.note(|outcome| outcome.queued += began.elapsed());
        got
    }

    /// Whether the time for its answer is over.
    fn is_cut(&self) -> bool {
        self.under_way.is_cut()
    }

    /// A backend is asked.
    pub(crate) fn asks(&mut self, ticket: &Ticket) {
        self.note(|outcome| {
            outcome.attempts += 1;
            outcome.node = Some(Arc::clone(&ticket.backend.node.name));
        });
    }

    /// Why the one that answers was asked.
    pub(crate) fn because(&mut self, why: String) {
        self.note(|outcome| outcome.why = why);
    }

    /// What a backend told of its work.
    pub(crate) fn learns(&mut self, figures: Figures) {
        self.note(|outcome| {
            outcome.prompt_tokens = figures.prompt_tokens.or(outcome.prompt_tokens);
            outcome.answer_tokens = figures.answer_tokens.or(outcome.answer_tokens);
        });
    }

    /// We answer with an error of our own.
    pub(crate) fn refused(&mut self, code: &'static str) {
        self.note(|outcome| outcome.ending = Ending::Refused(code));
    }

    /// The answer begins; from here on the account is in its body.
    pub(crate) fn follow(mut self, response: Response<Body>) -> Response<Followed> {
        self.note(|outcome| outcome.status = Some(response.status().as_u16()));
        response.map(|body| {
            let mut followed = Followed { body, account: self };
            followed.end_if_over();
            followed
        })
    }

    fn passed(&mut self, bytes: usize) {
        let began = self.began;
        self.note(|outcome| {
            outcome.bytes += bytes as u64;
            outcome.first_byte.get_or_insert_with(|| began.elapsed());
        });
    }

    /// What ended it first counts.
    fn ended(&mut self, ending: Ending) {
        self.note(|outcome| {
            if outcome.ending == Ending::ClientGone {
                outcome.ending = ending;
            }
        });
    }

    fn note(&mut self, note: impl FnOnce(&mut Outcome)) {
        if let Some(outcome) = &mut self.outcome {
            note(outcome);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(mut outcome) = self.outcome.take() else { return };
        outcome.total = self.began.elapsed();
        if self.counts {
            self.scene.counters.ended(&outcome);
        }
        self.scene.outcomes.record(*outcome);
    }
}

impl Followed {
    /// A body of known length is never asked again after its last byte, and one without bytes not at all.
    fn end_if_over(&mut self) {
        if self.account.head_only || self.body.is_end_stream() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let (ending, figures) = self.body.ended();
        self.account.learns(figures);
        self.account.ended(ending);
    }
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.account.is_cut() {
            self.body.cut_off();
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.account.passed(frame.data_ref().map_or(0, Bytes::len));
                self.end_if_over();
            }
            Some(Err(_)) => self.account.ended(Ending::Cut),
            None => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
