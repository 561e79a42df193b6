//! Lists through one arena: the order in which entries were used, without an allocation to keep it.

/// The newest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    newest: usize,
    oldest: usize,
}

/// The neighbours of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    newer: usize,
    older: usize,
}

/// Where the links of one kind are.
pub(super) trait Arena {
    fn links(&mut self, at: usize) -> &mut Links;
}

impl List {
    pub(super) const EMPTY: Self = Self {
        newest: NONE,
        oldest: NONE,
    };

    pub(super) fn oldest(&self) -> Option<usize> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub(super) fn push(&mut self, arena: &mut impl Arena, at: usize) {
        *arena.links(at) = Links {
            newer: NONE,
            older: self.newest,
        };
        match self.newest {
            NONE => self.oldest = at,
            newest => arena.links(newest).newer = at,
        }
        self.newest = at;
    }

    pub(super) fn remove(&mut self, arena: &mut impl Arena, at: usize) {
        let Links { newer, older } = *arena.links(at);
        match newer {
            NONE => self.newest = older,
            newer => arena.links(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => arena.links(older).newer = newer,
        }
    }

    pub(super) fn touch(&mut self, arena: &mut impl Arena, at: usize) {
        if self.newest != at {
            self.remove(arena, at);
            self.push(arena, at);
        }
    }
}

impl Links {
    pub(super) const UNLINKED: Self = Self {
        newer: NONE,
        older: NONE,
    };
}

/// No arena is that long.
const NONE: usize = usize::MAX;
