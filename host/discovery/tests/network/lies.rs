//! Answers that lie, loop or are no answers.

use std::time::Duration;

use herdwick_discovery::Role;

use super::packet::{A, PTR, Packet, SRV, Stranger, TXT, name};
use super::place::{Place, card, names, until};

/// Sends all of it, then an honest answer: the only one that may be seen. Packets of one sender arrive in their order,
/// so all others were read by then.
async fn only_the_honest_one_is_seen(packets: Vec<Vec<u8>>) {
    let place = Place::new();
    let (_mdns, mut browser) = place.browser(Role::Router).await;
    for some in packets.chunks(20) {
        some.iter().for_each(|packet| place.send(packet));
        // sleeps because packets wait in a queue of the system, and one that overflows would spare the reader the rest
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    place.send(&Stranger::router("honest").packet());
    let seen = until(&mut browser, |seen| names(seen).contains(&"honest")).await;
    assert_eq!(names(&seen), ["honest"]);
}

#[tokio::test]
async fn an_answer_that_no_neighbour_gives_is_dropped() {
    let with = |key: &str, value: &[u8]| Stranger::router("liar").with_text(key, value);
    let changed = |change: &dyn Fn(&mut Stranger)| {
        let mut liar = Stranger::router("liar");
        change(&mut liar);
        liar
    };
    let lies = vec![
        changed(&|liar| liar.port = 0),
        changed(&|liar| liar.address = [0, 0, 0, 0]),
        changed(&|liar| liar.address = [224, 0, 0, 251]),
        changed(&|liar| liar.address = [255, 255, 255, 255]),
        changed(&|liar| liar.address = [169, 254, 169, 254]),
        changed(&|liar| liar.address = [169, 254, 1, 1]),
        changed(&|liar| liar.address = [8, 8, 8, 8]),
        changed(&|liar| liar.texts.clear()),
        changed(&|liar| liar.texts.extend((b'a'..=b'z').map(|letter| vec![letter; 200]))),
        changed(&|liar| liar.texts.extend((0..20_u8).map(|number| vec![b'a' + number]))),
        with("v", b"2"),
        with("role", b"node"),
        with("key", b"../../../etc"),
        with("name", b"a\x1b[2Jb"),
        with("name", b"a\nb"),
        with("name", "a\u{202e}b".as_bytes()),
        with("name", &[0xff, 0xfe]),
        with("name", &[b'x'; 200]),
        with("name", b""),
    ];
    // Each is an instance and a host of its own, so that none is dropped for what another said.
    let own = |(number, mut liar): (usize, Stranger)| {
        liar.instance = format!("liar-{number}");
        liar.packet()
    };
    only_the_honest_one_is_seen(lies.into_iter().enumerate().map(own).collect()).await;
}

#[tokio::test]
async fn a_packet_that_loops_or_is_none_is_survived() {
    let service = name(&["_herdwick", "_tcp", "local"]);
    let instance = name(&["loop", "_herdwick", "_tcp", "local"]);
    // The first record's name begins at byte 12.
    let to_itself = [0xc0, 12];
    let to_its_own_data = |at: u8| [0xc0, at];
    let whole = Stranger::router("liar").packet();
    let mut packets = vec![
        Vec::new(),
        vec![0xff; 3],
        vec![0xff; 9_000],
        // A name that is itself, one that goes round two, one that points past the end, and one of labels without end.
        Packet::new().record(&to_itself, PTR, &to_itself).bytes(),
        Packet::new().record(&[0xc0, 14, 0xc0, 12], PTR, &to_itself).bytes(),
        Packet::new().record(&service, PTR, &[0xff, 0xff]).bytes(),
        Packet::new().record(&service, PTR, &to_its_own_data(45)).bytes(),
        Packet::new().record(&[b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(100), PTR, &instance).bytes(),
        // Services that are instances of themselves, and hosts that are services.
        Packet::new().record(&service, PTR, &service).record(&service, SRV, &[0; 7]).bytes(),
        Packet::new()
            .record(&service, PTR, &instance)
            .record(&instance, SRV, &[vec![0; 6], instance.clone()].concat())
            .record(&instance, PTR, &instance)
            .bytes(),
        // Data that is shorter than its kind.
        Packet::new().record(&service, PTR, &[]).bytes(),
        Packet::new()
            .record(&instance, SRV, &[0, 0])
            .record(&instance, A, &[1])
            .record(&instance, TXT, &[200])
            .bytes(),
    ];
    // Many records announced and none there.
    packets.push(vec![0, 0, 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    // The honest answer of somebody, cut off everywhere: none of the pieces may bring the reader down, and the address,
    // which stands last, is missing in all.
    packets.extend((0..whole.len() - 4).map(|length| whole.get(..length).unwrap().to_vec()));
    only_the_honest_one_is_seen(packets).await;
}

#[tokio::test]
async fn our_own_answer_told_by_another_is_not_somebody_else() {
    let place = Place::new();
    let (mdns, mut browser) = place.browser(Role::Router).await;
    // Access points repeat what they hear; and somebody could write our key.
    let _shown = mdns.advertise(card(Role::Router, "ours", 0xaa, 11_435));
    let echo = Stranger::router("echo").with_text("key", b"aaaaaaaaaaaaaaaa").with_text("name", b"ours");
    place.send(&echo.packet());
    // Where we listen ourselves, under another's name.
    let mut mirror = Stranger::router("mirror");
    mirror.address = [127, 0, 0, 1];
    place.send(&mirror.packet());
    place.send(&Stranger::router("honest").packet());
    let seen = until(&mut browser, |seen| names(seen).contains(&"honest")).await;
    assert_eq!(names(&seen), ["honest"]);
}

#[tokio::test]
async fn somebody_elses_goodbye_does_not_take_away_who_is_there() {
    let place = Place::new();
    let (_mdns, mut browser) = place.browser(Role::Router).await;
    let router = place.mdns();
    let shown = card(Role::Router, "studio", 1, 11_435);
    let _shown = router.advertise(shown);
    until(&mut browser, |seen| names(seen).contains(&"studio")).await;
    let service = name(&["_herdwick", "_tcp", "local"]);
    let instance = name(&["studio-0101010101010101", "_herdwick", "_tcp", "local"]);
    // Longer than a goodbye's grace; the question that it makes us ask is answered by whoever is there.
    let is_gone = async { until(&mut browser, |seen| !names(seen).contains(&"studio")).await };
    let lying = async {
        let mut every = tokio::time::interval(Duration::from_secs(2));
        loop {
            every.tick().await;
            place.send(&Packet::new().record_for(&service, PTR, &instance, 0).bytes());
        }
    };
    tokio::select! {
        seen = is_gone => panic!("a stranger's goodbye took it away: {seen:?}"),
        () = lying => unreachable!(),
        // sleeps because nothing must happen meanwhile
        () = tokio::time::sleep(Duration::from_secs(8)) => {}
    }
}
