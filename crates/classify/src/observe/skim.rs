//! What is looked for after the first content, and passing over all that does not have it.

use buttress_sse::Event;
use memchr::{memchr, memchr2, memmem};

use super::scan::lacks;

/// What can be passed over without being read: a filter in front of [`Says::read`], which never
/// passes over an event that would settle anything.
///
/// Most events after the first content carry some more of it. They are recognised by what they do not
/// hold, in one pass over their bytes: no second line, and none of a few pairs of letters, without
/// which there is no error and no ending. Text that has such a pair ("current") is looked at again.
///
/// [`Says::read`]: super::event::Says::read
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skim {
    /// Nothing is passed over.
    ReadAll,
    /// Nothing that may come matters.
    PassAll,
    /// Ends with `[DONE]`, which is no object.
    Chat,
    /// As before, and may say `"finish_reason": "abort"`.
    AbortingChat,
    /// Ends after a `finishReason` or a `blockReason`.
    Candidates,
    /// As before, after it: only an error matters.
    Finished,
    /// Ends with an event of some type that is no `…delta`.
    Typed,
}

impl Skim {
    /// Of a body in which only its first content matters.
    pub(super) const fn after(content: bool) -> Self {
        if content {
            Self::PassAll
        } else {
            Self::ReadAll
        }
    }

    /// Whether this frame can be passed over, that begins where no event is open: it is one whole
    /// event, or nothing matters.
    #[inline]
    pub(super) fn passes(self, frame: &[u8]) -> bool {
        match self {
            Self::ReadAll => false,
            Self::PassAll => true,
            Self::Chat | Self::Finished => object(frame).is_some_and(lacks_error),
            Self::AbortingChat => object(frame).is_some_and(lacks_error_and_abort),
            Self::Candidates => object(frame).is_some_and(lacks_error_and_reason),
            Self::Typed => passes_typed(frame),
        }
    }

    /// The same for the first events of a frame that holds several; takes them off.
    pub(super) fn pass_over(self, frame: &mut &[u8]) {
        if self == Self::ReadAll {
            return;
        }
        while let Some(end) = end_of_event(frame) {
            let (event, rest) = frame.split_at(end);
            if !self.passes(event) {
                return;
            }
            *frame = rest;
        }
    }

    /// The same, more closely, for an event that has been parsed.
    pub(super) fn passes_event(self, event: &Event<'_>) -> bool {
        let data = event.data_bytes();
        let lacks = |needle| memmem::find(data, needle).is_none();
        match self {
            Self::ReadAll => return false,
            Self::PassAll => return true,
            Self::Chat | Self::Finished => {}
            Self::AbortingChat if lacks(b"\"abort\"") => {}
            Self::Candidates if lacks(b"Reason\"") => {}
            Self::Typed if is_delta(data) => {}
            Self::AbortingChat | Self::Candidates | Self::Typed => return false,
        }
        event.name_bytes() != b"error" && data.starts_with(b"{") && lacks(b"\"error\"")
    }
}

/// The line of the only event of a frame, if its data are an object.
#[inline]
fn object(frame: &[u8]) -> Option<&[u8]> {
    let line = without_end(frame)?;
    line.starts_with(b"data: {").then_some(line)
}

#[inline(never)]
fn passes_typed(frame: &[u8]) -> bool {
    let Some(event) = without_end(frame) else {
        return false;
    };
    let data = without_name(event).and_then(|event| event.strip_prefix(b"data: "));
    data.is_some_and(|data| is_delta(data) && lacks_error(data))
}

/// What follows the name of an event, if it is none of an error; first tried are the names that most
/// events have.
fn without_name(event: &[u8]) -> Option<&[u8]> {
    let named = event.strip_prefix(b"event: content_block_delta\n");
    let named = named.or_else(|| event.strip_prefix(b"event: response.output_text.delta\n"));
    if named.is_some() {
        return named;
    }
    let Some(named) = event.strip_prefix(b"event: ") else {
        return Some(event);
    };
    let (name, data) = named.split_at(memchr2(b'\n', b'\r', named)?);
    let data = data
        .strip_prefix(b"\n")
        .or_else(|| data.strip_prefix(b"\r\n"));
    data.filter(|_| name != b"error")
}

/// Whether an object begins with a type that ends in `delta`.
fn is_delta(object: &[u8]) -> bool {
    let Some(kind) = object.strip_prefix(b"{\"type\":\"") else {
        return false;
    };
    let usual = kind.starts_with(b"content_block_delta\"")
        || kind.starts_with(b"response.output_text.delta\"");
    let end = || memchr(b'"', kind);
    usual || end().is_some_and(|end| kind[..end].ends_with(b"delta"))
}

#[inline]
fn without_end(frame: &[u8]) -> Option<&[u8]> {
    let event = frame.strip_suffix(b"\n\n");
    event.or_else(|| frame.strip_suffix(b"\r\n\r\n"))
}

/// The end of the blank line after the first event.
fn end_of_event(frame: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr(b'\n', &frame[at..])? + 1;
        match frame[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

// A pair of letters of each needle, that is rare in text. Each is a function of its own, so that what
// they are made of by the compiler does not depend on where they are used.
const ERROR: [u8; 2] = *b"rr";
const ABORT: [u8; 2] = *b"bo";
const REASON: [u8; 2] = *b"Re";

#[inline(never)]
fn lacks_error(line: &[u8]) -> bool {
    lacks([ERROR], line)
}

#[inline(never)]
fn lacks_error_and_abort(line: &[u8]) -> bool {
    lacks([ERROR, ABORT], line)
}

#[inline(never)]
fn lacks_error_and_reason(line: &[u8]) -> bool {
    lacks([ERROR, REASON], line)
}
