//! An event that is too long to be read.

/// Skips to the end of an event, keeping nothing of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooLong {
    in_line: bool,
    after_cr: bool,
}

impl TooLong {
    /// An event that has been read up to here.
    pub(super) fn after(read: &[u8]) -> Self {
        let last = read.last();
        Self {
            in_line: last.is_some_and(|byte| !matches!(byte, b'\n' | b'\r')),
            after_cr: last == Some(&b'\r'),
        }
    }

    /// Whether the event ends here; takes what belongs to it off the frame.
    pub(super) fn ends(&mut self, frame: &mut &[u8]) -> bool {
        while let Some((&byte, rest)) = frame.split_first() {
            *frame = rest;
            let ends_line = matches!(byte, b'\n' | b'\r');
            let of_the_cr = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            if of_the_cr {
                continue;
            }
            if ends_line && !self.in_line {
                return true;
            }
            self.in_line = !ends_line;
        }
        false
    }
}
