//! A row of the table.

use std::fmt;

use crate::bench::{Bench, Worker};
use crate::inner;

/// One way to do what all rows of its group do.
pub struct Case {
    /// The rows that it is compared with.
    pub group: Group,
    /// Who does it.
    pub name: &'static str,
    /// What it is there for.
    pub role: Role,
    /// How often it calls the inner service per call: it is held to that wherever it runs.
    pub inner_calls: u64,
    /// Sets it up, outside of what is measured.
    pub bench: Box<dyn Fn() -> Bench>,
}

/// What all rows of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The layer.
    pub layer: &'static str,
    /// What happens to the call.
    pub scenario: &'static str,
    /// What is sent; see [`Shape::NAME`](crate::shape::Shape::NAME).
    pub shape: &'static str,
}

/// What a row is there for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// The inner service alone: all other rows of the group are differences to it.
    Base,
    /// What the job takes without any layer, such as the clone of the request: targets start here.
    Floor,
    /// Somebody else's layer.
    Peer,
    /// Our layer.
    Ours(Target),
}

/// What our layer may cost over the [floor](Role::Floor).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Instructions per call.
    pub instructions: f64,
    /// Allocations per call.
    pub allocations: f64,
    /// Clock reads per call, where that matters.
    pub clock_reads: Option<f64>,
}

impl Case {
    /// Sets it up and hands out its loop.
    #[must_use]
    pub fn worker(&self) -> Worker {
        self.held(&(self.bench)())
    }

    /// A loop over a bench of this case, held to its promise: nobody wins by leaving work out.
    ///
    /// # Panics
    /// The loop does, unless the inner service was called exactly as often as promised.
    #[must_use]
    pub fn held(&self, bench: &Bench) -> Worker {
        let mut worker = bench.worker();
        let (name, group, inner_calls) = (self.name, self.group, self.inner_calls);
        Box::new(move |calls| {
            inner::forget_calls();
            worker(calls);
            assert_eq!(
                inner::calls(),
                calls * inner_calls,
                "inner calls of {name}, {group}"
            );
        })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("group", &self.group)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("inner_calls", &self.inner_calls)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layer,
            scenario,
            shape,
        } = self;
        write!(f, "{layer}: {scenario}, {shape}")
    }
}
