//! What all of these bodies do with frames and sizes.

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

/// Shares the chunk where it already is `Bytes`; frames of other kinds stay as they are.
pub(crate) fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

/// The size of a body that begins with so many bytes of ours.
pub(crate) fn before(bytes: u64, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(bytes));
    if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(bytes)) {
        hint.set_upper(upper);
    }
    hint
}
