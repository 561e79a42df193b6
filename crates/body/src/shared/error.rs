//! Why a reader of a shared body gets no more of it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use buttress_core::{BoxError, Failure, Outcome};

/// The shared body has failed. All readers get the same error, as the source of this one.
#[derive(Debug, Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    pub(crate) fn new(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared call failed")
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// This reader was too far behind the others for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FellBehind {
    max_bytes: usize,
}

impl FellBehind {
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self { max_bytes }
    }

    pub(crate) fn refuse(self) -> BoxError {
        Failure::new(Outcome::FELL_BEHIND, self).into()
    }

    /// How far apart readers may be.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }
}

impl fmt::Display for FellBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_bytes } = self;
        write!(
            f,
            "too far behind the other readers, who may be {max_bytes} bytes ahead"
        )
    }
}

impl Error for FellBehind {}

/// The inner body panicked while it was polled, in the task of another reader.
#[derive(Debug)]
pub(crate) struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared body panicked")
    }
}

impl Error for Panicked {}
