use std::time::Duration;

use super::{Behaviour, Cut, Script};
use crate::random::SplitMix64;

/// Behaviours drawn by weight, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Chance {
    seed: u64,
    choices: Vec<(u32, Behaviour)>,
    relief_after: Option<u32>,
}

/// A chance being played.
#[derive(Debug)]
pub(super) struct Dice {
    chance: Chance,
    random: SplitMix64,
    faults_in_a_row: u32,
}

/// A day in the life of an LLM API, for demonstrations: most requests go well, some are refused, reset,
/// slow or left without any answer, and a few streams break in the middle.
///
/// About a third of the requests fail before their answer, or a stream before its first content, but
/// never more than two in a row: whoever tries three times, one request after the other, gets an answer.
/// Streams send some 20 tokens at 30 to 50 ms each; some think for most of a second before each of a few.
///
/// Whoever has no limit on the wait for an answer will wait for ever before long.
#[must_use]
pub fn misbehaving_by_chance(seed: u64) -> Script {
    let ms = Duration::from_millis;
    let well = |token| {
        Behaviour::well()
            .head_delay(ms(2 * token))
            .chunk_delay(ms(token))
    };
    let refused = |behaviour: Behaviour, hint| behaviour.header("retry-after-ms", hint);
    let chance = Chance::seeded(seed)
        .with(170, well(30))
        .with(170, well(40))
        .with(100, well(50))
        .with(60, Behaviour::well().tokens(4).chunk_delay(ms(900)))
        .with(130, well(40).head_delay(ms(400)))
        .with(60, refused(Behaviour::rate_limited(), "250"))
        .with(60, refused(Behaviour::rate_limited(), "700"))
        .with(100, Behaviour::overloaded())
        .with(60, Behaviour::server_error())
        .with(40, well(40).cut_before_head(Cut::Reset))
        .with(40, well(40).cut_before_head(Cut::Stall))
        .with(40, well(40).end_after(1))
        .with(40, well(40).error_event_after(1))
        .with(4, well(40).cut_after(8, Cut::Reset))
        .with(3, well(40).error_event_after(8))
        .with(3, well(40).without_terminator())
        .relief_after(2);
    Script::chance(chance)
}

// ===== impl Chance =====

impl Chance {
    /// Nothing to choose from yet: all goes well.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            seed,
            choices: Vec::new(),
            relief_after: None,
        }
    }

    /// A choice more. It is drawn with a probability of its weight over the sum of all weights.
    #[must_use]
    pub fn with(mut self, weight: u32, behaviour: Behaviour) -> Self {
        self.choices.push((weight, behaviour));
        self
    }

    /// After this many faults in a row the next draw is among those that are none. Default: faults follow
    /// faults as they come.
    #[must_use]
    pub const fn relief_after(mut self, faults: u32) -> Self {
        self.relief_after = Some(faults);
        self
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The choices with their weights, or only those that are no fault.
    fn choices(&self, relief: bool) -> impl Iterator<Item = (u64, &Behaviour)> {
        let allowed = move |(_, behaviour): &&(u32, Behaviour)| !(relief && behaviour.is_fault());
        self.choices
            .iter()
            .filter(allowed)
            .map(|(weight, behaviour)| (u64::from(*weight), behaviour))
    }
}

// ===== impl Dice =====

impl Dice {
    pub(super) fn throw(&mut self) -> Behaviour {
        let relief = self
            .chance
            .relief_after
            .is_some_and(|most| self.faults_in_a_row >= most);
        let total: u64 = self.chance.choices(relief).map(|(weight, _)| weight).sum();
        // The bias of a remainder by a sum of weights is below anything a test could see.
        let mut at = self.random.next().checked_rem(total).unwrap_or(0);
        let drawn = self.chance.choices(relief).find(|(weight, _)| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit
        });
        let behaviour = drawn.map_or_else(Behaviour::well, |(_, behaviour)| behaviour.clone());
        self.faults_in_a_row = if behaviour.is_fault() {
            self.faults_in_a_row + 1
        } else {
            0
        };
        behaviour
    }
}

impl From<Chance> for Dice {
    fn from(chance: Chance) -> Self {
        Self {
            random: SplitMix64::seeded(chance.seed),
            chance,
            faults_in_a_row: 0,
        }
    }
}
