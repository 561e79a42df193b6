//! What stands between a scripted stream and its reader.

use std::net::SocketAddr;

use buttress_testkit::upstream::{Script, Upstream};

use crate::harness::{Scene, scene};
use crate::streams::Dialect;
use crate::tap::Tap;

/// An upstream, the gateway, and a tap on what comes out of it.
pub(crate) struct Show {
    scene: Scene,
    tap: Tap,
}

impl Show {
    pub(crate) async fn new(dialect: Dialect, script: Script, flags: &[&str]) -> Self {
        let flags = [&["--profile", dialect.profile], flags].concat();
        let scene = scene(script, &flags).await;
        let tap = Tap::before(scene.gateway.address).await;
        Self { scene, tap }
    }

    /// Where a client finds it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.tap.address
    }

    pub(crate) const fn upstream(&self) -> &Upstream {
        &self.scene.upstream
    }

    /// So many have come out of the gateway.
    pub(crate) fn heartbeats(&self) -> usize {
        self.tap.heartbeats()
    }
}
