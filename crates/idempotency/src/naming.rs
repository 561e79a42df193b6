//! Names of calls: hashes that tell nothing.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Makes the names of calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Naming {
    /// Under a key of this process: 128 bits that nobody can aim at.
    Private,
    /// The same in every process. What is hashed holds a credential, so that nobody else can aim at it either.
    Common,
}

/// A name that is being made.
#[derive(Clone)]
pub(crate) enum Name {
    Private(SipHasher13),
    Common(Sha256),
}

impl Naming {
    pub(crate) fn begin(self) -> Name {
        match self {
            Self::Private => Name::Private(*PROCESS),
            Self::Common => Name::Common(Sha256::new()),
        }
    }
}

impl Name {
    /// One part, behind its length: no two lists of parts run into one another.
    pub(crate) fn part(&mut self, part: &[u8]) {
        match self {
            Self::Private(hash) => {
                hash.write_usize(part.len());
                hash.write(part);
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
            Self::Private(hash) => hash.finish128().as_u128(),
            Self::Common(hash) => {
                let digest: [u8; 32] = hash.clone().finalize().into();
                // As much of it as a name is long.
                let mut front = [0; 16];
                front.copy_from_slice(&digest[..16]);
                u128::from_be_bytes(front)
            }
        }
    }
}

/// Nothing has been hashed yet. Its key is as random as those of the standard library's maps.
static PROCESS: LazyLock<SipHasher13> = LazyLock::new(|| {
    let random = || RandomState::new().build_hasher().finish();
    SipHasher13::new_with_keys(random(), random())
});

#[cfg(test)]
mod tests {
    use super::Naming;

    #[test]
    fn names_are_of_parts_and_not_of_their_sum() {
        let name = |naming: Naming, parts: &[&[u8]]| {
            let mut name = naming.begin();
            parts.iter().for_each(|part| name.part(part));
            name.get()
        };
        for naming in [Naming::Private, Naming::Common] {
            assert_eq!(name(naming, &[b"a"]), name(naming, &[b"a"]));
            assert_ne!(name(naming, &[b"ab"]), name(naming, &[b"a", b"b"]));
        }
        assert_ne!(
            name(Naming::Private, &[b"a"]),
            name(Naming::Common, &[b"a"])
        );
        // What another process finds for the same parts.
        assert_eq!(name(Naming::Common, &[b"a"]), COMMON);
    }

    const COMMON: u128 = 0x3b19_6fd4_907b_edf5_1c30_90e9_835f_2f7c;
}
