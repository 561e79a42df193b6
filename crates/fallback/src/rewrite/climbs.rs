//! Paths that lead out of where they were put: pure.

use super::credentials::hex;

/// Whether a segment of a path stands for the one above it, or for itself, in any spelling that some server reads
/// like that (RFC 3986 §6.2.2): escaped, be it more than once, between backslashes, with parameters behind it.
///
/// Where a path goes behind a base, such a one leaves it, and the base may be what separates one customer from
/// another: [`Rewrite::base`](crate::Rewrite::base) refuses it.
///
/// ```
/// use buttress_fallback::climbs;
///
/// assert!(climbs("/v1/%2e%2E/v2") && climbs("/a\\..;x/b"));
/// assert!(!climbs("/v1/models/gpt-4.1"));
/// ```
#[must_use]
pub fn climbs(path: &str) -> bool {
    let plain = unescaped(path);
    let mut segments = plain.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| {
        let name = segment.split(|byte| *byte == b';').next();
        matches!(name, Some(b"." | b".."))
    })
}

/// A path without any escapes, those included that only show when others are gone: `%25%32%65` is `%2e` to who reads it
/// once, and a dot to who does so twice.
fn unescaped(path: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        plain.push(byte);
        while let [before @ .., b'%', high, low] = &*plain {
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                break;
            };
            let start = before.len();
            plain.truncate(start);
            plain.push(high << 4 | low);
        }
    }
    plain
}
