//! What of a request's body matters to routing, in whatever dialect it is written. It must not know routes: which
//! fields are wanted, and what a missing one means, is for the caller.

use crate::cursor::Cursor;
use crate::field::Seen;
use crate::flaw::Flaw;
use crate::keep_alive::KeepAlive;
use crate::tally::{self, Tally};
use crate::text::Text;
use crate::value::{Kind, Value};

/// A body that all readers understand alike. Everything in it points into the scanned bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    /// `model`; `null` is none.
    pub model: Option<Text<'a>>,
    /// `name`, which some of Ollama's requests take for `model`; `null` is none.
    pub name: Option<Text<'a>>,
    /// `stream`; `null` is none, and then the dialect's default counts.
    pub stream: Option<bool>,
    /// `keep_alive` as it stands there; see [`Body::keep_alive`].
    pub keep_alive: Option<Value<'a>>,
    /// `options`: an object or `null`.
    pub options: Option<Value<'a>>,
    /// `options.num_ctx`, tokens, its fraction cut off as Ollama does. Not checked against anything.
    pub num_ctx: Option<u64>,
    /// `options.num_ctx` as it stands there, `null` included.
    pub num_ctx_at: Option<Value<'a>>,
    /// `options.num_predict`, tokens; negative ones have meanings of Ollama's own.
    pub num_predict: Option<i64>,
    /// The smallest of `max_tokens`, `max_completion_tokens` and `max_output_tokens` that is not negative.
    pub max_tokens: Option<u64>,
    /// Bytes of text that the model reads, of messages, prompt, system and tools; images and other data in base64
    /// are left out, and so are escapes. Says how long the prompt is, give or take a template.
    pub text_bytes: usize,
    /// How many images the model is shown.
    pub images: usize,
    /// Whether `tools` holds any.
    pub tools: bool,
    /// How many `messages` there are; `null` is none, as if absent.
    pub messages: Option<usize>,
    /// `prompt`.
    pub prompt: Presence,
    /// `input`.
    pub input: Presence,
    /// `prompt_cache_key`, by which clients name a conversation.
    pub session: Option<Text<'a>>,
    /// Whether `think` asks for thinking: `true` or a level.
    pub think: bool,
    /// Whether `format` or `response_format` asks for a form.
    pub format: bool,
}

/// What stands in a field that may be left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// No such key, or `null`.
    #[default]
    Absent,
    /// `""` or `[]`.
    Empty,
    /// Anything else.
    Filled,
}

impl Body<'_> {
    /// How long the model shall stay loaded, as Ollama reads it.
    pub fn keep_alive(&self) -> KeepAlive {
        self.keep_alive.map_or(KeepAlive::Unset, KeepAlive::read)
    }

    /// Whether nothing is asked of the model: then Ollama only loads it, or unloads it with a `keep_alive` of 0.
    pub fn asks_nothing(&self) -> bool {
        self.messages.unwrap_or(0) == 0 && self.prompt != Presence::Filled && self.input != Presence::Filled
    }
}

/// Reads a request's body in one pass.
///
/// # Errors
///
/// The first thing that makes it invalid, or ambiguous between readers; see [`Flaw`].
pub fn scan(body: &[u8]) -> Result<Body<'_>, Flaw> {
    let mut cursor = Cursor::new(body);
    match cursor.token() {
        Some(b'{') => {}
        None => return Err(Flaw::Empty),
        Some(0xef) if body.starts_with("\u{feff}".as_bytes()) => {
            return Err(cursor.unexpected("expected no byte order mark"));
        }
        Some(_) => {
            cursor.value()?;
            return Err(Flaw::NotObject);
        }
    }
    let (mut found, mut seen) = (Body::default(), Seen::top());
    cursor.object(|cursor, key| {
        seen.note(key)?;
        found.take(cursor, key)
    })?;
    cursor.finish()?;
    Ok(found)
}

impl<'a> Body<'a> {
    /// Reads the value of one key at the top.
    fn take(&mut self, cursor: &mut Cursor<'a>, key: Text<'a>) -> Result<(), Flaw> {
        match key.raw() {
            b"model" => self.model = text(cursor, "model")?,
            b"name" => self.name = text(cursor, "name")?,
            b"prompt_cache_key" => self.session = text(cursor, "prompt_cache_key")?,
            b"stream" => self.stream = boolean(cursor, "stream")?,
            b"keep_alive" => self.keep_alive = Some(any(cursor)?),
            b"options" => self.options = Some(self.take_options(cursor)?),
            b"max_tokens" => self.limit(number(cursor, "max_tokens")?),
            b"max_completion_tokens" => self.limit(number(cursor, "max_completion_tokens")?),
            b"max_output_tokens" => self.limit(number(cursor, "max_output_tokens")?),
            b"messages" => self.take_messages(cursor)?,
            b"prompt" => self.prompt = self.take_content(cursor)?,
            b"input" => self.input = self.take_content(cursor)?,
            b"system" | b"instructions" | b"suffix" | b"template" => {
                self.take_content(cursor)?;
            }
            b"images" => {
                let (_, found) = list(cursor, "images", tally::images)?;
                self.add(found.unwrap_or_default());
            }
            b"tools" => {
                let (value, found) = list(cursor, "tools", tally::schema)?;
                self.tools = !value.is_hollow();
                self.add(found.unwrap_or_default());
            }
            b"think" => {
                let value = any(cursor)?;
                self.think = !value.is_hollow() && value.boolean() != Some(false);
            }
            b"format" | b"response_format" => self.format |= !any(cursor)?.is_hollow(),
            _ => cursor.value()?,
        }
        Ok(())
    }

    fn take_messages(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Flaw> {
        let (_, found) = list(cursor, "messages", tally::messages)?;
        if let Some((count, sum)) = found {
            self.messages = Some(count);
            self.add(sum);
        }
        Ok(())
    }

    fn take_content(&mut self, cursor: &mut Cursor<'a>) -> Result<Presence, Flaw> {
        let (value, sum) = cursor.spanned(tally::content)?;
        self.add(sum);
        Ok(match (value.kind(), value.is_hollow()) {
            (Kind::Null, _) => Presence::Absent,
            (_, true) => Presence::Empty,
            (_, false) => Presence::Filled,
        })
    }

    fn take_options(&mut self, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Flaw> {
        let mut seen = Seen::options();
        match cursor.token() {
            Some(b'{') => {}
            Some(b'n') => return any(cursor),
            _ => return Err(wrong(cursor, "options", "an object")),
        }
        let (value, ()) = cursor.spanned(|cursor| {
            cursor.object(|cursor, key| {
                seen.note(key)?;
                match key.raw() {
                    b"num_ctx" => {
                        let (value, tokens) = cursor.spanned(|cursor| at_least_zero(cursor, "num_ctx"))?;
                        (self.num_ctx, self.num_ctx_at) = (tokens, Some(value));
                    }
                    b"num_predict" => self.num_predict = number(cursor, "num_predict")?,
                    _ => cursor.value()?,
                }
                Ok(())
            })
        })?;
        Ok(value)
    }

    fn add(&mut self, found: Tally) {
        self.text_bytes += found.text;
        self.images += found.images;
    }

    fn limit(&mut self, tokens: Option<i64>) {
        let tokens = tokens.and_then(|tokens| u64::try_from(tokens).ok());
        self.max_tokens = self.max_tokens.into_iter().chain(tokens).min();
    }
}

fn any<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>, Flaw> {
    cursor.spanned(Cursor::value).map(|(value, ())| value)
}

fn text<'a>(cursor: &mut Cursor<'a>, key: &'static str) -> Result<Option<Text<'a>>, Flaw> {
    match cursor.token() {
        Some(b'"') => cursor.text().map(Some),
        Some(b'n') => cursor.value().map(|()| None),
        _ => Err(wrong(cursor, key, "a text")),
    }
}

fn boolean(cursor: &mut Cursor<'_>, key: &'static str) -> Result<Option<bool>, Flaw> {
    match cursor.token() {
        Some(b't' | b'f' | b'n') => any(cursor).map(|value| value.boolean()),
        _ => Err(wrong(cursor, key, "true or false")),
    }
}

fn number(cursor: &mut Cursor<'_>, key: &'static str) -> Result<Option<i64>, Flaw> {
    match cursor.token() {
        Some(b'-' | b'0'..=b'9' | b'n') => any(cursor).map(|value| value.integer()),
        _ => Err(wrong(cursor, key, "a number")),
    }
}

fn at_least_zero(cursor: &mut Cursor<'_>, key: &'static str) -> Result<Option<u64>, Flaw> {
    cursor.token();
    let at = cursor.at();
    let Some(number) = number(cursor, key)? else {
        return Ok(None);
    };
    let negative = Flaw::Type { key, expected: "a number that is not negative", at };
    u64::try_from(number).map(Some).map_err(|_| negative)
}

/// Reads an array with `read`, or `null` as nothing.
fn list<'a, T>(
    cursor: &mut Cursor<'a>,
    key: &'static str,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Flaw>,
) -> Result<(Value<'a>, Option<T>), Flaw> {
    match cursor.token() {
        Some(b'[') => cursor.spanned(|cursor| read(cursor).map(Some)),
        Some(b'n') => cursor.spanned(|cursor| cursor.value().map(|()| None)),
        _ => Err(wrong(cursor, key, "an array")),
    }
}

/// The value that stands here is of another type, unless it is broken altogether.
fn wrong(cursor: &mut Cursor<'_>, key: &'static str, expected: &'static str) -> Flaw {
    let at = cursor.at();
    cursor.value().err().unwrap_or(Flaw::Type { key, expected, at })
}
