//! The parser: one pass over bytes, with the full grammar and bounded depth. It must not know any field.

use std::str;

use crate::flaw::Flaw;
use crate::number;
use crate::plain::{self, Until};
use crate::text::{self, Text};
use crate::value::Value;

/// Levels of arrays and objects that a text may nest. Real requests, tools with schemas included, stay below 20;
/// Go's reader allows 10,000, serde's 128.
pub const MAX_DEPTH: usize = 64;

/// What is left of a text.
pub(crate) struct Cursor<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    /// Arrays and objects that are open around `rest`.
    depth: usize,
    /// Stays with the second until all of `rest` is known to be UTF-8: plain ASCII never pays for finding out.
    until: Until,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole, depth: 0, until: Until::MarkOrLetter }
    }

    /// Where the cursor stands.
    pub(crate) fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// The next byte that is not whitespace; the cursor stands before it.
    #[inline]
    pub(crate) fn token(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] = self.rest {
            self.rest = tail;
        }
        self.rest.first().copied()
    }

    /// Nothing but whitespace may be left.
    pub(crate) fn finish(&mut self) -> Result<(), Flaw> {
        match self.token() {
            None => Ok(()),
            Some(_) => Err(Flaw::Trailing { at: self.at() }),
        }
    }

    /// Reads an object; `member` is called behind each key's colon and must read the value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.enter(b'{', "expected an object")?;
        if self.token() != Some(b'}') {
            loop {
                let key = self.key()?;
                member(self, key)?;
                match self.token() {
                    Some(b',') => self.advance(),
                    Some(b'}') => break,
                    _ => return Err(self.unexpected("expected a comma or }")),
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads an array; `element` is called before each element and must read it.
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.enter(b'[', "expected an array")?;
        if self.token() != Some(b']') {
            loop {
                element(self)?;
                match self.token() {
                    Some(b',') => self.advance(),
                    Some(b']') => break,
                    _ => return Err(self.unexpected("expected a comma or ]")),
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads a text.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'a>, Flaw> {
        match self.token() {
            Some(b'"') => self.string(),
            _ => Err(self.unexpected("expected a text in double quotes")),
        }
    }

    /// Reads what `read` reads and also tells what it was.
    pub(crate) fn spanned<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Flaw>,
    ) -> Result<(Value<'a>, T), Flaw> {
        self.token();
        let (at, from) = (self.at(), self.rest);
        let found = read(self)?;
        Ok((Value::new(before(from, self.rest), at), found))
    }

    /// Reads one value of any kind and forgets it. Does not recurse: what is open is one bit per level.
    pub(crate) fn value(&mut self) -> Result<(), Flaw> {
        let outside = self.depth;
        let mut objects: u64 = 0;
        loop {
            match self.token() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{') => {
                    self.enter(b'{', "")?;
                    if self.token() != Some(b'}') {
                        objects = (objects << 1) | 1;
                        self.key()?;
                        continue;
                    }
                    self.leave();
                }
                Some(b'[') => {
                    self.enter(b'[', "")?;
                    if self.token() != Some(b']') {
                        objects <<= 1;
                        continue;
                    }
                    self.leave();
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.unexpected("expected a value")),
            }
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match (self.token(), in_object) {
                    (Some(b','), _) => {
                        self.advance();
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.leave();
                        objects >>= 1;
                    }
                    (_, true) => return Err(self.unexpected("expected a comma or }")),
                    (_, false) => return Err(self.unexpected("expected a comma or ]")),
                }
            }
        }
    }

    /// Something else than expected stands here, or nothing.
    #[cold]
    pub(crate) fn unexpected(&self, what: &'static str) -> Flaw {
        match self.rest.is_empty() {
            true => Flaw::NotJson { at: self.at(), what: "it ends too early" },
            false => Flaw::NotJson { at: self.at(), what },
        }
    }

    /// Reads a key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Result<Text<'a>, Flaw> {
        let key = match self.token() {
            Some(b'"') => self.string()?,
            _ => return Err(self.unexpected("expected a key in double quotes")),
        };
        match self.token() {
            Some(b':') => self.advance(),
            _ => return Err(self.unexpected("expected a colon")),
        }
        Ok(key)
    }

    /// Reads a string; the cursor stands at its opening quote. Inlined, since a text that passes through memory
    /// costs more than finding its end.
    #[inline(always)]
    fn string(&mut self) -> Result<Text<'a>, Flaw> {
        let at = self.at();
        self.advance();
        let from = self.rest;
        let mut saved = 0;
        loop {
            self.rest = plain::skip(self.rest, self.until);
            match self.rest {
                [b'"', tail @ ..] => {
                    let raw = before(from, self.rest);
                    self.rest = tail;
                    return Ok(Text::new(raw, at, saved));
                }
                [b'\\', ..] => saved += self.escapes()?,
                [byte, ..] if !byte.is_ascii() => self.check_utf8()?,
                _ => return Err(self.unexpected("a text must not hold a control character, but does")),
            }
        }
    }

    /// Reads escapes for as long as one follows the other, and tells how many bytes they take more than what
    /// they mean.
    #[inline(never)]
    fn escapes(&mut self) -> Result<usize, Flaw> {
        let mut saved = 0;
        while let [b'\\', behind @ ..] = self.rest {
            match behind {
                [kind, tail @ ..] if text::is_short_escape(*kind) => {
                    saved += 1;
                    self.rest = tail;
                }
                _ => {
                    let (length, character) =
                        text::escape(self.rest).ok_or_else(|| self.unexpected("expected a valid escape"))?;
                    saved += length - character.len_utf8();
                    self.rest = self.rest.get(length..).unwrap_or_default();
                }
            }
        }
        Ok(saved)
    }

    /// Makes sure, once, that everything from here on is UTF-8. What came before was ASCII.
    #[cold]
    fn check_utf8(&mut self) -> Result<(), Flaw> {
        match str::from_utf8(self.rest) {
            Ok(_) => {
                self.until = Until::Mark;
                Ok(())
            }
            Err(error) => Err(Flaw::Utf8 { at: self.at() + error.valid_up_to() }),
        }
    }

    fn number(&mut self) -> Result<(), Flaw> {
        let length = number::length(self.rest, self.at())?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Flaw> {
        self.rest = self.rest.strip_prefix(word).ok_or_else(|| self.unexpected("expected a value"))?;
        Ok(())
    }

    fn enter(&mut self, bracket: u8, what: &'static str) -> Result<(), Flaw> {
        if self.token() != Some(bracket) {
            return Err(self.unexpected(what));
        }
        if self.depth == MAX_DEPTH {
            return Err(Flaw::TooDeep { at: self.at() });
        }
        self.depth += 1;
        self.advance();
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.advance();
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

/// The part of `from` that lies before its end part `rest`.
fn before<'a>(from: &'a [u8], rest: &[u8]) -> &'a [u8] {
    from.get(..from.len() - rest.len()).unwrap_or_default()
}
