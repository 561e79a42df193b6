//! The flags about streams: how long they may stand still, and what keeps them alive.

use std::fmt;
use std::time::Duration;

use buttress::classify::Profile;
use buttress::heartbeat::{Eager, Heartbeat, HeartbeatSseLayer, WantsStream, wants_stream};
use buttress::timeout::StreamTimeoutLayer;
use http::request::Parts;

use crate::limit::Limit;

/// The flags; what was not given has a default that depends on the upstream.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StreamArgs {
    /// How long the first byte of an answer may take, from the call on; then the call is tried again
    /// [default: 300s; of the scripted upstream 1s]
    #[arg(long, value_name = "D|off")]
    first_frame: Option<Limit>,

    /// How long an answer may stand still between two bytes; it may take a quarter longer, as may each
    /// of these [default: 180s; of the scripted upstream 2s]
    #[arg(long, value_name = "D|off")]
    idle: Option<Limit>,

    /// How long a stream may go on without content, whatever else it sends; models may think in silence
    #[arg(long, value_name = "D|off", default_value = "off")]
    progress: Limit,

    /// How long a call may take, to the last byte of its answer
    #[arg(long, value_name = "D|off", default_value = "600s")]
    total: Limit,

    /// After how long a silence a comment is sent, which no client sees and which keeps proxies from
    /// cutting a stream [default: 15s; of the scripted upstream 400ms]
    #[arg(long, value_name = "D|off")]
    heartbeat: Option<Limit>,

    /// After how long without any answer such comments begin, for who asks for a stream; a failure then
    /// comes as an event of the stream, under status 200
    #[arg(long, value_name = "D|off", default_value = "off")]
    heartbeat_eager: Limit,
}

/// What the flags come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    profile: Profile,
    first_frame: Limit,
    idle: Limit,
    progress: Limit,
    total: Limit,
    heartbeat: Limit,
    eager: Limit,
}

/// Whether a request wants a stream whose head may go out early.
pub(crate) type Wants = fn(&Parts) -> WantsStream;

struct Defaults {
    first_frame: Limit,
    idle: Limit,
    heartbeat: Limit,
}

/// The layers' own.
const REAL: Defaults = Defaults {
    first_frame: Limit::millis(300_000),
    idle: Limit::millis(180_000),
    heartbeat: Limit::millis(15_000),
};

/// Nobody watches a demonstration for three minutes.
const SCRIPTED: Defaults = Defaults {
    first_frame: Limit::millis(1_000),
    idle: Limit::millis(2_000),
    heartbeat: Limit::millis(400),
};

impl StreamArgs {
    /// What no single flag can know.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.heartbeat, self.heartbeat_eager) {
            (Some(Limit(None)), Limit(Some(eager))) => Err(format!(
                "--heartbeat-eager {eager:?} is when they begin, and --heartbeat off is none"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn settle(&self, profile: Profile, scripted: bool) -> Streams {
        let defaults = if scripted { SCRIPTED } else { REAL };
        Streams {
            profile,
            first_frame: self.first_frame.unwrap_or(defaults.first_frame),
            idle: self.idle.unwrap_or(defaults.idle),
            progress: self.progress,
            total: self.total,
            heartbeat: self.heartbeat.unwrap_or(defaults.heartbeat),
            eager: self.heartbeat_eager,
        }
    }
}

impl Streams {
    /// The limits.
    pub(crate) fn timeout(&self) -> StreamTimeoutLayer {
        StreamTimeoutLayer::llm(self.profile)
            .first_frame(self.first_frame.0)
            .idle(self.idle.0)
            .progress(self.progress.0)
            .total(self.total.0)
    }

    /// The heartbeats, on or off.
    pub(crate) fn heartbeat(&self) -> HeartbeatSseLayer<Eager<Wants>> {
        let Limit(eager) = self.eager;
        let wants: Wants = match eager {
            Some(_) => wants_stream,
            None => |_| WantsStream::No,
        };
        HeartbeatSseLayer::new()
            .eager(eager.unwrap_or(Duration::MAX), wants)
            .profile(self.profile)
    }

    /// How often they come, for the extensions of a request.
    pub(crate) fn heartbeats(&self) -> Heartbeat {
        self.heartbeat.0.map_or(Heartbeat::OFF, Heartbeat::every)
    }
}

/// For the log.
impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            profile: _,
            first_frame,
            idle,
            progress,
            total,
            heartbeat,
            eager,
        } = self;
        write!(
            f,
            "first frame {first_frame}, idle {idle}, progress {progress}, total {total}; \
             heartbeat {heartbeat}, eager {eager}"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Args;

    fn settled(flags: &[&str]) -> String {
        let line = [&["gateway"], flags].concat();
        Args::try_parse_from(line).unwrap().streams().to_string()
    }

    #[test]
    fn a_real_upstream_gets_the_layers_own_limits() {
        let upstream = ["--upstream", "http://x"];
        assert_eq!(
            settled(&upstream),
            "first frame 300s, idle 180s, progress off, total 600s; heartbeat 15s, eager off"
        );
    }

    #[test]
    fn the_scripted_one_gets_short_ones_unless_told() {
        assert_eq!(
            settled(&[]),
            "first frame 1s, idle 2s, progress off, total 600s; heartbeat 400ms, eager off"
        );
        let told = ["--first-frame", "off", "--idle", "3s", "--heartbeat", "off"];
        assert_eq!(
            settled(&told),
            "first frame off, idle 3s, progress off, total 600s; heartbeat off, eager off"
        );
    }
}
