//! Where a machine of a fleet can be: nowhere that another machine would be reached by the same address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell a machine its own secrets.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Why no machine can be reached there, if none can. Loopback is this machine, whose agent comes from there.
pub(crate) fn unfit(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("it is where clouds keep a machine's secrets");
    }
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if is_link_local {
        return Some("it means another machine on each network; reach the router by another address");
    }
    (address.is_unspecified() || address.is_multicast()).then_some("it is no machine's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_where_the_same_address_always_means_it() {
        for (address, fit) in [
            ("10.0.0.5", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("100.64.0.7", true),
            ("fd00::5", true),
            ("2001:db8::5", true),
            ("169.254.169.254", false),
            ("100.100.100.200", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("224.0.0.251", false),
            ("255.255.255.255", false),
            ("ff02::fb", false),
            ("0.0.0.0", false),
            ("::", false),
        ] {
            assert_eq!(unfit(address.parse().unwrap()).is_none(), fit, "{address}");
        }
    }
}
