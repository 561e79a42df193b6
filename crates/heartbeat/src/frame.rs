//! What all bodies here do with frames.

use bytes::{Buf, Bytes};
use http_body::Frame;

/// Shares the chunk where it already is `Bytes`, and takes in all of one that lies in several places;
/// frames of other kinds stay as they are.
#[inline]
pub(crate) fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}
