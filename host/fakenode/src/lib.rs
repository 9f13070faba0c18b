//! `fakenode` is a scripted model server with Ollama's semantics: the tests of the whole project and
//! `herdwick --demo` talk to it. It knows nothing of routers.
//!
//! It speaks HTTP/1.1 with its own small reader and writer, because a test double must be able to put any
//! byte on the wire, and every HTTP library refuses to write what we need most: broken answers.
//!
//! The story of a request: [`serve`] accepts, `connection` reads the head, `journal` notes it, `route`
//! picks the answer, `question` reads what is asked, `inference` waits in `scheduler` for a slot, `reply` thinks
//! of the words and a `dialect` shapes them; `script` may hand it a [`Verb`] that bends the answer.

mod base64;
mod catalog;
mod cli;
mod clock;
mod condition;
mod connection;
mod control;
mod dialect;
mod embedding;
mod fake_node;
mod gate;
mod http;
mod inference;
mod journal;
mod keep_alive;
mod kind;
mod lenient;
mod names;
mod node;
mod origin;
mod prose;
mod question;
mod reply;
mod route;
mod scheduler;
mod schema;
mod script;
mod serve;
mod sha256;
mod spec;
mod stats;
mod verb;

pub use cli::{Cli, CliError, run};
pub use condition::{Condition, NotReached};
pub use fake_node::FakeNode;
pub use journal::{Exchange, Outcome};
pub use kind::Kind;
pub use serve::serve;
pub use spec::{ModelSpec, NodeSpec};
pub use stats::{ModelStats, Stats};
pub use verb::Verb;
