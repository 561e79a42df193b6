//! What befalls the two models.

use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream};

/// How both models are, and an order that comes in.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) name: &'static str,
    pub(crate) order: &'static str,
    large: Mood,
    small: Mood,
}

#[derive(Clone, Copy)]
enum Mood {
    Well,
    OverloadedOnce,
    Overloaded,
    Stalls,
    Unpaid,
    CannotRead,
}

/// As the rules want it, and as people talk.
const PLAIN: &str = "2 espresso, 1 croissant, table 4";
const CHATTY: &str = "the usual for the lady by the window";

pub(crate) const WEATHERS: [Weather; 7] = [
    weather("all is well", CHATTY, Mood::Well, Mood::Well),
    weather(
        "overloaded for a moment: a retry helps",
        CHATTY,
        Mood::OverloadedOnce,
        Mood::Well,
    ),
    weather(
        "overloaded for long: the smaller model",
        CHATTY,
        Mood::Overloaded,
        Mood::Well,
    ),
    weather(
        "the large one says nothing: the smaller model, while there is time",
        CHATTY,
        Mood::Stalls,
        Mood::Well,
    ),
    weather(
        "no model at all: the rules",
        PLAIN,
        Mood::Overloaded,
        Mood::Unpaid,
    ),
    weather(
        "no model, and no rule: a human",
        CHATTY,
        Mood::Unpaid,
        Mood::Overloaded,
    ),
    weather(
        "a request at fault goes nowhere else",
        PLAIN,
        Mood::CannotRead,
        Mood::Well,
    ),
];

const fn weather(name: &'static str, order: &'static str, large: Mood, small: Mood) -> Weather {
    Weather {
        name,
        order,
        large,
        small,
    }
}

impl Weather {
    pub(crate) fn large(&self) -> Upstream {
        self.large.upstream()
    }

    pub(crate) fn small(&self) -> Upstream {
        self.small.upstream()
    }
}

impl Mood {
    fn upstream(self) -> Upstream {
        let order = r#"{"table":7,"flat white":1}"#;
        let read = Behaviour::status(200).body("application/json", order);
        Upstream::new(match self {
            Self::Well => Script::always(read),
            Self::OverloadedOnce => Script::sequence([Behaviour::overloaded()]).then(read),
            Self::Overloaded => Script::always(Behaviour::overloaded()),
            Self::Stalls => Script::always(read.cut_before_head(Cut::Stall)),
            Self::Unpaid => Script::always(Behaviour::out_of_quota()),
            Self::CannotRead => Script::always(Behaviour::status(400)),
        })
    }
}
