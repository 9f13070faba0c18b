//! What one of us says of itself to the network, and how that is written into a service of DNS-SD. It reads no packet.

use std::fmt;
use std::str::FromStr;

use herdwick_fleet::NodeId;

/// The version of what the texts mean. Another one is somebody whom this version does not understand.
pub(crate) const VERSION: &str = "1";
/// A name longer than this says nothing to people and does not fit a line of a list.
pub(crate) const MOST_NAME: usize = 64;
/// Bytes of the name that become part of the instance's: a label of DNS has 63, and 17 are for the fingerprint.
const LABEL: usize = 40;

/// What one of us is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It takes requests and heartbeats.
    Router,
    /// It speaks for the model servers of a machine.
    Node,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Node => "node",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Router, Self::Node].into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The first eight bytes of the SHA-256 of somebody's public key: enough to tell identities apart, nothing to trust.
/// Anybody can write another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    /// Of a digest's beginning.
    pub fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl From<NodeId> for Fingerprint {
    /// An id that is made of a key begins with the key's fingerprint.
    fn from(id: NodeId) -> Self {
        let mut beginning = [0; 8];
        beginning.iter_mut().zip(id.bytes()).for_each(|(to, from)| *to = from);
        Self(beginning)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Fingerprint({self})")
    }
}

/// Text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 16 hexadecimal digits in small letters")]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// One spelling only, so that two texts are never one identity.
    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(plain) {
            return Err(NoFingerprint);
        }
        u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| NoFingerprint)
    }
}

/// What one of us says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What it is.
    pub role: Role,
    /// What the machine calls itself.
    pub name: String,
    /// Of its key.
    pub fingerprint: Fingerprint,
    /// Where a router listens; of a node where its first model server does.
    pub port: u16,
}

impl Card {
    /// The name of the instance. No two of us share it, whatever their machines are called, so that nobody has to be
    /// renamed and nobody can be made to rename itself again and again.
    pub(crate) fn instance(&self) -> String {
        let mut label: String = self.name.chars().map(plain).take(LABEL).collect();
        if label.is_empty() {
            label.push_str("herdwick");
        }
        format!("{label}-{}", self.fingerprint)
    }

    /// The name of its host. Not the machine's own `NAME.local`: that belongs to the system's responder.
    pub(crate) fn host(&self) -> String {
        format!("herdwick-{}-{}.local.", self.role, self.fingerprint)
    }

    /// What stands in its TXT record. The port stands in the SRV record and nowhere else, so that there are no two.
    pub(crate) fn texts(&self) -> [(&'static str, String); 4] {
        let name: String = self.name.chars().filter(|c| is_shown(*c)).take(MOST_NAME).collect();
        [
            ("v", VERSION.to_owned()),
            ("role", self.role.as_str().to_owned()),
            ("key", self.fingerprint.to_string()),
            ("name", name),
        ]
    }
}

/// Whether a character of a name has a place on a terminal and changes nothing around it.
pub(crate) fn is_shown(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !invisible
}

fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() { c } else { '-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str) -> Card {
        let fingerprint = "00112233445566ff".parse().unwrap();
        Card { role: Role::Router, name: name.to_owned(), fingerprint, port: 11_435 }
    }

    #[test]
    fn a_fingerprint_has_one_spelling() {
        let check = |text: &str, good: bool| {
            let read = text.parse::<Fingerprint>();
            assert_eq!(read.is_ok(), good, "{text:?}");
            assert!(read.is_err() || read.unwrap().to_string() == text);
        };
        check("0011223344556677", true);
        check("ffeeddccbbaa9988", true);
        check("FFEEDDCCBBAA9988", false);
        check("+01122334455667", false);
        check("+011223344556677", false);
        check("001122334455667", false);
        check("00112233445566778", false);
        check("", false);
        check("éééééééé", false);
    }

    #[test]
    fn a_fingerprint_is_the_beginning_of_its_id() {
        let id = NodeId::from_origin("http://a:1");
        assert!(id.to_string().starts_with(&Fingerprint::from(id).to_string()));
    }

    #[test]
    fn an_instance_is_one_label_whatever_the_machine_is_called() {
        for name in ["studio", "", "a.b\\c\"d", "Büro im Süden", &"x".repeat(500), "\u{0}\n"] {
            let instance = card(name).instance();
            assert!(instance.len() <= 63, "{instance}");
            assert!(instance.ends_with("-00112233445566ff"), "{instance}");
            assert!(instance.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{instance}");
        }
        assert_eq!(card("studio").instance(), "studio-00112233445566ff");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_said() {
        let [.., (_, name)] = card("a\u{1b}[2Jb\u{202e}c").texts();
        assert_eq!(name, "a[2Jbc");
    }
}
