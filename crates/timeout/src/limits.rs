//! The four limits.

use std::time::Duration;

/// Other limits for one call, in the extensions of its request.
///
/// What is not set here stays as the layer has it. A limit is a `Duration`, or `None`: off.
///
/// ```
/// use buttress_timeout::StreamLimits;
/// use std::time::Duration;
///
/// let mut request = http::Request::post("https://api.example/v1/responses").body(())?;
/// // This model thinks for very long, and nobody shall cut it off.
/// let patient = StreamLimits::new().first_frame(Duration::from_secs(1_800)).total(None);
/// request.extensions_mut().insert(patient);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamLimits {
    first_frame: Option<Duration>,
    idle: Option<Duration>,
    progress: Option<Duration>,
    total: Option<Duration>,
}

/// What the layer keeps to. A limit that is off is one that the clock cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) first_frame: Duration,
    pub(crate) idle: Duration,
    pub(crate) progress: Duration,
    pub(crate) total: Duration,
}

/// No limit.
pub(crate) const OFF: Duration = Duration::MAX;

pub(crate) fn or_off(limit: impl Into<Option<Duration>>) -> Duration {
    limit.into().unwrap_or(OFF)
}

impl StreamLimits {
    /// The limits of the layer, all of them.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_frame: None,
            idle: None,
            progress: None,
            total: None,
        }
    }

    /// As [`StreamTimeoutLayer::first_frame`](crate::StreamTimeoutLayer::first_frame).
    #[must_use]
    pub fn first_frame(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.first_frame = Some(or_off(limit));
        self
    }

    /// As [`StreamTimeoutLayer::idle`](crate::StreamTimeoutLayer::idle).
    #[must_use]
    pub fn idle(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle = Some(or_off(limit));
        self
    }

    /// As [`StreamTimeoutLayer::progress`](crate::StreamTimeoutLayer::progress).
    #[must_use]
    pub fn progress(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.progress = Some(or_off(limit));
        self
    }

    /// As [`StreamTimeoutLayer::total`](crate::StreamTimeoutLayer::total).
    #[must_use]
    pub fn total(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total = Some(or_off(limit));
        self
    }
}

impl Limits {
    pub(crate) const NONE: Self = Self {
        first_frame: OFF,
        idle: OFF,
        progress: OFF,
        total: OFF,
    };

    /// These, but for what a call has of its own.
    #[cold]
    pub(crate) fn overridden(self, own: &StreamLimits) -> Self {
        Self {
            first_frame: own.first_frame.unwrap_or(self.first_frame),
            idle: own.idle.unwrap_or(self.idle),
            progress: own.progress.unwrap_or(self.progress),
            total: own.total.unwrap_or(self.total),
        }
    }
}
