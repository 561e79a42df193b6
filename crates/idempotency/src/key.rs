//! Reading the header that holds a key.

use std::borrow::Cow;

use buttress_core::IdempotencyKey;

use crate::error::MalformedKey;

/// The key that a header value holds: what is between its quotes, or, unless `strict`, a bare key.
pub(crate) fn parse(value: &[u8], strict: bool) -> Result<Cow<'_, [u8]>, MalformedKey> {
    IdempotencyKey::read(value, strict).or(Err(MalformedKey))
}
