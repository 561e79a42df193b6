//! A stream of server-sent events.

use buttress_core::{Outcome, Sign};
use buttress_sse::{Event, Parser};

use super::event::{Says, Shape};
use super::skim::Skim;
use super::too_long::TooLong;
use crate::data::Dialect;
use crate::profile::Profile;

/// Reads every event up to the first content; from then on only those that may settle the outcome.
pub(super) struct Events {
    profile: Profile,
    begun: Begun,
    shape: Option<Shape>,
    content: bool,
    /// An end would be a proper one.
    finished: bool,
    /// The last event was too long to be read.
    unread: bool,
    at_start: bool,
}

/// What the last frame has left open.
enum Begun {
    /// It ended between two events.
    Nothing,
    Event(Box<Parser>),
    TooLong(TooLong),
}

/// Where reading has stopped.
enum Stop {
    Settled(Outcome),
    UsedUp,
    TooLong,
}

impl Events {
    /// The longest line, and the most data of one event, that is kept for being read, in bytes.
    ///
    /// The longest events that matter repeat a whole answer at its end; those with pictures in them
    /// are longer, and content is all that they are.
    pub(super) const LIMIT: usize = 1024 * 1024;

    pub(super) fn new(profile: Profile) -> Self {
        let profile = match profile.dialect() {
            // Where Bedrock streams server-sent events, it speaks as OpenAI does.
            Dialect::Aws => Profile::OPENAI,
            Dialect::Grpc => Profile::HTTP,
            Dialect::Plain | Dialect::Words | Dialect::Google => profile,
        };
        Self {
            profile,
            begun: Begun::Nothing,
            shape: None,
            content: false,
            finished: profile.dialect() == Dialect::Plain,
            unread: false,
            at_start: true,
        }
    }

    /// An event that is over the limit has not been read: it may have been the last one, and the
    /// upstream gets the benefit of the doubt. A chat's last one is short.
    pub(super) fn end(&self) -> Outcome {
        if self.finished || (self.unread && self.shape != Some(Shape::Chat)) {
            Outcome::SUCCESS
        } else {
            Outcome::TRUNCATED
        }
    }

    pub(super) fn read(&mut self, frame: &[u8]) -> Sign {
        let had_content = self.content;
        let mut rest = frame;
        while !rest.is_empty() {
            self.skim().pass_over(&mut rest);
            if let Some(outcome) = self.read_on(&mut rest, frame) {
                return Sign::Settled(outcome);
            }
        }
        if self.content && !had_content {
            Sign::Content
        } else {
            Sign::Nothing
        }
    }

    /// What the next frame can be skimmed for.
    pub(super) fn skim(&self) -> Skim {
        match (&self.begun, self.skim_events()) {
            (_, Skim::PassAll) => Skim::PassAll,
            (Begun::Nothing, skim) => skim,
            (Begun::Event(_) | Begun::TooLong(_), _) => Skim::ReadAll,
        }
    }

    /// Reads up to the end of the frame, or up to an event that is too long or was.
    fn read_on(&mut self, rest: &mut &[u8], frame: &[u8]) -> Option<Outcome> {
        if rest.is_empty() {
            return None;
        }
        let (mut kept, mut fresh): (Option<Box<Parser>>, _) = (None, None);
        let parser: &mut Parser = match std::mem::replace(&mut self.begun, Begun::Nothing) {
            Begun::Event(parser) => kept.insert(parser),
            Begun::Nothing => fresh.insert(self.parser()),
            Begun::TooLong(mut event) => {
                if !event.ends(rest) {
                    self.begun = Begun::TooLong(event);
                }
                return None;
            }
        };
        match self.events(parser, rest) {
            Stop::Settled(outcome) => return Some(outcome),
            Stop::UsedUp if ends_between_events(frame) => {}
            Stop::UsedUp => {
                let open = kept.or_else(|| fresh.map(Box::new));
                self.begun = open.map_or(Begun::Nothing, Begun::Event);
            }
            Stop::TooLong => {
                self.content = true;
                self.unread = true;
                let read = &frame[..frame.len() - rest.len()];
                let mut event = TooLong::after(read);
                if !event.ends(rest) {
                    self.begun = Begun::TooLong(event);
                }
            }
        }
        None
    }

    fn events(&mut self, parser: &mut Parser, rest: &mut &[u8]) -> Stop {
        loop {
            match parser.next_event(rest) {
                Ok(Some(event)) => {
                    if let Some(outcome) = self.event(&event) {
                        return Stop::Settled(outcome);
                    }
                }
                Ok(None) => return Stop::UsedUp,
                Err(_over_limit) => return Stop::TooLong,
            }
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Option<Outcome> {
        self.unread = false;
        if self.skim_events().passes_event(event) {
            return None;
        }
        let (says, shape) = Says::read(&self.profile, self.shape, event);
        let content = match says {
            Says::Nothing => false,
            Says::Content => true,
            Says::Finished { content } => {
                self.finished = true;
                content
            }
            // Before any content it tells of a failure whoever says it, and reading it costs nothing.
            Says::Aborted if self.content && !self.profile.may_abort() => false,
            Says::Aborted => return Some(Outcome::TRUNCATED),
            Says::End => return Some(Outcome::SUCCESS),
            Says::Failed(outcome) => return Some(outcome),
        };
        if content && !self.content {
            self.content = true;
            self.shape = shape;
        }
        None
    }

    fn skim_events(&self) -> Skim {
        match self.shape {
            _ if !self.content || self.unread => Skim::ReadAll,
            _ if self.profile.dialect() == Dialect::Plain => Skim::PassAll,
            None => Skim::ReadAll,
            Some(Shape::Chat) if self.profile.may_abort() => Skim::AbortingChat,
            Some(Shape::Chat) => Skim::Chat,
            Some(Shape::Typed) => Skim::Typed,
            Some(Shape::Candidates) if self.finished => Skim::Finished,
            Some(Shape::Candidates) => Skim::Candidates,
        }
    }

    fn parser(&mut self) -> Parser {
        let parser = Parser::new()
            .max_line_bytes(Self::LIMIT)
            .max_event_bytes(Self::LIMIT);
        if std::mem::replace(&mut self.at_start, false) {
            return parser;
        }
        past_the_start(parser)
    }
}

/// Brings a parser between two events of a stream that has begun: a byte order mark is none there.
fn past_the_start(mut parser: Parser) -> Parser {
    let blank_line = parser.next_event(&mut &b"\n"[..]);
    debug_assert!(matches!(blank_line, Ok(None)));
    parser
}

/// Whether the frame ends in a blank line for certain, after which nothing is left open.
fn ends_between_events(frame: &[u8]) -> bool {
    frame.ends_with(b"\n\n") || frame.ends_with(b"\n\r\n")
}
