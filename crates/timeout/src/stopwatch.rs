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
/// It is asked only where there is nothing else to do: the call waits. The clock is read when it begins
/// to run, when the stream begins, and when the alarm rings.
pub(crate) struct Stopwatch {
    stage: Stage,
    /// When it began to run: at the first wait. Little has passed since the call.
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
        }
    }

    /// Lets everybody wait.
    pub(crate) fn off() -> Self {
        Self::new(&Limits::NONE, None)
    }

    /// The head is there.
    #[inline]
    pub(crate) fn body_begins(&mut self, progress: Option<Box<Progress>>) {
        self.stage = Stage::Body;
        self.progress = progress;
    }

    /// Data has come.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        if data.has_remaining() {
            self.idle.touch();
            if let Some(progress) = &mut self.progress {
                progress.data(data);
            }
        }
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

    #[cold]
    fn begin(&mut self) {
        let has_first = self.idle.is_touched() || self.first_frame == OFF;
        let is_stream = self.stage == Stage::Body && has_first;
        if self.start.is_some() && !is_stream {
            return;
        }
        let now = Instant::now();
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
            if let Some(limit) = self.elapsed(now) {
                let length = self.length(limit);
                event::elapsed(limit, length);
                return Poll::Ready(limit.failure(length));
            }
            self.alarm.set(self.next(now));
            due = ready!(self.alarm.poll(cx));
        }
    }

    /// Whether anything has come. Whoever waits comes when the alarm rings; who is that late was away,
    /// and the silence begins anew.
    fn look(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due);
        for quiet in self.quiets() {
            if quiet.is_touched() || late > quiet.grain() {
                quiet.restart(now);
            }
        }
    }

    /// The limit that has elapsed; of several the one that did so first.
    fn elapsed(&self, now: Instant) -> Option<Limit> {
        let elapsed = self.ends().filter(|(_, end)| *end <= now);
        elapsed.min_by_key(|(_, end)| *end).map(|(limit, _)| limit)
    }

    /// When there is something to look for; `None` if never.
    fn next(&self, now: Instant) -> Option<Instant> {
        let next = self.ends().filter_map(|(limit, end)| match limit {
            Limit::FirstFrame | Limit::Total => Some(end),
            Limit::Idle => self.idle.next(now),
            Limit::Progress => self.progress.as_ref()?.quiet().next(now),
        });
        next.min()
    }

    /// When each limit elapses if nothing more comes. Not one that lies behind an enforced deadline.
    fn ends(&self) -> impl Iterator<Item = (Limit, Instant)> {
        let after = |limit| self.start.and_then(|start| start.checked_add(limit));
        let waits = self.stage != Stage::Stream;
        let progress = self.progress.as_ref();
        let ends = [
            (Limit::FirstFrame, after(self.first_frame).filter(|_| waits)),
            (Limit::Idle, self.idle.end()),
            (
                Limit::Progress,
                progress.and_then(|progress| progress.quiet().end()),
            ),
            (Limit::Total, after(self.total)),
        ];
        let counts = |end: &Instant| self.enforced.is_none_or(|enforced| *end < enforced);
        let ends = ends.into_iter();
        ends.filter_map(move |(limit, end)| Some((limit, end.filter(counts)?)))
    }

    fn length(&self, limit: Limit) -> Duration {
        match limit {
            Limit::FirstFrame => self.first_frame,
            Limit::Idle => self.idle.limit(),
            Limit::Progress => self
                .progress
                .as_ref()
                .map_or(OFF, |progress| progress.quiet().limit()),
            Limit::Total => self.total,
        }
    }

    fn quiets(&mut self) -> impl Iterator<Item = &mut Quiet> {
        let progress = self.progress.as_mut().map(|progress| progress.quiet_mut());
        [Some(&mut self.idle), progress].into_iter().flatten()
    }
}
