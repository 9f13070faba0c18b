//! A range of addresses that begin alike, as `192.168.1.0/24` names it. It knows no interface and no socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses that share their first bits with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    base: IpAddr,
    bits: u8,
}

/// What a prefix looks like, for whoever wrote something else.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no range of addresses; write it like 203.0.113.0/24, 2001:db8::/32 or 203.0.113.7")]
pub struct PrefixError(String);

impl Prefix {
    /// The range of an IPv4 network; `bits` is at most 32.
    pub(crate) const fn v4(base: [u8; 4], bits: u8) -> Self {
        let [a, b, c, d] = base;
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    /// The range of an IPv6 network that the first 16 bits of `base` begin; `bits` is at most 16.
    pub(crate) const fn v6(base: u16, bits: u8) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(base, 0, 0, 0, 0, 0, 0, 0)), bits }
    }

    /// The range around an address. `None` when it has no such bits.
    pub(crate) fn around(base: IpAddr, bits: u8) -> Option<Self> {
        let most = if base.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether the address is in it. An IPv4 address is never in an IPv6 range, nor the other way round.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = u32::from(base) ^ u32::from(address);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = u128::from(base) ^ u128::from(address);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let wrong = || PrefixError(text.to_owned());
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let bits = match bits {
            // `parse` would also take a sign.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
            None if base.is_ipv4() => 32,
            None => 128,
        };
        Self::around(base, bits).ok_or_else(wrong)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_begins_like_it() {
        for (range, address, holds) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.6", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/33", "2001:db8:8000::", false),
            ("2001:db8::1/128", "2001:db8::1", true),
        ] {
            let prefix: Prefix = range.parse().unwrap();
            assert_eq!(prefix.contains(address.parse().unwrap()), holds, "{range} {address}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "lan", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
