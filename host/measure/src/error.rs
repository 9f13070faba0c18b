//! Why something could not be measured, in words for people.

use std::io;
use std::time::Duration;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is no connection.
    #[error("no connection ({0})")]
    Connect(io::Error),
    /// There was one.
    #[error("the connection broke ({0})")]
    Http(#[from] hyper::Error),
    /// It did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It answered with an error.
    #[error("it answered {status}{}", said(.text))]
    Refused {
        /// With which status.
        status: u16,
        /// What it says, shortened.
        text: String,
    },
    /// It broke off with an error in the middle of an answer.
    #[error("its answer ended with an error{}", said(.0))]
    Broke(String),
    /// What came is no answer of its kind.
    #[error("its answer cannot be read: {0}")]
    Garbled(String),
    /// The model said too little for anything to be told from it.
    #[error("its answers are too short to tell its speed: {0} tokens at most")]
    Short(u64),
    /// Only Ollama loads and lets go when it is asked to.
    #[error("a server of this kind ({0}) loads and lets go of models by itself")]
    Unable(&'static str),
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
