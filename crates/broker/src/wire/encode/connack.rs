//! CONNACK (MQTT 5 section 3.2, MQTT 3.1.1 section 3.2).

use super::super::property::{
    ASSIGNED_CLIENT_ID, IDENTIFIERS_AVAILABLE, MAXIMUM_PACKET_SIZE, MAXIMUM_QOS, REASON_STRING, RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE, SERVER_KEEP_ALIVE, SESSION_EXPIRY, SHARED_AVAILABLE, TOPIC_ALIAS_MAXIMUM, WILDCARD_AVAILABLE,
};
use super::{packet, text, varint, width};

/// What a CONNACK that lets a client in tells it. What is as the standard presumes it is left out.
#[derive(Clone, Debug)]
pub(crate) struct Welcome {
    pub(crate) session_present: bool,
    /// If it is not what the client asked for.
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) receive_maximum: u16,
    /// Largest packet that we take, bytes.
    pub(crate) packet_limit_bytes: usize,
    pub(crate) topic_alias_maximum: u16,
    /// If the client sent none.
    pub(crate) assigned_client_id: Option<String>,
    /// If it is not what the client asked for.
    pub(crate) server_keep_alive_s: Option<u16>,
    /// 0, 1 or 2.
    pub(crate) maximum_qos: u8,
    pub(crate) retain_available: bool,
    pub(crate) wildcard_available: bool,
    pub(crate) identifiers_available: bool,
    pub(crate) shared_available: bool,
    /// A hint for people.
    pub(crate) reason_string: Option<String>,
}

impl Default for Welcome {
    /// A server without a limit.
    fn default() -> Welcome {
        Welcome {
            session_present: false,
            session_expiry_s: None,
            receive_maximum: u16::MAX,
            packet_limit_bytes: PACKET_BYTES_MAX,
            topic_alias_maximum: 0,
            assigned_client_id: None,
            server_keep_alive_s: None,
            maximum_qos: 2,
            retain_available: true,
            wildcard_available: true,
            identifiers_available: true,
            shared_available: true,
            reason_string: None,
        }
    }
}

/// The largest packet that four bytes of remaining length can say, fixed header included.
const PACKET_BYTES_MAX: usize = 268_435_455 + 5;

/// CONNACK that lets a v3.1.1 client in.
pub(crate) fn connack_v3(out: &mut Vec<u8>, session_present: bool) {
    packet(out, 0x20, &[u8::from(session_present), 0]);
}

/// CONNACK that lets a v5 client in. False, and nothing written, if it is larger than the client takes even without
/// the reason string: then there is no talking to this client.
pub(crate) fn connack_v5(out: &mut Vec<u8>, welcome: &Welcome, packet_max_bytes: usize) -> bool {
    let present = u8::from(welcome.session_present);
    write(out, present, 0, &welcome.properties(), welcome.reason_string.as_deref(), packet_max_bytes)
}

impl Welcome {
    fn properties(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(64);
        if let Some(seconds) = self.session_expiry_s {
            list.push(SESSION_EXPIRY);
            list.extend_from_slice(&seconds.to_be_bytes());
        }
        if self.receive_maximum < u16::MAX {
            list.push(RECEIVE_MAXIMUM);
            list.extend_from_slice(&self.receive_maximum.to_be_bytes());
        }
        if self.maximum_qos < 2 {
            list.extend_from_slice(&[MAXIMUM_QOS, self.maximum_qos]);
        }
        if self.packet_limit_bytes < PACKET_BYTES_MAX {
            let bytes = u32::try_from(self.packet_limit_bytes).unwrap_or(u32::MAX);
            list.push(MAXIMUM_PACKET_SIZE);
            list.extend_from_slice(&bytes.to_be_bytes());
        }
        if let Some(client_id) = &self.assigned_client_id {
            list.push(ASSIGNED_CLIENT_ID);
            text(&mut list, client_id);
        }
        if self.topic_alias_maximum > 0 {
            list.push(TOPIC_ALIAS_MAXIMUM);
            list.extend_from_slice(&self.topic_alias_maximum.to_be_bytes());
        }
        if let Some(seconds) = self.server_keep_alive_s {
            list.push(SERVER_KEEP_ALIVE);
            list.extend_from_slice(&seconds.to_be_bytes());
        }
        for (id, available) in [
            (RETAIN_AVAILABLE, self.retain_available),
            (WILDCARD_AVAILABLE, self.wildcard_available),
            (IDENTIFIERS_AVAILABLE, self.identifiers_available),
            (SHARED_AVAILABLE, self.shared_available),
        ] {
            if !available {
                list.extend_from_slice(&[id, 0]);
            }
        }
        list
    }
}

/// CONNACK that turns a client away. Writes nothing if v3.1.1 has no code for the reason: the socket is to be closed
/// without a word.
pub(crate) fn connack_refused(out: &mut Vec<u8>, v5: bool, code: u8, what: &str, packet_max_bytes: usize) {
    if v5 {
        let code = match code {
            0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F => code, // table 3-1
            _ => 0x80,
        };
        write(out, 0, code, &[], Some(what), packet_max_bytes);
        return;
    }
    let code = match code {
        0x84 => 1,
        0x85 => 2,
        0x88 | 0x89 | 0x97 | 0x9F => 3,
        0x86 => 4,
        0x87 | 0x8A | 0x90 => 5,
        _ => return,
    };
    packet(out, 0x20, &[0, code]);
}

fn write(
    out: &mut Vec<u8>,
    present: u8,
    code: u8,
    properties: &[u8],
    reason_string: Option<&str>,
    packet_max_bytes: usize,
) -> bool {
    let bytes = |properties: usize| {
        let body = 2 + width(properties) + properties;
        1 + width(body) + body
    };
    let fits = |what: &&str| {
        what.len() <= usize::from(u16::MAX) && bytes(properties.len() + 3 + what.len()) <= packet_max_bytes
    };
    let reason_string = reason_string.filter(fits);
    if bytes(properties.len()) > packet_max_bytes {
        return false;
    }
    let mut body = vec![present, code];
    varint(&mut body, properties.len() + reason_string.map_or(0, |what| 3 + what.len()));
    body.extend_from_slice(properties);
    if let Some(what) = reason_string {
        body.push(REASON_STRING);
        text(&mut body, what);
    }
    packet(out, 0x20, &body);
    true
}
