//! The flags about streams: how long they may stand still, and what keeps them alive.

use std::time::Duration;

use buttress::classify::Profile;
use buttress::heartbeat::{Eager, Heartbeat, HeartbeatSseLayer, WantsStream, wants_stream};
use http::request::Parts;

use crate::limit::Limit;

/// A newcomer should not have to wait for the true default before a proxy's fate is averted.
const SCRIPTED_HEARTBEAT: Limit = Limit::millis(400);

/// Where a flag is not given and the default depends on the upstream there is none here.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StreamArgs {
    /// After how long a silence a comment is sent, which no client sees and which keeps proxies from
    /// cutting a stream [default: 15s; of the scripted upstream 400ms]
    #[arg(long, value_name = "D|off")]
    heartbeat: Option<Limit>,

    /// After how long without any answer such comments begin, for who asks for a stream; a failure then
    /// comes as an event of the stream, under status 200
    #[arg(long, value_name = "D|off", default_value = "off")]
    heartbeat_eager: Limit,
}

/// Whether a request wants a stream for which the head may go out early.
pub(crate) type Wants = fn(&Parts) -> WantsStream;

impl StreamArgs {
    /// What no single flag can know.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.heartbeat, self.heartbeat_eager) {
            (Some(Limit(None)), Limit(Some(eager))) => Err(format!(
                "--heartbeat-eager {eager:?} begins what --heartbeat off leaves out"
            )),
            _ => Ok(()),
        }
    }

    /// The heartbeats as these flags want them.
    pub(super) fn heartbeat(&self, profile: Profile) -> HeartbeatSseLayer<Eager<Wants>> {
        let Limit(eager) = self.heartbeat_eager;
        let wants: Wants = match eager {
            Some(_) => wants_stream,
            None => |_| WantsStream::No,
        };
        HeartbeatSseLayer::new()
            .eager(eager.unwrap_or(Duration::MAX), wants)
            .profile(profile)
    }

    /// How often there are heartbeats; for the extensions of a request.
    pub(super) fn heartbeats(&self, scripted: bool) -> Heartbeat {
        let default = if scripted {
            SCRIPTED_HEARTBEAT
        } else {
            Limit(Some(HeartbeatSseLayer::INTERVAL))
        };
        let Limit(interval) = self.heartbeat.unwrap_or(default);
        interval.map_or(Heartbeat::OFF, Heartbeat::every)
    }
}
