//! Who may speak for a machine, told as short stories.

use herdwick_wire::seal::Identity;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Story {
    sessions: Sessions,
    now: Moment,
}

fn key(number: u8) -> PublicKey {
    Identity::from_seed(&[number; 32]).public()
}

fn at(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

impl Story {
    fn new() -> Self {
        Self { sessions: Sessions::new([7; 32]), now: Moment(1_000) }
    }

    fn wait(&mut self, ms: u64) {
        self.now = Moment(self.now.0 + ms);
    }

    /// One beat of the agent with key 1 at 10.0.0.5.
    fn beat(&mut self, boot: &str, session: &str, seq: u64) -> Result<(), Turned> {
        self.beat_of(1, 5, (boot, session, seq))
    }

    fn beat_of(
        &mut self,
        number: u8,
        last: u8,
        (boot, session, seq): (&str, &str, u64),
    ) -> Result<(), Turned> {
        let said = Said { boot, session, seq, interval: SECOND, address: at(last) };
        self.sessions.enter(&key(number), said, self.now).map(|_| ())
    }

    /// What an agent without a session is given.
    fn introduced(&mut self, boot: &str) -> String {
        match self.beat(boot, "", 1) {
            Err(Turned::Introduced(session)) => session,
            other => panic!("{other:?}"),
        }
    }
}

fn is_introduced(turned: Result<(), Turned>) -> bool {
    matches!(turned, Err(Turned::Introduced(_)))
}

#[test]
fn an_agent_asks_for_a_session_and_beats_on_with_it() {
    let mut story = Story::new();
    let session = story.introduced("a");
    assert_eq!(story.sessions.agents.len(), 0, "nothing is kept for those that only knock");
    assert_eq!(story.beat("a", &session, 1), Ok(()));
    story.wait(3_600_000);
    assert_eq!(story.beat("a", &session, 2), Ok(()));
    assert_eq!(story.beat("a", &session, 40), Ok(()));
}

#[test]
fn a_beat_that_was_taken_in_is_never_taken_in_again() {
    let mut story = Story::new();
    let session = story.introduced("a");
    assert_eq!(story.beat("a", &session, 7), Ok(()));
    for seq in [7, 6, 1, 0] {
        assert_eq!(story.beat("a", &session, seq), Err(Turned::Old), "{seq}");
    }
    assert_eq!(story.beat("a", &session, 8), Ok(()));
}

#[test]
fn a_session_is_worth_nothing_to_anybody_else() {
    let mut story = Story::new();
    let session = story.introduced("a");
    assert!(is_introduced(story.beat_of(2, 6, ("a", &session, 1))), "another key");
    assert!(is_introduced(story.beat("b", &session, 1)), "another start");
    assert_eq!(story.beat("a", &session, 1), Ok(()));
    assert!(is_introduced(story.beat_of(2, 6, ("a", &session, 2))), "another key, once it lives");
    assert!(is_introduced(story.beat("b", &session, 2)), "another start, once it lives");
    let mut other = Story { sessions: Sessions::new([8; 32]), now: story.now };
    assert!(is_introduced(other.beat("a", &session, 1)), "another router, or this one after a restart");
}

#[test]
fn a_session_that_waits_too_long_is_void() {
    let mut story = Story::new();
    let session = story.introduced("a");
    story.wait(10_000);
    assert_eq!(story.beat("a", &session, 1), Ok(()));
    let mut story = Story::new();
    let session = story.introduced("a");
    story.wait(10_001);
    assert!(is_introduced(story.beat("a", &session, 1)));
}

#[test]
fn a_start_that_ended_cannot_be_brought_back_by_its_own_beats() {
    let mut story = Story::new();
    let first = story.introduced("a");
    assert_eq!(story.beat("a", &first, 1), Ok(()));
    story.wait(5);
    let second = story.introduced("b");
    assert_eq!(story.beat("b", &second, 1), Ok(()));
    // Long enough that nobody speaks for the machine, soon enough that the first session would still wait.
    story.wait(5_000);
    assert!(is_introduced(story.beat("a", &first, 2)));
    assert_eq!(story.beat("b", &second, 2), Ok(()));
}

#[test]
fn an_agent_that_restarts_where_it_was_takes_its_place_at_once() {
    let mut story = Story::new();
    let mut takes = |boot: &str| {
        story.wait(10);
        let session = story.introduced(boot);
        assert_eq!(story.beat(boot, &session, 1), Ok(()), "{boot}");
    };
    ["a", "b", "c", "d"].into_iter().for_each(&mut takes);
}

#[test]
fn of_two_machines_with_one_key_one_serves_and_the_other_waits_until_it_falls_silent() {
    let mut story = Story::new();
    let first = story.introduced("a");
    assert_eq!(story.beat("a", &first, 1), Ok(()));
    story.wait(1_000);
    let second = story.introduced("b");
    let twin = |left| Err(Turned::Twin { elsewhere: at(5), left: Duration::from_millis(left) });
    assert_eq!(story.beat_of(1, 6, ("b", &second, 1)), twin(2_000));
    assert_eq!(story.beat("a", &first, 2), Ok(()));
    story.wait(2_999);
    assert_eq!(story.beat_of(1, 6, ("b", &second, 2)), twin(1));
    story.wait(1);
    assert_eq!(story.beat_of(1, 6, ("b", &second, 3)), Ok(()));
    story.wait(10);
    assert!(is_introduced(story.beat("a", &first, 3)), "the first one asks anew");
}

#[test]
fn of_two_agents_behind_one_address_with_one_key_the_second_stays() {
    let mut story = Story::new();
    let first = story.introduced("a");
    assert_eq!(story.beat("a", &first, 1), Ok(()));
    story.wait(10);
    let second = story.introduced("b");
    assert_eq!(story.beat("b", &second, 1), Ok(()));
    story.wait(10);
    let again = story.introduced("a");
    assert!(matches!(story.beat("a", &again, 2), Err(Turned::Twin { .. })));
    assert_eq!(story.beat("b", &second, 2), Ok(()));
}

#[test]
fn a_machine_may_move() {
    let mut story = Story::new();
    let session = story.introduced("a");
    assert_eq!(story.beat("a", &session, 1), Ok(()));
    assert_eq!(story.beat_of(1, 9, ("a", &session, 2)), Ok(()));
}

#[test]
fn strangers_fill_neither_the_memory_nor_the_place_of_others() {
    let mut story = Story::new();
    let join = |story: &mut Story, number: u32, address: IpAddr| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = Identity::from_seed(&seed).public();
        let session = story.sessions.mint.issue(&key, "a", story.now);
        let said = Said { boot: "a", session: &session, seq: 1, interval: SECOND, address };
        story.sessions.enter(&key, said, story.now).map(|_| ())
    };
    for number in 0..300 {
        let joined = join(&mut story, number, at(5));
        assert_eq!(joined.is_ok(), number < 256, "{number}");
    }
    assert_eq!(join(&mut story, 400, at(6)), Ok(()));
    // Whoever is silent makes room, but not before each of its sessions is void.
    story.wait(9_000);
    assert_eq!(join(&mut story, 500, at(5)), Err(Turned::Full));
    story.wait(1_001);
    assert_eq!(join(&mut story, 500, at(5)), Ok(()));
    assert_eq!(story.sessions.agents.len(), 1);
}
