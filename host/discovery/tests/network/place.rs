//! A network of a test's own: one port on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use herdwick_discovery::{Browser, Card, Fingerprint, Interfaces, Mdns, Role, Settings, Sighting};
use socket2::SockRef;

/// Longer than any of this takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is seen before strangers speak, and then leaves.
const HELPER: &str = "helper";

/// A port on which nobody else speaks.
pub(crate) struct Place {
    settings: Settings,
    stranger: UdpSocket,
}

impl Place {
    pub(crate) fn new() -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        SockRef::from(&stranger).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        Self { settings: Settings { port, interfaces: Interfaces::Loopback }, stranger }
    }

    /// Somebody of us there.
    pub(crate) fn mdns(&self) -> Mdns {
        Mdns::start(self.settings.clone()).unwrap()
    }

    /// Somebody there who searches and whom strangers' packets reach: it has seen the helper.
    pub(crate) async fn browser(&self, role: Role) -> (Mdns, Browser) {
        let mdns = self.mdns();
        let mut browser = mdns.browse(role);
        let helper = self.mdns();
        let _shown = helper.advertise(card(role, HELPER, 0xee, 4));
        until(&mut browser, |seen| seen.iter().any(|one| one.name == HELPER)).await;
        (mdns, browser)
    }

    /// A stranger's packet to everybody there.
    pub(crate) fn send(&self, packet: &[u8]) {
        let group = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), self.settings.port);
        self.stranger.send_to(packet, SocketAddr::V4(group)).unwrap();
    }
}

pub(crate) fn card(role: Role, name: &str, number: u8, port: u16) -> Card {
    Card { role, name: name.to_owned(), fingerprint: Fingerprint::new([number; 8]), port }
}

/// Waits until those who are seen are as they should be.
pub(crate) async fn until(browser: &mut Browser, good: impl Fn(&[Sighting]) -> bool) -> Arc<[Sighting]> {
    let waiting = async {
        let mut seen = browser.now();
        while !good(&seen) {
            seen = browser.changed().await;
        }
        seen
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(seen) => seen,
        Err(_) => panic!("it never came; seen are {:?}", browser.now()),
    }
}

/// What those are called who are seen, but for the helper, who may or may not have left by then.
pub(crate) fn names(seen: &[Sighting]) -> Vec<&str> {
    seen.iter().map(|one| one.name.as_str()).filter(|name| *name != HELPER).collect()
}
