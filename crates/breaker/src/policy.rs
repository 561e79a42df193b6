//! When a circuit opens, for how long, and what closes it.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use buttress_core::Ratio;

/// When a circuit opens, for how long, and what closes it: plain data.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`consecutive_failures`](Self::consecutive_failures) | 5 | an upstream that is gone is noticed at once |
/// | [`failure_rate`](Self::failure_rate) | 50 % | one that fails half the time is noticed, too |
/// | [`slow_calls`](Self::slow_calls) | off | what is slow depends on the upstream |
/// | [`window`](Self::window) | the last 60 s | long enough for a rate, short enough to forget |
/// | [`minimum_calls`](Self::minimum_calls) | 10 | fewer make no rate |
/// | [`open_wait`](Self::open_wait) | 30 s to 300 s | half a minute is what a restart takes |
/// | [`probes`](Self::probes) | 1 | a recovering upstream needs no crowd |
/// | [`abandon_after`](Self::abandon_after) | 30 s | who leaves sooner may just have changed his mind |
/// | [`single_credential`](Self::single_credential) | off | one unpaid key shall not close the door for all |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub(crate) consecutive_failures: Option<NonZeroU32>,
    pub(crate) failure_rate: Option<Ratio>,
    pub(crate) slow_calls: Option<SlowCalls>,
    pub(crate) window: Window,
    pub(crate) minimum_calls: NonZeroU32,
    pub(crate) open_wait: Duration,
    pub(crate) max_open_wait: Duration,
    pub(crate) probes: NonZeroU32,
    pub(crate) abandon_after: Option<Duration>,
    pub(crate) single_credential: bool,
}

/// Which calls the rates are taken of. It slides: what leaves it no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Those that ended within this time, in ten buckets: what is older than nine tenths of it may be
    /// forgotten already. Takes the same memory and time however many calls there are.
    Time(Duration),
    /// The last so many.
    Calls(NonZeroU16),
}

/// When a circuit opens because calls are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowCalls {
    pub(crate) longer_than: Duration,
    pub(crate) rate: Option<Ratio>,
}

// ===== impl Policy =====

impl Policy {
    /// The [defaults](Self#defaults).
    pub const DEFAULT: Self = Self {
        consecutive_failures: NonZeroU32::new(5),
        failure_rate: Some(Ratio::percent(50)),
        slow_calls: None,
        window: Window::Time(Duration::from_secs(60)),
        minimum_calls: NonZeroU32::new(10).expect("10 is not 0"),
        open_wait: Duration::from_secs(30),
        max_open_wait: Duration::from_secs(300),
        probes: NonZeroU32::MIN,
        abandon_after: Some(Duration::from_secs(30)),
        single_credential: false,
    };

    /// Opens after so many failures in a row. `None`: never for that. Default: 5.
    #[must_use]
    pub const fn consecutive_failures(mut self, failures: Option<NonZeroU32>) -> Self {
        self.consecutive_failures = failures;
        self
    }

    /// Opens when at least this share of the [window](Self::window) has failed, and it holds the
    /// [`minimum_calls`](Self::minimum_calls). `None`: never for that. Default: 50 %.
    ///
    /// Without a failure it does not open, not even at zero.
    #[must_use]
    pub const fn failure_rate(mut self, rate: Option<Ratio>) -> Self {
        self.failure_rate = rate;
        self
    }

    /// Opens when at least a share of the [window](Self::window) has been slow, and it holds the
    /// [`minimum_calls`](Self::minimum_calls); and a probe that is slow has failed. Default: off.
    #[must_use]
    pub const fn slow_calls(mut self, slow: Option<SlowCalls>) -> Self {
        self.slow_calls = slow;
        self
    }

    /// What the rates are taken of. Default: the last 60 s.
    ///
    /// # Panics
    /// At a window of no time. In a `const` it does not compile.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        if let Window::Time(time) = window {
            assert!(!time.is_zero(), "a window of no time holds no calls");
        }
        self.window = window;
        self
    }

    /// Fewer calls make no rate. Default: 10. A window of the last so many calls that is smaller than this
    /// need only be full.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: NonZeroU32) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// How long the circuit stays open at first, and at most. Default: 30 s, 300 s.
    ///
    /// The wait grows by half each time a probe fails, up to `max`, and begins anew once the circuit has been
    /// closed for as long as the last one (hints and jitter not counted). Jitter makes it up to a tenth
    /// longer. It does not end before the moment that the upstream has asked for in any failure since the last
    /// success; of such a hint a day is believed.
    ///
    /// # Panics
    /// At no wait, and at a `max` below the `first`. In a `const` it does not compile.
    #[must_use]
    pub const fn open_wait(mut self, first: Duration, max: Duration) -> Self {
        assert!(!first.is_zero(), "a circuit that opens for no time is none");
        assert!(
            first.as_nanos() <= max.as_nanos(),
            "the longest wait is no shorter than the first"
        );
        self.open_wait = first;
        self.max_open_wait = max;
        self
    }

    /// How many calls are let through to find out whether the upstream is back: all of them must succeed.
    /// Default: 1.
    ///
    /// They have as long as the circuit has just been open (hints and jitter not counted), and half a minute
    /// at least: this lease begins with the first of those under way, and they share it. After that the
    /// circuit opens again, if a call asks, for longer. A success that comes later still closes it, as long
    /// as it is open: the probe may only have been slow.
    #[must_use]
    pub const fn probes(mut self, probes: NonZeroU32) -> Self {
        self.probes = probes;
        self
    }

    /// A caller that goes away after having waited so long for the first content has seen a failure; who
    /// leaves sooner says nothing, or where the body is no stream leaves with a success; who leaves after
    /// content has come ends a row of failures, and counts in no rate. What the caller does between the head and
    /// asking for the body is no wait. `None`: never. Default: 30 s.
    #[must_use]
    pub const fn abandon_after(mut self, wait: Option<Duration>) -> Self {
        self.abandon_after = wait;
        self
    }

    /// Whether all calls of this circuit carry the same credential. Default: no.
    ///
    /// Only then is it the circuit's business what the upstream says of a credential: with nothing left
    /// of its quota the circuit opens at once, for as long as the upstream says, and the longest wait at least;
    /// being throttled counts in the failure rate, though not as one of the failures in a row, and
    /// fails a probe. Otherwise neither counts.
    #[must_use]
    pub const fn single_credential(mut self, single: bool) -> Self {
        self.single_credential = single;
        self
    }

    pub(crate) fn has_waited_long(&self, waited: Option<Duration>) -> bool {
        match (self.abandon_after, waited) {
            (Some(limit), Some(waited)) => waited >= limit,
            _ => false,
        }
    }

    pub(crate) fn opens_for_slow_calls(&self) -> bool {
        self.slow_calls.is_some_and(|slow| slow.rate.is_some())
    }

    /// How many calls make a rate.
    pub(crate) fn enough_calls(&self) -> u32 {
        let minimum = self.minimum_calls.get();
        match self.window {
            Window::Time(_) => minimum,
            Window::Calls(calls) => minimum.min(u32::from(calls.get())),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// ===== impl SlowCalls =====

impl SlowCalls {
    /// Opens at this `rate` of calls that take longer than that to their head or, where a body is watched, to
    /// their first content.
    ///
    /// Measured in milliseconds, from when the call was first pending, the caller's own pauses left out.
    #[must_use]
    pub const fn new(longer_than: Duration, rate: Ratio) -> Self {
        Self {
            longer_than,
            rate: Some(rate),
        }
    }

    /// Counts the calls that take longer than that, and never opens for them: to find out what is slow.
    #[must_use]
    pub const fn counted(longer_than: Duration) -> Self {
        Self {
            longer_than,
            rate: None,
        }
    }

    pub(crate) fn is_slow(self, took: Duration) -> bool {
        took > self.longer_than
    }
}
