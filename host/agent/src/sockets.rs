//! The system's TCP sockets, as Linux tells of them: who listens on a port, and which requests run at a server beside
//! those that come through us. From messages of its `sock_diag`, since `/proc/net/tcp` takes 70 ms to write itself on a
//! machine with much memory, and does not tell an idle connection from one that waits for an answer.
//!
//! Sources: `linux/inet_diag.h`, `linux/tcp.h` (`struct tcp_info`), `linux/netlink.h`.

#[cfg(target_os = "linux")]
mod diag;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A stream that sends nothing for longer has ended, or waits for a model that makes less than a token in this time.
const STREAMS: u32 = 1_500;

/// Bytes of a message's head: length, type, flags, number, sender.
const HEAD: usize = 16;
/// The type of a message that tells of a socket, and of the last one.
const SOCKET: u16 = 20;
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// Bytes of `struct inet_diag_msg`, behind which attributes follow.
const TOLD: usize = 72;
/// The attribute that holds a `struct tcp_info`.
const TCP_INFO: u16 = 2;

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    inode: u64,
    traffic: Option<Traffic>,
}

/// What went over a connection. Times are milliseconds since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traffic {
    sent: u32,
    received: u32,
    /// One for the opening is among them.
    acknowledged_bytes: u64,
    received_bytes: u64,
}

/// Every connection of the machine, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Connections(Vec<Socket>);

impl Connections {
    /// Asks the system; none where it does not tell.
    pub(crate) fn read() -> Self {
        #[cfg(target_os = "linux")]
        return Self(diag::sockets(diag::ESTABLISHED));
        #[cfg(not(target_os = "linux"))]
        Self::default()
    }

    /// Whose requests run at a port of this machine, but for those of this process, whose sockets are `own`.
    pub(crate) fn clients(&self, port: u16, own: &HashSet<u64>) -> Vec<IpAddr> {
        let is_ours = |client: SocketAddr| {
            self.0.iter().any(|socket| socket.local == client && own.contains(&socket.inode))
        };
        let at_port = self.0.iter().filter(|socket| socket.local.port() == port);
        // Clients keep connections for their next request.
        let busy = at_port.filter(|socket| socket.traffic.is_none_or(Traffic::is_answer_due));
        busy.filter(|socket| !is_ours(socket.remote)).map(|socket| socket.remote.ip()).collect()
    }
}

/// The socket that listens on a port.
#[cfg(target_os = "linux")]
pub(crate) fn listener(port: u16) -> Option<u64> {
    let listening = diag::sockets(diag::LISTENING);
    listening.iter().find(|socket| socket.local.port() == port).map(|socket| socket.inode)
}

/// The sockets of a process; empty when it may not be looked at.
pub(crate) fn of_process(process: &Path) -> HashSet<u64> {
    let Ok(handles) = std::fs::read_dir(process.join("fd")) else { return HashSet::new() };
    let links = handles.flatten().filter_map(|handle| std::fs::read_link(handle.path()).ok());
    links.filter_map(|link| inode(link.to_str()?)).collect()
}

impl Traffic {
    /// Whether the client of a server's connection waits for an answer or reads one.
    fn is_answer_due(self) -> bool {
        match self.received.cmp(&self.sent) {
            // What came last came from the client.
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => self.sent < STREAMS,
            // Both in one tick of the clock: either the request came with the opening, or the answer with the request.
            std::cmp::Ordering::Equal => self.received_bytes > 0 && self.acknowledged_bytes <= 1,
        }
    }
}

/// Reads `socket:[12345]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Takes in what one reading gave: several messages. Whether more will come.
#[cfg(any(target_os = "linux", test))]
fn take(mut bytes: &[u8], sockets: &mut Vec<Socket>) -> bool {
    while let Some(length) = u32_at(bytes, 0).and_then(|length| usize::try_from(length).ok()) {
        if length < HEAD {
            return false;
        }
        let Some(message) = bytes.get(HEAD..length) else { return false };
        match u16_at(bytes, 4) {
            Some(SOCKET) => sockets.extend(socket(message)),
            Some(DONE | ERROR) | None => return false,
            Some(_) => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

/// Reads a `struct inet_diag_msg` with its attributes.
fn socket(message: &[u8]) -> Option<Socket> {
    let family = *message.first()?;
    // Family, state, timer and repeats; then ports and addresses as they are on the wire.
    let port = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let end = |port: u16, at: usize| Some(SocketAddr::new(address(family, message.get(at..at + 16)?)?, port));
    let inode = u64::from(u32_at(message, TOLD - 4)?);
    let traffic = attribute(message.get(TOLD..)?, TCP_INFO).and_then(traffic);
    Some(Socket { local: end(port(4)?, 8)?, remote: end(port(6)?, 24)?, inode, traffic })
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    /// `AF_INET` and `AF_INET6`.
    const FAMILIES: [u8; 2] = [2, 10];
    let [v4, v6] = FAMILIES;
    if family == v4 {
        let bytes: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    // A socket for both families tells of IPv4 in this way.
    (family == v6).then(|| Ipv6Addr::from(bytes).to_canonical())
}

/// The attribute with this number: each has a length and a number, and stands on four bytes.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0)?);
        let value = bytes.get(4..length)?;
        if u16_at(bytes, 2)? == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// Reads the four fields of `struct tcp_info`. Kernels before 4.6 do not tell the last two.
fn traffic(info: &[u8]) -> Option<Traffic> {
    Some(Traffic {
        sent: u32_at(info, 44)?,
        received: u32_at(info, 52)?,
        acknowledged_bytes: u64_at(info, 120)?,
        received_bytes: u64_at(info, 128)?,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// For how long a look at the machine's connections is believed: so long that looking takes a five-hundredth of the
/// time, since a busy machine has many.
pub(crate) fn believed(look: Duration) -> Duration {
    /// A beat or two.
    const LEAST: Duration = Duration::from_secs(2);
    (look * 500).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel writes it.
    fn message(family: u8, ports: [u16; 2], addresses: [[u8; 16]; 2], inode: u32, info: &[u8]) -> Vec<u8> {
        let mut body = vec![family, 1, 0, 0];
        ports.iter().for_each(|port| body.extend(port.to_be_bytes()));
        addresses.iter().for_each(|address| body.extend(address));
        body.resize(TOLD - 4, 0);
        body.extend(inode.to_ne_bytes());
        // Another attribute before, of a length that is no multiple of four.
        body.extend([5_u16, 8].map(u16::to_ne_bytes).concat());
        body.extend([1, 0, 0, 0]);
        body.extend(u16::try_from(info.len() + 4).unwrap().to_ne_bytes());
        body.extend(TCP_INFO.to_ne_bytes());
        body.extend(info);
        headed(SOCKET, &body)
    }

    fn headed(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = u32::try_from(HEAD + body.len()).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    fn info(sent: u32, received: u32, acknowledged_bytes: u64, received_bytes: u64) -> Vec<u8> {
        let mut info = vec![0; 136];
        info[44..48].copy_from_slice(&sent.to_ne_bytes());
        info[52..56].copy_from_slice(&received.to_ne_bytes());
        info[120..128].copy_from_slice(&acknowledged_bytes.to_ne_bytes());
        info[128..].copy_from_slice(&received_bytes.to_ne_bytes());
        info
    }

    fn v4(last: u8) -> [u8; 16] {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[10, 0, 0, last]);
        address
    }

    #[test]
    fn whose_requests_run_is_read_from_the_kernels_messages() {
        let waits = info(5_000, 100, 1, 300);
        let mapped = |last| {
            let mut address = [0; 16];
            address[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, last]);
            address
        };
        let mut bytes = message(2, [11_434, 50_000], [v4(1), v4(2)], 71, &waits);
        bytes.extend(message(2, [50_000, 11_434], [v4(2), v4(1)], 72, &waits));
        bytes.extend(message(10, [11_434, 50_001], [mapped(1), mapped(3)], 73, &waits));
        bytes.extend(message(2, [11_434, 50_002], [v4(1), v4(4)], 74, &info(5_000, 5_010, 900, 300)));
        let mut sockets = Vec::new();
        assert!(take(&bytes, &mut sockets), "more will come");
        assert!(!take(&headed(DONE, &[0; 4]), &mut sockets));
        let connections = Connections(sockets);
        let clients = |own: &[u64]| {
            let clients = connections.clients(11_434, &own.iter().copied().collect());
            clients.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(clients(&[]), ["10.0.0.2", "10.0.0.3"], "who only keeps a connection is none");
        assert_eq!(clients(&[72]), ["10.0.0.3"], "our own probe is none");
    }

    #[test]
    fn an_answer_is_due_as_long_as_the_client_spoke_last_or_is_told_something() {
        let due = |sent, received, acknowledged_bytes, received_bytes| {
            Traffic { sent, received, acknowledged_bytes, received_bytes }.is_answer_due()
        };
        assert!(due(9_000, 8_000, 1, 500), "it waits, loads or reads the prompt");
        assert!(due(20, 8_000, 900, 500), "it streams");
        assert!(!due(60_000, 60_040, 900, 500), "it was answered a minute ago");
        assert!(due(7, 7, 1, 500), "the request came with the opening");
        assert!(!due(7, 7, 900, 500), "the answer came at once");
        assert!(!due(7, 7, 1, 0), "it opened a connection and asked nothing");
    }

    #[test]
    fn what_is_no_message_ends_the_reading() {
        let good = message(2, [1, 2], [v4(1), v4(2)], 7, &info(0, 0, 0, 0));
        for length in 0..good.len() {
            let mut sockets = Vec::new();
            take(&good[..length], &mut sockets);
            assert!(sockets.is_empty(), "half a message of {length} bytes");
        }
        let mut sockets = Vec::new();
        assert!(!take(&[0; 64], &mut sockets), "a message without a length");
        assert!(!take(&headed(ERROR, &[0; 20]), &mut sockets));
    }

    #[test]
    fn a_machine_with_many_connections_is_looked_at_more_seldom() {
        assert_eq!(believed(Duration::from_micros(500)), Duration::from_secs(2));
        assert_eq!(believed(Duration::from_millis(20)), Duration::from_secs(10));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells_of_its_sockets() {
        use std::io::Write as _;
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let own = of_process(Path::new("/proc/self"));
        assert!(listener(port).is_some_and(|inode| own.contains(&inode)));
        let mut client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (_accepted, _) = server.accept().unwrap();
        assert_eq!(
            Connections::read().clients(port, &HashSet::new()),
            Vec::<IpAddr>::new(),
            "it asks nothing"
        );
        client.write_all(b"GET").unwrap();
        let clients = Connections::read().clients(port, &HashSet::new());
        assert_eq!(clients, [IpAddr::from([127, 0, 0, 1])]);
        let own = of_process(Path::new("/proc/self"));
        assert_eq!(Connections::read().clients(port, &own), Vec::<IpAddr>::new(), "both ends are ours");
    }

    #[test]
    fn sockets_of_a_process_are_told_by_their_links() {
        assert_eq!((inode("socket:[12345]"), inode("pipe:[1]")), (Some(12_345), None));
    }
}
