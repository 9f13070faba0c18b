//! What of a request to Ollama the router decides and not its client: how long the model stays, and the context where
//! another one would force a reload. It finds no place by itself, the scanner did, and copies no byte of the body.
//!
//! Nothing is put into a request that asks nothing of the model: whoever loads or unloads a model says what for.

use std::ops::Range;

use bytes::Bytes;
use herdwick_dialect::Endpoint;
use herdwick_fleet::BackendKind;
use herdwick_scan::{Body, Kind};

use crate::attempt::Call;
use crate::rope::Rope;
use crate::ticket::Ticket;

/// Where in a body these things stand, as far as they do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spots {
    /// Just behind the brace that opens the body.
    open: usize,
    keep_alive: Spot,
    options: Spot,
    /// Whether `options` is an object without members.
    is_hollow: bool,
    num_ctx: Spot,
    /// The context that the client insists on, in tokens.
    pub(crate) context: Option<u32>,
}

/// A value in a body.
#[derive(Clone, Debug, Default, PartialEq)]
enum Spot {
    /// No such key.
    #[default]
    Absent,
    /// `null`, which means as much.
    Null(Range<usize>),
    /// Something.
    Set(Range<usize>),
}

/// What is put into a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dressing {
    /// The model stays until the router lets go of it.
    pub(crate) stays: bool,
    /// With this context.
    pub(crate) context: Option<u32>,
}

impl Dressing {
    /// What a request is sent with to the backend of its ticket.
    pub(crate) fn of(call: &Call, ticket: &Ticket) -> Self {
        let takes_options = matches!(
            call.endpoint,
            Endpoint::Chat | Endpoint::Generate | Endpoint::Embed | Endpoint::Embeddings
        );
        if call.only_loads || !takes_options || ticket.backend.kind != BackendKind::Ollama {
            return Self::default();
        }
        let context = ticket.context.filter(|tokens| call.spots.context != Some(*tokens));
        Self { stays: true, context }
    }
}

impl Spots {
    /// As the scanner found them.
    pub(crate) fn of(body: &[u8], found: &Body<'_>) -> Self {
        let spot = |value: Option<herdwick_scan::Value<'_>>| match value {
            None => Spot::Absent,
            Some(value) if value.kind() == Kind::Null => Spot::Null(value.span().range()),
            Some(value) => Spot::Set(value.span().range()),
        };
        Self {
            open: body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1),
            keep_alive: spot(found.keep_alive),
            options: spot(found.options),
            is_hollow: found.options.is_some_and(|options| options.is_hollow()),
            num_ctx: spot(found.num_ctx_at),
            context: found.num_ctx.and_then(|tokens| u32::try_from(tokens).ok()),
        }
    }

    /// What stood behind `at` stands `by` bytes further on now.
    pub(crate) fn shift(&mut self, at: usize, by: isize) {
        for spot in [&mut self.keep_alive, &mut self.options, &mut self.num_ctx] {
            if let Spot::Null(range) | Spot::Set(range) = spot {
                for place in [&mut range.start, &mut range.end] {
                    if *place > at {
                        *place = place.saturating_add_signed(by);
                    }
                }
            }
        }
    }

    /// The body with the dressing in it.
    pub(crate) fn dress(&self, body: &Bytes, dressing: Dressing) -> Rope {
        let mut edits: [Option<(Range<usize>, Bytes)>; 2] = [self.stay(dressing), self.fit(dressing)];
        edits.sort_by_key(|edit| edit.as_ref().map(|(range, _)| range.start));
        let (mut rope, mut from) = (Rope::default(), 0);
        for (range, put) in edits.into_iter().flatten() {
            // Places that the scanner found lie in the body, in order and apart.
            if range.start < from || range.end > body.len() {
                continue;
            }
            rope.push(body.slice(from..range.start));
            rope.push(put);
            from = range.end;
        }
        rope.push(body.slice(from..));
        rope
    }

    fn stay(&self, dressing: Dressing) -> Option<(Range<usize>, Bytes)> {
        if !dressing.stays {
            return None;
        }
        match &self.keep_alive {
            Spot::Set(_) => None,
            Spot::Null(range) => Some((range.clone(), Bytes::from_static(b"-1"))),
            Spot::Absent => Some((self.open..self.open, Bytes::from_static(b"\"keep_alive\":-1,"))),
        }
    }

    fn fit(&self, dressing: Dressing) -> Option<(Range<usize>, Bytes)> {
        let tokens = dressing.context?;
        Some(match (&self.num_ctx, &self.options) {
            (Spot::Set(range) | Spot::Null(range), _) => (range.clone(), tokens.to_string().into()),
            (Spot::Absent, Spot::Set(range)) => {
                let comma = if self.is_hollow { "" } else { "," };
                (range.start + 1..range.start + 1, format!("\"num_ctx\":{tokens}{comma}").into())
            }
            (Spot::Absent, Spot::Null(range)) => (range.clone(), format!("{{\"num_ctx\":{tokens}}}").into()),
            (Spot::Absent, Spot::Absent) => {
                (self.open..self.open, format!("\"options\":{{\"num_ctx\":{tokens}}},").into())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(body: &'static str, context: Option<u32>) -> String {
        let spots = Spots::of(body.as_bytes(), &herdwick_scan::scan(body.as_bytes()).expect("a good body"));
        spots.dress(&Bytes::from_static(body.as_bytes()), Dressing { stays: true, context }).text()
    }

    #[test]
    fn a_model_stays_unless_its_client_says_for_how_long() {
        for (body, after) in [
            (r#"{"model":"m"}"#, r#"{"keep_alive":-1,"model":"m"}"#),
            (r#" { "model":"m"}"#, r#" {"keep_alive":-1, "model":"m"}"#),
            (r#"{"model":"m","keep_alive":null}"#, r#"{"model":"m","keep_alive":-1}"#),
            (r#"{"model":"m","keep_alive":"10m"}"#, r#"{"model":"m","keep_alive":"10m"}"#),
            (r#"{"keep_alive":0,"model":"m"}"#, r#"{"keep_alive":0,"model":"m"}"#),
        ] {
            assert_eq!(dressed(body, None), after);
        }
    }

    #[test]
    fn the_context_is_put_where_it_belongs() {
        for (body, after) in [
            (r#"{"model":"m","keep_alive":1}"#, r#"{"options":{"num_ctx":8192},"model":"m","keep_alive":1}"#),
            (
                r#"{"model":"m","options":null}"#,
                r#"{"keep_alive":-1,"model":"m","options":{"num_ctx":8192}}"#,
            ),
            (
                r#"{"model":"m","options":{ }}"#,
                r#"{"keep_alive":-1,"model":"m","options":{"num_ctx":8192 }}"#,
            ),
            (
                r#"{"options":{"seed":1},"model":"m"}"#,
                r#"{"keep_alive":-1,"options":{"num_ctx":8192,"seed":1},"model":"m"}"#,
            ),
            (
                r#"{"options":{"num_ctx":4096,"seed":1},"model":"m"}"#,
                r#"{"keep_alive":-1,"options":{"num_ctx":8192,"seed":1},"model":"m"}"#,
            ),
            (
                r#"{"model":"m","options":{"num_ctx":null},"keep_alive":null}"#,
                r#"{"model":"m","options":{"num_ctx":8192},"keep_alive":-1}"#,
            ),
            (r#"{"options":{"num_ctx":8192}}"#, r#"{"keep_alive":-1,"options":{"num_ctx":8192}}"#),
        ] {
            let dressed = dressed(body, Some(8_192));
            assert_eq!(dressed, after);
            assert_eq!(herdwick_scan::scan(dressed.as_bytes()).expect("still one").num_ctx, Some(8_192));
        }
    }

    #[test]
    fn what_stands_behind_a_name_that_grew_is_found_where_it_is_then() {
        let body = r#"{"keep_alive":1,"model":"m","options":{"num_ctx":1}}"#;
        let mut spots = Spots::of(body.as_bytes(), &herdwick_scan::scan(body.as_bytes()).expect("good"));
        let at = body.find("\"m\"").expect("the name") + 3;
        spots.shift(at, 5);
        let longer = body.replace("\"m\"", "\"longer\"");
        let dressed = spots.dress(&longer.into(), Dressing { stays: true, context: Some(2_048) }).text();
        assert_eq!(dressed, r#"{"keep_alive":1,"model":"longer","options":{"num_ctx":2048}}"#);
    }
}
