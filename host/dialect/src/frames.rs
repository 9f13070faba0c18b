//! Cuts a stream into whole frames. Whatever the packets, a client only ever gets whole frames, so that an error
//! frame after them can be read. A piece that ends where a frame ends passes as the same shared bytes.

use bytes::{Bytes, BytesMut};

use crate::endpoint::Framing;

/// Bytes of one frame. Ollama's are hundreds; a line without an end must not fill the memory.
pub const LONGEST: usize = 8 << 20;

/// A frame that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Holds back what is not whole yet.
#[derive(Debug)]
pub struct Splitter {
    framing: Framing,
    held: BytesMut,
}

impl Splitter {
    /// For a stream that begins.
    pub fn new(framing: Framing) -> Self {
        Self { framing, held: BytesMut::new() }
    }

    /// Takes the next piece of the stream and gives the frames that are whole now; empty if none is.
    ///
    /// # Errors
    /// A frame is longer than [`LONGEST`].
    pub fn push(&mut self, mut piece: Bytes) -> Result<Bytes, TooLong> {
        if self.held.is_empty() {
            let whole = piece.split_to(self.end_of_last(&piece, 0));
            if piece.len() > LONGEST {
                return Err(TooLong);
            }
            self.held.extend_from_slice(&piece);
            return Ok(whole);
        }
        // A mark may straddle the border, so the search begins a little before it.
        let from = self.held.len().saturating_sub(MARK_AT_MOST);
        self.held.extend_from_slice(&piece);
        let whole = self.held.split_to(self.end_of_last(&self.held, from)).freeze();
        if self.held.len() > LONGEST { Err(TooLong) } else { Ok(whole) }
    }

    /// What is left at the end of the stream: a last frame without its mark, or a part of one.
    pub fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Where the last whole frame ends; 0 if none does. Looks at `bytes[from..]` only.
    fn end_of_last(&self, bytes: &[u8], from: usize) -> usize {
        let (_, new) = bytes.split_at(from.min(bytes.len()));
        let end = match self.framing {
            Framing::Lines => memchr::memrchr(b'\n', new).map(|at| at + 1),
            Framing::Events if new.ends_with(b"\n\n") => Some(new.len()),
            Framing::Events => {
                let plain = memchr::memmem::rfind(new, b"\n\n").map(|at| at + 2);
                let carried = memchr::memmem::rfind(new, b"\n\r\n").map(|at| at + 3);
                plain.max(carried)
            }
        };
        end.map_or(0, |end| from.min(bytes.len()) + end)
    }
}

/// Bytes of the longest mark but one.
const MARK_AT_MOST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(framing: Framing, pieces: &[&str]) -> (Vec<String>, String) {
        let mut splitter = Splitter::new(framing);
        let mut frames = Vec::new();
        for piece in pieces {
            let whole = splitter.push(Bytes::copy_from_slice(piece.as_bytes())).expect("short enough");
            if !whole.is_empty() {
                frames.push(String::from_utf8_lossy(&whole).into_owned());
            }
        }
        (frames, String::from_utf8_lossy(&splitter.rest()).into_owned())
    }

    #[test]
    fn only_whole_frames_pass() {
        use Framing::{Events, Lines};
        for (framing, pieces, frames, rest) in [
            (Lines, &["{}\n"][..], &["{}\n"][..], ""),
            (Lines, &["{}\n{\"a", "\":1}", "\n"], &["{}\n", "{\"a\":1}\n"], ""),
            (Lines, &["{", "}"], &[], "{}"),
            (Lines, &["a\nb\nc", "\nd"], &["a\nb\n", "c\n"], "d"),
            (Events, &["data: 1\n\n"], &["data: 1\n\n"], ""),
            (Events, &["data: 1\n", "\ndata: 2"], &["data: 1\n\n"], "data: 2"),
            (Events, &["data: 1\r\n\r", "\n"], &["data: 1\r\n\r\n"], ""),
            (Events, &["data: 1\r\n\r\nda"], &["data: 1\r\n\r\n"], "da"),
            (Events, &["data: 1\n"], &[], "data: 1\n"),
        ] {
            let (got, left) = cut(framing, pieces);
            assert_eq!(
                (got, left.as_str()),
                (frames.iter().map(ToString::to_string).collect(), rest),
                "{pieces:?}"
            );
        }
    }

    #[test]
    fn any_cutting_gives_the_same_bytes() {
        let text = "event: a\ndata: {\"x\":\"é\"}\n\ndata: 2\r\n\r\n: note\n\ndata: [DONE]\n\nrest";
        for size in 1..text.len() {
            let pieces: Vec<_> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
            let mut splitter = Splitter::new(Framing::Events);
            let mut all = Vec::new();
            for piece in pieces {
                let whole = splitter.push(piece).expect("short enough");
                assert!(whole.is_empty() || whole.ends_with(b"\n\n") || whole.ends_with(b"\n\r\n"));
                all.extend_from_slice(&whole);
            }
            assert_eq!(&*splitter.rest(), b"rest", "in pieces of {size}");
            all.extend_from_slice(b"rest");
            assert_eq!(all, text.as_bytes(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_without_an_end_is_given_up() {
        let mut splitter = Splitter::new(Framing::Lines);
        let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
        let given_up = (0..10).find(|_| splitter.push(mebibyte.clone()).is_err());
        assert_eq!(given_up, Some(8));
        let huge = Bytes::from(vec![b'x'; LONGEST + 1]);
        assert_eq!(Splitter::new(Framing::Lines).push(huge), Err(TooLong));
    }

    #[test]
    fn a_piece_that_ends_with_a_frame_is_not_copied() {
        let piece = Bytes::from_static(b"{\"done\":false}\n");
        let whole = Splitter::new(Framing::Lines).push(piece.clone()).expect("short enough");
        assert_eq!(whole.as_ptr(), piece.as_ptr());
    }
}
