//! What the layer is told.

use std::time::Duration;

use buttress_classify::Profile;
use tower_layer::Layer;

use crate::service::Judge;

/// Looks into answers, so that the layers outside of it can act on what they say.
///
/// What happens, in order: the call goes out. An *error answer* is read, up to a limit, and judged by its
/// body. An *event stream* (or a gRPC answer), if [`hold_until_content`](Self::hold_until_content) is on, is
/// held back until its first content, or until it has proved to be a failure: it ended, died, or carried
/// an error event before that. Either way the answer is then handed on whole, what was read first. The
/// [`Outcome`] of a failure is left in the extensions of the response, where retry, fallback and circuit
/// breaker find it. A success goes through untouched.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`peek_errors`](Self::peek_errors) | 16 KiB within 1 s | an error's own words are short |
/// | [`hold_until_content`](Self::hold_until_content) | off, in [`llm`](Self::llm) 64 KiB within 5 s | pings and role-only deltas are short, too |
///
/// # Clone
/// There is no state to share: clones are alike.
///
/// [`Outcome`]: buttress_core::Outcome
#[derive(Debug, Clone, Copy)]
pub struct JudgeLayer {
    settings: Settings,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) errors: Limit,
    pub(crate) hold: Hold,
}

/// How much of a body is read ahead, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) max_bytes: u64,
    pub(crate) max_wait: Duration,
}

/// Whether, and for how long, an event stream is held back until its first content.
///
/// In the extensions of a request it overrides the layer's setting for that call.
///
/// ```
/// use buttress_judge::Hold;
/// use std::time::Duration;
///
/// let mut request = http::Request::post("https://api.example/v1/messages").body(())?;
/// // This model thinks for long before it says anything.
/// request.extensions_mut().insert(Hold::until_content(64 * 1024, Duration::from_secs(30)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold(pub(crate) Option<Limit>);

impl Hold {
    /// Streams go through at once.
    pub const OFF: Self = Self(None);

    /// Streams are held back until their first content, but for no more than so many bytes, and for no
    /// longer than that.
    #[must_use]
    pub const fn until_content(max_bytes: u64, max_wait: Duration) -> Self {
        Self(Some(Limit {
            max_bytes,
            max_wait,
        }))
    }
}

const ERRORS: Limit = Limit {
    max_bytes: 16 * 1024,
    max_wait: Duration::from_secs(1),
};
const LLM_HOLD: Hold = Hold::until_content(64 * 1024, Duration::from_secs(5));

impl JudgeLayer {
    /// Reads error answers; streams go through at once.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self {
            settings: Settings {
                profile,
                errors: ERRORS,
                hold: Hold::OFF,
            },
        }
    }

    /// For calls to LLM APIs: also holds streams back until their first content.
    #[must_use]
    pub const fn llm(profile: Profile) -> Self {
        let mut layer = Self::new(profile);
        layer.settings.hold = LLM_HOLD;
        layer
    }

    /// How much of an error answer is read before it is handed on. Default: 16 KiB within 1 s.
    ///
    /// More bytes than 16 KiB are read but not looked at. A frame counts for at least 64 bytes.
    #[must_use]
    pub const fn peek_errors(mut self, max_bytes: u64, max_wait: Duration) -> Self {
        self.settings.errors = Limit {
            max_bytes,
            max_wait,
        };
        self
    }

    /// Holds event streams back until their first content: for no more than `max_bytes`, and for no longer
    /// than `max_wait` after the head. Default: off, but 64 KiB within 5 s in [`llm`](Self::llm).
    ///
    /// A frame counts for at least 64 bytes. Until the content the caller has seen nothing, so that an outer layer can still try again or elsewhere;
    /// after it the stream is committed. A longer wait suits models that think for long, where something
    /// outside keeps the client's connection alive.
    #[must_use]
    pub const fn hold_until_content(mut self, max_bytes: u64, max_wait: Duration) -> Self {
        self.settings.hold = Hold::until_content(max_bytes, max_wait);
        self
    }
}

impl<S> Layer<S> for JudgeLayer {
    type Service = Judge<S>;

    fn layer(&self, inner: S) -> Judge<S> {
        Judge::new(inner, self.settings)
    }
}
