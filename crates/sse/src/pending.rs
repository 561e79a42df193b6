//! The event that is being read.

use crate::error::{Limit, LimitExceeded};
use crate::event::Event;
use crate::line::Bytes;

/// What earlier chunks said about the event that is being read, or what needed to be joined.
#[derive(Default)]
pub(crate) struct Pending {
    name: Vec<u8>,
    /// Each line is followed by a LF, so that a single empty one is something, too.
    data: Vec<u8>,
    /// The buffers have been handed out as an event and are empty from the next one on.
    spent: bool,
}

/// What the present chunk says about it, not copied for as long as that can be avoided.
#[derive(Default)]
pub(crate) struct Lent<'c> {
    name: Option<&'c [u8]>,
    /// The only line of data so far.
    data: Option<&'c [u8]>,
}

impl Pending {
    pub(crate) fn renew(&mut self) {
        if self.spent {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.spent = false;
        self.name.clear();
        self.data.clear();
    }

    pub(crate) fn name<'c>(&mut self, lent: &mut Lent<'c>, value: Bytes<'_, 'c>) {
        match value {
            Bytes::Chunk(name) => lent.name = Some(name),
            // Nothing is lent yet: only the first line of a chunk can have begun in another.
            Bytes::Buffer(name) => replace(&mut self.name, name),
        }
    }

    pub(crate) fn data<'c>(
        &mut self,
        lent: &mut Lent<'c>,
        value: Bytes<'_, 'c>,
        max: usize,
    ) -> Result<(), LimitExceeded> {
        if let Some(first) = lent.data.take() {
            push_line(&mut self.data, first);
        }
        if self.data.len() + value.get().len() > max {
            return Err(LimitExceeded::new(Limit::Event, max));
        }
        match value {
            Bytes::Chunk(line) if self.data.is_empty() => lent.data = Some(line),
            line => push_line(&mut self.data, line.get()),
        }
        Ok(())
    }

    /// Keeps what the chunk has lent beyond the chunk's end.
    pub(crate) fn keep(&mut self, lent: &Lent<'_>) {
        if let Some(name) = lent.name {
            replace(&mut self.name, name);
        }
        if let Some(line) = lent.data {
            push_line(&mut self.data, line);
        }
    }

    pub(crate) fn has_data(&self, lent: &Lent<'_>) -> bool {
        lent.data.is_some() || !self.data.is_empty()
    }

    /// The event, once it is known to have data.
    pub(crate) fn event<'e, 'c: 'e>(&'e mut self, lent: &Lent<'c>, id: &'e str) -> Event<'e> {
        self.spent = true;
        let kept = self.data.split_last().map_or(&[][..], |(_lf, data)| data);
        let name = lent.name.unwrap_or(&self.name);
        Event::new(name, lent.data.unwrap_or(kept), id)
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }
}

fn replace(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

fn push_line(buffer: &mut Vec<u8>, line: &[u8]) {
    buffer.extend_from_slice(line);
    buffer.push(b'\n');
}
