//! Names of calls: hashes that tell nothing.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use sha2::{Digest, Sha256};

/// Makes the names of calls.
#[derive(Debug, Clone)]
pub(crate) enum Naming {
    /// Under two keys of this process: 128 bits that nobody can aim at.
    Private([RandomState; 2]),
    /// The same in every process. What is hashed holds a credential, so that nobody else can aim at it either.
    Common,
}

/// A name that is being made.
#[derive(Clone)]
pub(crate) enum Name {
    Private([DefaultHasher; 2]),
    Common(Sha256),
}

impl Naming {
    pub(crate) fn private() -> Self {
        Self::Private([RandomState::new(), RandomState::new()])
    }

    pub(crate) fn begin(&self) -> Name {
        match self {
            Self::Private([one, other]) => {
                Name::Private([one.build_hasher(), other.build_hasher()])
            }
            Self::Common => Name::Common(Sha256::new()),
        }
    }
}

impl Name {
    /// One part, behind its length: no two lists of parts run into one another.
    pub(crate) fn part(&mut self, part: &[u8]) {
        match self {
            Self::Private(hashers) => {
                for hasher in hashers {
                    hasher.write_usize(part.len());
                    hasher.write(part);
                }
            }
            Self::Common(hash) => {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
    }

    /// The name so far.
    pub(crate) fn get(&self) -> u128 {
        match self {
            Self::Private([one, other]) => {
                u128::from(one.finish()) << 64 | u128::from(other.finish())
            }
            Self::Common(hash) => front(&hash.clone().finalize().into()),
        }
    }
}

/// As much of a digest as a name is long.
pub(crate) fn front(digest: &[u8; 32]) -> u128 {
    let (front, _) = digest.split_at(16);
    u128::from_be_bytes(front.try_into().expect("half of 32 bytes are 16"))
}

#[cfg(test)]
mod tests {
    use super::Naming;

    #[test]
    fn names_are_private_to_a_process_or_common_to_all() {
        let name = |naming: &Naming, parts: &[&[u8]]| {
            let mut name = naming.begin();
            parts.iter().for_each(|part| name.part(part));
            name.get()
        };
        let (one, other) = (Naming::private(), Naming::private());
        assert_eq!(name(&one, &[b"a"]), name(&one, &[b"a"]));
        assert_ne!(name(&one, &[b"a"]), name(&other, &[b"a"]));
        assert_eq!(
            name(&Naming::Common, &[b"a"]),
            name(&Naming::Common, &[b"a"])
        );
        for naming in [one, Naming::Common] {
            assert_ne!(name(&naming, &[b"ab"]), name(&naming, &[b"a", b"b"]));
        }
    }
}
