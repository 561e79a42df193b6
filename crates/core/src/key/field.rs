//! Reading a key from a header value: pure.

use std::borrow::Cow;

use super::InvalidIdempotencyKey;

/// What the value holds, in or without quotes; not yet how long it is.
pub(super) fn read(value: &[u8], strict: bool) -> Result<Cow<'_, [u8]>, InvalidIdempotencyKey> {
    let invalid = |at| InvalidIdempotencyKey::Character { at };
    let value = trim(value);
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return match value.iter().position(|byte| strict || !is_bare(byte)) {
            Some(at) => Err(invalid(at)),
            None => Ok(Cow::Borrowed(value)),
        };
    };
    let (key, rest) = unquote(quoted).map_err(invalid)?;
    match are_parameters(rest) {
        true => Ok(key),
        false => Err(invalid(quoted.len() - rest.len())),
    }
}

/// What bare keys are made of: UUIDs in all their spellings, tokens, and base64.
pub(super) fn is_bare(byte: &u8) -> bool {
    BARE[usize::from(*byte)]
}

/// A table: most keys are bare, and each byte of them is asked for.
static BARE: [bool; 256] = {
    let mut bare = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        bare[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':' | b'+' | b'/' | b'=');
        byte += 1;
    }
    bare
};

/// The content of a string whose opening quote has been taken off, and what follows it; or where it is none.
fn unquote(quoted: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), usize> {
    let is_plain = |byte: &u8| is_printable(byte) && !matches!(byte, b'"' | b'\\');
    let plain = span(quoted, is_plain);
    if let [b'"', rest @ ..] = &quoted[plain..] {
        return Ok((Cow::Borrowed(&quoted[..plain]), rest));
    }
    let mut key = quoted[..plain].to_vec();
    let mut rest = &quoted[plain..];
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Ok((Cow::Owned(key), rest)),
            [b'\\', escaped @ (b'"' | b'\\'), rest @ ..] => {
                key.push(*escaped);
                rest
            }
            [byte, rest @ ..] if is_plain(byte) => {
                key.push(*byte);
                rest
            }
            _ => return Err(quoted.len() - rest.len()),
        };
    }
}

pub(super) const fn is_printable(byte: &u8) -> bool {
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
                    Ok((_, rest)) => rest,
                    Err(_) => return false,
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
