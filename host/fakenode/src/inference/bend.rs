//! How a verb bends an answer that otherwise takes its normal course.

use std::time::Duration;

use crate::verb::Verb;

/// All that may differ from a normal answer; the default is a normal one.
#[derive(Debug, Default)]
pub(crate) struct Bend {
    tokens: Option<u32>,
    load: Option<Duration>,
    first_token: Option<Duration>,
    token: Option<Duration>,
    silence: Option<Silence>,
    informational: u32,
    /// Length of the first token, bytes.
    pub(crate) huge_token: Option<usize>,
    /// Bytes per second.
    pub(crate) trickle: Option<u64>,
    /// Tokens before the cut, and the cut.
    pub(crate) cut: Option<(u32, Cut)>,
    pub(crate) wrong_length: Option<WrongLength>,
    pub(crate) two_framings: bool,
    /// Bytes after the end.
    pub(crate) extra: Option<u64>,
}

/// How an answer ends before its end.
#[derive(Debug)]
pub(crate) enum Cut {
    Reset,
    /// The stream ends as if complete, its terminal frame missing.
    End,
    /// FIN in the middle of the body.
    Fin,
    RunnerDies(Option<String>),
    BadJson,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongLength {
    pub(crate) declared: Option<u64>,
    pub(crate) actual: Option<u64>,
}

#[derive(Debug)]
enum Silence {
    For(Duration),
    Forever,
}

impl Bend {
    pub(crate) fn of(verb: Option<Verb>) -> Bend {
        let ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        let normal = Bend::default();
        match verb {
            Some(Verb::Ok { n, load_ms, ttft_ms, itl_ms }) => {
                Bend { tokens: n, load: ms(load_ms), first_token: ms(ttft_ms), token: ms(itl_ms), ..normal }
            }
            Some(Verb::Silent { ms }) => {
                let silence = ms.map_or(Silence::Forever, |ms| Silence::For(Duration::from_millis(ms)));
                Bend { silence: Some(silence), ..normal }
            }
            Some(Verb::Rst { after }) => Bend { cut: Some((after, Cut::Reset)), ..normal },
            Some(Verb::Fin { after, cut }) => {
                Bend { cut: Some((after, if cut { Cut::Fin } else { Cut::End })), ..normal }
            }
            Some(Verb::Errline { after, msg }) => Bend { cut: Some((after, Cut::RunnerDies(msg))), ..normal },
            Some(Verb::Badjson { after }) => Bend { cut: Some((after, Cut::BadJson)), ..normal },
            Some(Verb::Hugeline { mib }) => Bend { huge_token: Some((mib as usize) << 20), ..normal },
            Some(Verb::Trickle { bps }) => Bend { trickle: Some(bps), ..normal },
            Some(Verb::Wronglen { declared, actual }) => {
                Bend { wrong_length: Some(WrongLength { declared, actual }), ..normal }
            }
            Some(Verb::ClTe {}) => Bend { two_framings: true, ..normal },
            Some(Verb::Extra { bytes }) => Bend { extra: Some(bytes), ..normal },
            Some(Verb::Info { n }) => Bend { informational: n, ..normal },
            // The others have answered already, or are obeyed by the node as a whole.
            _ => normal,
        }
    }

    /// Whether the answer's framing is against HTTP.
    pub(crate) fn breaks_framing(&self) -> bool {
        self.wrong_length.is_some() || self.two_framings || self.extra.is_some()
    }

    pub(crate) fn length(&self, normal: u32) -> u32 {
        self.tokens.unwrap_or(normal)
    }

    pub(crate) fn load(&self, normal: Duration) -> Duration {
        self.load.unwrap_or(normal)
    }

    pub(crate) fn pace(&self, normal: Duration) -> Duration {
        self.token.unwrap_or(normal)
    }

    /// The time from slot to first token.
    pub(crate) async fn prefill(&self, normal: Duration) {
        let normal = self.first_token.unwrap_or(normal);
        super::pause(match self.silence {
            None => Some(normal),
            Some(Silence::For(more)) => Some(more + normal),
            Some(Silence::Forever) => None,
        })
        .await;
    }

    /// The flood of 1xx heads; empty for a normal answer.
    pub(crate) fn informational(&self) -> Vec<u8> {
        b"HTTP/1.1 102 Processing\r\n\r\n".repeat(self.informational as usize)
    }

    /// The cut, if it comes right before the token of this index.
    pub(crate) fn due(&self, index: u32) -> Option<&Cut> {
        self.cut.as_ref().filter(|(after, _)| *after == index).map(|(_, cut)| cut)
    }
}
