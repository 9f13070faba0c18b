//! Why a model server could not be asked, in words for people.

use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::get::MOST;

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Something is there, or nothing; it did not say in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// There is no connection.
    #[error("{}", words(.0))]
    Connect(io::Error),
    /// There was one.
    #[error("the connection broke ({0})")]
    Http(hyper::Error),
    /// It answers, and does not say what was asked.
    #[error("{path} answers {status}")]
    Status {
        /// What was asked.
        path: &'static str,
        /// What it answers.
        status: StatusCode,
    },
    /// It wants a key that we do not have.
    #[error("{path} answers {status}: it wants a key")]
    Key {
        /// What was asked.
        path: &'static str,
        /// What it answers.
        status: StatusCode,
    },
    /// It listens already and has its model not yet.
    #[error("it loads its model")]
    Loads,
    /// What it answers has no end.
    #[error("{path} answers more than {} MiB, or broke off", MOST >> 20)]
    Body {
        /// What was asked.
        path: &'static str,
    },
    /// It answers something else than its kind does.
    #[error("{what} is not what {whose} answers ({cause})")]
    Format {
        /// What was asked.
        what: &'static str,
        /// Who would have answered otherwise.
        whose: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// It is a router of ours: whoever asks it comes back to us.
    #[error("it is a Herdwick router, not a model server")]
    Herdwick,
    /// It is none of the kinds.
    #[error("it is no model server that is known here")]
    Stranger,
}

impl ProbeError {
    /// Whether it is this process that cannot ask: it has no more file handles.
    pub fn is_ours(&self) -> bool {
        /// `EMFILE` and `ENFILE`, which are the same on every Unix; the standard library has no kind for them.
        const HANDLES: [i32; 2] = [24, 23];
        let code = match self {
            Self::Connect(error) => error.raw_os_error(),
            _ => None,
        };
        cfg!(unix) && code.is_some_and(|code| HANDLES.contains(&code))
    }

    /// Whether nobody listens there at all.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Whether it may only be slow: somebody is there, and did not answer in time.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}

/// Why there is no connection, for people: what it means where that is known, else what the system says, without its
/// number.
fn words(error: &io::Error) -> String {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "the machine cannot be reached".to_owned()
        }
        _ => {
            let text = error.to_string();
            // The standard library has no kind for it.
            if text.starts_with("failed to lookup address information") {
                return "its name is not known here".to_owned();
            }
            format!("no connection ({})", text.split(" (os error ").next().unwrap_or(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_connection_is_told_in_words() {
        for (error, told) in [
            (io::Error::from_raw_os_error(111), "nothing listens there"),
            (io::Error::from_raw_os_error(24), "no connection (Too many open files)"),
            (
                io::Error::other("failed to lookup address information: Name or service not known"),
                "its name is not known here",
            ),
        ] {
            if cfg!(target_os = "linux") {
                assert_eq!(ProbeError::Connect(error).to_string(), told);
            }
        }
    }
}
