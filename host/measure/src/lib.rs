//! Measures on purpose how fast a model server is: how long a model takes to load, how fast it reads prompts, and how
//! fast it makes answers, alone and beside others. It asks the server directly and by this machine's clock. It knows
//! nothing of the fleet's state, of slots or of who may be disturbed: whoever measures has seen to that.
//!
//! Reading order: [`Subject`] is what is measured; `words` makes prompts that no cache knows, `exchange` asks, `frames`
//! reads what comes into a [`Timeline`], `rates` is the arithmetic, `load` has a model loaded and let go of.

mod error;
mod exchange;
mod frames;
mod load;
mod rates;
mod subject;
mod timeline;
mod words;

pub use error::MeasureError;
pub use load::Keep;
pub use rates::{Decoding, Prefilling, decoding, prefilling};
pub use subject::{Question, Subject};
pub use timeline::{Timeline, Told};
