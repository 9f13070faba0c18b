//! Passes an answer on as the same shared bytes in which it came, frame by frame, and gives slot and connection
//! back at its end. A client that leaves drops this body, which closes the backend's connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::headers;
use crate::ticket::Ticket;
use crate::upstream::Link;

/// The body of every response.
pub(crate) enum Body {
    /// Our own words.
    Full(Option<Bytes>),
    /// A backend's.
    Relay(Box<Relay>),
}

/// An answer under way.
pub(crate) struct Relay {
    incoming: Incoming,
    /// Both end with the answer.
    held: Option<(Link, Ticket)>,
}

impl Body {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }
}

/// The response to the client for a backend's answer: its status, its headers less those of one hop, its body.
pub(crate) fn answer(response: Response<Incoming>, link: Link, ticket: Ticket) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    headers::strip_one_hop(&mut head.headers);
    // How the backend frames is its business; we frame for our client, who spoke to us.
    head.version = http::Version::HTTP_11;
    let mut relay = Relay { incoming, held: Some((link, ticket)) };
    relay.finish_if_ended();
    Response::from_parts(head, Body::Relay(Box::new(relay)))
}

impl Relay {
    /// Ends as soon as the last byte is here: a body of known length is never asked again.
    fn finish_if_ended(&mut self) {
        if !self.incoming.is_end_stream() {
            return;
        }
        self.finish();
    }

    fn finish(&mut self) {
        if let Some((link, ticket)) = self.held.take() {
            link.give_back();
            drop(ticket);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => {
                let frame = ready!(Pin::new(&mut relay.incoming).poll_frame(context));
                match &frame {
                    Some(Ok(_)) => relay.finish_if_ended(),
                    // The connection is unusable; the slot is free.
                    Some(Err(_)) => relay.held = None,
                    None => relay.finish(),
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Relay(relay) => relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Relay(relay) => relay.incoming.size_hint(),
        }
    }
}
