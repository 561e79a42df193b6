use http::{HeaderName, HeaderValue, Method, request::Parts};

use super::{Behaviour, Chance, chance::Dice};

/// Which behaviour the n-th request gets.
///
/// First the rules, in order: the script of the first one that matches decides, and counts its own
/// requests. Otherwise the sequence, one behaviour per request, and after it the same one for ever, or
/// one by chance.
///
/// # Examples
///
/// ```
/// use buttress_testkit::upstream::{Behaviour, Matcher, Script};
///
/// // Two refusals, then well; but the health check always fails.
/// let script = Script::sequence([Behaviour::overloaded(), Behaviour::overloaded()])
///     .on(Matcher::path("/healthz"), Behaviour::status(500));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Script {
    rules: Vec<(Matcher, Self)>,
    sequence: Vec<Behaviour>,
    then: Then,
}

#[derive(Clone, Debug)]
enum Then {
    Always(Box<Behaviour>),
    Chance(Chance),
}

/// Which requests a rule is about. Conditions add up.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    path: Option<String>,
    method: Option<Method>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A script being played.
#[derive(Debug)]
pub(super) struct Player {
    rules: Vec<(Matcher, Self)>,
    sequence: std::vec::IntoIter<Behaviour>,
    then: PlayedThen,
}

#[derive(Debug)]
enum PlayedThen {
    Always(Box<Behaviour>),
    Chance(Dice),
}

// ===== impl Script =====

impl Script {
    /// Every request is answered well.
    #[must_use]
    pub fn well() -> Self {
        Self::default()
    }

    /// Every request gets this behaviour.
    #[must_use]
    pub fn always(behaviour: Behaviour) -> Self {
        Self::well().then(behaviour)
    }

    /// One behaviour per request; what follows is answered well, unless [`then`](Self::then) says
    /// otherwise.
    #[must_use]
    pub fn sequence(behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        Self {
            sequence: behaviours.into_iter().collect(),
            ..Self::well()
        }
    }

    /// Every request gets a behaviour by chance.
    #[must_use]
    pub fn chance(chance: Chance) -> Self {
        Self {
            then: Then::Chance(chance),
            ..Self::well()
        }
    }

    /// These come before all else that no rule decides, one for each request.
    #[must_use]
    pub fn after(mut self, behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        self.sequence.splice(0..0, behaviours);
        self
    }

    /// What every request after the sequence gets.
    #[must_use]
    pub fn then(mut self, behaviour: Behaviour) -> Self {
        self.then = Then::Always(Box::new(behaviour));
        self
    }

    /// Requests that match, and no earlier rule's, follow this script instead.
    #[must_use]
    pub fn on(mut self, matcher: Matcher, script: impl Into<Self>) -> Self {
        self.rules.push((matcher, script.into()));
        self
    }

    /// The seed of its chance, to be printed where a run must be repeatable.
    #[must_use]
    pub const fn seed(&self) -> Option<u64> {
        match &self.then {
            Then::Always(_) => None,
            Then::Chance(chance) => Some(chance.seed()),
        }
    }
}

impl From<Behaviour> for Script {
    fn from(behaviour: Behaviour) -> Self {
        Self::always(behaviour)
    }
}

impl Default for Then {
    fn default() -> Self {
        Self::Always(Box::default())
    }
}

// ===== impl Matcher =====

impl Matcher {
    /// Requests with exactly this path; the query does not matter.
    pub fn path(path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// Requests with this header field among theirs.
    ///
    /// # Panics
    ///
    /// If `name` is not a lower-case field name, or `value` not a field value.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ));
        self
    }

    /// Requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    fn matches(&self, head: &Parts) -> bool {
        self.path
            .as_ref()
            .is_none_or(|path| path == head.uri.path())
            && self
                .method
                .as_ref()
                .is_none_or(|method| *method == head.method)
            && self
                .headers
                .iter()
                .all(|(name, value)| head.headers.get_all(name).iter().any(|got| got == value))
    }
}

// ===== impl Player =====

impl Player {
    pub(super) fn next(&mut self, head: &Parts) -> Behaviour {
        if let Some((_, player)) = self.rules.iter_mut().find(|(rule, _)| rule.matches(head)) {
            return player.next(head);
        }
        self.sequence
            .next()
            .unwrap_or_else(|| match &mut self.then {
                PlayedThen::Always(behaviour) => (**behaviour).clone(),
                PlayedThen::Chance(dice) => dice.throw(),
            })
    }
}

impl From<Script> for Player {
    fn from(script: Script) -> Self {
        let then = match script.then {
            Then::Always(behaviour) => PlayedThen::Always(behaviour),
            Then::Chance(chance) => PlayedThen::Chance(chance.into()),
        };
        Self {
            rules: script
                .rules
                .into_iter()
                .map(|(rule, script)| (rule, script.into()))
                .collect(),
            sequence: script.sequence.into_iter(),
            then,
        }
    }
}
