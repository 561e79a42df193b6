//! Whether a body gets on, or only lives.

use std::io::IoSlice;

use buttress_timer::Quiet;
use bytes::Buf;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::layer::Settings;
use crate::limits::OFF;
use crate::scan::Scan;

/// How long a body has had no content.
pub(crate) struct Progress {
    quiet: Quiet,
    /// Of what cannot be read, any bytes are content.
    scan: Option<Scan>,
}

impl Progress {
    /// For a body with this head; `None` if nobody asks. One allocation.
    #[inline]
    pub(crate) fn new(settings: &Settings, headers: &HeaderMap) -> Option<Box<Self>> {
        let limit = settings.limits.progress;
        (limit != OFF).then(|| {
            Box::new(Self {
                quiet: Quiet::new(limit),
                scan: is_event_stream(headers).then(|| Scan::new(settings.pings)),
            })
        })
    }

    pub(crate) const fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    pub(crate) const fn quiet_mut(&mut self) -> &mut Quiet {
        &mut self.quiet
    }

    /// Data has come that is not empty.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        let chunk = data.chunk();
        match &mut self.scan {
            None => self.quiet.touch(),
            // There is nothing more to find until the next look, and nothing is left open.
            Some(scan) if self.quiet.is_touched() && ends_event(chunk) => scan.skip_to_event(),
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
fn ends_event(chunk: &[u8]) -> bool {
    chunk.ends_with(b"\n\n") || chunk.ends_with(b"\n\r\n")
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
