//! Whether a router of Ollama Herd is on the network.

use std::time::Duration;

use herdwick_discovery::{Fingerprint, HerdCard};
use tokio::sync::watch;

use super::packet::{PTR, Packet, Stranger, name};
use super::place::Place;

const PATIENCE: Duration = Duration::from_secs(20);

async fn until(herds: &mut watch::Receiver<Vec<String>>, names: &[&str]) {
    let same = |seen: &Vec<String>| seen.iter().map(String::as_str).eq(names.iter().copied());
    tokio::time::timeout(PATIENCE, herds.wait_for(same)).await.expect("it never came").unwrap();
}

#[tokio::test]
async fn theirs_is_seen_and_seen_to_leave_and_ours_is_none() {
    let place = Place::new();
    let (ours, other) = (place.mdns(), place.mdns());
    let mut herds = ours.herd();
    let mut of_other = other.herd();
    let _shown = other.advertise_to_herd(HerdCard { fingerprint: Fingerprint::new([1; 8]), port: 11_435 });
    let mut herd = Stranger::router("Fleet Manager Router");
    herd.service = "_fleet-manager";
    // It is told until both heard it, since a packet before they listen is lost.
    let telling = async {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        loop {
            every.tick().await;
            place.send(&herd.packet());
        }
    };
    tokio::select! {
        () = telling => {}
        () = async {
            until(&mut herds, &["Fleet Manager Router"]).await;
            until(&mut of_other, &["Fleet Manager Router"]).await;
        } => {}
    }
    let service = name(&["_fleet-manager", "_tcp", "local"]);
    let instance = name(&["Fleet Manager Router", "_fleet-manager", "_tcp", "local"]);
    place.send(&Packet::new().record_for(&service, PTR, &instance, 0).bytes());
    until(&mut herds, &[]).await;
}
