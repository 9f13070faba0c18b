//! `herdwick try`: asks a model through the running router as any client would, shows the answer while it is made,
//! and then where it was made, why there, and how fast.

mod answer;
mod choice;

use std::io::{IsTerminal as _, Write as _};

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::cli::print;
use crate::cli::terminal::{COLUMNS, Terminal, Tone, wrap};
use crate::client::{self, RouterArg};
use answer::{Answer, Piece};

/// What is asked when nothing is.
const PROMPT: &str = "Why do sheep flock? Answer in one sentence.";
/// Where the words of the facts stand.
const INDENT: usize = 13;

/// Options of `herdwick try`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which model; without one, a model that is in memory somewhere.
    model: Option<String>,
    /// What to ask.
    prompt: Option<String>,
    /// The answer and the facts as JSON, when all is here.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    router: RouterArg,
}

/// Everything about one answer.
#[derive(Serialize)]
struct Told {
    request: String,
    model: String,
    node: String,
    why: String,
    attempts: u32,
    answer: String,
    first_token_ms: f64,
    total_ms: f64,
    prompt_tokens: Option<u64>,
    answer_tokens: Option<u64>,
    tokens_per_s: Option<f64>,
}

impl Args {
    /// Runs the command.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        client::runtime()?.block_on(self.ask())
    }

    async fn ask(mut self) -> anyhow::Result<()> {
        // No model's name has a space: a single argument with one is a question.
        if self.prompt.is_none() && self.model.as_ref().is_some_and(|model| model.contains(' ')) {
            self.prompt = self.model.take();
        }
        let model = match self.model {
            Some(model) => model,
            None => choice::model(&self.router).await?,
        };
        let prompt = self.prompt.as_deref().unwrap_or(PROMPT);
        let body = serde_json::json!({
            "model": model,
            "messages": [{ "role": "user", "content": prompt }],
        });
        let waiting = Waiting::begin(&model);
        let began = std::time::Instant::now();
        let response = self.router.send(Method::POST, "/api/chat", Bytes::from(body.to_string())).await;
        let mut answer = Answer::begin(response?, began).await?;
        drop(waiting);
        let shown = Shown { terminal: Terminal::stdout(), json: self.json };
        loop {
            match answer.piece().await {
                Ok(None) => break,
                Ok(Some(piece)) if shown.piece(&piece)? => {}
                // Nobody reads any more.
                Ok(Some(_)) => return Ok(()),
                Err(error) => {
                    shown.end_line()?;
                    return Err(error);
                }
            }
        }
        let told = answer.told(model);
        if self.json { print::json(&told) } else { shown.facts(&told) }
    }
}

/// Says that there is nothing to see yet, on a terminal: a model may have to be loaded first.
struct Waiting(bool);

impl Waiting {
    fn begin(model: &str) -> Self {
        let shown = std::io::stderr().is_terminal() && Terminal::stdout().moves();
        if shown {
            // Without a terminal there is nobody to tell.
            let _ = write!(std::io::stderr(), "asking {model} (if it is not in memory, it is loaded first)…");
        }
        Self(shown)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Where the answer is shown while it is made.
struct Shown {
    terminal: Terminal,
    json: bool,
}

impl Shown {
    /// The answer goes to standard output, and nothing else does: it can be kept in a file. Says whether anybody reads.
    fn piece(&self, piece: &Piece) -> anyhow::Result<bool> {
        match piece {
            _ if self.json => Ok(true),
            Piece::Said(text) => print::still_read(&self.printable(text)),
            // Thoughts are not the answer.
            Piece::Thought(text) if self.terminal.is_there() => {
                print::still_read(&self.terminal.paint(Tone::Faint, &self.printable(text)))
            }
            Piece::Thought(_) => Ok(true),
        }
    }

    /// A model must not move somebody's cursor or rename their window.
    fn printable(&self, text: &str) -> String {
        let keep = |c: &char| !self.terminal.is_there() || !c.is_control() || matches!(c, '\n' | '\t');
        text.chars().filter(keep).collect()
    }

    fn end_line(&self) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { print::text("\n") }
    }

    fn facts(&self, told: &Told) -> anyhow::Result<()> {
        self.end_line()?;
        let columns = self.terminal.columns().unwrap_or(COLUMNS);
        let speed = match (told.answer_tokens, told.tokens_per_s) {
            (Some(tokens), Some(speed)) => format!("{speed:.1} tokens/s, {tokens} tokens"),
            _ => format!("{} in all", print::ms(told.total_ms)),
        };
        let node = match told.attempts {
            0 | 1 => told.node.clone(),
            attempts => format!("{}, after {attempts} attempts", told.node),
        };
        let rows = [
            ("model", told.model.clone()),
            ("ran on", node),
            ("why", told.why.clone()),
            ("first token", format!("after {}", print::ms(told.first_token_ms))),
            ("speed", speed),
        ];
        let row = |(head, text): (&str, String)| {
            format!(
                "{}{}\n",
                self.terminal.paint(Tone::Faint, &format!("{head:<INDENT$}")),
                wrap(&text, columns, INDENT)
            )
        };
        let facts: String = rows.into_iter().map(row).collect();
        // Without a standard error there is nobody to tell.
        let _ = std::io::stderr().write_all(format!("\n{facts}").as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_cannot_play_with_a_terminal_and_a_pipe_gets_every_byte() {
        let shown = |terminal| Shown { terminal, json: false }.printable("a\u{1b}[2Jb\n");
        assert_eq!(shown(Terminal::of(80, 24, true)), "a[2Jb\n");
        assert_eq!(shown(Terminal::default()), "a\u{1b}[2Jb\n");
    }
}
