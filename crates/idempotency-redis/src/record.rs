//! An answer as bytes: pure.

use std::fmt;

use buttress_idempotency::{Fingerprint, Stored};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Bytes that are no answer, or one of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Writes an answer down.
///
/// ```text
///   version  fingerprint  status  headers  0 | 1 trailers  body
///      u8      33 bytes     u16                            all that is left
///
///   headers, trailers:  how many u32, and each: length u32, name, length u32, value
/// ```
///
/// Numbers are big-endian.
pub(crate) fn encode(answer: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(answer.weight());
    bytes.push(VERSION);
    bytes.extend_from_slice(&answer.fingerprint().to_bytes());
    bytes.extend_from_slice(&answer.status().as_u16().to_be_bytes());
    put_fields(&mut bytes, answer.headers());
    bytes.push(u8::from(answer.trailers().is_some()));
    if let Some(trailers) = answer.trailers() {
        put_fields(&mut bytes, trailers);
    }
    bytes.extend_from_slice(answer.body());
    bytes
}

/// Reads what [`encode`] has written, and whatever else there may be instead. The body is a part of `bytes`.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Stored, Unreadable> {
    if bytes.try_get_u8()? != VERSION {
        return Err(Unreadable);
    }
    let fingerprint = Fingerprint::from_bytes(&take(&mut bytes, Fingerprint::LEN)?);
    let fingerprint = fingerprint.ok_or(Unreadable)?;
    let status = StatusCode::from_u16(bytes.try_get_u16()?)?;
    let headers = take_fields(&mut bytes)?;
    let trailers = match bytes.try_get_u8()? {
        0 => None,
        1 => Some(take_fields(&mut bytes)?),
        _ => return Err(Unreadable),
    };
    Ok(Stored::new(status, headers, bytes, trailers, fingerprint))
}

fn put_fields(bytes: &mut Vec<u8>, fields: &HeaderMap) {
    put_len(bytes, fields.len());
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            put_len(bytes, part.len());
            bytes.extend_from_slice(part);
        }
    }
}

/// A length that does not fit makes bytes that are unreadable, and of a size that no store keeps.
fn put_len(bytes: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
}

fn take_fields(bytes: &mut Bytes) -> Result<HeaderMap, Unreadable> {
    let mut fields = HeaderMap::new();
    for _ in 0..bytes.try_get_u32()? {
        let name = HeaderName::from_bytes(&take_part(bytes)?)?;
        let value = HeaderValue::from_bytes(&take_part(bytes)?)?;
        fields.try_append(name, value)?;
    }
    Ok(fields)
}

fn take_part(bytes: &mut Bytes) -> Result<Bytes, Unreadable> {
    let len = usize::try_from(bytes.try_get_u32()?)?;
    take(bytes, len)
}

fn take(bytes: &mut Bytes, len: usize) -> Result<Bytes, Unreadable> {
    match len <= bytes.len() {
        true => Ok(bytes.split_to(len)),
        false => Err(Unreadable),
    }
}

/// Whatever it is that does not fit: it was not written here.
impl<E: std::error::Error> From<E> for Unreadable {
    fn from(_: E) -> Self {
        Self
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an answer of this version")
    }
}

/// The first byte of all: a process that writes others shares no answers with this one.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests;
