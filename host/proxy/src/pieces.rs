//! Bytes that come in pieces and are wanted in one: the shared bytes of the first piece, or a buffer once there is a
//! second. The buffer doubles when it is full, so that pieces of one byte cost no more than their bytes. It knows no
//! bound; whoever collects does.

use bytes::{Bytes, BytesMut};

/// What came so far.
#[derive(Default)]
pub(crate) struct Pieces {
    first: Bytes,
    grown: BytesMut,
}

impl Pieces {
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.grown.len()
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.grown.extend_from_slice(&first);
        self.grown.extend_from_slice(&data);
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.grown.is_empty() { self.first } else { self.grown.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_stays_the_bytes_that_it_was_and_several_become_one() {
        let only = Bytes::from_static(b"only");
        let mut pieces = Pieces::default();
        pieces.push(only.clone());
        assert_eq!(pieces.into_bytes().as_ptr(), only.as_ptr());
        let mut pieces = Pieces::default();
        for piece in ["", "a", "", "bc", "d"] {
            pieces.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!((pieces.len(), &*pieces.into_bytes()), (4, &b"abcd"[..]));
    }
}
