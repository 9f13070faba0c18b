//! Sessions of agents, as texts that only their router can make: who they are for and when they were given stands in them,
//! so that nothing has to be kept for agents that only knock. It reads no clock and draws no randomness.

use herdwick_fleet::Moment;
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::seal::PublicKey;

/// Makes sessions and knows them again. With another secret, as after a restart of the router, none of them is known.
pub struct Mint {
    secret: [u8; 32],
}

impl Mint {
    /// `secret` is drawn from the system's randomness at start, and kept nowhere.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// A session for one start of one agent.
    pub fn issue(&self, key: &PublicKey, boot: &str, at: Moment) -> String {
        [hex::encode(&at.0.to_be_bytes()), hex::encode(&self.mark(key, boot, at))].concat()
    }

    /// When this session was given to this start of this agent; `None` if it never was.
    pub fn issued(&self, session: &str, key: &PublicKey, boot: &str) -> Option<Moment> {
        let (at, mark) = session.split_at_checked(16)?;
        let at = Moment(u64::from_be_bytes(hex::decode(at)?));
        // Whoever measures how long this takes learns about a session for a key that is theirs.
        (hex::decode(mark) == Some(self.mark(key, boot, at))).then_some(at)
    }

    /// What cannot be written without the secret. All parts but the boot, which is last, have one length.
    fn mark(&self, key: &PublicKey, boot: &str, at: Moment) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update("herdwick session 1\n");
        hash.update(key.bytes());
        hash.update(at.0.to_be_bytes());
        hash.update(boot);
        let mut mark = [0; 16];
        for (to, from) in mark.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Identity;

    #[test]
    fn a_session_is_good_for_one_start_of_one_agent_at_one_router() {
        let [one, other] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).public());
        let mint = Mint::new([7; 32]);
        let session = mint.issue(&one, "0123456789abcdef", Moment(5));
        assert_eq!(session.len(), 48);
        assert_eq!(mint.issued(&session, &one, "0123456789abcdef"), Some(Moment(5)));
        assert_eq!(mint.issued(&session, &other, "0123456789abcdef"), None);
        assert_eq!(mint.issued(&session, &one, "0123456789abcdee"), None);
        assert_eq!(Mint::new([8; 32]).issued(&session, &one, "0123456789abcdef"), None);
        let later = session.replacen("05", "06", 1);
        for forged in ["", "0", &session[..47], &format!("{session}0"), &"é".repeat(24), &later] {
            assert_eq!(mint.issued(forged, &one, "0123456789abcdef"), None, "{forged}");
        }
    }
}
