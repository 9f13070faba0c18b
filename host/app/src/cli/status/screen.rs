//! Draws a page over the one before it, where it stands: nothing is cleared, so that scrolling back still shows what
//! was there, and the last page stays when the command ends.

use crate::cli::print;
use crate::cli::terminal::Terminal;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// A line that wrapped would take two rows, and the next page would begin in the wrong one.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// What was drawn.
#[derive(Default)]
pub(crate) struct Screen {
    /// Rows from the page's first to where the cursor is.
    rows: usize,
}

impl Screen {
    /// Draws a page; says whether anybody still looks.
    pub(crate) fn draw(&mut self, page: &str) -> anyhow::Result<bool> {
        print::still_read(&self.over(page, Terminal::stdout().rows()))
    }

    /// Gives the cursor back, where the terminal showed the keys that ended it.
    pub(crate) fn leave(self) -> anyhow::Result<()> {
        print::text(&format!("\r{CLEAR_LINE}{SHOW_CURSOR}"))
    }

    fn over(&mut self, page: &str, rows: Option<usize>) -> String {
        let mut lines: Vec<&str> = page.lines().collect();
        let cut = "… more; make the window higher, or run it without --watch";
        // The cursor's own row is the last one.
        if let Some(room) = rows.map(|rows| rows.saturating_sub(1).max(1)).filter(|room| lines.len() > *room)
        {
            lines.truncate(room - 1);
            lines.push(cut);
        }
        let up = if self.rows > 0 { format!("\x1b[{}A", self.rows) } else { String::new() };
        let body: String = lines.iter().map(|line| format!("{line}{CLEAR_LINE}\n")).collect();
        self.rows = lines.len();
        format!("{HIDE_CURSOR}{up}\r{NO_WRAP}{body}{WRAP}{CLEAR_BELOW}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_drawn_over_the_one_before_it_and_never_taller_than_the_window() {
        let mut screen = Screen::default();
        let first = screen.over("a\nb\nc\n", Some(24));
        assert!(!first.contains('A') && first.contains("a\x1b[K\nb\x1b[K\nc\x1b[K\n"), "{first:?}");
        let second = screen.over("a\nb\nc\nd\ne\n", Some(4));
        assert!(second.contains("\x1b[3A") && second.matches('\n').count() == 3, "{second:?}");
        assert!(second.contains("b\x1b[K\n… more"), "{second:?}");
        assert!(screen.over("a\n", None).contains("\x1b[3A"), "as many rows as were drawn");
    }
}
