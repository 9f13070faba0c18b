//! The crate that speaks multicast DNS, as far as we use it: one thread with low priority, our services in its words,
//! its answers in ours. It decides nothing.

use std::thread;
use std::time::Duration;

use mdns_sd::{
    DaemonStatus, IfKind, Metrics, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent,
    ServiceInfo, UnregisterStatus,
};

use super::wanted::Saying;
use super::{HerdCard, Interfaces, MdnsError, Settings};
use crate::address::Heard;
use crate::answer::{Answer, in_order};
use crate::card::{Card, Role};
use crate::herd;

/// Where the others call.
const ROUTERS: &str = "_herdwick._tcp.local.";
/// Apart from the routers, so that of a thousand nodes that look for a router not every one is answered by all others.
const NODES: &str = "_herdwick-node._tcp.local.";
/// The version that Ollama Herd's own router writes; its agents do not read it.
const HERD_VERSION: &str = "0.1.0";
/// How often the interfaces are looked at, in seconds. Whoever moves to another address is announced there by then.
const LOOK_EVERY: u32 = 2;
/// How long a record has to be confirmed by whoever it is of.
const VERIFY: Duration = Duration::from_secs(10);
/// How much the thread yields to others: half of what there is. Whoever floods the network takes no time from requests.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Events about one service.
pub(super) type Events = Receiver<ServiceEvent>;

/// Speaks multicast DNS until it is dropped.
pub(super) struct Daemon(ServiceDaemon);

impl Daemon {
    pub(super) fn start(settings: &Settings) -> Result<Self, MdnsError> {
        let port = settings.port;
        let failed = |error: &dyn std::fmt::Display| MdnsError(error.to_string());
        // A thread has the priority of the one that made it.
        let maker = thread::Builder::new().name("mdns-maker".to_owned());
        let made = maker
            .spawn(move || {
                yield_to_others();
                ServiceDaemon::new_with_port(port)
            })
            .map_err(|error| failed(&error))?;
        let daemon = made.join().map_err(|_| failed(&"its thread died"))?.map_err(|error| failed(&error))?;
        daemon.set_ip_check_interval(LOOK_EVERY).map_err(|error| failed(&error))?;
        let only = match settings.interfaces {
            Interfaces::All => return Ok(Self(daemon)),
            Interfaces::Loopback => vec![IfKind::LoopbackV4, IfKind::LoopbackV6],
            Interfaces::With(address) => vec![IfKind::Addr(address)],
        };
        daemon.disable_interface(IfKind::All).map_err(|error| failed(&error))?;
        daemon.enable_interface(only).map_err(|error| failed(&error))?;
        Ok(Self(daemon))
    }

    /// Asks for routers or nodes, at once and then less and less often. An earlier question of the same ends.
    pub(super) fn browse(&self, role: Role) -> Option<Events> {
        self.ask(service_of(role))
    }

    /// Asks for routers of Ollama Herd.
    pub(super) fn browse_herd(&self) -> Option<Events> {
        self.ask(herd::SERVICE)
    }

    fn ask(&self, service: &str) -> Option<Events> {
        self.0
            .browse(service)
            .inspect_err(|error| tracing::warn!("{service} cannot be looked for: {error}"))
            .ok()
    }

    /// Asks whether an instance is still there; one that does not answer is removed.
    pub(super) fn verify(&self, instance: String) {
        // Full means that it is busy; whoever is gone is found gone the next time.
        let _ = self.0.verify(instance, VERIFY);
    }

    /// Says it to the network. What is wrong with it is told and otherwise ignored: nobody could mend it.
    pub(super) fn register(&self, saying: &Saying) -> bool {
        let registered = service(saying).and_then(|service| self.0.register(service));
        registered
            .inspect_err(|error| tracing::warn!("this program cannot be shown to the network: {error}"))
            .is_ok()
    }

    /// Says goodbye for it.
    pub(super) fn unregister(&self, saying: &Saying) -> Option<Receiver<UnregisterStatus>> {
        let service = service(saying).ok()?;
        self.0.unregister(service.get_fullname()).ok()
    }

    /// Asks for its counters.
    pub(super) fn metrics(&self) -> Option<Receiver<Metrics>> {
        self.0.get_metrics().ok()
    }

    /// Says goodbye for everything and ends its thread.
    pub(super) fn shut_down(self) -> Option<Receiver<DaemonStatus>> {
        self.0.shutdown().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The second time it is only told that it is over.
        let _ = self.0.shutdown();
    }
}

/// Whether a search began on no interface at all, by the text with which it begins: there is no other word for it.
pub(super) fn is_deaf(started: &str) -> bool {
    started.contains(" on 0 interfaces ")
}

/// What was answered, in our words.
pub(super) fn answer(resolved: &ResolvedService) -> Answer {
    let heard = resolved.addresses.iter().flat_map(heard);
    let text = |property: &mdns_sd::TxtProperty| {
        (property.key().to_ascii_lowercase(), property.val().unwrap_or_default().to_vec())
    };
    Answer {
        instance: resolved.fullname.clone(),
        port: resolved.port,
        heard: in_order(heard),
        texts: resolved.txt_properties.iter().map(text).collect(),
    }
}

/// An address once for every interface on which it was heard.
fn heard(ip: &ScopedIp) -> Vec<Heard> {
    let address = ip.to_ip_addr();
    match ip {
        ScopedIp::V4(v4) => {
            v4.interface_ids().iter().map(|id| Heard { address, interface: id.index }).collect()
        }
        ScopedIp::V6(v6) => vec![Heard { address, interface: v6.scope_id().index }],
        _ => Vec::new(),
    }
}

fn service_of(role: Role) -> &'static str {
    match role {
        Role::Router => ROUTERS,
        Role::Node => NODES,
    }
}

fn service(saying: &Saying) -> mdns_sd::Result<ServiceInfo> {
    let mut service = match saying {
        Saying::Card(card) => ours(card)?,
        Saying::Herd(card) => theirs(*card)?,
    };
    // No name can be somebody else's, since all contain the key's fingerprint; so nobody is asked first, and nobody
    // who answers everything can have us rename ourselves for ever.
    service.set_requires_probe(false);
    Ok(service.enable_addr_auto())
}

fn ours(card: &Card) -> mdns_sd::Result<ServiceInfo> {
    ServiceInfo::new(service_of(card.role), &card.instance(), &card.host(), (), card.port, &card.texts()[..])
}

fn theirs(card: HerdCard) -> mdns_sd::Result<ServiceInfo> {
    let key = card.fingerprint.to_string();
    let host = format!("herdwick-herd-{key}.local.");
    let texts = [("version", HERD_VERSION), ("herdwick", &key)];
    ServiceInfo::new(herd::SERVICE, &herd::instance(card.fingerprint), &host, (), card.port, &texts[..])
}

/// Makes this thread and those that it makes give way. Elsewhere than on Linux it would be the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!("the thread of multicast DNS keeps its priority: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_on_no_interface_is_told_from_one_on_some() {
        let check = |interfaces: Interfaces, deaf: bool| {
            let daemon = Daemon::start(&Settings { port: 15_353, interfaces }).unwrap();
            let events = daemon.browse(Role::Router).unwrap();
            let first = events.recv_timeout(Duration::from_secs(10)).unwrap();
            let ServiceEvent::SearchStarted(text) = first else { panic!("{first:?}") };
            assert_eq!(is_deaf(&text), deaf, "{text}");
        };
        check(Interfaces::Loopback, false);
        // Of TEST-NET-3, which no machine has.
        check(Interfaces::With("203.0.113.77".parse().unwrap()), true);
    }
}
