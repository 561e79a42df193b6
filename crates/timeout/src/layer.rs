//! What the layer is told.

use std::fmt;
use std::time::Duration;

use buttress_classify::Profile;
use tower_layer::Layer;

use crate::limits::{Limits, OFF, or_off};
use crate::service::StreamTimeout;

/// Ends calls and streams that wait for too long.
///
/// What happens, in order: the call goes out. Whenever it has to wait, for its head or for the next frame
/// of its body, a timer is there; where nothing waits there is none. What has arrived is handed on before
/// anybody looks at the time, up to 256 frames of it. A limit that has elapsed ends the call with an error, or the body with
/// an error and then `None`, and what stood inside is dropped at once, which cancels the upstream's work.
///
/// ```text
///  call            head          first frame      frame   frame            end
///    |---------------|----------------|-------------|-------|---- … --------|
///    |<--------- first_frame -------->|<-- idle --->|<idle->|<- … -->|
///    |                                |<-- progress: between frames with content
///    |<------------------------------- total ------------------------------->|
/// ```
///
/// Each limit is a `Duration`, or `None`: off. The call is taken to begin with its first wait: one that is
/// answered at once reads no clock, and counts from where its body makes somebody wait.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`first_frame`](Self::first_frame) | 300 s | a model may think for minutes before it says anything |
/// | [`idle`](Self::idle) | 180 s | several times the interval of every provider's pings |
/// | [`progress`](Self::progress) | off | a model that thinks in silence is a healthy one |
/// | [`total`](Self::total) | 600 s | what the official SDKs wait |
///
/// # Clone
/// There is no state to share: clones are alike.
#[derive(Clone, Copy)]
pub struct StreamTimeoutLayer {
    settings: Settings,
}

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// The names of events that are no progress.
    pub(crate) pings: &'static [&'static str],
}

const DEFAULT: Limits = Limits {
    first_frame: Duration::from_secs(300),
    idle: Duration::from_secs(180),
    progress: OFF,
    total: Duration::from_secs(600),
};

impl StreamTimeoutLayer {
    /// For any upstream: of an event stream, every event with data is progress.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            settings: Settings {
                limits: DEFAULT,
                pings: &[],
            },
        }
    }

    /// For an LLM API, whose [pings](Profile::pings) are no progress.
    #[must_use]
    pub const fn llm(profile: Profile) -> Self {
        let mut layer = Self::new();
        layer.settings.pings = profile.pings();
        layer
    }

    /// How long the first byte of the body may take, counted from the call: the wait for the head is a
    /// part of it. Default: 300 s.
    ///
    /// Until then neither [`idle`](Self::idle) nor [`progress`](Self::progress) count. Off, they count
    /// from the head on, and the wait for the head has no limit but [`total`](Self::total).
    #[must_use]
    pub fn first_frame(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.first_frame = or_off(limit);
        self
    }

    /// How long the body may give no bytes, once it has given its first. Default: 180 s.
    ///
    /// Any bytes count, comments and pings included; an empty frame is none. It may be a quarter of its
    /// length late, and is never early. The time in which nobody asks for the next frame does not count.
    #[must_use]
    pub fn idle(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle = or_off(limit);
        self
    }

    /// How long the body may give no content, once it has given its first byte. Default: off.
    ///
    /// Of an event stream, only events with data are content, and the profile's pings are not; comments,
    /// and comments that something on the way has wrapped into an event (`data: : keepalive`), never are.
    /// Of all else, a compressed stream included, any bytes are. Longer than [`idle`](Self::idle), or
    /// that comes first. As late as that one, and as patient with a slow reader.
    #[must_use]
    pub fn progress(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.progress = or_off(limit);
        self
    }

    /// How long the whole call may take, to the end of its body. Default: 600 s.
    ///
    /// It also ends what the other limits leave alone: a stream whose reader is away for long. A reader
    /// that comes back gets what has arrived, up to 256 frames of it, and then the error. So does that of a
    /// stream which always has more; of one that has never made anybody wait it counts from the 256th frame.
    #[must_use]
    pub fn total(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.total = or_off(limit);
        self
    }
}

impl<S> Layer<S> for StreamTimeoutLayer {
    type Service = StreamTimeout<S>;

    fn layer(&self, inner: S) -> StreamTimeout<S> {
        StreamTimeout::new(inner, self.settings)
    }
}

impl Default for StreamTimeoutLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StreamTimeoutLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamTimeoutLayer")
            .field(&self.settings)
            .finish()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, pings } = self;
        let on = |limit| Some(limit).filter(|limit| *limit != OFF);
        f.debug_struct("Settings")
            .field("first_frame", &on(limits.first_frame))
            .field("idle", &on(limits.idle))
            .field("progress", &on(limits.progress))
            .field("total", &on(limits.total))
            .field("pings", pings)
            .finish()
    }
}
