//! The messages of Amazon's binary event stream.
//!
//! ```text
//! length of all u32 | length of headers u32 | CRC u32 | headers | payload | CRC u32
//! header: length of name u8, name | type u8 | value; of a string: length u16, text
//! ```
//!
//! Checksums are left to the client.

pub(super) const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// The longest message that Amazon sends: 16 MiB, and 128 KiB of headers.
const LONGEST: usize = 16 * 1024 * 1024 + 128 * 1024 + PRELUDE + CHECKSUM;

pub(super) enum Length {
    Of(usize),
    Nonsense,
}

/// How long the message is that begins here, once that can be read.
pub(super) fn length(bytes: &[u8]) -> Option<Length> {
    let (length, rest) = number(bytes.get(..PRELUDE)?)?;
    let (headers, _) = number(rest)?;
    let least = headers.saturating_add(PRELUDE + CHECKSUM);
    Some(if (least..=LONGEST).contains(&length) {
        Length::Of(length)
    } else {
        Length::Nonsense
    })
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(*number)).ok()?, rest))
}

/// The headers, and the payload as far as it is here.
pub(super) fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(message)?;
    let (headers, _) = number(rest)?;
    let headers_end = PRELUDE + headers;
    let payload_end = length.checked_sub(CHECKSUM)?.min(message.len());
    let payload = message.get(headers_end..payload_end)?;
    Some((message.get(PRELUDE..headers_end)?, payload))
}

/// The text of a header.
pub(super) fn header<'a>(mut headers: &'a [u8], sought: &str) -> Option<&'a str> {
    loop {
        let name = sized(&mut headers, 1)?;
        let kind = *take(&mut headers, 1).first()?;
        let value = match kind {
            6 | 7 => sized(&mut headers, 2)?,
            _ => take(&mut headers, size(kind)?),
        };
        if name == sought.as_bytes() && kind == 7 {
            return std::str::from_utf8(value).ok();
        }
    }
}

/// How long a value of this type is: `true`, `false`, integers, a time, a UUID.
fn size(kind: u8) -> Option<usize> {
    Some(match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        _ => return None,
    })
}

/// Bytes behind a length of so many bytes.
fn sized<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let length = take(bytes, length);
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let value = take(bytes, length);
    (value.len() == length).then_some(value)
}

/// So many bytes, or as many as there are.
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    taken
}
