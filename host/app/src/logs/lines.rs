//! Lines on their way to a reader who may be slow: they are laid into a bounded buffer, and a thread of its own
//! writes what lies there ten times a second. Laying one down never waits for the reader and wakes nobody, and many
//! lines are one write.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line lies before it is written.
const PERIOD: Duration = Duration::from_millis(100);
/// Bytes that may lie here: some 10,000 lines. More than a reader that keeps up ever leaves.
const MOST: usize = 4 << 20;
/// Room that is kept after a burst.
const KEPT: usize = 64 << 10;
/// How long the end waits for a reader that stalls.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are laid.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Lying>>);

#[derive(Default)]
struct Lying {
    bytes: Vec<u8>,
    /// Lines that found no room since the last writing.
    lost: u64,
}

/// Writes lines for as long as it lives, and what still lies here when it is dropped.
pub(crate) struct Writer {
    /// Dropped to end it.
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl Lines {
    fn lay(&self, line: &[u8]) {
        let mut lying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lying.bytes.len() + line.len() > MOST {
            lying.lost += 1;
        } else {
            lying.bytes.extend_from_slice(line);
        }
    }

    /// Exchanges what lies here for an empty buffer; says how many lines were lost.
    fn take(&self, empty: &mut Vec<u8>) -> u64 {
        let mut lying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut lying.bytes, empty);
        std::mem::take(&mut lying.lost)
    }
}

impl Writer {
    /// Begins to write `lines` to `out`.
    pub(crate) fn start(lines: Lines, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || {
            write(&lines, &stopped, out);
            // Whoever waited may have lost patience.
            let _ = end.send(());
        })?;
        Ok(Self { stop: Some(stop), ended })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop = None;
        // A reader that stalls does not keep the program from ending.
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

fn write(lines: &Lines, stopped: &Receiver<()>, mut out: impl Write) {
    let mut bytes = Vec::new();
    loop {
        let last = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
        let lost = lines.take(&mut bytes);
        // Nobody is left to tell that nobody listens.
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        bytes.clear();
        bytes.shrink_to(KEPT);
        if lost > 0 {
            tracing::warn!(lost, "whoever reads this log is too slow, so lines were left out");
        }
        if last {
            return;
        }
    }
}

/// One line in the making. The formatter hands over a line at a time.
pub(crate) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lay(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes one write for each time it is told to.
    struct Stalled(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_lies_here_at_the_end_is_written() {
        let (send, written) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let lines = Lines::default();
        for line in ["one\n", "two\n"] {
            lines.make_writer().write_all(line.as_bytes()).expect("it is laid down");
        }
        go.send(()).expect("it listens");
        drop(Writer::start(lines, Stalled(wait, send)).expect("a thread"));
        assert_eq!(written.try_recv(), Ok(b"one\ntwo\n".to_vec()), "both in one write");
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_nobody_waits() {
        let lines = Lines::default();
        let line = vec![b'x'; MOST / 2];
        for _ in 0..5 {
            lines.lay(&line);
        }
        let mut bytes = Vec::new();
        assert_eq!((lines.take(&mut bytes), bytes.len()), (3, MOST));
        lines.lay(b"again\n");
        bytes.clear();
        assert_eq!((lines.take(&mut bytes), bytes.as_slice()), (0, &b"again\n"[..]));
    }
}
