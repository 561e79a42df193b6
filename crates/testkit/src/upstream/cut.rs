use std::{error::Error, fmt, io};

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing more comes, for ever; the connection stays.
    Stall,
    /// HTTP/1.1: the connection is reset (RST). HTTP/2: this stream is (`RST_STREAM`, `INTERNAL_ERROR`).
    Reset,
    /// As `Reset`, but on HTTP/2 with `REFUSED_STREAM`, which proves that nothing was processed.
    Refuse,
    /// The connection is reset (RST), whatever runs on it.
    Abort,
    /// The connection is closed cleanly (FIN), without a last chunk.
    Close,
}

/// What the in-memory service reports, and what tells hyper and the socket what to do.
#[derive(Debug)]
pub(super) struct CutError {
    cut: Cut,
    reason: Option<h2::Error>,
}

impl Cut {
    /// The error of a request that ends this way: what a client would make of it.
    pub(super) fn into_error(self) -> io::Error {
        let kind = match self {
            Self::Stall => io::ErrorKind::TimedOut,
            Self::Reset | Self::Refuse | Self::Abort => io::ErrorKind::ConnectionReset,
            Self::Close => io::ErrorKind::UnexpectedEof,
        };
        let reason = (self == Self::Refuse).then(|| h2::Reason::REFUSED_STREAM.into());
        io::Error::new(kind, CutError { cut: self, reason })
    }

    /// Reads it back out of [`into_error`](Self::into_error)'s error.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        Some(error.get_ref()?.downcast_ref::<CutError>()?.cut)
    }
}

impl fmt::Display for CutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cut {
            Cut::Stall => "stalled by script",
            Cut::Reset => "connection reset by script",
            Cut::Refuse => "stream refused by script",
            Cut::Abort => "connection aborted by script",
            Cut::Close => "connection closed by script before the answer was complete",
        })
    }
}

impl Error for CutError {
    // hyper looks here for the reason of its RST_STREAM.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.as_ref().map(|reason| reason as _)
    }
}
