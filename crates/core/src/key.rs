//! Which calls are one and the same.

mod field;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The key by which an upstream recognises a call that it has seen before.
///
/// All attempts at one call carry the same key. `Debug` hides it: keys are as secret as what they
/// protect. Clones share one string.
///
/// # Source
/// draft-ietf-httpapi-idempotency-key-header. The draft wants a quoted string; most clients send the
/// key bare, so [`parse`](Self::parse) takes `"abc"` and `abc` for the same key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The longest key accepted, in bytes: what the best-known implementation accepts.
    pub const MAX_LEN: usize = 255;

    /// A key of 1 to [`MAX_LEN`](Self::MAX_LEN) printable ASCII characters.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] says what is wrong with it: its length, or the place of the first
    /// character that no key may hold.
    pub fn new(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        check(key.as_bytes())?;
        Ok(Self(key.into()))
    }

    /// Reads a key from a header value, as [`read`](Self::read) does, bare ones included.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(value: &[u8]) -> Result<Self, InvalidIdempotencyKey> {
        let key = Self::read(value, false)?;
        match std::str::from_utf8(&key) {
            Ok(key) => Ok(Self(key.into())),
            Err(error) => Err(InvalidIdempotencyKey::Character {
                at: error.valid_up_to(),
            }),
        }
    }

    /// The key that a header value holds: what is between the quotes of an sf-string (RFC 9651 §3.3.3), whose
    /// parameters say nothing; or, unless `strict`, a bare key. Copies nothing unless there are escapes in it.
    ///
    /// A bare key is made of letters, digits and `-_.~:+/=`: UUIDs in all their spellings, tokens, base64.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for a quoted string that does not end, for what is no parameter behind its end, and
    /// for a character that needs quotes.
    pub fn read(value: &[u8], strict: bool) -> Result<Cow<'_, [u8]>, InvalidIdempotencyKey> {
        let key = field::read(value, strict)?;
        check_length(&key)?;
        Ok(key)
    }

    /// As a header value: bare, unless it holds a character that needs quotes.
    #[must_use]
    pub fn to_field(&self) -> Cow<'_, str> {
        match self.0.bytes().all(|byte| field::is_bare(&byte)) {
            true => Cow::Borrowed(&self.0),
            false => Cow::Owned(self.to_quoted()),
        }
    }

    /// As a header value in quotes, as the draft wants it.
    #[must_use]
    pub fn to_quoted(&self) -> String {
        let mut quoted = String::with_capacity(self.0.len() + 2);
        quoted.push('"');
        for char in self.0.chars() {
            if matches!(char, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(char);
        }
        quoted.push('"');
        quoted
    }

    /// The key itself. It belongs on the wire, not into a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(..)")
    }
}

/// Why something is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidIdempotencyKey {
    /// It is empty, or longer than [`IdempotencyKey::MAX_LEN`].
    Length {
        /// How long it is, in bytes.
        len: usize,
    },
    /// It holds something other than printable ASCII, or its quotes do not match.
    Character {
        /// Where, in bytes from the start of the key.
        at: usize,
    },
}

impl fmt::Display for InvalidIdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len } => write!(
                f,
                "an idempotency key has 1 to {} bytes, this one {len}",
                IdempotencyKey::MAX_LEN
            ),
            Self::Character { at } => {
                write!(
                    f,
                    "character not allowed in an idempotency key at byte {at}"
                )
            }
        }
    }
}

impl Error for InvalidIdempotencyKey {}

fn check(key: &[u8]) -> Result<(), InvalidIdempotencyKey> {
    check_length(key)?;
    match key.iter().position(|byte| !field::is_printable(byte)) {
        Some(at) => Err(InvalidIdempotencyKey::Character { at }),
        None => Ok(()),
    }
}

const fn check_length(key: &[u8]) -> Result<(), InvalidIdempotencyKey> {
    match key.len() {
        1..=IdempotencyKey::MAX_LEN => Ok(()),
        len => Err(InvalidIdempotencyKey::Length { len }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{IdempotencyKey, InvalidIdempotencyKey};

    #[test]
    fn quoted_and_bare_are_one_key() {
        let bare = IdempotencyKey::parse(b"8e03978e-40d5").unwrap();
        assert_eq!(IdempotencyKey::parse(b"\"8e03978e-40d5\"").unwrap(), bare);
        assert_eq!(IdempotencyKey::parse(b"  8e03978e-40d5 ").unwrap(), bare);
        let with_parameters = b" \"8e03978e-40d5\"; v=1; w=\"x;y\" ";
        assert_eq!(IdempotencyKey::parse(with_parameters).unwrap(), bare);
        let base64 = IdempotencyKey::parse(b"bWFuIGlz+w/=").unwrap();
        assert_eq!(base64.as_str(), "bWFuIGlz+w/=");
    }

    #[test]
    fn what_is_no_key_says_which_number_mattered() {
        let length = |len| Err(InvalidIdempotencyKey::Length { len });
        let character = |at| Err(InvalidIdempotencyKey::Character { at });
        assert_eq!(IdempotencyKey::parse(b""), length(0));
        assert_eq!(IdempotencyKey::parse(b"\"\""), length(0));
        assert_eq!(IdempotencyKey::parse(&[b'a'; 256]), length(256));
        assert_eq!(IdempotencyKey::parse(b"ab\x07"), character(2));
        assert_eq!(IdempotencyKey::parse("ab\u{e9}".as_bytes()), character(2));
        assert_eq!(IdempotencyKey::parse(b"\"open"), character(4));
        assert_eq!(IdempotencyKey::parse(b"\"a\\n\""), character(1));
        assert_eq!(IdempotencyKey::parse(b"a, b"), character(1));
    }

    #[test]
    fn what_is_no_key_is_none() {
        let hostile: [&[u8]; 12] = [
            b" ",
            b"\"\"",
            b"abc\"",
            b"'abc'",
            b"\"a\" x",
            b"\"a\", \"b\"",
            b"\"a\tb\"",
            b"\"caf\xe9\"",
            b"\"a\";",
            b"\"a\";A=1",
            b"?1",
            b"(\"a\")",
        ];
        for value in hostile {
            assert!(IdempotencyKey::parse(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn strict_wants_quotes() {
        assert!(IdempotencyKey::read(b"abc", true).is_err());
        assert_eq!(*IdempotencyKey::read(b"\"abc\"", true).unwrap(), *b"abc");
    }

    #[test]
    fn debug_does_not_tell_the_key() {
        let key = IdempotencyKey::new("secret").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(IdempotencyKey::parse(&bytes));
        }

        #[test]
        fn what_is_sent_comes_back(key in "[ -~]{1,100}") {
            let key = IdempotencyKey::new(&key).unwrap();
            prop_assert_eq!(&IdempotencyKey::parse(key.to_field().as_bytes()).unwrap(), &key);
            let quoted = key.to_quoted();
            let read = IdempotencyKey::read(quoted.as_bytes(), true).unwrap();
            prop_assert_eq!(&*read, key.as_str().as_bytes());
        }
    }
}
