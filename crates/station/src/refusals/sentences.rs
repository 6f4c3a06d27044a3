//! Reason codes by the standard's name (MQTT 5 section 2.4), and what to do about each.

use broker::{Attempt, Refused};

use crate::credentials::{Credential, Credentials, Kind};

/// The standard's name of a reason code.
pub fn name_of(code: u8) -> &'static str {
    match code {
        0x81 => "Malformed Packet",
        0x82 => "Protocol Error",
        0x83 => "Implementation specific error",
        0x84 => "Unsupported Protocol Version",
        0x85 => "Client Identifier not valid",
        0x86 => "Bad User Name or Password",
        0x87 => "Not authorized",
        0x88 => "Server unavailable",
        0x89 => "Server busy",
        0x8A => "Banned",
        0x8B => "Server shutting down",
        0x8C => "Bad authentication method",
        0x8D => "Keep Alive timeout",
        0x8E => "Session taken over",
        0x8F => "Topic Filter invalid",
        0x90 => "Topic Name invalid",
        0x91 => "Packet Identifier in use",
        0x92 => "Packet Identifier not found",
        0x93 => "Receive Maximum exceeded",
        0x94 => "Topic Alias invalid",
        0x95 => "Packet too large",
        0x96 => "Message rate too high",
        0x97 => "Quota exceeded",
        0x98 => "Administrative action",
        0x99 => "Payload format invalid",
        0x9A => "Retain not supported",
        0x9B => "QoS not supported",
        0x9E => "Shared Subscriptions not supported",
        0x9F => "Connection rate exceeded",
        0xA1 => "Subscription Identifiers not supported",
        0xA2 => "Wildcard Subscriptions not supported",
        _ => "Unspecified error",
    }
}

/// What is wrong and what to do, as far as credentials.csv can tell; else what the listener says.
pub(super) fn explain(refused: &Refused<'_>, credentials: &Credentials) -> String {
    let credential = refused.who.and_then(|who| credentials.get(who));
    match (refused.code, refused.what) {
        (0x86, Attempt::Connect) => bad_credentials(refused.who, credential),
        (0x85, Attempt::Connect) => client_id(refused, credential, credentials),
        (0x87, Attempt::Connect) if credential.is_some_and(|it| matches!(it.kind, Kind::Token(_))) => {
            "a token opens the HTTP API and not the MQTT listener: use a credential of another kind".to_owned()
        }
        (0x87, Attempt::Publish(_)) => may(credential, "publish to", |credential| {
            credential.permissions.as_ref().map(|it| it.publish.iter().map(broker::TopicFilter::as_str).collect())
        }),
        (0x87, Attempt::Subscribe(_)) => may(credential, "subscribe to", |credential| {
            credential.permissions.as_ref().map(|it| it.subscribe.iter().map(broker::TopicFilter::as_str).collect())
        }),
        (0x89, Attempt::Connect) => "the station is starting or full: come back in a moment".to_owned(),
        _ => refused.detail.to_owned(),
    }
}

fn bad_credentials(who: Option<&str>, credential: Option<&Credential>) -> String {
    match (who, credential) {
        (None, _) => {
            "there was no user name, and no certificate that proves anybody: set user name and password".to_owned()
        }
        (Some(who), None) => {
            format!("no credential is called {who:?}: see the spelling, or have it added (`fenghuo device add`)")
        }
        (Some(_), Some(credential)) => match credential.secrets() {
            0 => "this credential has no secret: use its certificate, or have one made (`fenghuo device rotate`)"
                .to_owned(),
            1 => "the secret is not the stored one: set the right one, or have a new one made (rotate)".to_owned(),
            count => format!("the secret is none of the {count} stored ones: set one of them"),
        },
    }
}

fn client_id(refused: &Refused<'_>, credential: Option<&Credential>, credentials: &Credentials) -> String {
    let found = credential.zip(refused.client_id);
    match found.map(|(credential, client_id)| credentials.client_id_fits(credential, client_id)) {
        Some(Err(why)) => why,
        _ => format!("{}: choose another client id", refused.detail),
    }
}

fn may<'a>(
    credential: Option<&'a Credential>,
    what: &str,
    filters: impl Fn(&'a Credential) -> Option<Vec<&'a str>>,
) -> String {
    let filters = credential.and_then(filters).unwrap_or_default();
    if filters.is_empty() {
        return format!("this credential may not {what} anything");
    }
    let shown = filters.iter().take(8).copied().collect::<Vec<_>>().join(" ");
    format!("this credential may {what}: {shown}")
}
