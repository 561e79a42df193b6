use bytes::{Bytes, BytesMut};

/// A part of an answer that belongs together: an event, or a whole body.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// How many tokens have been sent when this piece has been sent to its end.
    pub(super) tokens: usize,
}

/// Where an answer is cut into the chunks that are sent one by one.
#[derive(Clone, Debug)]
pub(super) enum Chunking {
    /// A chunk per piece.
    Natural,
    Size(usize),
    At(Vec<usize>),
}

impl Piece {
    pub(super) fn new(bytes: impl Into<Bytes>, tokens: usize) -> Self {
        Self {
            bytes: bytes.into(),
            tokens,
        }
    }
}

impl Chunking {
    /// Cuts; no byte is lost or added, and tokens are counted where their piece ends.
    pub(super) fn cut(&self, pieces: Vec<Piece>) -> Vec<Piece> {
        if matches!(self, Self::Natural) {
            return pieces
                .into_iter()
                .filter(|piece| !piece.bytes.is_empty())
                .collect();
        }
        let mut ends = Vec::with_capacity(pieces.len());
        let mut all = BytesMut::new();
        for piece in pieces {
            all.extend_from_slice(&piece.bytes);
            ends.push((all.len(), piece.tokens));
        }
        let all = all.freeze();
        let mut start = 0;
        let mut chunks = Vec::new();
        for end in self.boundaries(all.len()) {
            let within = |&&(at, _): &&(usize, usize)| start < at && at <= end;
            let tokens = ends.iter().filter(within).map(|&(_, tokens)| tokens).sum();
            chunks.push(Piece::new(all.slice(start..end), tokens));
            start = end;
        }
        chunks
    }

    /// The ends of all chunks, ascending, the last being `len`.
    fn boundaries(&self, len: usize) -> Vec<usize> {
        let mut ends: Vec<usize> = match self {
            Self::Natural => Vec::new(),
            Self::Size(size) => (1..=len / size).map(|n| n * size).collect(),
            Self::At(offsets) => offsets
                .iter()
                .copied()
                .filter(|&at| 0 < at && at < len)
                .collect(),
        };
        if len > 0 {
            ends.push(len);
        }
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunking: &Chunking) -> Vec<(String, usize)> {
        let pieces = vec![
            Piece::new("abc", 1),
            Piece::new("", 0),
            Piece::new("defg", 2),
        ];
        let text = |piece: Piece| String::from_utf8(piece.bytes.to_vec()).unwrap();
        chunking
            .cut(pieces)
            .into_iter()
            .map(|piece| (text(piece.clone()), piece.tokens))
            .collect()
    }

    fn owned<const N: usize>(pairs: [(&str, usize); N]) -> Vec<(String, usize)> {
        pairs.map(|(text, tokens)| (text.to_owned(), tokens)).into()
    }

    #[test]
    fn a_piece_is_a_chunk_and_empty_pieces_are_none() {
        assert_eq!(cut(&Chunking::Natural), owned([("abc", 1), ("defg", 2)]));
    }

    #[test]
    fn tokens_count_where_their_piece_ends() {
        assert_eq!(
            cut(&Chunking::Size(2)),
            owned([("ab", 0), ("cd", 1), ("ef", 0), ("g", 2)])
        );
        assert_eq!(cut(&Chunking::Size(7)), owned([("abcdefg", 3)]));
        assert_eq!(cut(&Chunking::Size(100)), owned([("abcdefg", 3)]));
    }

    #[test]
    fn offsets_may_be_unordered_repeated_and_outside() {
        let at = Chunking::At(vec![5, 0, 5, 3, 99]);
        assert_eq!(cut(&at), owned([("abc", 1), ("de", 0), ("fg", 2)]));
    }
}
