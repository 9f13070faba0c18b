//! Who speaks: keys of routers and agents, and the signatures that heartbeats and their answers carry in headers. It
//! knows no HTTP and draws no randomness; what a beat says is not its matter.
//!
//! The signed texts name what is signed and the version, so that no signature of one kind is ever one of another:
//! a beat is signed together with the router that it is meant for, a reply together with the beat that it answers.
//! Ed25519 as in RFC 8032, checked strictly: keys and signatures that several readers could judge differently are refused.

use std::fmt;

use ed25519_dalek::ed25519::signature::MultipartSigner;
use ed25519_dalek::{Signature as Ed25519, SigningKey, VerifyingKey};
use herdwick_fleet::NodeId;

use crate::hex;

/// Header with the sender's public key: 64 hexadecimal digits.
pub const KEY: &str = "x-herdwick-key";
/// Header of a beat with the key of the router that it is meant for, or [`NO_ROUTER`].
pub const ROUTER: &str = "x-herdwick-router";
/// Header with the signature: 128 hexadecimal digits.
pub const SIGNATURE: &str = "x-herdwick-signature";
/// What an agent writes that does not know its router's key yet. Such a beat is worth an introduction and no more.
pub const NO_ROUTER: &str = "-";

/// What a beat's signature begins with.
const BEAT: &str = "herdwick beat 1\n";
/// What a reply's signature begins with.
const REPLY: &str = "herdwick reply 1\n";

/// A key pair: what makes a router or an agent the same one after a restart.
pub struct Identity(SigningKey);

/// The public half, by which others know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// A signature as it travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Identity {
    /// Bytes of the seed, which is all that is kept of an identity.
    pub const SEED: usize = 32;

    /// The identity that grows from a seed. Whoever calls this got the seed from the system's randomness, once.
    pub fn from_seed(seed: &[u8; Self::SEED]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// How others know it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs the body of a beat that is meant for `router`.
    pub fn sign_beat(&self, router: Option<&PublicKey>, body: &[u8]) -> Signature {
        self.sign(&[BEAT.as_bytes(), meant_for(router).as_bytes(), b"\n", body])
    }

    /// Signs the body of the reply to the beat with this signature.
    pub fn sign_reply(&self, beat: &Signature, body: &[u8]) -> Signature {
        self.sign(&[REPLY.as_bytes(), beat.to_string().as_bytes(), b"\n", body])
    }

    fn sign(&self, parts: &[&[u8]]) -> Signature {
        Signature(self.0.multipart_sign(parts).to_bytes())
    }
}

impl PublicKey {
    /// Reads 64 lower-case hexadecimal digits. Whether they are a key shows when something is checked with them.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }

    /// The machine whose agent has this key.
    pub fn node(&self) -> NodeId {
        NodeId::from_key(&self.0)
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether whoever has this key signed this body for this router.
    pub fn signed_beat(&self, signature: &Signature, router: Option<&PublicKey>, body: &[u8]) -> bool {
        self.signed(signature, &[BEAT.as_bytes(), meant_for(router).as_bytes(), b"\n", body])
    }

    /// Whether whoever has this key signed this body as the reply to the beat with that signature.
    pub fn signed_reply(&self, signature: &Signature, beat: &Signature, body: &[u8]) -> bool {
        self.signed(signature, &[REPLY.as_bytes(), beat.to_string().as_bytes(), b"\n", body])
    }

    fn signed(&self, signature: &Signature, parts: &[&[u8]]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(&parts.concat(), &Ed25519::from_bytes(&signature.0)).is_ok()
    }
}

impl Signature {
    /// Reads 128 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(&self.0))
    }
}

/// The seed stays out of every log.
impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Identity({})", self.public())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signature({self})")
    }
}

/// The value of [`ROUTER`].
pub fn meant_for(router: Option<&PublicKey>) -> String {
    router.map_or_else(|| NO_ROUTER.to_owned(), PublicKey::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u8) -> Identity {
        Identity::from_seed(&[number; 32])
    }

    #[test]
    fn a_beat_is_good_for_its_router_its_body_and_its_sender_alone() {
        let (agent, router) = (identity(1), identity(2).public());
        let signature = agent.sign_beat(Some(&router), b"body");
        let check = |key: &Identity, signature: &Signature, router: Option<&PublicKey>, body: &[u8]| {
            key.public().signed_beat(signature, router, body)
        };
        assert!(check(&agent, &signature, Some(&router), b"body"));
        assert!(!check(&agent, &signature, Some(&router), b"bodY"));
        assert!(!check(&agent, &signature, None, b"body"));
        assert!(!check(&agent, &signature, Some(&identity(3).public()), b"body"));
        assert!(!check(&identity(4), &signature, Some(&router), b"body"));
        let open = agent.sign_beat(None, b"body");
        assert!(check(&agent, &open, None, b"body") && !check(&agent, &open, Some(&router), b"body"));
    }

    #[test]
    fn a_reply_is_good_for_its_beat_and_is_no_beat() {
        let (agent, router) = (identity(1), identity(2));
        let [one, other] = [b"1", b"2"].map(|body| agent.sign_beat(None, body));
        let reply = router.sign_reply(&one, b"body");
        assert!(router.public().signed_reply(&reply, &one, b"body"));
        assert!(!router.public().signed_reply(&reply, &other, b"body"));
        assert!(!router.public().signed_reply(&reply, &one, b"else"));
        assert!(!router.public().signed_beat(&reply, None, b"body"));
    }

    #[test]
    fn the_signed_text_is_what_the_protocol_says() {
        let (agent, router) = (identity(1), identity(2).public());
        let text = format!("herdwick beat 1\n{router}\nbody");
        let signature = agent.sign(&[text.as_bytes()]);
        assert!(agent.public().signed_beat(&signature, Some(&router), b"body"));
        let signature = agent.sign(&[b"herdwick beat 1\n-\nbody"]);
        assert!(agent.public().signed_beat(&signature, None, b"body"));
        let text = format!("herdwick reply 1\n{signature}\nbody");
        assert!(agent.public().signed_reply(&agent.sign(&[text.as_bytes()]), &signature, b"body"));
    }

    #[test]
    fn keys_are_those_of_the_standard() {
        // RFC 8032 §7.1, test 3.
        let seed = hex::decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let identity = Identity::from_seed(&seed.unwrap());
        let public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
        assert_eq!(identity.public().to_string(), public);
        let signature = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
        assert_eq!(identity.sign(&[&[0xaf], &[0x82]]).to_string(), signature);
        assert_eq!(PublicKey::parse(public), Some(identity.public()));
        assert!(!format!("{identity:?}").contains("c5aa"));
    }

    #[test]
    fn a_key_under_which_everything_is_signed_is_no_key() {
        // The neutral element: with it as key, and as R with S = 0, the plain equation holds for every text.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!PublicKey(neutral).signed_beat(&Signature(signature), None, b"anything"));
        // No point of the curve at all.
        assert!(!PublicKey([0xff; 32]).signed_beat(&Signature(signature), None, b"anything"));
    }
}
