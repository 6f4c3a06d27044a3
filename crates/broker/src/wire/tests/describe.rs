//! Packets in the words of the table.

use std::fmt::Write;

use crate::wire::control::{Options, Packet};
use crate::wire::hello::Hello;
use crate::wire::publish::{Forward, Publish};

pub(super) fn packet(packet: &Packet) -> String {
    let yes = |accepted: &bool| if *accepted { "yes" } else { "no" };
    match packet {
        Packet::Publish(message) => publish(message),
        Packet::Puback { packet_id, accepted } => format!("puback #{packet_id} {}", yes(accepted)),
        Packet::Pubrec { packet_id, accepted } => format!("pubrec #{packet_id} {}", yes(accepted)),
        Packet::Pubrel { packet_id } => format!("pubrel #{packet_id}"),
        Packet::Pubcomp { packet_id } => format!("pubcomp #{packet_id}"),
        Packet::Subscribe { packet_id, filters, identifier } => {
            let mut text = format!("subscribe #{packet_id}");
            if let Some(identifier) = identifier {
                write!(text, " id {identifier}").unwrap();
            }
            for (filter, options) in filters {
                write!(text, " '{filter}'{}", subscription(*options)).unwrap();
            }
            text
        }
        Packet::Unsubscribe { packet_id, filters } => {
            let filters: String = filters.iter().map(|filter| format!(" '{filter}'")).collect();
            format!("unsubscribe #{packet_id}{filters}")
        }
        Packet::Pingreq => "pingreq".to_owned(),
        Packet::Disconnect { reason, session_expiry_s } => {
            format!("disconnect {reason:02X}{}", number("expiry", *session_expiry_s))
        }
    }
}

fn subscription(options: Options) -> String {
    let mut text = format!(" q{}", options.qos);
    if options.no_local {
        text += " no-local";
    }
    if options.retain_as_published {
        text += " as-published";
    }
    if options.retain_handling > 0 {
        write!(text, " handling {}", options.retain_handling).unwrap();
    }
    text
}

fn publish(publish: &Publish) -> String {
    let mut text = format!("publish '{}' q{}", String::from_utf8_lossy(&publish.topic), publish.qos);
    if publish.qos > 0 {
        write!(text, " #{}", publish.packet_id).unwrap();
    }
    text += if publish.dup { " dup" } else { "" };
    text += if publish.retain { " retain" } else { "" };
    text += &number("alias", publish.alias.map(u32::from));
    text += &number("expiry", publish.expiry_s);
    text += &forwarded(publish.properties.as_ref());
    text += &payload(&publish.payload);
    text
}

fn number(name: &str, number: Option<u32>) -> String {
    number.map(|number| format!(" {name} {number}")).unwrap_or_default()
}

fn forwarded(properties: Option<&Forward>) -> String {
    let Some(properties) = properties else { return String::new() };
    let mut text = String::new();
    if let Some(content_type) = properties.content_type() {
        write!(text, " type {content_type}").unwrap();
    }
    text += &number("format", properties.payload_format_indicator().map(u32::from));
    if let Some(topic) = properties.response_topic() {
        write!(text, " answer {topic}").unwrap();
    }
    if let Some(data) = properties.correlation_data() {
        write!(text, " correlation {}", hexadecimal(data)).unwrap();
    }
    for (name, value) in properties.user_properties() {
        write!(text, " {name}={value}").unwrap();
    }
    text
}

fn payload(payload: &[u8]) -> String {
    match payload {
        [] => ":".to_owned(),
        payload => format!(": {}", words(payload)),
    }
}

fn words(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("bytes {}", hexadecimal(bytes)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

pub(super) fn hello(hello: &Hello) -> String {
    let version = if hello.v5 { 5 } else { 3 };
    let clean = if hello.clean_start { "clean" } else { "keep" };
    let mut text = format!("connect v{version} '{}' {clean} alive {}", hello.client_id, hello.keep_alive_s);
    match hello.session_expiry_s {
        0 => {}
        u32::MAX => text += " session forever",
        seconds => write!(text, " session {seconds}").unwrap(),
    }
    let unless = |unsaid: u32, said: u32| (said != unsaid).then_some(said);
    text += &number("receive", unless(u32::from(u16::MAX), u32::from(hello.receive_maximum)));
    text += &number("packet", unless(u32::MAX, hello.packet_max_bytes));
    text += &number("aliases", unless(0, u32::from(hello.topic_alias_maximum)));
    text += if hello.request_problem_information { "" } else { " no-problem" };
    text += if hello.request_response_information { " response" } else { "" };
    if let Some(username) = &hello.username {
        write!(text, " user {username}").unwrap();
    }
    if let Some(password) = &hello.password {
        write!(text, " password {}", words(password)).unwrap();
    }
    if let Some(will) = &hello.will {
        write!(text, " will '{}' q{}", will.topic, will.qos).unwrap();
        text += if will.retain { " retain" } else { "" };
        text += &number("delay", unless(0, will.delay_s));
        text += &number("expiry", will.expiry_s);
        text += &forwarded(will.properties.as_ref());
        text += &payload(&will.payload);
    }
    text
}
