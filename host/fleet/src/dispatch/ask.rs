//! What a request asks of dispatch: what it is, who sent it, how long it can wait. It knows nothing of HTTP and holds no
//! word of the prompt.

use std::sync::Arc;

use crate::id::RowId;
use crate::moment::Moment;
use crate::profile::Profile;

/// Who shares fairly with whom: an API key or an address, as a number that its caller chooses and always chooses the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client(pub u64);

/// What goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Somebody waits for the answer.
    #[default]
    Interactive,
    /// Nobody does: served when nobody interactive waits for the same model.
    Batch,
}

/// One part of a prompt, such as a message, and everything before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// A hash over this part and all before it: equal hashes are equal prompts up to here.
    pub hash: u64,
    /// Estimated tokens up to the end of this part.
    pub tokens: f64,
}

/// By what a prompt is told from others, for foreseeing what a prompt cache holds.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The conversation that it belongs to, where the client says so.
    pub session: Option<u64>,
    /// Its parts, from the beginning. Whoever makes them sees to it that there are no more than [`Prompt::PARTS`].
    pub parts: Arc<[Part]>,
}

impl Prompt {
    /// The most parts that are kept of a prompt. Longer conversations are cut at the front by most clients, and what is
    /// beyond it still counts as part of the session.
    pub const PARTS: usize = 256;
}

/// One request that wants a slot.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the decision sees of it. Its id tells it from all others, so it can wait or run once at a time.
    pub profile: Profile,
    /// Who asks.
    pub client: Client,
    /// What it goes before.
    pub class: Class,
    /// Bytes that are held while it waits.
    pub bytes: u64,
    /// Until when it can wait.
    pub deadline: Moment,
    /// Where it failed already.
    pub tried: Vec<RowId>,
    /// Whom a fallback rule advises.
    pub advised: Option<RowId>,
    /// The context that it insists on (`num_ctx`), in tokens.
    pub context: Option<u32>,
    /// What tells its prompt from others.
    pub prompt: Prompt,
}

impl Ask {
    /// A request as plain as can be: interactive, of nobody in particular, never tried.
    pub fn new(profile: Profile, deadline: Moment) -> Self {
        Self {
            profile,
            client: Client::default(),
            class: Class::default(),
            bytes: 0,
            deadline,
            tried: Vec::new(),
            advised: None,
            context: None,
            prompt: Prompt::default(),
        }
    }
}
