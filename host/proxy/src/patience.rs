//! How long a connection may go without a request: a head that was begun must become whole soon, a client that has
//! nothing to ask may keep its connection much longer.
//!
//! hyper has one time for both. As that for heads it would close idle connections under the hands of clients that are
//! about to use them; as that for idle ones it would let slow heads pile up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches one connection.
pub(crate) struct Patience {
    head: Duration,
    idle: Duration,
    waits: Waits,
    /// Requests that were seen to begin.
    begun: usize,
    /// Rings at the deadline or before, never after: it is set anew only when it must ring earlier, or has rung.
    alarm: Pin<Box<Sleep>>,
}

/// What happened on a connection until now.
#[derive(Clone, Copy)]
pub(crate) struct Happened {
    /// Requests that began, all told: one may begin and end between two looks.
    pub(crate) begun: usize,
    /// Whether one of them is being answered.
    pub(crate) is_answered: bool,
    /// Whether bytes came since the last look.
    pub(crate) heard: bool,
}

/// What a connection waits for, and since when.
enum Waits {
    /// The rest of a head.
    Head(Instant),
    /// The next request.
    Idle(Instant),
    /// Its answer: that is somebody else's time.
    Answer,
}

impl Patience {
    /// A client that connects has something to ask.
    pub(crate) fn new(head: Duration, idle: Duration) -> Self {
        let now = Instant::now();
        Self { head, idle, waits: Waits::Head(now), begun: 0, alarm: Box::pin(sleep_until(now + head)) }
    }

    /// Returns when it is over. It is asked whenever the connection was polled.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, happened: Happened) -> Poll<()> {
        let has_begun = std::mem::replace(&mut self.begun, happened.begun) != happened.begun;
        self.waits = match self.waits {
            _ if happened.is_answered => Waits::Answer,
            Waits::Answer => Waits::Idle(Instant::now()),
            _ if has_begun => Waits::Idle(Instant::now()),
            Waits::Idle(_) if happened.heard => Waits::Head(Instant::now()),
            Waits::Idle(since) => Waits::Idle(since),
            Waits::Head(since) => Waits::Head(since),
        };
        let deadline = match self.waits {
            Waits::Answer => return Poll::Pending,
            Waits::Head(since) => since + self.head,
            Waits::Idle(since) => since + self.idle,
        };
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            if self.alarm.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(120);

    fn happened(begun: usize, is_answered: bool, heard: bool) -> Happened {
        Happened { begun, is_answered, heard }
    }

    /// Looks whenever the alarm rings, and now.
    async fn over(patience: &mut Patience, mut happened: Happened) {
        poll_fn(|context| {
            let seen = happened;
            happened.heard = false;
            patience.poll(context, seen)
        })
        .await;
    }

    /// Looks once.
    async fn now(patience: &mut Patience, happened: Happened) -> bool {
        poll_fn(|context| Poll::Ready(patience.poll(context, happened).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_connects_must_ask_soon() {
        let began = Instant::now();
        over(&mut Patience::new(HEAD, IDLE), happened(0, false, false)).await;
        assert_eq!(began.elapsed(), HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_do_not_buy_time_for_a_head() {
        let began = Instant::now();
        let mut patience = Patience::new(HEAD, IDLE);
        for second in 0..9 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!now(&mut patience, happened(0, false, true)).await, "after {second} s");
        }
        over(&mut patience, happened(0, false, true)).await;
        assert_eq!(began.elapsed(), HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_for_ever_and_then_the_connection_may_rest() {
        let mut patience = Patience::new(HEAD, IDLE);
        assert!(!now(&mut patience, happened(1, true, true)).await);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(!now(&mut patience, happened(1, true, false)).await);
        let answered = Instant::now();
        over(&mut patience, happened(1, false, false)).await;
        assert_eq!(answered.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_began_and_ended_unseen_counts_all_the_same() {
        let mut patience = Patience::new(HEAD, IDLE);
        tokio::time::advance(Duration::from_secs(5)).await;
        let answered = Instant::now();
        over(&mut patience, happened(1, false, true)).await;
        assert_eq!(answered.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_head_has_its_own_time() {
        let mut patience = Patience::new(HEAD, IDLE);
        assert!(!now(&mut patience, happened(1, false, true)).await);
        tokio::time::advance(Duration::from_secs(100)).await;
        let begun = Instant::now();
        over(&mut patience, happened(1, false, true)).await;
        assert_eq!(begun.elapsed(), HEAD);
    }
}
