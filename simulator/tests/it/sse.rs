//! The parser of server-sent events.

use simulator::sse::{EVENT_MAX_BYTES, SseEvent, SseParser, TooLong};

fn event(id: Option<&str>, event: &str, data: &str) -> SseEvent {
    SseEvent { id: id.map(Into::into), event: event.into(), data: data.into() }
}

const STREAM: &str = "\u{feff}: hello\n\nid: 7\nevent: alert.raised\ndata: {\"a\":\ndata:1}\n\nid:8\r\nevent:heartbeat\r\n\r\ndata: 火\r\r\n";

#[test]
fn any_split_gives_the_same_events() {
    let want = vec![event(Some("7"), "alert.raised", "{\"a\":\n1}"), event(Some("8"), "message", "火")];
    for size in 1..STREAM.len() {
        let mut parser = SseParser::default();
        let events: Vec<SseEvent> = STREAM.as_bytes().chunks(size).flat_map(|c| parser.feed(c).unwrap()).collect();
        assert_eq!(events, want, "in chunks of {size}");
        assert_eq!(parser.last_id(), Some("8"));
    }
}

#[test]
fn a_heartbeat_without_data_moves_the_cursor_only() {
    let mut parser = SseParser::default();
    assert_eq!(parser.feed(b"event: heartbeat\nid: 41\n\n").unwrap(), []);
    assert_eq!(parser.last_id(), Some("41"));
}

#[test]
fn endless_lines_and_endless_events_are_refused() {
    let mut parser = SseParser::default();
    assert_eq!(parser.feed(&vec![b'x'; EVENT_MAX_BYTES + 1]), Err(TooLong));
    let mut parser = SseParser::default();
    let line = [b"data: ", vec![b'x'; 1_000].as_slice(), b"\n"].concat();
    let outcome = (0..=EVENT_MAX_BYTES / 1_000).try_for_each(|_| parser.feed(&line).map(|_| ()));
    assert_eq!(outcome, Err(TooLong));
}
