//! Which addresses are near: this machine, its networks, and what no route of the internet leads to.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::prefix::Prefix;

/// Ranges that are near wherever one is: loopback, RFC 1918, link-local, 100.64/10 (carriers and Tailscale), and
/// IPv6's unique-local and link-local.
const NEAR: [Prefix; 8] = [
    Prefix::v4([127, 0, 0, 0], 8),
    Prefix::v4([10, 0, 0, 0], 8),
    Prefix::v4([172, 16, 0, 0], 12),
    Prefix::v4([192, 168, 0, 0], 16),
    Prefix::v4([169, 254, 0, 0], 16),
    Prefix::v4([100, 64, 0, 0], 10),
    Prefix::v6(0xfc00, 7),
    Prefix::v6(0xfe80, 10),
];
/// A network with fewer bits is no local one, whatever an interface says: a tunnel to everywhere has none.
const LOCAL_BITS: (u8, u8) = (16, 48);
/// A list of interfaces that is older is made again before it lets anybody in.
const FRESH: Duration = Duration::from_secs(60);
/// One that is younger is not made again for somebody whom it does not know: a stranger must not cost more.
const REST: Duration = Duration::from_secs(5);

/// An address of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) address: IpAddr,
    /// How many of its bits name its network.
    pub(crate) bits: u8,
}

/// The addresses of this machine, read from the system when somebody comes who may be told apart by them.
pub(crate) struct Interfaces {
    list: fn() -> io::Result<Vec<Own>>,
    seen: Mutex<Option<(Instant, Vec<Own>)>>,
}

/// Whether it is near, but for what only the interfaces know: a LAN may use addresses of the whole world.
pub(crate) fn is_near(address: IpAddr) -> bool {
    address.is_loopback() || NEAR.iter().any(|prefix| prefix.contains(address))
}

impl Interfaces {
    pub(crate) fn new(list: fn() -> io::Result<Vec<Own>>) -> Self {
        Self { list, seen: Mutex::new(None) }
    }

    /// Those of the system.
    pub(crate) fn of_the_system() -> Self {
        Self::new(|| {
            let found = if_addrs::get_if_addrs()?;
            Ok(found.into_iter().map(|interface| own(&interface.addr)).collect())
        })
    }

    /// Whether the address is one of this machine.
    pub(crate) fn have(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.any(|own| own.address == address)
    }

    /// Whether the address is on a network of this machine.
    pub(crate) fn reach(&self, address: IpAddr) -> bool {
        self.any(|own| {
            own.is_local() && Prefix::around(own.address, own.bits).is_some_and(|p| p.contains(address))
        })
    }

    /// Asks about every address, of a list that is fresh enough for the answer.
    fn any(&self, is_it: impl Fn(&Own) -> bool) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, list)) = &*seen {
            let found = list.iter().any(&is_it);
            if when.elapsed() < if found { FRESH } else { REST } {
                return found;
            }
        }
        let list = (self.list)().unwrap_or_else(|error| {
            tracing::warn!("this machine's addresses cannot be read: {error}");
            Vec::new()
        });
        let found = list.iter().any(is_it);
        *seen = Some((Instant::now(), list));
        found
    }
}

impl Own {
    fn is_local(&self) -> bool {
        let (v4, v6) = LOCAL_BITS;
        self.bits >= if self.address.is_ipv4() { v4 } else { v6 }
    }
}

fn own(address: &if_addrs::IfAddr) -> Own {
    match address {
        if_addrs::IfAddr::V4(v4) => Own { address: v4.ip.into(), bits: v4.prefixlen },
        if_addrs::IfAddr::V6(v6) => Own { address: v6.ip.into(), bits: v6.prefixlen },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn near_is_what_no_route_of_the_internet_leads_to() {
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.7",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "11.0.0.1",
            "0.0.0.0",
            "::",
            "2001:db8::1",
            "ff02::1",
            "224.0.0.1",
        ] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn a_network_of_an_interface_is_near_unless_it_is_everywhere() {
        let interfaces = Interfaces::new(|| {
            let own = |address: &str, bits| Own { address: address.parse().unwrap(), bits };
            Ok(vec![own("203.0.113.5", 24), own("2001:db8:1:2::5", 64), own("198.51.100.1", 0)])
        });
        for (address, have, reach) in [
            ("203.0.113.5", true, true),
            ("203.0.113.200", false, true),
            ("203.0.114.1", false, false),
            ("2001:db8:1:2:ffff::1", false, true),
            ("2001:db8:1:3::1", false, false),
            ("198.51.100.1", true, false),
            ("127.0.0.1", true, false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!((interfaces.have(address), interfaces.reach(address)), (have, reach), "{address}");
        }
    }

    #[test]
    fn strangers_do_not_make_the_system_list_its_interfaces_again_and_again() {
        static LISTED: AtomicUsize = AtomicUsize::new(0);
        let interfaces = Interfaces::new(|| {
            LISTED.fetch_add(1, Ordering::Relaxed);
            Ok(Vec::new())
        });
        for last in 0..100 {
            assert!(!interfaces.reach(IpAddr::from([8, 8, 8, last])));
        }
        assert_eq!(LISTED.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_system_has_at_least_a_loopback_address() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert!(Interfaces::of_the_system().any(|own| own.address == loopback));
    }
}
