//! When a heartbeat is due.

use std::task::Context;
use std::time::Duration;

use buttress_timer::{Alarm, Quiet};
use tokio::time::Instant;

/// Says that a heartbeat is due once nothing has been sent for the interval: never earlier, and at most a
/// quarter of it later. It stays due until it is sent.
#[derive(Debug)]
pub(crate) struct Pulse {
    quiet: Quiet,
    alarm: Alarm,
    beat: Beat,
}

/// ```text
/// Stopped --somebody waits--> Running --the interval passes--> Due
///    ^                                                          |
///    '----------------------a heartbeat is sent-----------------'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    Stopped,
    Running,
    Due,
}

impl Pulse {
    /// The interval begins when somebody first waits.
    pub(crate) const fn new(interval: Duration) -> Self {
        Self {
            quiet: Quiet::new(interval),
            alarm: Alarm::new(),
            beat: Beat::Stopped,
        }
    }

    /// The first heartbeat is due at once. It takes an alarm over, rather than make another.
    pub(crate) const fn due(interval: Duration, alarm: Alarm) -> Self {
        Self {
            quiet: Quiet::new(interval),
            alarm,
            beat: Beat::Due,
        }
    }

    /// Bytes have been sent.
    #[inline]
    pub(crate) const fn touch(&mut self) {
        self.quiet.touch();
    }

    /// A heartbeat has been sent: the interval begins again with the next wait.
    pub(crate) const fn sent(&mut self) {
        self.beat = Beat::Stopped;
    }

    /// Asked by whoever waits, who is woken when one is due.
    #[inline]
    pub(crate) fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        match self.beat {
            Beat::Due => return true,
            Beat::Running => {}
            Beat::Stopped => self.start(),
        }
        while self.alarm.poll(cx).is_ready() {
            if self.look() {
                return true;
            }
        }
        false
    }

    #[cold]
    fn start(&mut self) {
        let now = Instant::now();
        self.quiet.restart(now);
        self.alarm.set(self.quiet.next(now));
        self.beat = Beat::Running;
    }

    #[cold]
    fn look(&mut self) -> bool {
        let now = Instant::now();
        if self.quiet.has_passed(now) {
            self.beat = Beat::Due;
            return true;
        }
        self.alarm.set(self.quiet.next(now));
        false
    }
}
