//! A look around for open ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use herdwick_discovery::{Pace, open_ports};
use tokio::net::TcpListener;

#[tokio::test]
async fn who_listens_is_found_among_those_who_do_not() {
    let first = TcpListener::bind("127.0.0.5:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let _second = TcpListener::bind(("127.0.0.77", port)).await.unwrap();
    let addresses = (1..=254).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    for at_once in [0, 1, 64, 1_000] {
        let pace = Pace { at_once, patience: Duration::from_secs(5) };
        let found = open_ports(Vec::clone(&addresses), port, pace).await;
        let expected = [SocketAddr::from(([127, 0, 0, 5], port)), SocketAddr::from(([127, 0, 0, 77], port))];
        assert_eq!(found, expected, "{at_once} at once");
    }
    assert!(open_ports(Vec::new(), port, Pace::default()).await.is_empty());
}
