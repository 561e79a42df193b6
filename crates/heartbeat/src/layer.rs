//! What the layer is told.

use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

use crate::eager::Eager;
use crate::gate::Gate;
use crate::injector::Form;
use crate::service::HeartbeatSse;
use crate::wants::WantsStream;

/// Keeps streams of events alive through silences, with comments that no client can see.
///
/// What happens: an answer that is a stream of events (`text/event-stream`, uncompressed, with a body) gets a
/// comment whenever nothing has been sent for the interval, at a place where it changes nothing for any
/// client. Its head loses `Content-Length`, digests, `ETag` and `Accept-Ranges`, and gains
/// `X-Accel-Buffering: no`. Every other answer passes as it is, its length included.
///
/// By itself it adds nothing before the inner service has answered. [`eager`](Self::eager) does.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`interval`](Self::interval) | 15 s, at most 18.75 s | half of the shortest common idle limit, 30 s, so that a late one still does; what WHATWG advises |
/// | [`form`](Self::form) | [`Form::Auto`] | the only one that no client at all stumbles over |
/// | [`respect_no_transform`](Self::respect_no_transform) | off | origins of streams say it to keep proxies from compressing |
/// | [`eager`](Self::eager) | off | it spends the status |
///
/// # Clone
/// There is no state to share: clones are alike.
#[derive(Debug, Clone, Copy)]
pub struct HeartbeatSseLayer<M = AfterHead> {
    settings: Settings,
    mode: M,
}

/// The first heartbeat comes after the inner service's head.
#[derive(Debug, Clone, Copy, Default)]
pub struct AfterHead;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) heartbeat: Heartbeat,
    pub(crate) form: Form,
    pub(crate) gate: Gate,
}

/// Whether, and how often, there are heartbeats in an answer.
///
/// In the extensions of a request it overrides the layer's setting for that call.
///
/// ```
/// use buttress_heartbeat::Heartbeat;
/// use std::time::Duration;
///
/// let mut request = http::Request::get("https://api.example/v1/events").body(())?;
/// // This client's proxy cuts after ten seconds.
/// request.extensions_mut().insert(Heartbeat::every(Duration::from_secs(5)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat(pub(crate) Option<Duration>);

impl Heartbeat {
    /// Answers pass as they are, and nothing is committed early.
    pub const OFF: Self = Self(None);

    /// After so long without a byte. Less than a millisecond is one.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self(Some(interval))
    }
}

impl HeartbeatSseLayer {
    /// The default of [`interval`](Self::interval): 15 s.
    pub const INTERVAL: Duration = Duration::from_secs(15);

    /// A heartbeat after 15 s of silence, once the inner service has answered.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            settings: Settings {
                heartbeat: Heartbeat::every(Self::INTERVAL),
                form: Form::Auto,
                gate: Gate {
                    respect_no_transform: false,
                },
            },
            mode: AfterHead,
        }
    }

    /// Also keeps the client's connection alive while the inner service has not answered yet. Default: off.
    ///
    /// If there is no answer `after` so long, and the request wants a stream of events, the head goes out
    /// all the same: `200`, `text/event-stream`, and heartbeats behind it. When the answer comes, its body is
    /// joined on, if it is a stream of events under 200. Otherwise, and if the inner service fails, one event
    /// `error` tells so, and the stream ends. Its data are the JSON of the answer if it has some (up to
    /// 16 KiB, awaited for 1 s), else they say what the failure means, in the shape that the API's clients
    /// expect; see [`profile`](HeartbeatSseLayer::profile).
    ///
    /// `wants` is asked about the head of each request, and answers with a [`WantsStream`] or a `bool`.
    /// [`wants_stream`] knows what browsers and SDKs send; narrow it down to what is
    /// known to take long.
    ///
    /// # What it costs
    /// The status is spent: the client sees 200, whatever comes, and its SDK does not retry by a status any
    /// more. The headers of the answer are lost: request ids, rate limits, cookies. So `after` should be
    /// longer than errors take (5 s to 10 s) and shorter than the idle limit of whatever is in front.
    ///
    /// A browser's `EventSource` stops for good at a 204, or at any other answer that is no stream under 200;
    /// it sees the event here, and the end, and connects again. And that event is named `error`, so it also
    /// reaches `onerror`, where a broken connection does: what sets them apart is that it has `data`.
    ///
    /// An answer of JSON, even one under 200, cannot be told in a stream. So for a `POST` of JSON whose
    /// `Accept` names both types, as MCP's clients send it, [`wants_stream`] leaves it to the body. That of
    /// MCP says nothing, so its calls wait for their heads; answer `true` for those that are known to be
    /// streams.
    ///
    /// A compressed stream could not be joined on. So a request that wants a stream, or may want one, goes on
    /// with `Accept-Encoding: identity` if it came with that header; then its answer is not compressed where
    /// it is no stream, either, but for what stands outside.
    ///
    /// [`wants_stream`]: crate::wants_stream
    ///
    /// A call that wants a stream boxes its inner future; one whose body is to tell has another allocation,
    /// for what it told.
    ///
    /// The inner service gets the body of the request as a [`ScannedBody`](crate::ScannedBody), so it must
    /// take any type of body, as axum's routes and hyper's clients do.
    ///
    /// # Examples
    /// ```
    /// use buttress_heartbeat::{HeartbeatSseLayer, WantsStream, wants_stream};
    /// use std::time::Duration;
    ///
    /// let everywhere = HeartbeatSseLayer::new().eager(Duration::from_secs(10), wants_stream);
    /// let reasoning = HeartbeatSseLayer::new().eager(Duration::from_secs(10), |head| {
    ///     match head.uri.path() {
    ///         "/v1/responses" => wants_stream(head),
    ///         _ => WantsStream::No,
    ///     }
    /// });
    /// # let _ = (everywhere, reasoning);
    /// ```
    #[must_use]
    pub fn eager<W, R>(self, after: Duration, wants: W) -> HeartbeatSseLayer<Eager<W>>
    where
        W: Fn(&Parts) -> R,
        R: Into<WantsStream>,
    {
        HeartbeatSseLayer {
            settings: self.settings,
            mode: Eager::new(after, wants),
        }
    }
}

impl<M> HeartbeatSseLayer<M> {
    /// After how long without a byte a heartbeat is sent. Default: 15 s.
    ///
    /// It may be late by a quarter, and is never early; so it should be less than 0.8 of the shortest idle
    /// limit on the way, and less than half of it where one may get lost. An interval below a millisecond is
    /// one of a millisecond.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.heartbeat = Heartbeat::every(interval);
        self
    }

    /// How a heartbeat is written. Default: [`Form::Auto`].
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.settings.form = form;
        self
    }

    /// Whether an answer with `Cache-Control: no-transform` passes as it is. Default: no.
    ///
    /// RFC 9111 forbids it to intermediaries to change such an answer. The origin of an answer is none, and
    /// those of streams say it to keep proxies from compressing; a strict gateway turns it on.
    #[must_use]
    pub fn respect_no_transform(mut self, respect: bool) -> Self {
        self.settings.gate.respect_no_transform = respect;
        self
    }
}

impl<W> HeartbeatSseLayer<Eager<W>> {
    /// In whose words errors are told behind a head that has gone out, and how the answers of that API are to
    /// be understood. Default: [`Profile::OPENAI`], since most clients read that.
    ///
    /// [`Profile::OPENAI`]: buttress_classify::Profile::OPENAI
    #[must_use]
    pub fn profile(mut self, profile: buttress_classify::Profile) -> Self {
        self.mode.profile = profile;
        self
    }
}

impl Default for HeartbeatSseLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, M: Clone> Layer<S> for HeartbeatSseLayer<M> {
    type Service = HeartbeatSse<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        HeartbeatSse::new(inner, self.settings, self.mode.clone())
    }
}
