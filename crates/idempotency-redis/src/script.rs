//! What is sent to the server. Each is one step there, and can be sent twice: the answer to it may have been lost.

use std::fmt::Write;
use std::time::Duration;

use buttress_idempotency::CallId;
use redis::{Cmd, cmd};

/// The names of what belongs to one call.
///
/// In braces is what decides where a cluster keeps it: all of it is in one place.
#[derive(Debug)]
pub(crate) struct Names {
    call: String,
}

/// What a claim finds: what `claim.lua` answers.
pub(crate) enum Found {
    Ours,
    InFlight,
    Finished(Finished),
    /// It has ended, and what it left is no answer of ours.
    Unreadable {
        token: Vec<u8>,
    },
}

/// An answer of which the first piece has come.
pub(crate) struct Finished {
    pub(crate) token: Vec<u8>,
    pub(crate) size: usize,
    pub(crate) front: Vec<u8>,
}

impl Names {
    pub(crate) fn new(prefix: &str, call: &CallId) -> Self {
        Self {
            call: format!("{prefix}{{{:032x}}}", call.call()),
        }
    }

    /// The piece of that number of the answer that was made under that token.
    fn piece(&self, token: &[u8], number: usize) -> String {
        let mut name = format!("{}:", self.call);
        for byte in token {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        let _ = write!(name, ":{number}");
        name
    }

    pub(crate) fn claim(&self, token: u128, lease: Duration) -> Cmd {
        self.script(include_str!("scripts/claim.lua"), &token.to_be_bytes())
            .arg(millis(lease))
            .arg(PIECE)
            .take()
    }

    pub(crate) fn renew(&self, token: u128, lease: Duration) -> Cmd {
        self.script(include_str!("scripts/renew.lua"), &token.to_be_bytes())
            .arg(millis(lease))
            .take()
    }

    pub(crate) fn release(&self, token: &[u8]) -> Cmd {
        self.script(include_str!("scripts/release.lua"), token)
    }

    /// Keeps the answer whose pieces behind the first are there already. They stay a moment longer than it does, for
    /// those who have begun to read.
    pub(crate) fn finish(
        &self,
        token: u128,
        record: &[u8],
        ttl: Duration,
        moment: Duration,
    ) -> Cmd {
        let token = token.to_be_bytes();
        let pieces = record.chunks(PIECE).len();
        let mut command = cmd("EVAL");
        command
            .arg(include_str!("scripts/finish.lua"))
            .arg(pieces.max(1))
            .arg(&self.call);
        for number in 1..pieces {
            command.arg(self.piece(&token, number));
        }
        command
            .arg(&token)
            .arg(millis(ttl))
            .arg(millis(ttl.saturating_add(moment)))
            .arg(record.len())
            .arg(&record[..record.len().min(PIECE)])
            .take()
    }

    /// Writes a piece behind the first, which is gone after a moment if the answer is not kept.
    pub(crate) fn put(&self, token: u128, number: usize, piece: &[u8], moment: Duration) -> Cmd {
        cmd("SET")
            .arg(self.piece(&token.to_be_bytes(), number))
            .arg(piece)
            .arg("PX")
            .arg(millis(moment))
            .take()
    }

    /// Reads one, and no more than such a one may hold.
    pub(crate) fn get(&self, token: &[u8], number: usize) -> Cmd {
        cmd("GETRANGE")
            .arg(self.piece(token, number))
            .arg(0)
            .arg(PIECE - 1)
            .take()
    }

    /// Lets go of the pieces behind the first of an answer of that size.
    pub(crate) fn unlink(&self, token: &[u8], size: usize) -> Cmd {
        let pieces = 1..size.div_ceil(PIECE);
        let names: Vec<String> = pieces.map(|number| self.piece(token, number)).collect();
        cmd("UNLINK").arg(names).take()
    }

    fn script(&self, script: &str, token: &[u8]) -> Cmd {
        cmd("EVAL")
            .arg(script)
            .arg(1)
            .arg(&self.call)
            .arg(token)
            .take()
    }
}

impl Found {
    pub(crate) fn read(reply: Vec<Vec<u8>>) -> Self {
        let mut parts = reply.into_iter();
        let Some(token) = parts.next() else {
            return Self::Ours;
        };
        let (size, front) = match (parts.next(), parts.next()) {
            (None, _) => return Self::InFlight,
            (Some(size), front) => (size, front),
        };
        let size = std::str::from_utf8(&size)
            .ok()
            .and_then(|size| size.parse().ok());
        match (size, front) {
            (Some(size), Some(front)) => Self::Finished(Finished { token, size, front }),
            _ => Self::Unreadable { token },
        }
    }
}

/// As Redis counts. Nothing it is given lasts for no time, or for so long that it refuses to count.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, LONGEST)
}

/// How much is sent at once, in bytes: others who share the connection, or the server, do not wait for a whole answer.
pub(crate) const PIECE: usize = 512 << 10;

/// A hundred years, in milliseconds.
const LONGEST: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
