//! Does multicast work, by which machines find each other: on each interface a real mDNS question is sent, and must
//! be heard by whoever listens there, ourselves first of all. Who answers is not read; that others are heard at all
//! says that the network carries it.

mod packet;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_addrs::{IfAddr, Interface};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::line::Line;

/// What the check is called.
const CHECK: &str = "multicast";
/// mDNS (RFC 6762, 3).
const PORT: u16 = 5_353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// How long is listened. Others wait up to 120 ms before they answer (RFC 6762, 6), and slow ones a little longer.
const LISTEN: Duration = Duration::from_millis(1_000);
/// Interfaces that are tried; the others of a machine with many containers say nothing new.
const MOST: usize = 16;
/// Bytes of a datagram: mDNS fills at most an Ethernet frame of 9000 (RFC 6762, 17).
const DATAGRAM: usize = 9_000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// By interface and family, in the order of names.
    pub(crate) ways: Vec<Way>,
    /// Other machines that said something, at least.
    pub(crate) others: usize,
}

/// One family of addresses on one interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    pub(crate) interface: String,
    pub(crate) is_v6: bool,
    pub(crate) heard: Heard,
}

/// Whether our own question came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Yes,
    /// It was sent, and nothing came.
    Nothing,
    /// Another program has the port to itself.
    Taken,
    /// The system refuses one of the steps.
    Refused {
        step: &'static str,
        why: String,
    },
}

/// Sends and listens, for [`LISTEN`].
pub(crate) async fn look() -> Seen {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let own: BTreeSet<IpAddr> = found.iter().map(Interface::ip).collect();
    let until = Instant::now() + LISTEN;
    let ways = doors(&found);
    let mut tasks = tokio::task::JoinSet::new();
    for (order, door) in ways.into_iter().enumerate() {
        let own = own.clone();
        tasks.spawn(async move { (order, door.try_out(&own, until).await) });
    }
    let mut tried = BTreeMap::new();
    let mut others = BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        // A task that panicked has nothing to tell.
        let Ok((order, (way, heard))) = done else { continue };
        others.extend(heard);
        tried.insert(order, way);
    }
    // A machine may answer by both families.
    let v6 = others.iter().filter(|address| address.is_ipv6()).count();
    Seen { ways: tried.into_values().collect(), others: v6.max(others.len() - v6) }
}

impl Seen {
    /// Whether some interface carries it.
    pub(crate) fn works(&self) -> bool {
        self.ways.iter().any(|way| way.heard == Heard::Yes)
    }
}

pub(crate) fn judge(seen: &Seen) -> Line {
    let by_hand = "name the router to each agent, which needs no multicast:";
    if seen.ways.is_empty() {
        return Line::note(CHECK, "no interface besides loopback is up and has an address")
            .cause("without a network only programs on this machine reach the router")
            .fix("connect this machine to the network of the others");
    }
    if seen.works() {
        let heard = interfaces(seen, |heard| *heard == Heard::Yes);
        let others = match seen.others {
            0 => "nobody else answers, as on a quiet network".to_owned(),
            1 => "one other machine answers".to_owned(),
            others => format!("{others} other machines answer"),
        };
        let silent = interfaces(seen, |heard| *heard != Heard::Yes);
        let besides = if silent.is_empty() { String::new() } else { format!(" (not on {silent})") };
        return Line::good(CHECK, format!("a question is heard back on {heard}{besides}; {others}"));
    }
    let tried = interfaces(seen, |_| true);
    if seen.ways.iter().all(|way| way.heard == Heard::Taken) {
        return Line::problem(CHECK, format!("UDP port {PORT} cannot be shared"))
            .cause("another program has it to itself, so that no agent and no router is found")
            .fix(format!("see who it is and end it; or {by_hand}"))
            .command(if cfg!(target_os = "linux") {
                "sudo ss -lunp 'sport = :5353'"
            } else {
                "sudo lsof -nP -iUDP:5353"
            })
            .command("herdwick node --router HOST:11435");
    }
    let why: BTreeSet<String> = seen.ways.iter().filter_map(|way| way.heard.why()).collect();
    let cause = if why.is_empty() {
        "what is sent does not come back: a firewall here drops it, or the interface does not carry multicast"
            .to_owned()
    } else {
        why.into_iter().collect::<Vec<_>>().join("\n")
    };
    Line::problem(CHECK, format!("a question is not heard back on {tried}"))
        .cause(cause)
        .fix(format!("let UDP port {PORT} in; or {by_hand}"))
        .command("herdwick node --router HOST:11435")
}

/// The interfaces on which it went like this, with their families.
fn interfaces(seen: &Seen, is_it: impl Fn(&Heard) -> bool) -> String {
    let mut named: Vec<(&str, Vec<&str>)> = Vec::new();
    for way in seen.ways.iter().filter(|way| is_it(&way.heard)) {
        let family = if way.is_v6 { "IPv6" } else { "IPv4" };
        match named.iter_mut().find(|(name, _)| *name == way.interface) {
            Some((_, families)) => families.push(family),
            None => named.push((&way.interface, vec![family])),
        }
    }
    let one = |(name, families): &(&str, Vec<&str>)| format!("{name} ({})", families.join(", "));
    named.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Heard {
    fn why(&self) -> Option<String> {
        match self {
            Self::Refused { step, why } => Some(format!("{step}: {why}")),
            _ => None,
        }
    }
}

/// A way that could be tried.
struct Door {
    interface: String,
    index: u32,
    /// The address to send from; the family.
    address: IpAddr,
}

/// One for each family of each interface that is up. Of IPv6 every interface that has it has a link-local address.
fn doors(found: &[Interface]) -> Vec<Door> {
    let mut doors: Vec<Door> = Vec::new();
    for interface in found.iter().filter(|interface| interface.is_oper_up() && !interface.is_loopback()) {
        let is_it = match &interface.addr {
            IfAddr::V4(_) => true,
            IfAddr::V6(v6) => v6.ip.is_unicast_link_local(),
        };
        let (Some(index), true) = (interface.index, is_it) else { continue };
        let address = interface.ip();
        // An interface may have several addresses.
        let known =
            doors.iter().any(|door| door.index == index && door.address.is_ipv6() == address.is_ipv6());
        if !known && doors.len() < MOST {
            doors.push(Door { interface: interface.name.clone(), index, address });
        }
    }
    doors.sort_by(|one, other| {
        (&one.interface, one.address.is_ipv6()).cmp(&(&other.interface, other.address.is_ipv6()))
    });
    doors
}

impl Door {
    /// Sends one question and listens until `until`. Says who else was heard.
    async fn try_out(self, own: &BTreeSet<IpAddr>, until: Instant) -> (Way, BTreeSet<IpAddr>) {
        let mut others = BTreeSet::new();
        let heard = match self.heard(own, until, &mut others).await {
            Ok(true) => Heard::Yes,
            Ok(false) => Heard::Nothing,
            Err(heard) => heard,
        };
        let Self { interface, address, .. } = self;
        (Way { interface, is_v6: address.is_ipv6(), heard }, others)
    }

    async fn heard(
        &self,
        own: &BTreeSet<IpAddr>,
        until: Instant,
        others: &mut BTreeSet<IpAddr>,
    ) -> Result<bool, Heard> {
        let socket = self.socket()?;
        // Nobody else asks for this name, so that what comes back is ours, and of this interface.
        let ours = packet::question(&format!("herdwick-doctor-{}-{}", std::process::id(), self.index));
        let group = match self.address {
            IpAddr::V4(_) => SocketAddr::from((GROUP_V4, PORT)),
            IpAddr::V6(_) => std::net::SocketAddrV6::new(GROUP_V6, PORT, 0, self.index).into(),
        };
        socket.send_to(&ours, group).await.map_err(refused("a question cannot be sent"))?;
        let mut heard = false;
        let mut datagram = vec![0; DATAGRAM];
        // All of the time is used, for the sake of others who answer late.
        while let Ok(received) = timeout_at(until, socket.recv_from(&mut datagram)).await {
            let Ok((length, from)) = received else { break };
            let came = datagram.get(..length).unwrap_or_default();
            heard |= came == ours;
            if packet::is_answer(came) && !own.contains(&from.ip()) {
                others.insert(from.ip());
            }
        }
        Ok(heard)
    }

    /// A socket in the group, on this interface alone, beside those of other programs.
    fn socket(&self) -> Result<UdpSocket, Heard> {
        let any: SocketAddr = match self.address {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, PORT).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, PORT).into(),
        };
        let make = || {
            let socket = Socket::new(Domain::for_address(any), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_reuse_address(true)?;
            #[cfg(unix)]
            socket.set_reuse_port(true)?;
            if any.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket: Socket = make().map_err(refused("no socket can be made"))?;
        socket.bind(&any.into()).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Heard::Taken,
            _ => refused("the port cannot be bound")(error),
        })?;
        self.join(&socket).map_err(refused("the group cannot be joined"))?;
        UdpSocket::from_std(socket.into()).map_err(refused("no socket can be made"))
    }

    fn join(&self, socket: &Socket) -> io::Result<()> {
        match self.address {
            IpAddr::V4(address) => {
                #[cfg(any(target_os = "linux", target_os = "android"))]
                socket.set_multicast_all_v4(false)?;
                socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(self.index))?;
                socket.set_multicast_if_v4(&address)?;
                socket.set_multicast_ttl_v4(255)?;
                socket.set_multicast_loop_v4(true)
            }
            IpAddr::V6(_) => {
                #[cfg(any(target_os = "linux", target_os = "android"))]
                socket.set_multicast_all_v6(false)?;
                socket.join_multicast_v6(&GROUP_V6, self.index)?;
                socket.set_multicast_if_v6(self.index)?;
                socket.set_multicast_hops_v6(255)?;
                socket.set_multicast_loop_v6(true)
            }
        }
    }
}

fn refused(step: &'static str) -> impl Fn(io::Error) -> Heard {
    move |error| Heard::Refused { step, why: crate::failed::plain(&error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    fn way(interface: &str, is_v6: bool, heard: Heard) -> Way {
        Way { interface: interface.to_owned(), is_v6, heard }
    }

    #[test]
    fn one_interface_that_carries_it_is_enough() {
        let refused = Heard::Refused { step: "the group cannot be joined", why: "no such device".to_owned() };
        for (ways, others, verdict, told) in [
            (vec![], 0, Verdict::Note, "no interface besides loopback"),
            (
                vec![way("eth0", false, Heard::Yes), way("eth0", true, Heard::Yes)],
                0,
                Verdict::Good,
                "eth0 (IPv4, IPv6)",
            ),
            (vec![way("eth0", false, Heard::Yes)], 3, Verdict::Good, "3 other machines"),
            (
                vec![way("eth0", false, Heard::Yes), way("wg0", false, Heard::Nothing)],
                1,
                Verdict::Good,
                "(not on wg0 (IPv4))",
            ),
            (vec![way("eth0", false, Heard::Nothing)], 0, Verdict::Problem, "a firewall here drops it"),
            (vec![way("eth0", false, Heard::Taken)], 0, Verdict::Problem, "5353 cannot be shared"),
            (vec![way("eth0", false, refused)], 0, Verdict::Problem, "cannot be joined: no such device"),
        ] {
            let line = judge(&Seen { ways, others });
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }
}
