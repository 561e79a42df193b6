//! Looking for pairs of bytes, many bytes at a time.

/// What is looked at in one step: two of the vectors that every 64-bit machine has.
const LANES: usize = 32;

type Lanes = [u8; LANES];

/// Whether the bytes behind the first are of one line, and none of these pairs is in all of them;
/// `false` in doubt, as for what is too short to be worth the trouble.
///
/// Without branches and early exits, so that compilers make it a handful of vector instructions for
/// every sixteen bytes: of each byte and the next, the distance to the pair that is sought is zero
/// for a match, and the least distance of all tells whether there was one.
#[inline(always)]
pub(super) fn lacks<const N: usize>(pairs: [[u8; 2]; N], bytes: &[u8]) -> bool {
    if bytes.len() <= LANES {
        return false;
    }
    let (each, next) = (&bytes[..bytes.len() - 1], &bytes[1..]);
    let (mut least, mut nearest) = ([u8::MAX; LANES], [u8::MAX; LANES]);
    if let (Some((first, each)), Some((second, next))) =
        (each.split_first_chunk(), next.split_first_chunk())
    {
        look(first, second, pairs, &mut least, &mut nearest);
        for (each, next) in each.chunks_exact(LANES).zip(next.chunks_exact(LANES)) {
            if let (Some(each), Some(next)) = (each.first_chunk(), next.first_chunk()) {
                look(each, next, pairs, &mut least, &mut nearest);
            }
        }
    }
    // What is left, and some bytes once more.
    if let (Some(each), Some(next)) = (each.last_chunk(), next.last_chunk()) {
        look(each, next, pairs, &mut least, &mut nearest);
    }
    let mut something = false;
    for (least, nearest) in least.iter().zip(&nearest) {
        something |= *least < b' ' || *nearest == 0;
    }
    !something
}

#[inline(always)]
fn look<const N: usize>(
    each: &Lanes,
    next: &Lanes,
    pairs: [[u8; 2]; N],
    least: &mut Lanes,
    nearest: &mut Lanes,
) {
    for (least, byte) in least.iter_mut().zip(next) {
        *least = (*least).min(*byte);
    }
    for [first, second] in pairs {
        for (nearest, (each, next)) in nearest.iter_mut().zip(each.iter().zip(next)) {
            *nearest = (*nearest).min((each ^ first) | (next ^ second));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LANES, lacks};

    #[test]
    fn a_pair_or_a_line_break_is_found_wherever_it_stands() {
        for length in LANES + 1..4 * LANES {
            let clean: Vec<_> = HALVES.iter().copied().cycle().take(length).collect();
            assert!(lacks([*b"rr", *b"bo"], &clean), "{length}");
            for at in 1..length {
                for (bytes, pair) in [(&b"rr"[..], true), (b"bo", true), (b"\n", false)] {
                    let at = if pair { at - 1 } else { at };
                    let mut dirty = clean.clone();
                    dirty[at..at + bytes.len()].copy_from_slice(bytes);
                    assert!(
                        !lacks([*b"rr", *b"bo"], &dirty),
                        "{bytes:?} at {at} of {length}"
                    );
                }
            }
        }
    }

    /// A half of each pair, but no pair.
    const HALVES: &[u8] = b"r.b.o,";

    #[test]
    fn what_is_short_is_in_doubt() {
        assert!(!lacks([*b"rr"], &[b'x'; LANES]));
        assert!(!lacks([*b"rr"], b""));
    }
}
