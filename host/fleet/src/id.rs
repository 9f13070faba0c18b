//! Identities, one type each, so that two of them cannot be swapped. Ids are global: two routers that look at
//! the same machine agree on them. Nothing here knows how an id travels.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A machine: the first 16 bytes of a SHA-256. With an agent of ours, of its public key; with Ollama Herd's, of what
/// that calls itself and where it is; without an agent, of its origin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The id of a node that is known by nothing but where it listens (`http://host:port`).
    pub fn from_origin(origin: &str) -> Self {
        Self::digest(origin.as_bytes())
    }

    /// The id of the machine whose agent has this public key: nobody else can speak for it.
    pub fn from_key(public: &[u8; 32]) -> Self {
        Self::digest(public)
    }

    /// The id of a machine whose agent has no key. Whoever writes its name from another address is another node.
    pub fn from_claim(name: &str, address: IpAddr) -> Self {
        // The address has no white space, so that no two pairs are one text; and no origin begins so.
        Self::digest(format!("herd:{address} {name}").as_bytes())
    }

    fn digest(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        Self(id)
    }

    /// The id with these bytes, as they were told by [`NodeId::bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for whoever keeps it.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NodeId({self})")
    }
}

/// One model server: the machine it runs on and the port it listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId {
    /// The machine.
    pub node: NodeId,
    /// TCP port on that machine.
    pub port: u16,
}

impl fmt::Display for BackendId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.node, self.port)
    }
}

/// The identity of a backend's row in the matrix that signals see (`slot` in the WIT contract): small, stable
/// while the router runs, never given to another backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u32);

/// A plugin's name as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginId(Arc<str>);

impl PluginId {
    /// Wraps a name that was validated at load.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Counts published versions of one thing: a fleet snapshot or a plugin set. Starts at 0, only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A request's id, a version 7 UUID (RFC 9562 §5.7): sortable by time, unique across routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// Builds the id from the wall clock (milliseconds since the Unix epoch) and 74 random bits (the low ones
    /// of `random`). The caller owns clock and randomness, so that a test can fix both.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        const VERSION: u128 = 0x7 << 76;
        const VARIANT: u128 = 0b10 << 62;
        let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
        let high = ((random >> 62) & 0xfff) << 64;
        let low = random & ((1 << 62) - 1);
        Self(time | VERSION | high | VARIANT | low)
    }

    /// Reads the usual spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let whole = digits.len() == 32 && text.len() == 36;
        whole.then(|| u128::from_str_radix(&digits, 16).ok().map(Self)).flatten()
    }

    /// A number that is as good as random for choosing between equals.
    pub fn lot(self) -> u64 {
        // A multiplication carries every bit upwards; the upper half brought down makes low bits as good as
        // high ones for whoever takes a remainder.
        let low = u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or(0);
        let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        let part = |shift: u32, bits: u32| (id >> shift) & ((1 << bits) - 1);
        write!(
            out,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 32),
            part(80, 16),
            part(64, 16),
            part(48, 16),
            part(0, 48)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_version_7_uuid() {
        // The example of RFC 9562, appendix A.6.
        let random = (0x0cc3_u128 << 62) | 0x18c4_dc0c_0c07_398f;
        let id = RequestId::new(0x017F_22E2_79B0, random);
        assert_eq!(id.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(RequestId::parse(&id.to_string()), Some(id));
        assert_eq!(RequestId::parse("017f22e2"), None);
    }

    #[test]
    fn later_requests_sort_after_earlier_ones() {
        assert!(RequestId::new(1, u128::MAX) < RequestId::new(2, 0));
    }

    #[test]
    fn a_node_keeps_its_id_and_shares_it_with_nobody() {
        let id = NodeId::from_origin("http://10.0.0.5:11434");
        assert_eq!(id, NodeId::from_origin("http://10.0.0.5:11434"));
        assert_ne!(id, NodeId::from_origin("http://10.0.0.5:11435"));
        assert_eq!(id.to_string().len(), 32);
        let [here, there] = [[10, 0, 0, 5], [10, 0, 0, 6]].map(IpAddr::from);
        assert_ne!(NodeId::from_claim("studio", here), NodeId::from_claim("studio", there));
        assert_ne!(NodeId::from_key(&[1; 32]), NodeId::from_key(&[2; 32]));
        // The first 16 bytes of the SHA-256 of 32 zeros.
        assert_eq!(NodeId::from_key(&[0; 32]).to_string(), "66687aadf862bd776c8fc18b8e9f8e20");
    }
}
