//! Four ways to call an upstream.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::Backoff;
use buttress::retry::RetryLayer;

/// One of them, and its name in the table.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) layer: fn() -> RetryLayer<Profile>,
}

/// The two of the plot differ in nothing but the budget.
pub(crate) const WITHOUT_BUDGET: usize = 2;
pub(crate) const WITH_BUDGET: usize = 3;

pub(crate) const CLIENTS: [Client; 4] = [
    Client {
        name: "no retries",
        layer: || as_it_comes().max_attempts(NonZeroU32::MIN),
    },
    Client {
        name: "4 attempts in a loop",
        layer: || {
            as_it_comes()
                .without_budget()
                .max_attempts(NonZeroU32::MIN.saturating_add(3))
                .backoff(Backoff::constant(Duration::ZERO))
        },
    },
    Client {
        name: "buttress, budget off",
        layer: || as_it_comes().without_budget(),
    },
    Client {
        name: "buttress as it comes",
        layer: as_it_comes,
    },
];

fn as_it_comes() -> RetryLayer<Profile> {
    RetryLayer::llm(Profile::OPENAI)
}
