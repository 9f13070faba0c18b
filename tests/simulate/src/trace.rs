//! What clients will ask, drawn before a run begins: conversations with all their lengths. Must not know who serves them.
//!
//! A conversation's next turn is asked some time after the answer to the one before, so only first turns have a time of
//! their own; everything else follows from how the fleet does.

mod apps;
mod arrivals;

use crate::fleets::ModelId;
use crate::random::Random;
use crate::time::Time;

pub use self::apps::{App, Mix};
pub use self::arrivals::Pattern;

/// Clients that ask, the first ones far more than the last.
pub const CLIENTS: usize = 24;

/// One conversation, of a turn or more.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Who asks.
    pub client: usize,
    /// Which application.
    pub app: App,
    /// When its first turn is asked.
    pub start: Time,
    /// Its turns.
    pub turns: Vec<Turn>,
}

/// One turn of a conversation, lengths in tokens.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// What the client adds to what was said so far.
    pub added: f64,
    /// The answer's length, which nobody knows beforehand.
    pub answer: f64,
    /// Between the answer before and this turn.
    pub think: Time,
}

/// A request as it is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the order of asking.
    pub no: usize,
    /// Which conversation it belongs to.
    pub conversation: usize,
    /// Which turn of that it is, from 0.
    pub turn: usize,
    /// Who asks.
    pub client: usize,
    /// Which application.
    pub app: App,
    /// What is asked for.
    pub model: ModelId,
    /// The whole prompt, in tokens.
    pub prompt: f64,
    /// Of it, what each request of this application begins with.
    pub head: f64,
    /// Of it, what the conversation's last prompt and answer were.
    pub said: f64,
    /// The answer, in tokens.
    pub answer: f64,
    /// When it is asked.
    pub at: Time,
}

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How arrivals are spread.
    pub pattern: Pattern,
    /// What is asked.
    pub mix: Mix,
    /// Requests a second, in the mean.
    pub rate: f64,
    /// Requests in all, about.
    pub requests: usize,
}

/// Draws conversations until there are as many requests as wanted.
pub fn draw(plan: &Plan, seed: u64) -> Vec<Conversation> {
    let mut starts = arrivals::Arrivals::new(plan, seed);
    let mut random = Random::new(seed, "conversations");
    let clients: Vec<f64> = (0..CLIENTS).map(|client| 1.0 / (client as f64 + 1.0)).collect();
    let mut conversations = Vec::new();
    let mut requests = 0;
    while requests < plan.requests {
        let (start, app) = starts.next();
        let turns = app.turns(&mut random);
        requests += turns.len();
        conversations.push(Conversation { client: random.pick(&clients), app, start, turns });
    }
    conversations
}

impl Conversation {
    /// The request that asks a turn. `None` after the last.
    pub fn request(&self, conversation: usize, turn: usize, (no, at): (usize, Time)) -> Option<Request> {
        let asked = self.turns.get(turn)?;
        let before: f64 = self.turns[..turn].iter().map(|turn| turn.added + turn.answer).sum();
        let head = self.app.head();
        Some(Request {
            no,
            conversation,
            turn,
            client: self.client,
            app: self.app,
            model: self.app.model(),
            prompt: head + before + asked.added,
            head,
            said: if turn == 0 { 0.0 } else { head + before },
            answer: asked.answer,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_grows_by_what_was_asked_and_answered() {
        let turn = |added, answer| Turn { added, answer, think: Time::default() };
        let turns = vec![turn(100.0, 50.0), turn(10.0, 20.0)];
        let talk = Conversation { client: 0, app: App::Coding, start: Time::default(), turns };
        let head = App::Coding.head();
        let ask = |turn| talk.request(0, turn, (turn, Time::default()));
        let first = ask(0).unwrap();
        assert_eq!((first.prompt, first.said, first.head), (head + 100.0, 0.0, head));
        let second = ask(1).unwrap();
        assert_eq!((second.prompt, second.said), (head + 160.0, head + 150.0));
        assert!(ask(2).is_none());
    }

    #[test]
    fn a_trace_has_the_rate_that_was_asked_for_whatever_its_pattern() {
        for pattern in Pattern::ALL {
            let plan = Plan { pattern, mix: Mix::Everything, rate: 2.0, requests: 20_000 };
            let talks = draw(&plan, 3);
            let requests: usize = talks.iter().map(|talk| talk.turns.len()).sum();
            let seconds = talks.last().unwrap().start.s();
            let rate = requests as f64 / seconds;
            // A storm keeps the work constant, not the number.
            let slack = if pattern == Pattern::Storm { 0.5 } else { 0.12 };
            assert!((rate / 2.0 - 1.0).abs() < slack, "{pattern:?}: {rate}");
        }
    }
}
