//! From a failure to whoever serves the call in the end.

use std::sync::Arc;

use buttress_core::{BoxError, Classify, Failure, Kind, Outcome, find};
use tokio::time::Instant;

use crate::error::AllTiersFailed;
use crate::event;
use crate::layer::Settings;
use crate::name::TierName;
use crate::plan::Plan;
use crate::served::{ServedBy, Tried, Tries};
use crate::tier::{Answer, Ask, Asking, Serve, Tier};
use crate::traffic::{Facts, Traffic};
use crate::trail::Trail;
use crate::when::When;

/// What is needed to ask somebody else.
pub(crate) struct Chain<C, T: Traffic> {
    settings: Arc<Settings<C, T>>,
    kept: T::Kept,
    /// Boxed, and made at the first failure: most calls have none.
    course: Option<Box<Course<T::Response>>>,
}

/// What has become of a call so far.
struct Course<R> {
    plan: Plan,
    facts: Facts,
    tries: Tries,
    /// The last result, which is handed out if nobody has a better one.
    last: Result<R, BoxError>,
    last_outcome: Outcome,
    /// Who gave it: 0 is the primary.
    last_place: usize,
    /// Who is being asked.
    asking: usize,
}

/// What comes next.
pub(crate) enum Step<R> {
    /// Waits for a tier.
    Ask(Asking<R>),
    /// The call has its result.
    Done(Result<R, BoxError>),
}

const HAS_COURSE: &str = "a call that has failed has a course until it has its result";

impl<C, T: Traffic> Chain<C, T> {
    #[inline]
    pub(crate) const fn new(settings: Arc<Settings<C, T>>, kept: T::Kept) -> Self {
        Self {
            settings,
            kept,
            course: None,
        }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings<C, T> {
        &self.settings
    }

    /// The primary has served the call.
    #[inline]
    pub(crate) fn primary_served(&self, response: T::Received) -> T::Response {
        let mut response = T::hand_on(response);
        self.settings
            .traffic
            .primary_served(&mut response, &self.kept);
        response
    }

    /// The primary has failed.
    #[cold]
    pub(crate) fn primary_failed<E>(
        &mut self,
        mut result: Result<T::Received, E>,
        outcome: Outcome,
    ) -> Step<T::Response>
    where
        C: Classify<T::Received, E>,
        E: Into<BoxError>,
    {
        if let Ok(response) = &mut result {
            self.settings.classify.leave(response, outcome);
        }
        self.start(result.map(T::hand_on).map_err(Into::into), outcome)
    }

    /// The primary could not be asked, or has failed.
    pub(crate) fn start(
        &mut self,
        result: Result<T::Response, BoxError>,
        outcome: Outcome,
    ) -> Step<T::Response> {
        if When::of(&outcome) == When::NOTHING {
            return Step::Done(result); // nobody else is called for
        }
        let facts = T::facts(&self.kept);
        let rules = &self.settings.rules;
        let own = facts.overrides.and_then(|own| own.max_attempts);
        let mut attempts = own.unwrap_or(rules.max_attempts).get();
        let mut visited = vec![self.settings.name.clone()];
        if let Some(Trail {
            visited: before,
            attempts_left,
        }) = &facts.trail
        {
            attempts = attempts.min(*attempts_left);
            visited.extend_from_slice(before);
        }
        let mut plan = Plan::new(attempts, visited);
        plan.primary_failed(&outcome);
        plan.inner_tried(tried_inside::<T>(&result));
        let mut tries = Tries::default();
        tries.add(Tried::new(self.settings.name.clone(), outcome));
        self.course = Some(Box::new(Course {
            plan,
            facts,
            tries,
            last: result,
            last_outcome: outcome,
            last_place: 0,
            asking: 0,
        }));
        self.go_on()
    }

    /// A tier has answered, or failed.
    pub(crate) fn heard(&mut self, answer: Answer<T::Response>) -> Step<T::Response> {
        let Answer { result, outcome } = answer;
        let result = match result {
            Ok(response) if outcome.is_success() => return Step::Done(Ok(self.served(response))),
            result => result,
        };
        let course = self.course.as_mut().expect(HAS_COURSE);
        let terms = &self.settings.tiers[course.asking].terms;
        let skipped = course.plan.tier_failed(terms, &outcome);
        course.plan.inner_tried(tried_inside::<T>(&result));
        if skipped {
            course.pass_over(&terms.name, outcome);
        } else {
            course.tries.add(Tried::new(terms.name.clone(), outcome));
            course.last = result;
            course.last_outcome = outcome;
            course.last_place = course.asking + 1;
        }
        self.go_on()
    }

    /// Asks the next tier that suits.
    fn go_on(&mut self) -> Step<T::Response> {
        loop {
            let settings = &self.settings;
            let course = self.course.as_mut().expect(HAS_COURSE);
            let deadline = course.facts.deadline;
            let time_left = deadline.map(|deadline| deadline.remaining(Instant::now().into_std()));
            let terms = settings.tiers.iter().map(|tier| &tier.terms);
            let Some(place) = course.plan.next(terms, &settings.rules, time_left) else {
                return self.finish();
            };
            course.asking = place;
            let Tier {
                terms,
                rewrite,
                serve,
            } = &settings.tiers[place];
            event::falling_back(&terms.name, &course.last_outcome);
            match serve {
                Serve::Kept(answer) => {
                    if let Some(response) = answer(&self.kept, &course.last_outcome) {
                        return Step::Done(Ok(self.served(response)));
                    }
                }
                Serve::Whole(serve) => {
                    let trail = Trail {
                        visited: course.plan.visited().to_vec(),
                        attempts_left: course.plan.attempts_left(),
                    };
                    if let Some(request) = T::again(&self.kept, trail) {
                        let ask = Ask {
                            rewrite: rewrite.clone(),
                            same_account: terms.same_account,
                            why: course.last_outcome,
                        };
                        return Step::Ask(serve(request, ask));
                    }
                }
            }
            course.pass_over(&terms.name, Outcome::new(Kind::Unavailable));
        }
    }

    /// A tier has served the call.
    fn served(&mut self, mut response: T::Response) -> T::Response {
        let course = self.course.take().expect(HAS_COURSE);
        let by = served_by(&self.settings, course.asking + 1, course.tries);
        event::served(&by);
        self.settings
            .traffic
            .tier_served(&mut response, &self.kept, by);
        response
    }

    /// Nobody is left to be asked.
    fn finish(&mut self) -> Step<T::Response> {
        let course = self.course.take().expect(HAS_COURSE);
        let Course {
            tries,
            mut last,
            last_outcome,
            last_place,
            ..
        } = *course;
        if tries.len() == 1 {
            event::nobody_asked(&self.settings.name, &last_outcome);
            return Step::Done(last); // as if there were no tiers
        }
        let outcome = tries.sum_up(last_outcome);
        event::all_failed(tries.len(), &outcome);
        if let Ok(response) = &mut last {
            let by = served_by(&self.settings, last_place, tries);
            self.settings.traffic.all_failed(response, outcome, by);
            return Step::Done(last);
        }
        Step::Done(
            last.map_err(|error| Failure::new(outcome, AllTiersFailed::new(tries, error)).into()),
        )
    }
}

fn served_by<C, T: Traffic>(settings: &Settings<C, T>, place: usize, before: Tries) -> ServedBy {
    let (name, degraded) = match place.checked_sub(1) {
        Some(tier) => {
            let terms = &settings.tiers[tier].terms;
            (&terms.name, terms.degraded)
        }
        None => (&settings.name, false),
    };
    ServedBy {
        tier: place,
        name: name.clone(),
        degraded,
        before,
    }
}

/// Those whom a fallback further inside has asked.
fn tried_inside<T: Traffic>(result: &Result<T::Response, BoxError>) -> &[Tried] {
    match result {
        Ok(response) => T::tried_inside(response),
        Err(error) => find::<AllTiersFailed>(&**error).map_or(&[], AllTiersFailed::reasons),
    }
}

impl<R> Course<R> {
    fn pass_over(&mut self, name: &TierName, outcome: Outcome) {
        event::skipped(name, &outcome);
        self.tries.add(Tried::new(name.clone(), outcome));
    }
}
