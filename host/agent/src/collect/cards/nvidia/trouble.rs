//! Why NVIDIA's cards cannot be read, in words: what, why, what to do.

/// What is wrong with a driver or a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no library of the driver.
    Absent {
        /// As the system says it.
        why: String,
        /// What the system shows nevertheless.
        here: Here,
    },
    /// The library is there, and the driver is not loaded or may not be asked.
    NotLoaded(String),
    /// The driver was replaced while its older half runs on.
    Mismatch,
    /// The library lacks something that is needed.
    TooOld(String),
    /// A card fell off the bus or has to be reset.
    Lost(String),
    /// Anything else.
    Other(String),
}

/// What there is of a card without a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Nothing,
    /// A card without its maker's driver: no model server can use it.
    Card,
    /// The driver runs, so servers may use a card that we cannot ask about.
    Driver,
}

impl Trouble {
    /// Whether there is a card on which models may be, although nothing is known of it.
    pub(super) fn may_have_models(&self) -> bool {
        match self {
            Self::Absent { here, .. } => *here == Here::Driver,
            Self::NotLoaded(_) | Self::Mismatch | Self::TooOld(_) | Self::Lost(_) | Self::Other(_) => true,
        }
    }

    /// Into the log: loudly where there is a card that could be read, else only for who wants to know.
    pub(super) fn log(&self) {
        match self {
            Self::Absent { why, here: Here::Nothing } => {
                tracing::debug!(
                    "nothing is told of cards of NVIDIA: there is no library of a driver ({why})"
                );
            }
            trouble => tracing::warn!("nothing is told of cards of NVIDIA: {}", trouble.words()),
        }
    }

    /// Cause and next step in one sentence.
    pub(super) fn words(&self) -> String {
        format!("{}; {}", self.cause(), self.next())
    }

    /// Why nothing is told.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Absent { why, here: Here::Driver } => {
                format!("its driver runs, and its library is not to be had ({why})")
            }
            Self::Absent { why, .. } => format!("there is no library of its driver ({why})"),
            Self::NotLoaded(why) => format!("its driver does not run ({why})"),
            Self::Mismatch => {
                "its library and the driver that runs are of different versions, as after an update"
                    .to_owned()
            }
            Self::TooOld(what) => format!("its driver is too old ({what})"),
            Self::Lost(why) => format!("a card is lost ({why})"),
            Self::Other(why) => format!("its driver says: {why}"),
        }
    }

    /// What to do.
    pub(super) fn next(&self) -> &'static str {
        match self {
            Self::Absent { here: Here::Driver, .. } => {
                "install the whole driver, and let a container see it (`--gpus all`)"
            }
            Self::Absent { .. } => "install NVIDIA's driver, if models should use it",
            Self::NotLoaded(_) => "load or reinstall it; `nvidia-smi` should say the same until then",
            Self::Mismatch => "restart the machine",
            Self::TooOld(_) => "install version 510 or a newer one",
            Self::Lost(_) => "restart the machine, and look for errors of the card in the system's log",
            Self::Other(_) => "see whether `nvidia-smi` works",
        }
    }
}
