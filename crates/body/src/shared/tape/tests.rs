use super::*;

fn chunk(bytes: usize) -> Bytes {
    Bytes::from(vec![b'x'; bytes])
}

fn reads(tape: &mut Tape, reader: usize) -> usize {
    let mut bytes = 0;
    while let (Read::Chunk(chunk), _) = tape.read(reader) {
        bytes += chunk.len();
    }
    bytes
}

#[test]
fn whoever_joins_a_whole_tape_gets_all_of_it() {
    let mut tape = Tape::new(1_000);
    let early = tape.join().unwrap();
    tape.push_chunk(chunk(400));
    assert_eq!(reads(&mut tape, early), 400);
    tape.push_chunk(chunk(600));
    let late = tape.join().unwrap();
    assert_eq!(reads(&mut tape, late), 1_000);
    assert_eq!(reads(&mut tape, early), 600);
    assert_eq!(tape.weight(), 1_000);
}

#[test]
fn beyond_its_length_the_beginning_goes_as_the_slowest_reads_it() {
    let mut tape = Tape::new(1_000);
    let (slow, fast) = (tape.join().unwrap(), tape.join().unwrap());
    for _ in 0..11 {
        tape.push_chunk(chunk(100));
        assert_eq!(reads(&mut tape, fast), 100);
    }
    assert!(tape.join().is_none() && !tape.is_whole());
    assert_eq!((tape.weight(), tape.room()), (1_100, Room::None));
    assert!(
        !tape.read(slow).1,
        "1,000 bytes are not less than the window"
    );
    assert!(tape.read(slow).1, "room was made");
    assert_eq!((tape.weight(), tape.room()), (900, Room::Tight));
    assert_eq!(reads(&mut tape, slow), 900);
    assert_eq!((tape.weight(), tape.room()), (0, Room::Ample));
}

#[test]
fn a_reader_that_leaves_holds_nothing_back() {
    let mut tape = Tape::new(1_000);
    let (slow, fast) = (tape.join().unwrap(), tape.join().unwrap());
    tape.push_chunk(chunk(1_001));
    assert_eq!(reads(&mut tape, fast), 1_001);
    assert!(tape.leave(slow), "room was made");
    assert_eq!(tape.weight(), 0);
    tape.push_chunk(chunk(5));
    assert_eq!(reads(&mut tape, fast), 5);
    assert!(!tape.leave(fast));
    tape.push_chunk(chunk(5));
    assert_eq!(tape.weight(), 0, "nobody reads it");
}

#[test]
fn only_who_is_far_behind_is_given_up() {
    let mut tape = Tape::new(1_000);
    let [slow, middling, fast] = [(); 3].map(|()| tape.join().unwrap());
    for n in 0..12 {
        tape.push_chunk(chunk(100));
        reads(&mut tape, fast);
        if n == 6 {
            reads(&mut tape, middling);
        }
    }
    tape.drop_laggards();
    assert_eq!(tape.weight(), 1_200, "nobody was warned");
    tape.warn_laggards();
    tape.drop_laggards();
    assert!(matches!(tape.read(slow).0, Read::FellBehind));
    assert_eq!(tape.weight(), 500);
    assert_eq!(reads(&mut tape, middling), 500);
    tape.push_chunk(chunk(7));
    tape.end(Ending::Complete);
    assert_eq!((reads(&mut tape, middling), reads(&mut tape, fast)), (7, 7));
    assert!(
        matches!(tape.read(slow).0, Read::FellBehind),
        "and it stays so"
    );
    assert!(!tape.is_read(slow) && tape.is_read(fast));
}

#[test]
fn trailers_come_once_to_each_and_before_the_end() {
    let mut tape = Tape::new(10);
    let (one, other) = (tape.join().unwrap(), tape.join().unwrap());
    tape.push_trailers(HeaderMap::new());
    tape.end(Ending::Complete);
    for reader in [one, other] {
        assert!(!tape.is_read(reader));
        assert!(matches!(tape.read(reader).0, Read::Trailers(_)));
        assert!(tape.is_read(reader));
        assert!(matches!(tape.read(reader).0, Read::End(Ending::Complete)));
    }
}

#[test]
fn a_place_that_was_left_is_used_again() {
    let mut tape = Tape::new(1_000);
    let first = tape.join().unwrap();
    tape.leave(first);
    tape.push_chunk(chunk(3));
    let second = tape.join().unwrap();
    assert_eq!(first, second);
    assert_eq!(reads(&mut tape, second), 3);
}
