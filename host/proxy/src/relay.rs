//! Passes an answer on as the same shared bytes in which it came, in whole frames, and gives slot and connection back
//! at its end. A stream that breaks, or ends without the frame that its dialect ends with, ends in an error frame. A
//! client that leaves drops this body, which closes the backend's connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use herdwick_dialect::endpoint::Framing;
use herdwick_dialect::{End, Ending, Endpoint, Figures, Splitter, failure};
use herdwick_fleet::{self as fleet, RequestId};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::attempt::{Answered, Call, Failure};
use crate::lesson::{Ended, Pace};
use crate::ticket::Ticket;
use crate::upstream::Link;
use crate::vigil::Vigil;

/// The body of every response.
pub(crate) enum Body {
    /// Bytes that are all here.
    Full(Option<Bytes>),
    /// A backend's stream.
    Stream(Box<Stream>),
    /// A backend's long answer.
    Pass(Box<Pass>),
}

/// A streamed answer under way.
pub(crate) struct Stream {
    endpoint: Endpoint,
    id: RequestId,
    incoming: Incoming,
    frames: Splitter,
    ending: Ending,
    /// What comes next, before anything else is read.
    ready: Option<Bytes>,
    /// Nothing more is read.
    over: bool,
    /// It ends in an error frame of ours.
    broke: bool,
    link: Option<Link>,
    /// Until the last frame is here.
    ticket: Option<Ticket>,
    /// As long as there is a ticket: whether more can still come.
    vigil: Option<Vigil>,
    /// Who answers, for telling the client.
    node: Option<Arc<str>>,
    /// Whether the client keeps up.
    pace: Pace,
}

/// A long answer under way, which nobody looks into.
pub(crate) struct Pass {
    begun: Option<Bytes>,
    incoming: Incoming,
    /// Whether its end says that all of it came; where only the connection's end does, nobody can tell.
    is_framed: bool,
    held: Option<(Link, Option<Ticket>)>,
}

/// An answer that breaks off, which its client sees by how it ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The backend's connection broke.
    #[error("the backend's answer broke off ({0})")]
    Backend(#[from] hyper::Error),
    /// It ended, and nothing says that it is complete.
    #[error("the backend's answer ended without saying that it is complete")]
    Unfinished,
}

/// Why a stream ended without its last frame.
#[derive(Clone, Copy)]
enum Break {
    /// The connection broke.
    Lost,
    /// It just ended.
    Truncated,
    /// Something that is no frame came.
    Garbled,
    /// The router stops.
    Stopping,
}

impl Stream {
    /// Waits for the first whole frame. Until it is here another backend may be asked.
    pub(crate) async fn begin(call: &Call, incoming: Incoming, link: Link) -> Result<Box<Self>, Failure> {
        let mut stream = Box::new(Self {
            endpoint: call.endpoint,
            id: call.id,
            incoming,
            frames: Splitter::new(call.endpoint.framing()),
            ending: Ending::new(call.endpoint),
            ready: None,
            over: false,
            broke: false,
            link: Some(link),
            ticket: None,
            vigil: None,
            node: None,
            pace: Pace::default(),
        });
        loop {
            let data = match stream.incoming.frame().await {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Err(Failure::Broke(error)),
                None => {
                    stream.finish();
                    let whole = stream.ready.as_ref().filter(|_| !stream.broke);
                    return match (stream.ending.end(), whole) {
                        (End::Complete, _) => Ok(stream),
                        (End::Failed, Some(frame)) => {
                            Err(Failure::Answered(Answered::in_stream(call.endpoint, frame)))
                        }
                        _ => Err(Failure::Garbled("its answer ended before it began")),
                    };
                }
            };
            let whole =
                stream.frames.push(data).map_err(|_| Failure::Garbled("its answer has no end of line"))?;
            stream
                .ending
                .read(&whole)
                .map_err(|_| Failure::Garbled("its answer is no stream of its dialect"))?;
            if stream.ending.end() == End::Failed {
                return Err(Failure::Answered(Answered::in_stream(call.endpoint, &whole)));
            }
            if stream.ending.only_loaded() && !call.only_loads {
                return Err(Failure::OnlyLoaded);
            }
            if !whole.is_empty() {
                stream.ready = Some(whole);
                return Ok(stream);
            }
        }
    }

    /// Keeps the slot until the answer's end.
    pub(crate) fn hold(&mut self, ticket: Ticket, vigil: Vigil) {
        // A short answer may have come in one piece.
        self.node = Some(Arc::clone(&ticket.backend.node.name));
        (self.ticket, self.vigil) = (Some(ticket), Some(vigil));
        if self.is_said() {
            self.let_go(Ended::Whole);
        } else if let Some(vigil) = &mut self.vigil {
            vigil.goes_on();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(ready) = self.ready.take() {
                return Poll::Ready(Some(ready));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
                self.pace.waits();
                ready!(self.watch(context));
                self.break_off(Break::Lost);
                continue;
            };
            self.pace.comes();
            match frame {
                // Behind the last frame only the end of the body is awaited, so that the connection can be used again.
                Some(_) if self.is_said() => self.close(),
                // Trailers say nothing that we pass on.
                Some(Ok(frame)) => self.take(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => self.break_off(Break::Lost),
                None => self.finish(),
            }
        }
    }

    /// Nothing is here now. Returns when nothing will come any more.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.vigil {
            Some(vigil) => vigil.poll(context).map(drop),
            None => Poll::Pending,
        }
    }

    /// Takes in the next piece.
    fn take(&mut self, data: Bytes) {
        let Ok(mut whole) = self.frames.push(data) else {
            return self.break_off(Break::Garbled);
        };
        if let Some(ticket) = &self.ticket {
            ticket.backend.live.mark_flowing();
            ticket.progresses(frames(self.endpoint.framing(), &whole));
        }
        match self.ending.read(&whole) {
            Ok(()) => {
                self.ready = Some(whole).filter(|whole| !whole.is_empty());
                if self.is_said() {
                    // The work is done, whenever the backend ends the body.
                    self.let_go(Ended::Whole);
                }
            }
            Err(bad) => {
                self.ready = Some(whole.split_to(bad.at)).filter(|good| !good.is_empty());
                self.break_off(Break::Garbled);
            }
        }
    }

    /// Whether the backend has said its last.
    fn is_said(&self) -> bool {
        self.ending.is_over()
    }

    /// The backend's work for it is over: what it showed is learned, and the slot is free. A backend that ended with an
    /// error of its own is charged with it.
    fn let_go(&mut self, how: Ended) {
        self.vigil = None;
        let Some(mut ticket) = self.ticket.take() else { return };
        let has_failed = self.ending.end() == End::Failed;
        let how = if has_failed { Ended::Broken } else { how };
        ticket.counted(self.ending.figures().answer_tokens);
        ticket.lesson.end(how, self.ending.figures(), self.ending.frames(), self.pace);
        if has_failed {
            ticket.broke(fleet::Failure::Status);
        }
    }

    /// Ends without another word. The connection is not used again.
    fn close(&mut self) {
        self.over = true;
        self.link = None;
        self.let_go(Ended::Whole);
    }

    /// The backend ended its answer.
    fn finish(&mut self) {
        let rest = self.frames.rest();
        // A last frame may lack its mark; anything else that is left is a part of one, which no client could read.
        let readable = self.ending.read(&rest).is_ok();
        if self.is_said() {
            self.ready = Some(rest).filter(|rest| !rest.is_empty());
            self.over = true;
            if let Some(link) = self.link.take() {
                link.give_back();
            }
            self.let_go(Ended::Whole);
            return;
        }
        if readable && !rest.is_empty() {
            let mark: &[u8] = match self.endpoint.framing() {
                Framing::Lines => b"\n",
                Framing::Events => b"\n\n",
            };
            self.ready = Some([&*rest, mark].concat().into());
        }
        self.break_off(Break::Truncated);
    }

    /// Ends with an error frame. The connection is unusable, the slot is free.
    fn break_off(&mut self, why: Break) {
        let node = self.node.as_deref().unwrap_or("the node");
        let (code, text) = match why {
            Break::Lost => {
                ("node_lost", format!("the connection to {node} broke in the middle of the answer"))
            }
            Break::Truncated => {
                ("stream_truncated", format!("{node} ended the answer before it was complete"))
            }
            Break::Stopping => ("draining", "the router stops before the answer is complete".to_owned()),
            Break::Garbled => ("upstream_error", format!("{node} sent something that is no answer")),
        };
        let (text, request) =
            (format!("{text}; what came so far is incomplete, ask again"), self.id.to_string());
        let response = self.ending.response();
        let told = failure::Break { code, text: &text, request: &request, response };
        let frame = failure::frame(self.endpoint, &told);
        self.ready = Some(match self.ready.take() {
            Some(before) => [before, frame].concat().into(),
            None => frame,
        });
        self.over = true;
        self.broke = true;
        self.link = None;
        self.vigil = None;
        let Some(mut ticket) = self.ticket.take() else { return };
        ticket.lesson.end(Ended::Broken, self.ending.figures(), self.ending.frames(), self.pace);
        if !matches!(why, Break::Stopping) {
            ticket.broke(fleet::Failure::Cut);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Whoever lets go of an answer that goes on is its client.
        self.let_go(Ended::Left);
    }
}

/// About how many frames there are, which is about how many tokens.
fn frames(framing: Framing, whole: &[u8]) -> u32 {
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let lines = u32::try_from(lines).unwrap_or(u32::MAX);
    match framing {
        Framing::Lines => lines,
        // One line of data and an empty one; Anthropic's and the newer ones of OpenAI's have a name before.
        Framing::Events => lines.div_ceil(3),
    }
}

impl Pass {
    /// `begun` is what was read already.
    pub(crate) fn new(begun: Bytes, incoming: Incoming, is_framed: bool, link: Link) -> Self {
        Self { begun: Some(begun), incoming, is_framed, held: Some((link, None)) }
    }

    /// Keeps the slot until the answer's end.
    pub(crate) fn hold(&mut self, ticket: Ticket) {
        if let Some((_, held)) = &mut self.held {
            *held = Some(ticket);
        }
    }

    fn broke(&mut self) {
        if let Some((_, Some(ticket))) = self.held.take() {
            ticket.broke(fleet::Failure::Cut);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(begun) = self.begun.take() {
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        if let Some((_, Some(ticket))) = &self.held {
            ticket.backend.live.mark_flowing();
        }
        match &frame {
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            // The connection is unusable; the slot is free.
            Some(Err(_)) => self.broke(),
            None if !self.is_framed => {
                self.broke();
                return Poll::Ready(Some(Err(Broken::Unfinished)));
            }
            Some(Ok(_)) | None => {
                if let Some((link, _ticket)) = self.held.take() {
                    link.give_back();
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Broken::from)))
    }
}

impl Body {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }

    /// The time for the answer is over: a stream says so and ends. What has no frames just goes on until its connection
    /// is closed, which its length or its last chunk will show.
    pub(crate) fn cut_off(&mut self) {
        if let Self::Stream(stream) = self
            && !stream.over
        {
            if stream.is_said() { stream.close() } else { stream.break_off(Break::Stopping) }
        }
    }

    /// How an answer that is over ended, and what its backend told of its work.
    pub(crate) fn ended(&self) -> (fleet::Ending, Figures) {
        match self {
            Self::Stream(stream) => {
                let is_cut = stream.broke || stream.ending.end() == End::Failed;
                let ending = if is_cut { fleet::Ending::Cut } else { fleet::Ending::Complete };
                (ending, stream.ending.figures())
            }
            Self::Full(_) | Self::Pass(_) => (fleet::Ending::Complete, Figures::default()),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => {
                stream.poll(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Pass(pass) => pass.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(stream) => stream.over && stream.ready.is_none(),
            Self::Pass(pass) => pass.begun.is_none() && pass.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            // A stream may end otherwise than its backend announced.
            Self::Stream(_) => SizeHint::default(),
            Self::Pass(pass) => {
                let begun = pass.begun.as_ref().map_or(0, Bytes::len) as u64;
                pass.incoming
                    .size_hint()
                    .exact()
                    .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(begun + rest))
            }
        }
    }
}
