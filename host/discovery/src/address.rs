//! Which addresses of an answer may be called: those a neighbour can have. An answer is anybody's word, and whoever
//! obeyed it could be sent against a stranger, a metadata service or itself. It opens no connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Where clouds answer their machines with keys. They are private addresses by their form, and no neighbour's.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];
/// A network with fewer bits is no local one, whatever an interface says: a tunnel to everywhere has none.
const LOCAL_BITS: (u8, u8) = (16, 48);

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) address: IpAddr,
    /// How many of its bits name its network.
    pub(crate) bits: u8,
    /// The number of its interface.
    pub(crate) interface: u32,
}

/// The addresses of this machine as the system has them now; none when it does not tell.
pub(crate) fn own_addresses() -> Vec<Own> {
    let found = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!("this machine's addresses cannot be read: {error}");
        Vec::new()
    });
    let own = |interface: if_addrs::Interface| {
        let (address, bits) = match interface.addr {
            if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
            if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
        };
        Own { address, bits, interface: interface.index.unwrap_or(0) }
    };
    found.into_iter().map(own).collect()
}

/// An address of an answer and how it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Heard {
    pub(crate) address: IpAddr,
    /// The number of the interface on which it was heard; 0 when that is not known.
    pub(crate) interface: u32,
}

/// Why an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// No single machine has it.
    Nobody,
    /// It is this machine to whoever calls it, and came over a network.
    Loopback,
    /// It is an IPv4 address in the clothes of an IPv6 one.
    Mapped,
    /// It answers with a machine's keys.
    Metadata,
    /// It is this program's own.
    Ourselves,
    /// It means nothing without the interface, and that is not known or does not have such addresses.
    NoZone,
    /// It is no address of a network that we are on.
    Far,
}

impl fmt::Display for Lie {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nobody => "no machine has such an address",
            Self::Loopback => "it is this machine and was told over a network",
            Self::Mapped => "it is an IPv4 address written as IPv6",
            Self::Metadata => "it is that of a cloud's metadata",
            Self::Ourselves => "it is our own",
            Self::NoZone => "it is link-local, of an interface that has no such network",
            Self::Far => "it is not on a network of this machine and not private",
        })
    }
}

/// What tells a neighbour from a lie.
pub(crate) struct Judge<'a> {
    /// Addresses of this machine.
    pub(crate) own: &'a [Own],
    /// Where this program listens itself.
    pub(crate) ports: &'a [u16],
}

impl Judge<'_> {
    /// Where to call, or why not.
    pub(crate) fn endpoint(&self, heard: Heard, port: u16) -> Result<SocketAddr, Lie> {
        self.check(heard)?;
        if self.ports.contains(&port) && self.own.iter().any(|own| own.address == heard.address) {
            return Err(Lie::Ourselves);
        }
        Ok(match heard.address {
            IpAddr::V6(v6) if is_link_local(v6) => SocketAddrV6::new(v6, port, 0, heard.interface).into(),
            address => SocketAddr::new(address, port),
        })
    }

    fn check(&self, heard: Heard) -> Result<(), Lie> {
        if METADATA.contains(&heard.address) {
            return Err(Lie::Metadata);
        }
        match heard.address {
            // A network cannot say it: the system takes nothing from a network that claims to be from this machine.
            address if address.is_loopback() => self.heard_at_home(heard).then_some(()).ok_or(Lie::Loopback),
            IpAddr::V4(v4) => self.check_v4(v4, heard),
            IpAddr::V6(v6) => self.check_v6(v6, heard),
        }
    }

    fn check_v4(&self, v4: Ipv4Addr, heard: Heard) -> Result<(), Lie> {
        let [first, second, ..] = v4.octets();
        if first == 0 || first >= 224 {
            return Err(Lie::Nobody);
        }
        if v4.is_link_local() {
            return self.on_a_network(heard).then_some(()).ok_or(Lie::NoZone);
        }
        let carrier = first == 100 && second & 0xc0 == 64;
        (v4.is_private() || carrier || self.on_a_network(heard)).then_some(()).ok_or(Lie::Far)
    }

    fn check_v6(&self, v6: Ipv6Addr, heard: Heard) -> Result<(), Lie> {
        if v6.is_unspecified() || v6.is_multicast() {
            return Err(Lie::Nobody);
        }
        // Also the ways in which IPv6 carries an IPv4 address through, which lead wherever that one does.
        let translated =
            matches!(v6.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..] | [0x2002, ..]);
        if translated {
            return Err(Lie::Mapped);
        }
        if is_link_local(v6) {
            return (heard.interface != 0).then_some(()).ok_or(Lie::NoZone);
        }
        let unique_local = v6.segments().first().is_some_and(|first| first & 0xfe00 == 0xfc00);
        (unique_local || self.on_a_network(heard)).then_some(()).ok_or(Lie::Far)
    }

    /// Whether it came over the interface that leads to this machine alone.
    fn heard_at_home(&self, heard: Heard) -> bool {
        self.own.iter().any(|own| own.interface == heard.interface && own.address.is_loopback())
    }

    fn on_a_network(&self, heard: Heard) -> bool {
        self.own.iter().any(|own| {
            let least = if own.address.is_ipv4() { LOCAL_BITS.0 } else { LOCAL_BITS.1 };
            own.bits >= least && !own.address.is_loopback() && shares(own, heard.address)
        })
    }
}

fn is_link_local(v6: Ipv6Addr) -> bool {
    v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
}

/// Whether the address is on the network of this one.
fn shares(own: &Own, address: IpAddr) -> bool {
    let (differ, width) = match (own.address, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a) ^ u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b), 128),
        _ => return false,
    };
    let rest = width - u32::from(own.bits).min(width);
    differ.checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<Own> {
        let own = |address: &str, bits, interface| Own { address: address.parse().unwrap(), bits, interface };
        vec![
            own("127.0.0.1", 8, 1),
            own("::1", 128, 1),
            own("192.168.1.10", 24, 2),
            own("fe80::1", 64, 2),
            own("2001:db8:1:2::10", 64, 2),
            own("203.0.113.7", 24, 3),
            own("9.9.9.9", 8, 4),
        ]
    }

    fn judge(address: &str, interface: u32, port: u16) -> Result<SocketAddr, Lie> {
        let own = own();
        let heard = Heard { address: address.parse().unwrap(), interface };
        Judge { own: &own, ports: &[11_435] }.endpoint(heard, port)
    }

    #[test]
    fn neighbours_are_called_where_they_say() {
        let check = |address: &str, interface: u32, endpoint: &str| {
            assert_eq!(judge(address, interface, 80), Ok(endpoint.parse().unwrap()), "{address}");
        };
        check("192.168.1.20", 2, "192.168.1.20:80");
        check("10.8.0.3", 2, "10.8.0.3:80");
        check("172.31.0.3", 2, "172.31.0.3:80");
        check("100.64.0.1", 2, "100.64.0.1:80");
        check("203.0.113.9", 3, "203.0.113.9:80");
        check("fe80::2", 2, "[fe80::2%2]:80");
        check("fd12::3", 2, "[fd12::3]:80");
        check("2001:db8:1:2::20", 2, "[2001:db8:1:2::20]:80");
        // On this machine, of another program of ours.
        check("127.0.0.1", 1, "127.0.0.1:80");
        check("::1", 1, "[::1]:80");
        check("192.168.1.10", 2, "192.168.1.10:80");
    }

    #[test]
    fn what_no_neighbour_has_is_not_called() {
        let check = |address: &str, interface: u32, lie: Lie| {
            assert_eq!(judge(address, interface, 11_435), Err(lie), "{address}");
        };
        check("127.0.0.1", 2, Lie::Loopback);
        check("127.8.8.8", 0, Lie::Loopback);
        check("::1", 2, Lie::Loopback);
        check("::ffff:127.0.0.1", 2, Lie::Mapped);
        check("::ffff:192.168.1.20", 1, Lie::Mapped);
        check("::127.0.0.1", 2, Lie::Mapped);
        check("64:ff9b::7f00:1", 2, Lie::Mapped);
        check("2002:7f00:1::1", 2, Lie::Mapped);
        check("0.0.0.0", 2, Lie::Nobody);
        check("0.1.2.3", 2, Lie::Nobody);
        check("224.0.0.251", 2, Lie::Nobody);
        check("255.255.255.255", 2, Lie::Nobody);
        check("240.0.0.1", 2, Lie::Nobody);
        check("::", 2, Lie::Nobody);
        check("ff02::fb", 2, Lie::Nobody);
        check("169.254.169.254", 2, Lie::Metadata);
        check("100.100.100.200", 2, Lie::Metadata);
        check("fd00:ec2::254", 2, Lie::Metadata);
        check("169.254.3.4", 2, Lie::NoZone);
        check("fe80::2", 0, Lie::NoZone);
        check("8.8.8.8", 2, Lie::Far);
        check("9.1.1.1", 4, Lie::Far);
        check("2001:4860:4860::8888", 2, Lie::Far);
        check("192.168.1.10", 2, Lie::Ourselves);
        check("fe80::1", 2, Lie::Ourselves);
        check("127.0.0.1", 1, Lie::Ourselves);
    }

    #[test]
    fn a_cable_between_two_machines_is_a_network() {
        let own = [Own { address: "169.254.7.1".parse().unwrap(), bits: 16, interface: 5 }];
        let check = |address: &str, good: bool| {
            let heard = Heard { address: address.parse().unwrap(), interface: 5 };
            let judged = Judge { own: &own, ports: &[] }.endpoint(heard, 80);
            assert_eq!(judged.is_ok(), good, "{address}: {judged:?}");
        };
        check("169.254.9.9", true);
        check("169.254.169.254", false);
    }
}
