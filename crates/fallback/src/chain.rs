//! From a failure to whoever serves the call in the end.

use std::sync::Arc;

use buttress_core::{BoxError, Classify, Deadline, Failure, Kind, Outcome, find};
use tokio::time::Instant;

use crate::error::AllTiersFailed;
use crate::event;
use crate::layer::Settings;
use crate::plan::{Plan, Says};
use crate::served::{ServedBy, Tried, Tries};
use crate::tier::{Answer, Ask, Asking, Serve, Tier};
use crate::traffic::{Facts, Traffic};
use crate::trail::Trail;
use crate::when::When;

/// What is needed to ask somebody else.
pub(crate) struct Chain<C, T: Traffic> {
    settings: Arc<Settings<C, T>>,
    kept: T::Kept,
}

/// What has become of a call whose primary has failed.
pub(crate) struct Course<R> {
    plan: Plan,
    facts: Facts,
    tries: Tries,
    /// The last result, which is handed out if nobody has a better one.
    last: Result<R, BoxError>,
    last_outcome: Outcome,
    /// Who gave it: 0 is the primary.
    last_place: usize,
    /// Who is being asked, counted like that.
    asking: usize,
}

/// What comes next.
pub(crate) enum Step<R> {
    /// A tier is asked.
    Ask(Box<Course<R>>, Asking<R>),
    /// The call has its result.
    Done(Result<R, BoxError>),
}

impl<C, T: Traffic> Chain<C, T> {
    #[inline]
    pub(crate) const fn new(settings: Arc<Settings<C, T>>, kept: T::Kept) -> Self {
        Self { settings, kept }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings<C, T> {
        &self.settings
    }

    /// The primary has served the call.
    #[inline]
    pub(crate) fn primary_served(&self, response: T::Received) -> T::Response {
        let mut response = T::hand_on(response);
        let traffic = &self.settings.traffic;
        traffic.primary_served(&mut response, &self.kept);
        response
    }

    /// The primary has failed.
    #[cold]
    pub(crate) fn primary_failed<E>(
        &self,
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

    /// The primary has failed, or could not even be asked.
    pub(crate) fn start(
        &self,
        last: Result<T::Response, BoxError>,
        outcome: Outcome,
    ) -> Step<T::Response> {
        if When::of(&outcome) == When::NOTHING {
            return Step::Done(self.nobody_asked(last)); // nobody else is called for
        }
        let Settings {
            name, rules, tiers, ..
        } = &*self.settings;
        let facts = T::facts(&self.kept);
        let own = facts.overrides.and_then(|own| own.max_attempts);
        let mut attempts = own.unwrap_or(rules.max_attempts).get();
        let mut visited = Vec::with_capacity(1 + tiers.len());
        visited.push(name.clone());
        if let Some(outer) = &facts.trail {
            attempts = attempts.min(outer.attempts_left);
            visited.extend_from_slice(&outer.visited);
        }
        let mut plan = Plan::new(attempts, visited);
        plan.primary_failed(&outcome);
        let inner = tried_inside::<T>(&last);
        plan.inner_tried(inner, &outcome);
        let mut tries = Tries::default();
        tries.add_with(Tried::new(name.clone(), outcome), inner);
        self.go_on(Box::new(Course {
            plan,
            facts,
            tries,
            last,
            last_outcome: outcome,
            last_place: 0,
            asking: 0,
        }))
    }

    /// A tier has answered, or failed.
    pub(crate) fn heard(
        &self,
        mut course: Box<Course<T::Response>>,
        answer: Answer<T::Response>,
    ) -> Step<T::Response> {
        let Answer { result, outcome } = answer;
        let result = match result {
            Ok(response) if outcome.is_success() => {
                return Step::Done(Ok(self.served(*course, response)));
            }
            result => result,
        };
        let terms = &self.settings.tiers[course.asking - 1].terms;
        let says = course.plan.tier_failed(terms, &outcome);
        let inner = tried_inside::<T>(&result);
        course.plan.inner_tried(inner, &outcome);
        let tried = Tried::new(terms.name.clone(), outcome);
        if says == Says::Nothing {
            event::skipped(&terms.name, &outcome);
        }
        course.tries.add_with(tried, inner);
        if says == Says::Something {
            course.last = result;
            course.last_outcome = outcome;
            course.last_place = course.asking;
        }
        self.go_on(course)
    }

    /// Asks the next tier that suits.
    fn go_on(&self, mut course: Box<Course<T::Response>>) -> Step<T::Response> {
        let Settings { rules, tiers, .. } = &*self.settings;
        loop {
            let deadlines = [course.facts.deadline, Deadline::current()];
            let deadline = deadlines.into_iter().flatten().reduce(Deadline::min);
            let time_left = deadline.map(|deadline| deadline.remaining(Instant::now().into_std()));
            let terms = tiers.iter().map(|tier| &tier.terms);
            let Some(place) = course.plan.next(terms, rules, time_left) else {
                return Step::Done(self.finish(*course));
            };
            course.asking = place + 1;
            let Tier {
                terms,
                rewrite,
                serve,
            } = &tiers[place];
            let why = course.last_outcome;
            event::falling_back(&terms.name, &why);
            match serve {
                Serve::Kept(answer) => {
                    if let Some(response) = answer(&self.kept, &why) {
                        return Step::Done(Ok(self.served(*course, response)));
                    }
                }
                Serve::Whole(serve) => {
                    let trail = || Trail {
                        visited: course.plan.visited().to_vec(),
                        attempts_left: course.plan.attempts_left(),
                    };
                    if let Some(request) = T::again(&self.kept, trail) {
                        let ask = Ask {
                            rewrite: rewrite.clone(),
                            same_account: terms.same_account,
                            why,
                        };
                        return Step::Ask(course, serve(request, ask));
                    }
                }
            }
            let outcome = Outcome::new(Kind::Unavailable);
            event::skipped(&terms.name, &outcome);
            course.tries.add(Tried::new(terms.name.clone(), outcome));
        }
    }

    /// A tier has served the call.
    fn served(&self, course: Course<T::Response>, mut response: T::Response) -> T::Response {
        let by = self.served_by(course.asking, course.tries);
        event::served(&by);
        let traffic = &self.settings.traffic;
        traffic.tier_served(&mut response, &self.kept, by);
        response
    }

    /// Nobody is left to be asked.
    fn finish(&self, course: Course<T::Response>) -> Result<T::Response, BoxError> {
        let Course {
            tries,
            last,
            last_outcome,
            last_place,
            asking,
            ..
        } = course;
        if asking == 0 {
            event::nobody_asked(&self.settings.name, &last_outcome);
            return self.nobody_asked(last); // as if there were no tiers
        }
        let outcome = tries.sum_up(last_outcome);
        event::all_failed(tries.len(), &outcome);
        match last {
            Ok(mut response) => {
                let by = self.served_by(last_place, tries);
                self.settings.traffic.all_failed(&mut response, outcome, by);
                Ok(response)
            }
            Err(error) => Err(Failure::new(outcome, AllTiersFailed::new(tries, error)).into()),
        }
    }

    /// The primary's failure is all that there is.
    fn nobody_asked(&self, last: Result<T::Response, BoxError>) -> Result<T::Response, BoxError> {
        last.map(|mut response| {
            self.settings.traffic.primary_alone(&mut response);
            response
        })
    }

    fn served_by(&self, place: usize, before: Tries) -> ServedBy {
        let (name, degraded) = match place.checked_sub(1) {
            Some(tier) => {
                let terms = &self.settings.tiers[tier].terms;
                (&terms.name, terms.degraded)
            }
            None => (&self.settings.name, false),
        };
        ServedBy {
            tier: place,
            name: name.clone(),
            degraded,
            before,
        }
    }
}

/// Those whom a fallback further inside has asked.
fn tried_inside<T: Traffic>(result: &Result<T::Response, BoxError>) -> &[Tried] {
    match result {
        Ok(response) => T::tried_inside(response),
        Err(error) => find::<AllTiersFailed>(&**error).map_or(&[], AllTiersFailed::reasons),
    }
}
