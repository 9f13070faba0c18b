//! From what a stranger answered to a [`Sighting`], or to the reason why it is none. Works on plain values: it knows no
//! socket, no packet and no crate that reads them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::address::{Heard, Judge, Lie};
use crate::card::{Fingerprint, MOST_NAME, Role, VERSION, is_shown};

/// Bytes of texts that one of us may have; ours are a fifth of it.
const MOST_TEXT: usize = 512;
/// Single texts that one of us may have; later versions add some.
const MOST_TEXTS: usize = 16;
/// Addresses that are looked at. A machine with more is made up.
const MOST_HEARD: usize = 64;
/// Addresses that are kept: a machine has two or three per network.
const MOST_ADDRESSES: usize = 8;

/// Somebody who says to be one of us. A hint of where to look, and of nothing else: whoever calls there has to make
/// sure who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What the machine calls itself: 1 to 64 characters that a terminal can show. Others may say the same.
    pub name: String,
    /// What it says it is.
    pub role: Role,
    /// Where it may be called, one to eight; IPv4 first, link-local ones, with their zone, last. All are on networks of
    /// this machine or private.
    pub addresses: Vec<SocketAddr>,
    /// Of the key that it says it has.
    pub fingerprint: Fingerprint,
    /// When it was last told of.
    pub seen: Instant,
}

/// What was answered, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The name of the instance with its service, what the answer is known by.
    pub(crate) instance: String,
    pub(crate) port: u16,
    pub(crate) heard: Vec<Heard>,
    /// Keys in small letters, and their values.
    pub(crate) texts: Vec<(String, Vec<u8>)>,
}

/// Why an answer is no sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    TooMuchText,
    OtherVersion,
    NoRole,
    NoKey,
    NoName,
    NoPort,
    /// It is this program, or says to have its key.
    Ourselves,
    /// None of its addresses may be called; this is wrong with the first one, if it has any.
    NoAddress(Option<Lie>),
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMuchText => out.write_str("its texts are longer than any of ours"),
            Self::OtherVersion => out.write_str("it speaks another version"),
            Self::NoRole => out.write_str("it does not say what it is"),
            Self::NoKey => out.write_str("it does not say which key it has"),
            Self::NoName => out.write_str("its name is missing, too long or not fit to be shown"),
            Self::NoPort => out.write_str("its port is 0"),
            Self::Ourselves => out.write_str("it is this program itself"),
            Self::NoAddress(None) => out.write_str("it has no address"),
            Self::NoAddress(Some(lie)) => write!(out, "it cannot be called where it says: {lie}"),
        }
    }
}

impl Answer {
    /// Whom it tells of. `own` is what this program says of itself.
    pub(crate) fn sighting(
        &self,
        own: &[(Role, Fingerprint)],
        judge: &Judge<'_>,
        now: Instant,
    ) -> Result<Sighting, Unusable> {
        let size = |(key, value): &(String, Vec<u8>)| key.len() + value.len();
        if self.texts.len() > MOST_TEXTS || self.texts.iter().map(size).sum::<usize>() > MOST_TEXT {
            return Err(Unusable::TooMuchText);
        }
        if self.text("v") != Some(VERSION) {
            return Err(Unusable::OtherVersion);
        }
        let role = self.text("role").and_then(Role::parse).ok_or(Unusable::NoRole)?;
        let fingerprint = self.text("key").and_then(|text| text.parse().ok()).ok_or(Unusable::NoKey)?;
        if own.contains(&(role, fingerprint)) {
            return Err(Unusable::Ourselves);
        }
        let name = self.text("name").filter(|name| is_name(name)).ok_or(Unusable::NoName)?.to_owned();
        let addresses = self.addresses(judge)?;
        Ok(Sighting { name, role, addresses, fingerprint, seen: now })
    }

    fn addresses(&self, judge: &Judge<'_>) -> Result<Vec<SocketAddr>, Unusable> {
        if self.port == 0 {
            return Err(Unusable::NoPort);
        }
        let mut first_lie = None;
        let mut good = Vec::new();
        for heard in self.heard.iter().take(MOST_HEARD) {
            match judge.endpoint(*heard, self.port) {
                Ok(address) => good.push(address),
                Err(lie) => first_lie = first_lie.or(Some(lie)),
            }
        }
        if good.is_empty() {
            return Err(Unusable::NoAddress(first_lie));
        }
        good.sort_by_key(|address| (rank(address), *address));
        good.dedup();
        good.truncate(MOST_ADDRESSES);
        Ok(good)
    }

    /// A text that is there once; one that is there twice could be read differently by two.
    fn text(&self, key: &str) -> Option<&str> {
        let mut found = self.texts.iter().filter(|(other, _)| other == key);
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok()
    }
}

/// Which of its addresses of a machine is tried first: what is least likely to stop working comes first. Link-local
/// ones work without any configuration and are tried last since few programs can show them to people.
fn rank(address: &SocketAddr) -> u8 {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_link_local() => 2,
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) if v6.scope_id() != 0 => 3,
        SocketAddr::V6(_) => 1,
    }
}

fn is_name(text: &str) -> bool {
    let length = text.chars().take(MOST_NAME + 1).count();
    (1..=MOST_NAME).contains(&length) && text.trim() == text && text.chars().all(is_shown)
}

/// Addresses in an order that does not depend on how they came, at most so many as are looked at.
pub(crate) fn in_order(heard: impl Iterator<Item = Heard>) -> Vec<Heard> {
    let mut heard: Vec<_> = heard.take(MOST_HEARD).collect();
    heard.sort_by_key(|heard| (matches!(heard.address, IpAddr::V6(_)), *heard));
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Own;

    const KEY: &str = "00112233445566ff";

    fn good() -> Answer {
        let text = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
        Answer {
            instance: "studio._herdwick._tcp.local.".to_owned(),
            port: 11_435,
            heard: vec![heard("fe80::2"), heard("192.168.1.20"), heard("fd00::2")],
            texts: vec![text("v", "1"), text("role", "router"), text("key", KEY), text("name", "studio")],
        }
    }

    fn heard(address: &str) -> Heard {
        Heard { address: address.parse().unwrap(), interface: 2 }
    }

    fn read(answer: &Answer) -> Result<Sighting, Unusable> {
        let own = [Own { address: "192.168.1.10".parse().unwrap(), bits: 24, interface: 2 }];
        let judge = Judge { own: &own, ports: &[11_435] };
        answer.sighting(&[(Role::Router, "ff00000000000000".parse().unwrap())], &judge, Instant::now())
    }

    #[test]
    fn an_answer_of_one_of_us_is_a_sighting() {
        let sighting = read(&good()).unwrap();
        assert_eq!((sighting.name.as_str(), sighting.role), ("studio", Role::Router));
        assert_eq!(sighting.fingerprint.to_string(), KEY);
        let addresses: Vec<_> = sighting.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.168.1.20:11435", "[fd00::2]:11435", "[fe80::2%2]:11435"]);
    }

    #[test]
    fn an_answer_with_anything_wrong_is_none() {
        let check = |change: &dyn Fn(&mut Answer), why: Unusable| {
            let mut answer = good();
            change(&mut answer);
            assert_eq!(read(&answer), Err(why), "{answer:?}");
        };
        let set = |key: &'static str, value: &'static str| {
            move |answer: &mut Answer| {
                for (other, text) in &mut answer.texts {
                    if other == key {
                        *text = value.as_bytes().to_vec();
                    }
                }
            }
        };
        check(&set("v", "2"), Unusable::OtherVersion);
        check(&|answer| answer.texts.clear(), Unusable::OtherVersion);
        check(&|answer| answer.texts.push(("v".to_owned(), b"1".to_vec())), Unusable::OtherVersion);
        check(&set("role", "admin"), Unusable::NoRole);
        check(&set("key", "00"), Unusable::NoKey);
        check(&set("key", "00112233445566FF"), Unusable::NoKey);
        check(&set("name", ""), Unusable::NoName);
        check(&set("name", " studio"), Unusable::NoName);
        check(&set("name", "stu\u{1b}[31mdio"), Unusable::NoName);
        check(&set("name", "stu\ndio"), Unusable::NoName);
        check(&set("name", "stu\u{202e}dio"), Unusable::NoName);
        check(&|answer| answer.texts.retain(|(key, _)| key != "name"), Unusable::NoName);
        let long = |answer: &mut Answer| {
            answer.texts.retain(|(key, _)| key != "name");
            answer.texts.push(("name".to_owned(), vec![b'x'; 65]));
        };
        check(&long, Unusable::NoName);
        let latin = |answer: &mut Answer| {
            answer.texts.retain(|(key, _)| key != "name");
            answer.texts.push(("name".to_owned(), vec![b'B', 0xfc, b'o']));
        };
        check(&latin, Unusable::NoName);
        check(&|answer| answer.texts.push(("x".to_owned(), vec![0; 512])), Unusable::TooMuchText);
        let many = |answer: &mut Answer| answer.texts.extend((0..20).map(|n| (n.to_string(), Vec::new())));
        check(&many, Unusable::TooMuchText);
        check(&|answer| answer.port = 0, Unusable::NoPort);
        check(&|answer| answer.heard.clear(), Unusable::NoAddress(None));
        check(&|answer| answer.heard = vec![heard("127.0.0.1")], Unusable::NoAddress(Some(Lie::Loopback)));
        check(
            &|answer| answer.heard = vec![heard("192.168.1.10")],
            Unusable::NoAddress(Some(Lie::Ourselves)),
        );
        check(&set("key", "ff00000000000000"), Unusable::Ourselves);
    }

    #[test]
    fn of_many_addresses_the_good_ones_are_kept_up_to_a_few() {
        let mut answer = good();
        answer.heard = (1..=200).map(|n| heard(&format!("10.0.0.{n}"))).collect();
        answer.heard.insert(0, heard("8.8.8.8"));
        let sighting = read(&answer).unwrap();
        assert_eq!(sighting.addresses.len(), MOST_ADDRESSES);
        assert!(sighting.addresses.iter().all(|address| address.to_string().starts_with("10.0.0.")));
    }
}
