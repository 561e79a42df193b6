//! Whether a body gets on, or only lives.

use std::io::IoSlice;
use std::time::Duration;

use buttress_timer::Quiet;
use bytes::Buf;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::limits::OFF;
use crate::scan::Scan;

/// How long a body has had no content.
pub(crate) struct Progress {
    quiet: Quiet,
    /// Of what cannot be read, any bytes are content.
    scan: Option<Scan>,
}

/// How content is told from signs of life, and how long there may be none.
#[derive(Clone, Copy)]
pub(crate) struct Content {
    limit: Duration,
    pings: &'static [&'static str],
}

impl Content {
    pub(crate) const fn new(limit: Duration, pings: &'static [&'static str]) -> Self {
        Self { limit, pings }
    }

    /// For a body with this head; `None` if nobody asks. One allocation.
    #[inline]
    pub(crate) fn progress(&self, headers: &HeaderMap) -> Option<Box<Progress>> {
        (self.limit != OFF).then(|| {
            Box::new(Progress {
                quiet: Quiet::new(self.limit),
                scan: is_event_stream(headers).then(|| Scan::new(self.pings)),
            })
        })
    }
}

impl Progress {
    pub(crate) const fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    pub(crate) const fn quiet_mut(&mut self) -> &mut Quiet {
        &mut self.quiet
    }

    /// Data has come that is not empty.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        match &mut self.scan {
            None => self.quiet.touch(),
            // There is nothing more to find until the next look, and nothing is left open.
            Some(scan) if self.quiet.is_touched() && ends_event(data) => scan.skip_to_event(),
            Some(_) => self.scan(data),
        }
    }

    #[inline(never)]
    fn scan(&mut self, data: &impl Buf) {
        let Some(scan) = &mut self.scan else {
            return;
        };
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let slices = match data.chunk() {
            chunk if chunk.len() == data.remaining() => {
                slices[0] = IoSlice::new(chunk);
                &slices[..1]
            }
            _ => {
                let filled = data.chunks_vectored(&mut slices);
                &slices[..filled]
            }
        };
        let mut seen = 0;
        for slice in slices {
            seen += slice.len();
            if scan.has_content(slice) {
                self.quiet.touch();
            }
        }
        if seen < data.remaining() {
            // It does not show all it has: the benefit of the doubt.
            scan.skip_to_line();
            self.quiet.touch();
        }
    }
}

/// Of how many pieces a frame may be to be read whole.
const MAX_SLICES: usize = 16;

/// Whether a blank line ends it, whatever came before.
#[inline]
fn ends_event(data: &impl Buf) -> bool {
    let chunk = data.chunk();
    let is_all = chunk.len() == data.remaining();
    is_all && (chunk.ends_with(b"\n\n") || chunk.ends_with(b"\n\r\n"))
}

/// Whether the body is server-sent events, as they were written.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let is_events = |value: &[u8]| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
    };
    let kind = headers.get(CONTENT_TYPE);
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    kind.is_some_and(|kind| is_events(kind.as_bytes()))
        && codings.all(|coding| {
            coding
                .as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(b"identity")
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{Buf, Progress, Quiet, Scan};

    fn touched() -> Progress {
        let mut quiet = Quiet::new(Duration::MAX);
        quiet.touch();
        let scan = Some(Scan::new(&["ping"]));
        Progress { quiet, scan }
    }

    /// Whether there is content in what follows.
    fn finds(mut progress: Progress, next: &'static str) -> bool {
        progress.quiet = Quiet::new(Duration::MAX);
        progress.data(&Bytes::from(next));
        progress.quiet.is_touched()
    }

    #[test]
    fn what_is_passed_over_leaves_no_event_open() {
        for whole in ["data: x\n\n", "event: ping\ndata: x\r\n\r\n", "\n\n"] {
            let mut progress = touched();
            progress.data(&Bytes::from("event: ping\n"));
            progress.data(&Bytes::from(whole));
            assert!(finds(progress, "data: x\n"), "{whole:?}");
        }
    }

    #[test]
    fn an_event_that_begins_behind_the_first_piece_of_a_frame_stays_open() {
        let mut progress = touched();
        progress.data(&Bytes::from("data: x\n\n").chain(Bytes::from("event: ping\nda")));
        assert!(!finds(progress, "ta: x\n\n"));
        let mut progress = touched();
        progress.data(&Bytes::from("data: x\n\n").chain(Bytes::from("event: delta\nda")));
        assert!(finds(progress, "ta: x\n\n"));
    }

    /// Shows its first piece, and never says that there is another.
    struct Shy(&'static [u8], usize);

    impl Buf for Shy {
        fn remaining(&self) -> usize {
            self.0.len() + self.1
        }
        fn chunk(&self) -> &[u8] {
            self.0
        }
        fn advance(&mut self, _: usize) {}
    }

    #[test]
    fn what_cannot_be_seen_has_the_benefit_of_the_doubt() {
        let mut progress = touched();
        progress.quiet = Quiet::new(Duration::MAX);
        progress.data(&Shy(b": comment\n", 7));
        assert!(progress.quiet.is_touched());
        assert!(!finds(
            progress,
            "data: the rest of a line, for all we know\n"
        ));
    }
}
