//! A request's body in pieces: what the client sent, shared and not copied, and what is put between.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Pieces of one body: what stands before, between and after three insertions.
const PIECES: usize = 7;

/// The pieces, in order; empty ones are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rope {
    pieces: [Bytes; PIECES],
    /// How many there are, and the first that was not given out.
    count: usize,
    next: usize,
    rest: u64,
}

impl Rope {
    /// Adds a piece at the end. Returns whether there was room.
    pub(crate) fn push(&mut self, piece: Bytes) -> bool {
        if piece.is_empty() {
            return true;
        }
        let Some(place) = self.pieces.get_mut(self.count) else { return false };
        self.rest += piece.len() as u64;
        *place = piece;
        self.count += 1;
        true
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        String::from_utf8(bytes).expect("text")
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(bytes);
        rope
    }
}

impl Body for Rope {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.next;
        if next >= self.count {
            return Poll::Ready(None);
        }
        self.next += 1;
        let piece = self.pieces.get_mut(next).map(std::mem::take).unwrap_or_default();
        self.rest -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.count
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest)
    }
}
