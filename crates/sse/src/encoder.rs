//! Events in, text out.

use std::fmt;
use std::time::Duration;

use crate::error::InvalidField;

/// Writes a stream, event by event.
///
/// What belongs to an event comes before its data: [`data`](Self::data) completes it. Comments and
/// [`retry`](Self::retry) may stand anywhere. `Debug` tells the size, not the contents.
///
/// # Errors
/// A name or an id that would break its line is refused with [`InvalidField`], and nothing is
/// written. Data and comments go over as many lines as they have.
///
/// # Examples
/// ```
/// use buttress_sse::Encoder;
///
/// let mut stream = Encoder::new();
/// stream.comment("keepalive").name("greeting")?.id("7")?.data("Hello,\nworld");
/// assert_eq!(
///     stream.take(),
///     ": keepalive\nevent: greeting\nid: 7\ndata: Hello,\ndata: world\n\n"
/// );
/// # Ok::<(), buttress_sse::InvalidField>(())
/// ```
///
/// # Source
/// WHATWG HTML §9.2.5.
#[derive(Clone, Default)]
pub struct Encoder {
    text: String,
}

impl Encoder {
    /// An encoder that has written nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// Names the event that is being written. Without, or with an empty one, it is a
    /// [`message`](crate::Event::MESSAGE).
    ///
    /// # Errors
    /// [`InvalidField`] if the name holds a line break.
    pub fn name(&mut self, name: &str) -> Result<&mut Self, InvalidField> {
        InvalidField::check("event", name, &['\n', '\r'])?;
        Ok(self.lines("event", name))
    }

    /// Gives the event that is being written, and those after it, an id. An empty one takes it away
    /// again.
    ///
    /// # Errors
    /// [`InvalidField`] if the id holds a line break, or a NUL: clients ignore such an id.
    pub fn id(&mut self, id: &str) -> Result<&mut Self, InvalidField> {
        InvalidField::check("id", id, &['\n', '\r', '\0'])?;
        Ok(self.lines("id", id))
    }

    /// Writes the data, and completes the event. LF, CR and CRLF each begin another line of it; a
    /// client sees them all as LF.
    pub fn data(&mut self, data: &str) -> &mut Self {
        self.lines("data", data);
        self.text.push('\n');
        self
    }

    /// Asks the client to wait so long before it connects again, in whole milliseconds.
    pub fn retry(&mut self, wait: Duration) -> &mut Self {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.lines("retry", &millis.to_string())
    }

    /// Writes a comment, that no client sees, over as many lines as the text has.
    pub fn comment(&mut self, text: &str) -> &mut Self {
        self.lines("", text)
    }

    /// What has been written since it was last taken.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Takes what has been written.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The space belongs to the field: clients drop one, so that text may begin with another.
    fn lines(&mut self, field: &str, text: &str) -> &mut Self {
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (line, next) = split_line(text);
            for part in [field, ": ", line, "\n"] {
                self.text.push_str(part);
            }
            rest = next;
        }
        self
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("len", &self.text.len())
            .finish()
    }
}

/// The first line, and what comes after its end if it has one.
fn split_line(text: &str) -> (&str, Option<&str>) {
    let Some(end) = text.find(['\n', '\r']) else {
        return (text, None);
    };
    let (line, rest) = text.split_at(end);
    (line, rest.strip_prefix("\r\n").or_else(|| rest.get(1..)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Encoder;

    #[test]
    fn data_is_split_at_every_kind_of_line_end() {
        let mut stream = Encoder::new();
        stream.data("a\nb\rc\r\nd\n\re\n");
        let lines = ["a", "b", "c", "d", "", "e", ""].map(|line| format!("data: {line}\n"));
        assert_eq!(stream.as_str(), lines.concat() + "\n");
    }

    #[test]
    fn a_comment_cannot_break_out_of_its_line() {
        let mut stream = Encoder::new();
        stream.comment("a\ndata: b\r\rc");
        assert_eq!(stream.as_str(), ": a\n: data: b\n: \n: c\n");
    }

    #[test]
    fn what_would_break_its_line_is_refused_and_leaves_nothing_behind() {
        let mut stream = Encoder::new();
        let error = stream.name("a\r").map(drop).unwrap_err();
        assert_eq!((error.field(), error.at()), ("event", 1));
        let error = stream.id("ab\0").map(drop).unwrap_err();
        assert_eq!((error.field(), error.at()), ("id", 2));
        assert_eq!(
            error.to_string(),
            "character '\\0' at byte 2 is not allowed in the field `id`"
        );
        assert!(stream.id("\n").is_err());
        assert_eq!(stream.as_str(), "");
    }

    #[test]
    fn an_endless_wait_is_written_as_the_longest() {
        let mut stream = Encoder::new();
        stream
            .retry(Duration::MAX)
            .retry(Duration::from_micros(1_999));
        assert_eq!(stream.take(), "retry: 18446744073709551615\nretry: 1\n");
        assert_eq!(stream.as_str(), "");
    }
}
