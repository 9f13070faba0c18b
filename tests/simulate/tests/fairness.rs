//! One client floods, another asks now and then: the other is served as if the flood were one more client.
#![cfg(test)]

use std::time::Duration;

use herdwick_fleet::dispatch::Rules;
use herdwick_simulate::fleets::FleetKind;
use herdwick_simulate::herdwick::{Herdwick, Setup};
use herdwick_simulate::signals;
use herdwick_simulate::time::Time;
use herdwick_simulate::trace::{App, Conversation, Turn};
use herdwick_simulate::world::{Promises, Setting, World};

const FLOOD: usize = 7;
const OTHER: usize = 3;

fn ask(client: usize, at: f64) -> Conversation {
    let turns = vec![Turn { added: 200.0, answer: 200.0, think: Time::default() }];
    Conversation { client, app: App::Chat, start: Time::seconds(at), turns }
}

#[test]
fn whoever_floods_does_not_keep_others_waiting() {
    let mut conversations: Vec<Conversation> = (0..120).map(|_| ask(FLOOD, 0.0)).collect();
    conversations.extend((0..10).map(|turn| ask(OTHER, 5.0 + 6.0 * f64::from(turn))));
    let machines = FleetKind::Same8.machines(1).into_iter().take(1).collect();
    let setting = Setting {
        machines,
        conversations,
        faults: Vec::new(),
        impatient: (0.0, 1.0),
        promises: Promises { binds_late: true, ..Promises::default() },
        seed: 1,
        until: Time::seconds(100_000.0),
    };
    let policy = signals::native(&[]).unwrap();
    let setup = Setup { policy, rules: Rules::default(), patience: Duration::from_secs(3_600) };
    let run = World::run(&setting, &mut Herdwick::new(setup));
    assert!(run.breaches.is_empty(), "{:?}", run.breaches);
    let of = |client: usize| run.records.iter().filter(move |record| record.request.client == client);
    let waited = |record: &herdwick_simulate::world::Record| (record.sent.unwrap() - record.request.at).s();
    let service = |record: &herdwick_simulate::world::Record| record.whole_s().unwrap() - waited(record);
    let longest = of(OTHER).map(waited).fold(0.0, f64::max);
    let usual = of(FLOOD).map(service).sum::<f64>() / 120.0;
    assert!(of(FLOOD).map(waited).fold(0.0, f64::max) > 10.0 * usual, "there was no flood to speak of");
    assert!(longest <= 2.0 * usual, "the other waited {longest:.2} s, of services of {usual:.2} s");
}
