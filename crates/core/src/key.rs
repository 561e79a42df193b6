//! Which calls are one and the same.

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

    /// Reads a key from a header value: an sf-string in quotes (RFC 9651 §3.3.3), or the bare key.
    ///
    /// # Errors
    /// As [`new`](Self::new); also for a quoted string that does not end, or goes on after its end.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidIdempotencyKey> {
        let value = value.trim_ascii();
        let key = match value.strip_prefix(b"\"") {
            Some(quoted) => unquote(quoted)?,
            None => value.to_vec(),
        };
        check(&key)?;
        match String::from_utf8(key) {
            Ok(key) => Ok(Self(key.into())),
            Err(error) => Err(InvalidIdempotencyKey::Character {
                at: error.utf8_error().valid_up_to(),
            }),
        }
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
    if key.is_empty() || key.len() > IdempotencyKey::MAX_LEN {
        return Err(InvalidIdempotencyKey::Length { len: key.len() });
    }
    match key.iter().position(|b| !matches!(b, b' '..=b'~')) {
        Some(at) => Err(InvalidIdempotencyKey::Character { at }),
        None => Ok(()),
    }
}

/// The content of an sf-string whose opening quote has been taken off.
fn unquote(quoted: &[u8]) -> Result<Vec<u8>, InvalidIdempotencyKey> {
    let mut key = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' if at + 1 == quoted.len() => return Ok(key),
            b'"' => return Err(InvalidIdempotencyKey::Character { at }),
            b'\\' => match bytes.next() {
                Some((_, escaped @ (b'"' | b'\\'))) => key.push(escaped),
                _ => return Err(InvalidIdempotencyKey::Character { at }),
            },
            _ => key.push(byte),
        }
    }
    Err(InvalidIdempotencyKey::Character { at: quoted.len() })
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
        assert_eq!(IdempotencyKey::parse(b"\"a\";b"), character(1));
        assert_eq!(IdempotencyKey::parse(b"\"a\\n\""), character(1));
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
        fn what_was_quoted_comes_back(key in "[ -~]{1,100}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = IdempotencyKey::parse(quoted.as_bytes()).unwrap();
            prop_assert_eq!(parsed.as_str(), key);
        }
    }
}
