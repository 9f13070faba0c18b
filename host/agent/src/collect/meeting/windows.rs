//! Cameras and microphones of Windows: the system notes for its users which program used one, from when to when. While
//! one is used the note has no end.
//!
//! A program that crashed, or a machine that lost power, leaves a note without an end; one that began before the machine
//! started is not believed.

/// Between the beginnings of both calendars, in units of 100 ns: 1601 and 1970.
const EPOCH: u64 = 116_444_736_000_000_000;
/// Units of a note in a second.
const SECOND: u64 = 10_000_000;

/// One note: when the last use began and ended, in units of 100 ns since 1601; 0 = not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    began: u64,
    ended: u64,
}

/// Whether any of these says that something is in use on a machine that started so many seconds after 1970.
fn is_on(notes: impl IntoIterator<Item = Note>, started: u64) -> bool {
    let started = started.saturating_mul(SECOND).saturating_add(EPOCH);
    notes.into_iter().any(|note| note.ended == 0 && note.began >= started)
}

#[cfg(target_os = "windows")]
mod asked {
    //! Reads the notes.

    use std::time::Duration;

    use herdwick_fleet::Column;
    use windows_registry::{CURRENT_USER, Key};

    use super::{Note, is_on};
    use crate::collect::source::{Found, Next, Source};

    /// Between two looks.
    const PAUSE: Duration = Duration::from_secs(5);
    /// Three looks.
    const KEEPS: Duration = Duration::from_secs(15);
    /// Programs that are looked at.
    const PROGRAMS: usize = 1_024;
    /// Where the notes are, and of what.
    const NOTES: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore";
    const DEVICES: [&str; 2] = ["webcam", "microphone"];
    /// Programs that came from no store have their notes one folder deeper.
    const OTHERS: &str = "NonPackaged";

    /// Looks for meetings.
    #[derive(Debug)]
    pub(in crate::collect) struct Meeting;

    impl Source for Meeting {
        fn name(&self) -> &'static str {
            "meetings"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(KEEPS)
        }

        fn look(&mut self) -> (Found, Next) {
            let folders = DEVICES.iter().flat_map(|device| {
                let own = format!(r"{NOTES}\{device}");
                [format!(r"{own}\{OTHERS}"), own]
            });
            let folders: Vec<Key> = folders.filter_map(|folder| CURRENT_USER.open(folder).ok()).collect();
            let mut found = Found::default();
            // Without one folder the system keeps no notes.
            if let (false, Ok(started)) = (folders.is_empty(), sysinfo::System::boot_time()) {
                let on = is_on(folders.iter().flat_map(notes), started);
                found.add(Column::Meeting, f64::from(u8::from(on)));
            }
            (found, Next::After(PAUSE))
        }
    }

    fn notes(folder: &Key) -> Vec<Note> {
        let programs = folder.keys().into_iter().flatten().take(PROGRAMS);
        let note = |program: String| {
            let key = folder.open(program).ok()?;
            let (began, ended) =
                (key.get_u64("LastUsedTimeStart").ok()?, key.get_u64("LastUsedTimeStop").ok()?);
            Some(Note { began, ended })
        };
        programs.filter_map(note).collect()
    }
}

#[cfg(target_os = "windows")]
pub(in crate::collect) use asked::Meeting;

#[cfg(test)]
mod tests {
    use super::*;

    /// The 1st of January 2025, 00:00, in both calendars.
    const STARTED: u64 = 1_735_689_600;
    const SAME: u64 = 133_801_632_000_000_000;

    #[test]
    fn a_note_without_an_end_is_a_meeting() {
        let past = Note { began: SAME + 5 * SECOND, ended: SAME + 9 * SECOND };
        let now = Note { began: SAME + 10 * SECOND, ended: 0 };
        assert!(!is_on([], STARTED) && !is_on([past], STARTED));
        assert!(is_on([past, now], STARTED));
    }

    #[test]
    fn a_note_that_was_never_ended_is_not_believed_after_a_start() {
        assert!(is_on([Note { began: SAME, ended: 0 }], STARTED));
        assert!(!is_on([Note { began: SAME - 1, ended: 0 }, Note { began: 0, ended: 0 }], STARTED));
        assert!(!is_on([Note { began: SAME, ended: 0 }], u64::MAX), "a start that cannot be");
    }
}
