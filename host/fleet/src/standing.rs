//! How a machine stands: whether its agent is heard, and whether it takes new work. Knows no beats and no probes; the
//! fleet's state machine moves it.

use std::fmt;

use crate::moment::Moment;

/// What is known of a machine by its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No agent speaks for it: what its servers answer to polls counts.
    #[default]
    Plain,
    /// Its agent beats.
    Online,
    /// Its agent beats again, but came and went too often: others are asked first, until then.
    Held {
        /// When that is over.
        until: Moment,
    },
    /// Its agent is silent; what its servers answer to polls counts.
    Stale,
    /// Its agent is silent for long, and no server of it answers.
    Lost,
}

impl Standing {
    /// As it is shown, a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Online => "online",
            Self::Held { .. } => "held",
            Self::Stale => "stale",
            Self::Lost => "offline",
        }
    }

    /// Whether its agent tells how its servers are, so that nobody else has to ask them.
    pub fn is_heard(self) -> bool {
        matches!(self, Self::Online | Self::Held { .. })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// Who wants that a machine takes no new work. What runs there may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draining {
    /// Its agent, which is about to leave.
    pub by_agent: bool,
    /// The operator of this router, until told otherwise.
    pub by_operator: bool,
}

impl Draining {
    /// Whether somebody wants it.
    pub fn is_wanted(self) -> bool {
        self.by_agent || self.by_operator
    }
}
