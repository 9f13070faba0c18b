//! Sending the answer: token by token, or whole, or as broken as the verb wants it.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::bend::{Bend, Cut, WrongLength};
use crate::dialect::{Answer, Dialect, Figures, RUNNER_DIED, Telling};
use crate::http::{JSON, Next, TEXT, Wire, chunk};
use crate::question::Refusal;
use crate::reply::Reply;
use crate::scheduler::Slot;

/// An answer that is ready to be spoken: the slot is ours, the prompt is evaluated.
pub(super) struct Speech<'a> {
    pub(super) dialect: Dialect,
    pub(super) answer: Answer<'a>,
    pub(super) reply: Reply,
    /// Between two tokens.
    pub(super) pace: Duration,
    pub(super) arrived: Instant,
    pub(super) load: Duration,
    pub(super) prompt: Duration,
    /// How many times shorter all durations are told than they were.
    pub(super) boast: f64,
    pub(super) bend: &'a Bend,
}

/// What a client that trusts the bytes after an answer would take for its next one.
const POISON: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"poison\":\"extra\"}";

impl Speech<'_> {
    /// The slot is given back before the last bytes leave: whoever has read the answer finds it free.
    pub(super) async fn deliver(&self, slot: Slot, stream: bool, wire: &mut Wire) -> io::Result<Next> {
        if let Some(bytes) = self.bend.extra {
            wire.follow_with(POISON.iter().copied().cycle().take(bytes as usize).collect());
        }
        if let Some(wrong) = self.bend.wrong_length {
            drop(slot);
            self.wrong_length(wrong, stream, wire).await
        } else if self.bend.two_framings {
            drop(slot);
            self.two_framings(stream, wire).await
        } else if stream {
            self.stream(slot, wire).await
        } else {
            self.whole(slot, wire).await
        }
    }

    async fn stream(&self, slot: Slot, wire: &mut Wire) -> io::Result<Next> {
        wire.open(self.dialect.stream_type());
        let first = Instant::now();
        let mut telling = self.dialect.telling(self.answer);
        for (index, piece) in (0..).zip(&self.reply.pieces) {
            // Deadlines instead of pauses: the pace stays true however long a write takes.
            sleep_until(first + self.pace * index).await;
            if let Some(cut) = self.bend.due(index) {
                drop(slot);
                return self.cut_stream(cut, (index > 0).then_some(telling), wire).await;
            }
            for frame in telling.piece(piece) {
                wire.frame(&frame).await?;
            }
        }
        if let Some((_, cut)) = &self.bend.cut {
            drop(slot);
            return self.cut_stream(cut, (!self.reply.pieces.is_empty()).then_some(telling), wire).await;
        }
        drop(slot);
        for frame in telling.end(&self.figures(first.elapsed())) {
            wire.frame(&frame).await?;
        }
        wire.end().await
    }

    /// `telling` is what was begun; `None` when nothing was sent.
    async fn cut_stream(
        &self,
        cut: &Cut,
        telling: Option<Box<dyn Telling + '_>>,
        wire: &mut Wire,
    ) -> io::Result<Next> {
        match (cut, telling) {
            (Cut::Reset, _) => return Ok(Next::Reset),
            (Cut::Fin, _) => return Ok(Next::Close),
            (Cut::RunnerDies(message), None) => return self.runner_died(message.as_deref(), wire).await,
            (Cut::RunnerDies(message), Some(mut telling)) => {
                if let Some(frame) = telling.runner_died(message.as_deref().unwrap_or(RUNNER_DIED)) {
                    wire.frame(&frame).await?;
                }
            }
            (Cut::BadJson, _) => wire.frame(self.dialect.broken()).await?,
            (Cut::End, _) => {}
        }
        wire.end().await
    }

    async fn whole(&self, slot: Slot, wire: &mut Wire) -> io::Result<Next> {
        let first = Instant::now();
        let length = self.reply.pieces.len() as u32;
        let spoken = self.bend.cut.as_ref().map_or(length, |(after, _)| length.min(*after));
        sleep_until(first + self.pace * spoken.saturating_sub(1)).await;
        let body = self.text(first.elapsed());
        drop(slot);
        match self.bend.cut.as_ref().map(|(_, cut)| cut) {
            None => wire.whole(200, self.whole_type(), &body).await,
            Some(Cut::Reset) => Ok(Next::Reset),
            Some(Cut::Fin | Cut::End) => Ok(Next::Close),
            Some(Cut::RunnerDies(message)) => self.runner_died(message.as_deref(), wire).await,
            Some(Cut::BadJson) => {
                wire.whole(200, self.whole_type(), body.get(..body.len() / 2).unwrap_or_default()).await
            }
        }
    }

    async fn runner_died(&self, message: Option<&str>, wire: &mut Wire) -> io::Result<Next> {
        let text = message.unwrap_or(RUNNER_DIED);
        super::refuse(self.dialect.family(), &Refusal::new(500, text), wire).await
    }

    async fn wrong_length(&self, wrong: WrongLength, stream: bool, wire: &mut Wire) -> io::Result<Next> {
        let (kind, mut body) = self.rendered(stream);
        let actual = wrong.actual.unwrap_or(body.len() as u64);
        body.resize(actual as usize, b' ');
        let declared = wrong.declared.unwrap_or(actual + 100).to_string();
        let mut bytes = wire.head(200, &[("Content-Type", kind)], ("Content-Length", &declared));
        bytes.extend(body);
        wire.raw(&bytes).await?;
        Ok(Next::Close)
    }

    async fn two_framings(&self, stream: bool, wire: &mut Wire) -> io::Result<Next> {
        let (kind, body) = self.rendered(stream);
        let length = body.len().to_string();
        let headers = [("Content-Type", kind), ("Content-Length", &length)];
        let mut bytes = wire.head(200, &headers, ("Transfer-Encoding", "chunked"));
        bytes.extend(chunk(&body));
        bytes.extend_from_slice(b"0\r\n\r\n");
        wire.raw(&bytes).await?;
        Ok(wire.next())
    }

    /// The complete body with its type, as fast as it can be made.
    fn rendered(&self, stream: bool) -> (&'static str, Vec<u8>) {
        if !stream {
            return (self.whole_type(), self.text(Duration::ZERO));
        }
        let mut telling = self.dialect.telling(self.answer);
        let mut frames: Vec<_> = self.reply.pieces.iter().flat_map(|piece| telling.piece(piece)).collect();
        frames.extend(telling.end(&self.figures(Duration::ZERO)));
        (self.dialect.stream_type(), frames.concat())
    }

    fn text(&self, eval: Duration) -> Vec<u8> {
        self.dialect.whole(&self.answer, &self.reply.pieces, &self.figures(eval))
    }

    fn whole_type(&self) -> &'static str {
        if self.answer.plain { TEXT } else { JSON }
    }

    fn figures(&self, eval: Duration) -> Figures {
        let told = |time: Duration| time.div_f64(self.boast);
        Figures {
            total: told(self.arrived.elapsed()),
            load: told(self.load),
            prompt: told(self.prompt),
            eval: told(eval),
            eval_tokens: self.reply.pieces.len() as u64,
            reason: if self.reply.cut { "length" } else { "stop" },
        }
    }
}
