//! Two of us find each other.

use herdwick_discovery::{Role, Sighting};

use super::place::{Place, card, names, until};

#[tokio::test]
async fn whoever_comes_first_both_see_each_other_and_nobody_sees_itself() {
    let place = Place::new();
    let (agent, router) = (place.mdns(), place.mdns());
    let _node = agent.advertise(card(Role::Node, "kitchen", 2, 11_434));
    let mut routers = agent.browse(Role::Router);
    let _router = router.advertise(card(Role::Router, "studio", 1, 11_435));
    let mut nodes = router.browse(Role::Node);

    let seen = until(&mut routers, |seen| !seen.is_empty()).await;
    let [one] = &*seen else { panic!("{seen:?}") };
    assert_eq!((one.name.as_str(), one.role), ("studio", Role::Router));
    assert_eq!(one.fingerprint.to_string(), "0101010101010101");
    assert!(one.addresses.iter().all(|address| address.port() == 11_435 && address.ip().is_loopback()));
    let seen = until(&mut nodes, |seen| !seen.is_empty()).await;
    assert_eq!(names(&seen), ["kitchen"]);
    assert_eq!(seen.first().map(|one| one.role), Some(Role::Node));
    // Both have had their answers by now, their own ones too.
    assert!(agent.browse(Role::Node).now().is_empty());
    assert!(router.browse(Role::Router).now().is_empty());
}

#[tokio::test]
async fn two_routers_of_one_name_are_two() {
    let place = Place::new();
    let (first, second, agent) = (place.mdns(), place.mdns(), place.mdns());
    let _first = first.advertise(card(Role::Router, "studio", 1, 11_435));
    let _second = second.advertise(card(Role::Router, "studio", 2, 11_436));
    let seen = until(&mut agent.browse(Role::Router), |seen| seen.len() == 2).await;
    assert_eq!(names(&seen), ["studio", "studio"]);
    assert_eq!(names(&until(&mut first.browse(Role::Router), |seen| !seen.is_empty()).await), ["studio"]);
}

#[tokio::test]
async fn who_leaves_is_not_seen_any_more_and_who_comes_back_is() {
    let place = Place::new();
    let (router, agent) = (place.mdns(), place.mdns());
    let mut routers = agent.browse(Role::Router);
    let shown = router.advertise(card(Role::Router, "studio", 1, 11_435));
    until(&mut routers, |seen| !seen.is_empty()).await;
    shown.withdraw().await;
    until(&mut routers, <[Sighting]>::is_empty).await;
    let _shown = router.advertise(card(Role::Router, "studio", 1, 11_435));
    until(&mut routers, |seen| !seen.is_empty()).await;
    // A program that ends says goodbye for everything.
    drop(_shown);
    drop(router);
    until(&mut routers, <[Sighting]>::is_empty).await;
}
