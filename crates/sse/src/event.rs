//! An event, as a client sees it.

use std::borrow::Cow;
use std::fmt;

/// An event of a stream, lent by the chunk or by the parser that it was read from.
///
/// Text is decoded when it is asked for, so that looking at the bytes costs nothing: bytes that are
/// no UTF-8 come out as U+FFFD, as in every browser. `Debug` tells sizes, not contents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    name: &'a [u8],
    data: &'a [u8],
    id: &'a str,
}

impl<'a> Event<'a> {
    /// The name of an event that was given none.
    pub const MESSAGE: &'static str = "message";

    pub(crate) const fn new(name: &'a [u8], data: &'a [u8], id: &'a str) -> Self {
        let name = if name.is_empty() {
            Self::MESSAGE.as_bytes()
        } else {
            name
        };
        Self { name, data, id }
    }

    /// What the `event` field says: the event's type. [`MESSAGE`](Self::MESSAGE) without one.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    /// The [name](Self::name) as it came.
    #[must_use]
    pub const fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// What the `data` fields say, joined by LF. Allocates only for bytes that are no UTF-8.
    #[must_use]
    pub fn data(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.data)
    }

    /// The [data](Self::data) as they came.
    #[must_use]
    pub const fn data_bytes(&self) -> &'a [u8] {
        self.data
    }

    /// The last id that the stream gave, with this event or an earlier one. Empty: none.
    #[must_use]
    pub const fn id(&self) -> &'a str {
        self.id
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name.len())
            .field("data", &self.data.len())
            .field("id", &self.id.len())
            .finish()
    }
}
