//! What all bodies here do with data.

use std::any::Any;

use bytes::{Buf, Bytes};

/// Hands on the chunk that already is `Bytes`, and takes in all of one that lies in several places.
///
/// `copy_to_bytes` would share such a chunk, too, but for some forty instructions: it is a call into another
/// crate, and leaves an empty chunk behind that has to be dropped.
#[inline]
pub(crate) fn into_bytes<D: Buf + 'static>(data: D) -> Bytes {
    let mut data = Some(data);
    let bytes = (&mut data as &mut dyn Any).downcast_mut::<Option<Bytes>>();
    match (bytes.and_then(Option::take), data) {
        (Some(bytes), _) => bytes,
        (None, Some(mut data)) => data.copy_to_bytes(data.remaining()),
        (None, None) => Bytes::new(),
    }
}
