use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// Workers, and the queue in front of them: first come, first served.
///
/// As nobody leaves the queue, it is known on arrival when the work will be done. All times are those
/// since some start.
#[derive(Debug)]
pub(super) struct Workers {
    /// When each of them will have done all that it has taken on.
    free_at: BinaryHeap<Reverse<Duration>>,
    /// When the work of each one in the queue begins, in order.
    waiting: VecDeque<Duration>,
    max_waiting: usize,
}

impl Workers {
    pub(super) fn new(workers: u32, max_waiting: usize) -> Self {
        Self {
            free_at: (0..workers).map(|_| Reverse(Duration::ZERO)).collect(),
            waiting: VecDeque::new(),
            max_waiting,
        }
    }

    /// Queues up, and tells when the work will be done; `None` if the queue is full. How long the work
    /// takes may depend on when it begins.
    pub(super) fn take_on(
        &mut self,
        now: Duration,
        work: impl FnOnce(Duration) -> Duration,
    ) -> Option<Duration> {
        while self.waiting.front().is_some_and(|start| *start <= now) {
            self.waiting.pop_front();
        }
        if self.waiting.len() >= self.max_waiting {
            return None;
        }
        let mut first_free = self.free_at.peek_mut()?;
        let start = first_free.0.max(now);
        let end = start + work(start);
        *first_free = Reverse(end);
        if start > now {
            self.waiting.push_back(start);
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn take_on(workers: &mut Workers, now: u32) -> Option<u128> {
        let end = workers.take_on(now * MS, |_| 10 * MS)?;
        Some(end.as_millis())
    }

    #[test]
    fn who_finds_no_worker_free_waits_for_the_first_one() {
        let mut workers = Workers::new(2, 10);
        let ends = [0, 4, 5, 6, 50].map(|now| take_on(&mut workers, now));
        assert_eq!(ends, [10, 14, 20, 24, 60].map(Some));
    }

    #[test]
    fn who_finds_the_queue_full_is_turned_away_until_somebody_s_turn_has_come() {
        let mut workers = Workers::new(1, 2);
        let ends = [0, 0, 0, 0, 9, 10, 10].map(|now| take_on(&mut workers, now));
        let full = None;
        assert_eq!(
            ends,
            [Some(10), Some(20), Some(30), full, full, Some(40), full]
        );
    }

    #[test]
    fn work_takes_as_long_as_it_does_when_it_begins() {
        let mut workers = Workers::new(1, 10);
        let slow_from_5 = |start| if start < 5 * MS { 10 * MS } else { 40 * MS };
        assert_eq!(workers.take_on(4 * MS, slow_from_5), Some(14 * MS));
        assert_eq!(workers.take_on(4 * MS, slow_from_5), Some(54 * MS));
    }
}
