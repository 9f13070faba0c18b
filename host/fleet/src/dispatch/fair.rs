//! Fair shares between clients who wait for the same model: start-time fair queueing.
//!
//! Each request is stamped with the work that its client has had in turn before it; the lowest stamp goes first. A client
//! that sends a thousand requests at once stamps itself far into the future, and one that comes later goes ahead of all
//! but its first. Source: Goyal, Vin, Cheng, "Start-time Fair Queuing" (1996). It knows no clock and no machine: work is
//! whatever its caller measures it in.

use std::collections::HashMap;

use super::ask::Client;

/// Who has had how much. While nobody waits there is nothing to share, so whoever keeps it begins anew then.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// The stamp of whoever was served last.
    virtual_now: u64,
    /// The stamp that each client's next request gets at least.
    finished: HashMap<Client, u64>,
}

impl Shares {
    /// The stamp of a request of `client` that is so much work.
    pub(crate) fn stamp(&mut self, client: Client, work: u64) -> u64 {
        let finished = self.finished.entry(client).or_default();
        let stamp = self.virtual_now.max(*finished);
        *finished = stamp.saturating_add(work);
        stamp
    }

    /// A request with this stamp is being served.
    pub(crate) fn serves(&mut self, stamp: u64) {
        self.virtual_now = self.virtual_now.max(stamp);
    }

    /// A request with this stamp, of so much work, left the line unserved. If it was its client's last, the client is not
    /// charged for it; otherwise its later ones would overtake those that it sent before.
    pub(crate) fn refunds(&mut self, client: Client, stamp: u64, work: u64) {
        if let Some(finished) = self.finished.get_mut(&client)
            && *finished == stamp.saturating_add(work)
        {
            *finished = stamp;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns_by_work_and_not_by_number() {
        let mut shares = Shares::default();
        let (flood, other, heavy) = (Client(1), Client(2), Client(3));
        let flood: Vec<u64> = (0..100).map(|_| shares.stamp(flood, 10)).collect();
        assert_eq!((flood[0], flood[99]), (0, 990));
        shares.serves(flood[3]);
        assert_eq!(shares.stamp(other, 10), 30, "ahead of all that the flood has not had yet");
        let heavy: Vec<u64> = (0..3).map(|_| shares.stamp(heavy, 100)).collect();
        assert_eq!(heavy, [30, 130, 230], "ten times the work, a tenth of the turns");
    }

    #[test]
    fn what_was_not_served_is_not_charged() {
        let mut shares = Shares::default();
        assert_eq!(shares.stamp(Client(1), 50), 0);
        assert_eq!(shares.stamp(Client(1), 50), 50);
        shares.refunds(Client(1), 50, 50);
        assert_eq!(shares.stamp(Client(1), 50), 50);
        shares.refunds(Client(1), 0, 50);
        assert_eq!(shares.stamp(Client(1), 50), 100, "never ahead of what the client sent before");
    }
}
