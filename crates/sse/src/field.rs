//! What a line says.

/// Which field a line sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    Data,
    Event,
    Id,
    Retry,
    /// A comment, or a field that nobody knows.
    Other,
}

impl Field {
    /// The field that a line sets, and where in the line its value begins.
    ///
    /// Names are matched whole and by case. A line without a colon is a name without a value; of the
    /// spaces behind the colon one is dropped.
    pub(crate) fn of(line: &[u8]) -> (Self, usize) {
        let (field, rest) = match line {
            [b'd', b'a', b't', b'a', rest @ ..] => (Self::Data, rest),
            [b'e', b'v', b'e', b'n', b't', rest @ ..] => (Self::Event, rest),
            [b'i', b'd', rest @ ..] => (Self::Id, rest),
            [b'r', b'e', b't', b'r', b'y', rest @ ..] => (Self::Retry, rest),
            _ => return (Self::Other, line.len()),
        };
        match rest {
            [] => (field, line.len()),
            [b':', b' ', value @ ..] | [b':', value @ ..] => (field, line.len() - value.len()),
            _ => (Self::Other, line.len()),
        }
    }
}
