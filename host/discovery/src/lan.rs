//! Whom a look around asks: the other machines of this one's private IPv4 networks, and never an address that is not
//! private. It opens no connection.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::{Own, own_addresses};

/// A network with fewer bits is not looked through: a /22 has a thousand addresses, which is more than any household
/// uses, and what is wider is a company's or a bridge of containers.
const LEAST_BITS: u8 = 22;
/// One with more bits has no neighbours.
const MOST_BITS: u8 = 30;
/// Addresses that are asked in one round at most, on however many networks.
const MOST: usize = 4_096;

/// The other addresses of this machine's private IPv4 networks, in order, at most 4,096: those of RFC 1918, on networks
/// from /22 to /30. This machine's own are left out.
pub fn neighbours() -> Vec<Ipv4Addr> {
    around(&own_addresses())
}

fn around(own: &[Own]) -> Vec<Ipv4Addr> {
    let is_own = |address: Ipv4Addr| own.iter().any(|own| own.address == IpAddr::V4(address));
    let all: BTreeSet<Ipv4Addr> = own.iter().flat_map(network).filter(|address| !is_own(*address)).collect();
    all.into_iter().take(MOST).collect()
}

/// The addresses of a network that machines can have; none unless it is private and small.
fn network(own: &Own) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let (first, last) = match own.address {
        IpAddr::V4(v4) if v4.is_private() && (LEAST_BITS..=MOST_BITS).contains(&own.bits) => {
            let rest = u32::MAX.checked_shr(u32::from(own.bits)).unwrap_or(0);
            let base = u32::from(v4) & !rest;
            // Neither the network's own address nor that of everybody on it.
            (base + 1, base + rest)
        }
        _ => (0, 0),
    };
    // A private range ends on a boundary that is wider than any network that is looked through.
    (first..last).map(Ipv4Addr::from).filter(Ipv4Addr::is_private)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(address: &str, bits: u8) -> Own {
        Own { address: address.parse().unwrap(), bits, interface: 2 }
    }

    #[test]
    fn a_small_private_network_is_asked_but_for_ourselves() {
        let found = around(&[own("192.168.1.10", 24)]);
        assert_eq!(found.len(), 253);
        assert_eq!(found.first().unwrap().to_string(), "192.168.1.1");
        assert_eq!(found.last().unwrap().to_string(), "192.168.1.254");
        assert!(!found.contains(&"192.168.1.10".parse().unwrap()));
    }

    #[test]
    fn what_is_wide_public_or_not_ipv4_is_never_asked() {
        let check = |address: &str, bits: u8, count: usize| {
            assert_eq!(around(&[own(address, bits)]).len(), count, "{address}/{bits}");
        };
        check("10.0.4.1", 22, 1_021);
        check("10.0.4.1", 21, 0);
        check("172.17.0.1", 16, 0);
        check("172.31.255.1", 30, 1);
        check("172.31.255.1", 31, 0);
        check("172.31.255.1", 32, 0);
        check("10.0.0.1", 0, 0);
        for public in
            ["8.8.8.8", "203.0.113.1", "100.64.0.1", "169.254.1.1", "127.0.0.1", "172.32.0.1", "192.169.0.1"]
        {
            check(public, 24, 0);
        }
        check("fd00::1", 24, 0);
        check("::ffff:10.0.0.1", 24, 0);
    }

    #[test]
    fn two_ways_to_one_network_ask_it_once_and_all_together_have_an_end() {
        assert_eq!(around(&[own("10.0.0.1", 24), own("10.0.0.2", 24)]).len(), 252);
        let many: Vec<_> = (0..64).map(|n| own(&format!("10.{n}.0.1"), 22)).collect();
        assert_eq!(around(&many).len(), MOST);
    }
}
