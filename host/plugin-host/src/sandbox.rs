//! What a guest can reach: its own memory and a log. No clock, no file, no socket, no randomness.

use herdwick_fleet::PluginId;
use wasmtime::{StoreLimits, StoreLimitsBuilder};

use crate::bindings::herdwick::plugin::{log, types};
use crate::limits;
use crate::overtime::Overtime;

/// What one plugin's instances may take, as its manifest asked and the host allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes of memory, at most [`limits::MEMORY_MOST_BYTES`].
    pub(crate) memory_bytes: usize,
    /// Whether its file is over [`limits::LARGE_BYTES`].
    pub(crate) large: bool,
}

/// When a call happens, and what its randomness is: a plugin without a clock is a function of its arguments, so
/// whoever calls says both, and a stored decision can be replayed. Seen only by components that import `wasi:*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// For what is random within the call.
    pub(crate) seed: u64,
}

/// The host side of one instance.
pub(crate) struct Sandbox {
    pub(crate) limits: StoreLimits,
    /// Whose log lines these are; unknown until it has described itself.
    pub(crate) plugin: Option<PluginId>,
    /// See [`Room::large`].
    pub(crate) large: bool,
    /// Of the coming calls, until another is said.
    pub(crate) moment: Moment,
    #[cfg(feature = "wasi")]
    pub(crate) wasi: crate::wasi::Wasi,
    pub(crate) overtime: Overtime,
    lines_left: u32,
    dropped: u64,
}

impl Sandbox {
    pub(crate) fn new(room: Room) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(room.memory_bytes)
            .table_elements(limits::TABLE_ELEMENTS)
            .instances(limits::CORE_ITEMS)
            .memories(limits::MEMORIES)
            .tables(limits::TABLES)
            // A guest that aborts by itself after a failed growth says nothing of the cause; the trap does.
            .trap_on_grow_failure(true)
            .build();
        Self {
            limits,
            plugin: None,
            large: room.large,
            moment: Moment::default(),
            #[cfg(feature = "wasi")]
            wasi: crate::wasi::Wasi::default(),
            overtime: Overtime::default(),
            lines_left: 0,
            dropped: 0,
        }
    }

    /// Gives the coming call its log lines. Fuel bounds one line, so the host counts them.
    pub(crate) fn begin_call(&mut self) {
        self.lines_left = limits::LOG_LINES_PER_CALL;
        #[cfg(feature = "wasi")]
        self.wasi.begin_call(self.moment);
    }

    /// One line of the plugin's, whichever way it came.
    pub(crate) fn line(&mut self, at: log::Level, text: &str) {
        let Some(left) = self.lines_left.checked_sub(1) else {
            self.dropped += 1;
            return;
        };
        self.lines_left = left;
        let plugin = self.plugin.as_ref().map_or("(loading)", PluginId::as_str);
        let line = printable(text, limits::LOG_LINE_BYTES);
        match at {
            log::Level::Debug => tracing::debug!(plugin, "{line}"),
            log::Level::Info => tracing::info!(plugin, "{line}"),
            log::Level::Warn => tracing::warn!(plugin, "{line}"),
            log::Level::Error => tracing::error!(plugin, "{line}"),
        }
    }
}

impl log::Host for Sandbox {
    fn write(&mut self, at: log::Level, text: String) {
        self.line(at, &text);
    }
}

impl types::Host for Sandbox {}

/// A guest's text, cut and without control characters: it goes to terminals and pages.
pub(crate) fn printable(text: &str, bytes: usize) -> String {
    let mut cut = String::new();
    // Quotes harm nobody, and people write "doesn't".
    let is_quote = |character: char| matches!(character, '\'' | '"');
    let escaped = text.chars().flat_map(|character| {
        let (plain, escaped) = if is_quote(character) {
            (Some(character), None)
        } else {
            (None, Some(character.escape_debug()))
        };
        plain.into_iter().chain(escaped.into_iter().flatten())
    });
    for character in escaped {
        if cut.len() + character.len_utf8() > bytes {
            cut.push('…');
            break;
        }
        cut.push(character);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_text_cannot_write_on_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n", 100), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("it's \"so\"", 100), "it's \"so\"");
    }
}
