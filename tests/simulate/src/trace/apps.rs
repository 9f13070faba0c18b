//! Applications: which model they ask, and how long what they say is.

use super::Turn;
use crate::fleets::ModelId;
use crate::random::Random;
use crate::time::Time;

/// An application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum App {
    /// Somebody talks with the 8b model.
    Chat,
    /// Somebody talks with the 14b model.
    BetterChat,
    /// A program sorts texts with the 3b model.
    Classify,
    /// A program has long texts summarised by the 8b model.
    Summarise,
    /// A coding agent works with the 14b model: a long head, eight turns in quick succession.
    Coding,
    /// Somebody has the 32b model think.
    Reasoning,
}

/// Which applications there are, and how much each asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// All six.
    Everything,
    /// Three models and single turns, as in the bench against real processes.
    Plain,
}

/// Lengths of one application, in tokens and seconds.
struct Shape {
    head: f64,
    added: (f64, f64),
    answer: (f64, f64),
    turns: Turns,
    think_s: f64,
}

enum Turns {
    Always(usize),
    /// In the mean; geometrically distributed.
    About(f64),
}

/// No conversation is longer, as no context is.
const LONGEST: usize = 16;

impl App {
    /// Every application.
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::BetterChat, Self::Classify, Self::Summarise, Self::Coding, Self::Reasoning];

    /// Which model it asks.
    pub fn model(self) -> ModelId {
        ModelId(match self {
            Self::Classify => 0,
            Self::Chat | Self::Summarise => 1,
            Self::BetterChat | Self::Coding => 2,
            Self::Reasoning => 3,
        })
    }

    /// What each of its prompts begins with, in tokens.
    pub fn head(self) -> f64 {
        self.shape().head
    }

    /// Requests of a conversation, in the mean.
    pub fn mean_turns(self) -> f64 {
        match self.shape().turns {
            Turns::Always(turns) => turns as f64,
            Turns::About(mean) => mean,
        }
    }

    /// What a conversation costs, in seconds of some machine: only its proportion to others matters.
    pub fn work(self) -> f64 {
        let shape = self.shape();
        let (size, turns) = (self.model().spec().bytes / 5.2e9, self.mean_turns());
        size * turns * ((shape.head * 0.2 + shape.added.0) / 1_000.0 + shape.answer.0 / 70.0)
    }

    /// Draws a conversation's turns.
    pub fn turns(self, random: &mut Random) -> Vec<Turn> {
        let shape = self.shape();
        let turns = match shape.turns {
            Turns::Always(turns) => turns,
            Turns::About(mean) => {
                let mut turns = 1;
                while turns < LONGEST && random.chance(1.0 - 1.0 / mean) {
                    turns += 1;
                }
                turns
            }
        };
        let mut length =
            |(mean, sigma): (f64, f64)| random.lognormal(mean, sigma).round().clamp(1.0, 16_000.0);
        (0..turns)
            .map(|_| Turn {
                added: length(shape.added),
                answer: length(shape.answer),
                think: Time::seconds(length((shape.think_s * 1e3, 0.6)) / 1e3),
            })
            .collect()
    }

    fn shape(self) -> Shape {
        let (head, added, answer, turns, think_s) = match self {
            Self::Chat => (200.0, (90.0, 0.8), (220.0, 0.7), Turns::About(4.0), 15.0),
            Self::BetterChat => (200.0, (140.0, 0.8), (320.0, 0.7), Turns::About(4.0), 15.0),
            Self::Classify => (400.0, (250.0, 0.6), (12.0, 0.4), Turns::Always(1), 1.0),
            Self::Summarise => (150.0, (2_600.0, 0.6), (260.0, 0.5), Turns::Always(1), 1.0),
            Self::Coding => (3_500.0, (500.0, 0.8), (240.0, 0.9), Turns::Always(8), 3.0),
            Self::Reasoning => (150.0, (300.0, 0.7), (900.0, 0.9), Turns::About(1.5), 15.0),
        };
        Shape { head, added, answer, turns, think_s }
    }
}

impl Mix {
    /// How many of all conversations begin with each application.
    pub fn weights(self) -> [(App, f64); App::ALL.len()] {
        let weight = |app| match (self, app) {
            (Self::Everything, App::Chat) => 0.25,
            (Self::Everything, App::BetterChat) => 0.10,
            (Self::Everything, App::Classify) => 0.35,
            (Self::Everything, App::Summarise) => 0.15,
            (Self::Everything, App::Coding) => 0.07,
            (Self::Everything, App::Reasoning) => 0.08,
            (Self::Plain, App::Classify | App::Summarise) => 0.3,
            (Self::Plain, App::BetterChat) => 0.1,
            (Self::Plain, _) => 0.0,
        };
        App::ALL.map(|app| (app, weight(app)))
    }

    /// Requests of a conversation, in the mean.
    pub fn mean_turns(self) -> f64 {
        let weights = self.weights();
        let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
        weights.iter().map(|(app, weight)| weight * app.mean_turns()).sum::<f64>() / all
    }
}
