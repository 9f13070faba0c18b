//! The system's table of TCP sockets, as Linux tells it in `/proc/net/tcp` and `tcp6`: who listens, and which requests
//! run at a server beside those that come through us.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The kernel's number of the state in which a connection is in use.
const ESTABLISHED: u8 = 1;
/// The kernel's number of the state of a listener.
#[cfg(any(target_os = "linux", test))]
const LISTEN: u8 = 10;

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    inode: u64,
}

/// Every socket of the machine, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Socket>);

impl Table {
    /// Reads the system's table; empty where there is none.
    pub(crate) fn read() -> Self {
        let mut table = Self::default();
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            // A system without IPv6 has no table of it.
            table.add(&std::fs::read_to_string(file).unwrap_or_default());
        }
        table
    }

    fn add(&mut self, text: &str) {
        self.0.extend(text.lines().skip(1).filter_map(socket));
    }

    /// The socket that listens on a port.
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn listener(&self, port: u16) -> Option<u64> {
        let listens = |socket: &&Socket| socket.state == LISTEN && socket.local.port() == port;
        self.0.iter().find(listens).map(|socket| socket.inode)
    }

    /// Who is connected to a port of this machine, but for this process, whose sockets are `own`.
    pub(crate) fn clients(&self, port: u16, own: &HashSet<u64>) -> Vec<IpAddr> {
        let established = || self.0.iter().filter(|socket| socket.state == ESTABLISHED);
        let is_ours = |client: SocketAddr| {
            established().any(|socket| socket.local == client && own.contains(&socket.inode))
        };
        let at_port = established().filter(|socket| socket.local.port() == port);
        at_port.filter(|socket| !is_ours(socket.remote)).map(|socket| socket.remote.ip()).collect()
    }
}

/// The sockets of a process; empty when it may not be looked at.
pub(crate) fn of_process(process: &Path) -> HashSet<u64> {
    let Ok(handles) = std::fs::read_dir(process.join("fd")) else { return HashSet::new() };
    let links = handles.flatten().filter_map(|handle| std::fs::read_link(handle.path()).ok());
    links.filter_map(|link| inode(link.to_str()?)).collect()
}

/// Reads `socket:[12345]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Reads one line.
fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    // Queues, timer, retransmissions, user and timeout stand between.
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { local, remote, state, inode })
}

/// Reads `0100007F:2CAA`: the address as the machine's own words in hexadecimal, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| u32::from_str_radix(address.get(index * 8..index * 8 + 8)?, 16).ok();
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index)?.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn table(lines: &[&str]) -> Table {
        let mut table = Table::default();
        table.add(&format!("{HEAD}{}", lines.join("\n")));
        table
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_are_read_as_the_kernel_writes_them() {
        let table = table(&[
            "   0: 0100007F:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 23881 1 0 100",
            "   1: 0100007F:2CAA 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000   999        0 50001 1 0",
            "   2: 0100007F:D2F0 0100007F:2CAA 01 00000000:00000000 02:000A0A0A 00000000  1000        0 50002 2 0",
            "   3: 0500A8C0:2CAA 0900A8C0:9999 01 00000000:00000000 00:00000000 00000000   999        0 50003 1 0",
            "   4: 0500A8C0:2CAA 0A00A8C0:9999 06 00000000:00000000 00:00000000 00000000   999        0 0 1 0",
            "   5: 0000000000000000FFFF00000500A8C0:2CAA 0000000000000000FFFF00000B00A8C0:0001 01 0:0 0:0 0 999 0 50005 1",
            "   x: broken",
        ]);
        assert_eq!((table.listener(11_434), table.listener(1)), (Some(23_881), None));
        let clients = |own: &[u64]| {
            let clients = table.clients(11_434, &own.iter().copied().collect());
            clients.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(clients(&[]), ["127.0.0.1", "192.168.0.9", "192.168.0.11"]);
        assert_eq!(clients(&[50_002]), ["192.168.0.9", "192.168.0.11"], "our own probe is no client");
    }

    #[test]
    fn sockets_of_a_process_are_told_by_their_links() {
        assert_eq!((inode("socket:[12345]"), inode("pipe:[1]")), (Some(12_345), None));
    }
}
