//! What can go wrong with a plugin: at load, which is somebody's to mend, and in a call, which is data and
//! never an error of the request.

use std::fmt;

use crate::package::Source;

/// One misbehaviour in a call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It ran longer than its budget.
    #[error("it took longer than {ms} ms")]
    Deadline {
        /// The budget.
        ms: u64,
    },
    /// It trapped; the text names the trap.
    #[error("it trapped: {0}")]
    Trap(String),
    /// What it handed over, as answer or log line, was larger than its budget. The host could not take it over,
    /// so the guest cannot free it: the instance is not called again.
    #[error("it handed over more than {bytes} bytes")]
    Huge {
        /// The budget.
        bytes: usize,
    },
    /// Not one number per row.
    #[error("it answered {got} numbers for {rows} candidates")]
    Length {
        /// Rows asked.
        rows: usize,
        /// Numbers answered.
        got: usize,
    },
    /// More items than such an answer may have.
    #[error("it answered {got} {what}, at most {most} are possible")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The limit.
        most: usize,
    },
    /// Minus infinity, which nothing costs.
    #[error("it answered minus infinity")]
    MinusInfinity,
    /// A veto without the right to it.
    #[error("it vetoed a candidate without the right to")]
    Veto,
    /// It said itself that it could not answer.
    #[error("it refused: {0}")]
    Refused(String),
    /// Its instance died in an earlier call and is not replaced yet.
    #[error("it is being restarted")]
    Restarting,
}

impl Fault {
    /// Whether the instance cannot be called again.
    pub fn kills(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Trap(_) | Self::Huge { .. })
    }
}

/// Why a plugin cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("plugin {plugin}: {problem}")]
pub struct LoadError {
    /// Where it came from.
    pub plugin: Source,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// All problems of all plugins, since nobody likes to mend one to see the next.
#[derive(Debug)]
pub struct LoadErrors(pub Vec<LoadError>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
