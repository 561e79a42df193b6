//! Reading the header that holds a key: pure.

use std::borrow::Cow;

use buttress_core::IdempotencyKey;

use crate::error::MalformedKey;

/// The key that a header value holds: what is between the quotes of an sf-string (RFC 9651 §3.3.3), whose
/// parameters say nothing; or, unless `strict`, a bare key.
pub(crate) fn parse(value: &[u8], strict: bool) -> Result<Cow<'_, [u8]>, MalformedKey> {
    let value = trim(value);
    let key = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let (key, rest) = unquote(quoted).ok_or(MalformedKey)?;
            if !are_parameters(rest) {
                return Err(MalformedKey);
            }
            key
        }
        None if !strict && value.iter().all(is_bare) => Cow::Borrowed(value),
        None => return Err(MalformedKey),
    };
    match key.len() {
        1..=IdempotencyKey::MAX_LEN => Ok(key),
        _ => Err(MalformedKey),
    }
}

/// What bare keys are made of: UUIDs in all their spellings, and tokens.
fn is_bare(byte: &u8) -> bool {
    BARE[usize::from(*byte)]
}

/// A table: most keys are bare, and each byte of them is asked for.
static BARE: [bool; 256] = {
    let mut bare = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        bare[byte as usize] = is_of_token(byte);
        byte += 1;
    }
    bare
};

const fn is_of_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':')
}

/// The content of a string whose opening quote has been taken off, and what follows it.
fn unquote(quoted: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let plain = quoted
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\'))?;
    if !quoted[..plain].iter().all(is_printable) {
        return None;
    }
    if quoted[plain] == b'"' {
        return Some((Cow::Borrowed(&quoted[..plain]), &quoted[plain + 1..]));
    }
    let mut key = quoted[..plain].to_vec();
    let mut rest = &quoted[plain..];
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some((Cow::Owned(key), rest)),
            [b'\\', escaped @ (b'"' | b'\\'), rest @ ..] => {
                key.push(*escaped);
                rest
            }
            [byte, rest @ ..] if *byte != b'\\' && is_printable(byte) => {
                key.push(*byte);
                rest
            }
            _ => return None,
        };
    }
}

const fn is_printable(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Whether nothing follows the string but parameters, which are allowed and mean nothing.
fn are_parameters(mut rest: &[u8]) -> bool {
    while let Some(parameter) = rest.strip_prefix(b";") {
        let parameter = trim(parameter);
        let name = span(parameter, is_of_name);
        if !parameter
            .first()
            .is_some_and(|first| matches!(first, b'a'..=b'z' | b'*'))
        {
            return false;
        }
        rest = &parameter[name..];
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => match unquote(quoted) {
                    Some((_, rest)) => rest,
                    None => return false,
                },
                None => match span(value, is_of_value) {
                    0 => return false,
                    len => &value[len..],
                },
            };
        }
    }
    rest.is_empty()
}

const fn is_of_name(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*')
}

const fn is_of_value(byte: &u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b';' | b',' | b'"')
}

fn span(bytes: &[u8], is_part: impl Fn(&u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !is_part(byte));
    end.unwrap_or(bytes.len())
}

/// Only spaces stand around an item: a tab is none.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::parse;

    #[test]
    fn quoted_and_bare_are_one_key() {
        let key = parse(b"abc", false).unwrap();
        assert_eq!(parse(b"\"abc\"", false).unwrap(), key);
        assert_eq!(parse(b" \"abc\"; v=1; w=\"x;y\" ", false).unwrap(), key);
        assert_eq!(parse(b"\"a\\\"\\\\\"", false).unwrap().as_ref(), b"a\"\\");
    }

    #[test]
    fn what_is_no_key_is_none() {
        let long = [b'a'; 256];
        let hostile: [&[u8]; 14] = [
            b"",
            b" ",
            b"\"\"",
            b"\"abc",
            b"abc\"",
            b"'abc'",
            b"\"a\\n\"",
            b"\"a\" x",
            b"\"a\", \"b\"",
            b"\"a\tb\"",
            b"\"caf\xe9\"",
            b"\"a\";",
            b"\"a\";A=1",
            &long,
        ];
        for value in hostile {
            assert!(parse(value, false).is_err(), "{value:?}");
        }
    }

    #[test]
    fn strict_wants_quotes() {
        assert!(parse(b"abc", true).is_err());
        assert!(parse(b"\"abc\"", true).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), strict: bool) {
            drop(parse(&bytes, strict));
        }

        #[test]
        fn what_was_quoted_comes_back(key in "[ -~]{1,100}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = parse(quoted.as_bytes(), true).unwrap();
            prop_assert_eq!(parsed.as_ref(), key.as_bytes());
        }
    }
}
