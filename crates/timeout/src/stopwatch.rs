//! The idea: four limits, one timer.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_core::{Deadline, Failure};
use buttress_timer::{Alarm, Quiet};
use bytes::Buf;
use tokio::time::Instant;

use crate::error::Limit;
use crate::event;
use crate::limits::{Limits, OFF};
use crate::progress::Progress;

/// Times a call from its first wait to the end of its body.
///
/// It is asked only where there is nothing else to do, the call waits, and with every 256th frame of data. The clock is
/// read when it begins to run, when the stream begins, when the alarm rings, and with those frames.
pub(crate) struct Stopwatch {
    stage: Stage,
    /// When it began to run: at the first wait, or at the 256th frame if nobody had to wait for one. Little has passed
    /// since the call.
    start: Option<Instant>,
    first_frame: Duration,
    total: Duration,
    /// Begins with the stream, as the one for progress does.
    idle: Quiet,
    /// Boxed: it is off for most.
    progress: Option<Box<Progress>>,
    /// When something outside ends the call anyway.
    enforced: Option<Instant>,
    alarm: Alarm,
    /// How many frames of data have come; it begins again after 256.
    frames: u8,
}

/// What is waited for.
///
/// ```text
///  Head ---the head---> Body ---a first byte, or there is no limit for it---> Stream
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Body,
    Stream,
}

impl Stopwatch {
    #[inline]
    pub(crate) fn new(limits: &Limits, deadline: Option<Deadline>) -> Self {
        let enforced = deadline.filter(Deadline::is_enforced);
        Self {
            stage: Stage::Head,
            start: None,
            first_frame: limits.first_frame,
            total: limits.total,
            idle: Quiet::new(limits.idle),
            progress: None,
            enforced: enforced.map(|deadline| Instant::from_std(deadline.instant())),
            alarm: Alarm::new(),
            frames: 0,
        }
    }

    /// Lets everybody wait.
    pub(crate) fn off() -> Self {
        Self::new(&Limits::NONE, None)
    }

    /// The head is there.
    #[inline]
    pub(crate) fn of_body(mut self, progress: Option<Box<Progress>>) -> Self {
        self.stage = Stage::Body;
        self.progress = progress;
        self
    }

    /// Data has come. Says whether to look if this is an [overrun](Self::overrun): with each 256th frame,
    /// which is often enough for a stream that always has more, and gives a reader who was away what has come.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) -> bool {
        if data.has_remaining() {
            self.idle.touch();
            if let Some(progress) = &mut self.progress {
                progress.data(data);
            }
        }
        self.frames = self.frames.wrapping_add(1);
        self.frames == 0
    }

    /// There is nothing to do but wait: for how long?
    #[inline]
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if self.stage != Stage::Stream {
            self.begin();
        }
        let due = ready!(self.alarm.poll(cx));
        self.ring(due, cx)
    }

    /// A frame has come, and many before it: has the whole call taken too long? Nobody need have waited, so
    /// there may be no timer, nor a runtime to make one in.
    #[cold]
    pub(crate) fn overrun(&mut self) -> Option<Failure> {
        let now = Instant::now();
        let end = self.start.get_or_insert(now).checked_add(self.total)?;
        (end <= now && self.counts(end)).then(|| Self::fail(Limit::Total, self.total))
    }

    #[cold]
    fn begin(&mut self) {
        let has_first = self.idle.is_touched() || self.first_frame == OFF;
        let is_stream = self.stage == Stage::Body && has_first;
        if self.alarm.due().is_some() && !is_stream {
            return;
        }
        let now = match self.start {
            Some(start) if !is_stream => start,
            _ => Instant::now(),
        };
        self.start.get_or_insert(now);
        if is_stream {
            // ## Body => Stream
            self.stage = Stage::Stream;
            self.quiets().for_each(|quiet| quiet.restart(now));
        }
        self.alarm.set(self.next(now));
    }

    #[cold]
    fn ring(&mut self, mut due: Instant, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let now = Instant::now();
            if self.stage == Stage::Stream {
                self.look(due, now);
            }
            if let Some((limit, length)) = self.elapsed(now) {
                return Poll::Ready(Self::fail(limit, length));
            }
            self.alarm.set(self.next(now));
            due = ready!(self.alarm.poll(cx));
        }
    }

    fn fail(limit: Limit, length: Duration) -> Failure {
        event::elapsed(limit, length);
        limit.failure(length)
    }

    /// Whether anything has come. Whoever waits comes when the alarm rings; who is that late was away,
    /// and the silence begins anew. A little late is anybody whose runtime is busy.
    fn look(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due);
        for quiet in self.quiets() {
            if quiet.is_touched() || late > quiet.grain().max(BUSY) {
                quiet.restart(now);
            }
        }
    }

    /// The limit that has elapsed; of several the one that did so first.
    fn elapsed(&self, now: Instant) -> Option<(Limit, Duration)> {
        let elapsed = self.running().filter(|(.., end)| *end <= now);
        let first = elapsed.min_by_key(|(.., end)| *end);
        first.map(|(limit, length, _)| (limit, length))
    }

    /// When there is something to look for; `None` if never.
    fn next(&self, now: Instant) -> Option<Instant> {
        if self.stage != Stage::Stream {
            // Most calls come here once, and no further.
            let end = self.start?.checked_add(self.first_frame.min(self.total));
            return end.filter(|end| self.counts(*end));
        }
        let looks = self.running().filter_map(|(limit, _, end)| match limit {
            Limit::FirstFrame | Limit::Total => Some(end),
            Limit::Idle => self.idle.next(now),
            Limit::Progress => self.progress.as_ref()?.quiet().next(now),
        });
        looks.min()
    }

    /// The limits that run, how long they are, and when they elapse if nothing more comes. Not those that
    /// lie behind an enforced deadline.
    fn running(&self) -> impl Iterator<Item = (Limit, Duration, Instant)> {
        let fixed = |limit, length| Some((limit, length, self.start?.checked_add(length)?));
        let quiet = |limit, quiet: &Quiet| Some((limit, quiet.limit(), quiet.end()?));
        let progress = self.progress.as_deref().map(Progress::quiet);
        let limits = [
            fixed(Limit::FirstFrame, self.first_frame).filter(|_| self.stage != Stage::Stream),
            quiet(Limit::Idle, &self.idle),
            progress.and_then(|progress| quiet(Limit::Progress, progress)),
            fixed(Limit::Total, self.total),
        ];
        let limits = limits.into_iter().flatten();
        limits.filter(|(.., end)| self.counts(*end))
    }

    /// Whether it comes before an enforced deadline.
    fn counts(&self, end: Instant) -> bool {
        self.enforced.is_none_or(|enforced| end < enforced)
    }

    fn quiets(&mut self) -> impl Iterator<Item = &mut Quiet> {
        let progress = self.progress.as_deref_mut().map(Progress::quiet_mut);
        [Some(&mut self.idle), progress].into_iter().flatten()
    }
}

/// How late a task may be that never went away: timers are rounded up to a millisecond, and other tasks have
/// their turn. Without it, short limits would begin anew at each look.
const BUSY: Duration = Duration::from_millis(20);
