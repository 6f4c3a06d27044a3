//! Server-sent events, as much as the alert feed needs: `id`, `event`, `data`, comments; any line ending; any split into chunks.

/// Longest line and longest event, bytes.
pub const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The last id seen up to and with this event.
    pub id: Option<String>,
    /// `message` where the stream names none.
    pub event: String,
    pub data: String,
}

/// Takes bytes, gives events.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    after_cr: bool,
    id: Option<String>,
    event: String,
    data: String,
    has_data: bool,
    started: bool,
}

/// The stream is not what it should be; close it and begin again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the feed sent a line or an event of more than {EVENT_MAX_BYTES} bytes")]
pub struct TooLong;

impl SseParser {
    /// The id to resume from.
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Takes a chunk; returns the events that it completes.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        for &byte in chunk {
            let lf_after_cr = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                b'\n' if lf_after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > EVENT_MAX_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let line = if self.started { &text[..] } else { text.trim_start_matches('\u{feff}') };
        self.started = true;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = Some(value.into()),
            "event" => self.event = value.into(),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            _ => {} // comments (empty field) and what we do not know
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        let had = std::mem::take(&mut self.has_data);
        had.then(|| SseEvent {
            id: self.id.clone(),
            event: if event.is_empty() { "message".into() } else { event },
            data,
        })
    }
}
