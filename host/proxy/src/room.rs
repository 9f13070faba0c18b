//! Memory for the bodies of requests, all together: whoever would not fit is told at once, instead of everybody when
//! memory is gone. A body counts as long as a byte of it is held, wherever it went.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::rescue::Problem;

/// What is left, and how much there is.
#[derive(Debug)]
pub(crate) struct Room {
    free: AtomicUsize,
    most: usize,
}

/// The part of one body. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    bytes: usize,
}

/// Bytes and the place that they take.
struct Kept {
    bytes: Bytes,
    _place: Place,
}

impl Room {
    /// Room for so many bytes.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(most), most })
    }

    /// A place without a byte yet.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        Place { room: Arc::clone(self), bytes: 0 }
    }
}

impl Place {
    /// Takes so much more, or says that there is no more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let taken = self.room.free.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(bytes));
        taken.map_err(|_| Problem::BodiesFull { limit: self.room.most })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back what is more than so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.room.free.fetch_add(spare, Relaxed);
    }

    /// Is held for these bytes until nobody has them any more.
    pub(crate) fn keep(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() { bytes } else { Bytes::from_owner(Kept { bytes, _place: self }) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_until_its_last_byte_is_let_go() {
        let room = Room::new(10);
        let mut place = room.place();
        place.grow(4).unwrap();
        place.grow(4).unwrap();
        assert_eq!(place.grow(3), Err(Problem::BodiesFull { limit: 10 }));
        place.shrink_to(6);
        let whole = place.keep(Bytes::from_static(b"sixsix"));
        let part = whole.slice(1..2);
        drop(whole);
        assert_eq!(room.free.load(Relaxed), 4);
        drop(part);
        assert_eq!(room.free.load(Relaxed), 10);
        room.place().grow(10).unwrap();
        assert_eq!(room.free.load(Relaxed), 10, "a place that kept nothing is given back");
    }
}
