use super::{Boundary, Safe};

fn after(bytes: &[u8]) -> Boundary {
    let mut boundary = Boundary::new();
    boundary.push(bytes);
    boundary
}

#[test]
fn nothing_is_safe_where_a_byte_order_mark_may_come() {
    for begun in [
        &b""[..],
        b"\xEF",
        b"\xEF\xBB",
        b"\xEF\xBBx",
        b"\xEF\xEF\xBB\xBF",
    ] {
        assert_eq!(after(begun).safe(), Safe::No, "{begun:?}");
    }
    assert_eq!(after(b"\xEF\xBB\xBF").safe(), Safe::Blank);
    assert_eq!(after(b"\xEF\xBB\n").safe(), Safe::Line);
}

#[test]
fn nothing_is_safe_after_a_cr_until_the_next_byte_is_known() {
    assert_eq!(after(b"data: a\r").safe(), Safe::No);
    assert_eq!(after(b"data: a\r\r").safe(), Safe::No);
    assert_eq!(after(b"data: a\r\n").safe(), Safe::Line);
    assert_eq!(after(b"data: a\r\n\r\n").safe(), Safe::Blank);
    assert_eq!(after(b"data: a\r:\n").safe(), Safe::Line);
}

#[test]
fn comments_alone_are_no_event() {
    assert_eq!(after(b": a\n").safe(), Safe::Blank);
    assert_eq!(after(b": a\ndata\n: b\n").safe(), Safe::Line);
    assert_eq!(after(b" : a\n").safe(), Safe::Line);
    assert_eq!(after(b"\n \n").safe(), Safe::Line);
}

#[test]
fn an_id_is_seen_wherever_its_line_is_cut() {
    for id in [
        &b"id: 7\n"[..],
        b"\xEF\xBB\xBFid:",
        b"data\rid\r",
        b"id\n",
        b"\r\nid: \0\n",
    ] {
        assert!(after(id).seen_id(), "{id:?}");
        let mut bytewise = Boundary::new();
        id.iter().for_each(|byte| bytewise.push(&[*byte]));
        assert!(bytewise.seen_id(), "{id:?} byte by byte");
    }
    for other in [
        &b"ida: 7\n"[..],
        b": id: 7\n",
        b" id: 7\n",
        b"ID: 7\n",
        b"i\n",
        b"id",
    ] {
        assert!(!after(other).seen_id(), "{other:?}");
    }
}

/// One line and a blank one are taken at a glance; byte by byte they are not.
#[test]
fn a_frame_is_followed_alike_at_a_glance_and_byte_by_byte() {
    const LENGTHS: [usize; 12] = [0, 1, 31, 32, 33, 34, 63, 64, 65, 512, 513, 600];
    for length in LENGTHS {
        for at in (0..=length).step_by(if length < 66 { 1 } else { 37 }) {
            for inner in ["", "\n", "\r", "\r\n", "\nid", "\rid:\n", "\t", "\n:", "i"] {
                let line = ["x".repeat(at).as_str(), inner, &"x".repeat(length - at)].concat();
                for end in ["\n\n", "\r\n\n", "\n\r\n", "\n"] {
                    is_followed_alike(&[line.as_str(), end].concat());
                }
            }
        }
        is_followed_alike(&["id: 7", &"x".repeat(length), "\n\n"].concat());
    }
}

fn is_followed_alike(frame: &str) {
    for start in ["", "\n", "data: a\n", "a", ":a", "\r", "i", "id", "\nid\n"] {
        let mut glance = after(start.as_bytes());
        let mut bytewise = glance.clone();
        glance.push(frame.as_bytes());
        frame.bytes().for_each(|byte| bytewise.push(&[byte]));
        let seen = |boundary: &Boundary| (boundary.safe(), boundary.seen_id());
        assert_eq!(seen(&glance), seen(&bytewise), "{start:?} {frame:?}");
    }
}
