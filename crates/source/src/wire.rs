//! rumqttc for both protocol versions behind one face.
//!
//! Two things of rumqttc to know: a DISCONNECT without body is an error to its MQTT 5 codec (the connection ends all the
//! same, and is made again), and it resolves topic aliases only for itself, so none are allowed.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, StreamExt, unfold};
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as v4, Outgoing, TlsConfiguration, Transport, v5};

use crate::settings::{Mqtt, Protocol};
use crate::tls;
use crate::window::Ack;

/// What a connection says.
pub(crate) enum Heard {
    Connected {
        session_present: bool,
    },
    Subscribed(Result<(), String>),
    Publish(Taken),
    /// One acknowledgement of ours was sent.
    Acknowledged,
    Left,
    Other,
}

/// One publish.
pub(crate) struct Taken {
    pub(crate) topic: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) ack: Ack,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) content_type: Option<Box<str>>,
}

/// Requests to a connection.
pub(crate) enum Client {
    V5(v5::AsyncClient),
    V4(v4::AsyncClient),
}

/// The connection is not taking requests: it must end.
#[derive(Debug)]
pub(crate) struct Stuck;

/// Acknowledgements given to rumqttc and not yet sent; the caller gives it no more.
pub(crate) const ACKS_QUEUED_MAX: usize = 1024;
/// Room for subscriptions and the goodbye beside them.
const OTHER_REQUESTS: usize = 16;

/// rumqttc keeps a slot for each publish of ours that may be under way; we publish nothing.
const OUTGOING: u16 = 8;

impl Client {
    /// Acknowledges; a QoS 2 publish is answered with PUBREC, and its PUBREL by rumqttc.
    pub(crate) fn ack(&self, ack: Ack) -> Result<(), Stuck> {
        match self {
            Client::V5(client) => {
                let mut publish = five::Publish::new("", qos_5(ack.qos), Bytes::new(), None);
                publish.pkid = ack.packet_id;
                client.try_ack(&publish).map_err(|_| Stuck)
            }
            Client::V4(client) => {
                let mut publish = v4::Publish::new("", qos_4(ack.qos), Vec::new());
                publish.pkid = ack.packet_id;
                client.try_ack(&publish).map_err(|_| Stuck)
            }
        }
    }

    /// Takes back what an earlier configuration of this session subscribed to, and subscribes.
    pub(crate) fn subscribe(&self, filters: Vec<String>, leftovers: Vec<String>) -> Result<(), Stuck> {
        match self {
            Client::V5(client) => {
                for filter in leftovers {
                    client.try_unsubscribe(filter).map_err(|_| Stuck)?;
                }
                let filter = |filter: String| {
                    let mut filter = five::Filter::new(filter, v5::mqttbytes::QoS::AtLeastOnce);
                    filter.retain_forward_rule = five::RetainForwardRule::OnNewSubscribe;
                    filter
                };
                client.try_subscribe_many(filters.into_iter().map(filter)).map_err(|_| Stuck)
            }
            Client::V4(client) => {
                for filter in leftovers {
                    client.try_unsubscribe(filter).map_err(|_| Stuck)?;
                }
                let filter = |filter: String| v4::SubscribeFilter::new(filter, v4::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.into_iter().map(filter)).map_err(|_| Stuck)
            }
        }
    }

    /// Says goodbye without ending the session.
    pub(crate) fn leave(&self) -> Result<(), Stuck> {
        match self {
            Client::V5(client) => client.try_disconnect().map_err(|_| Stuck),
            Client::V4(client) => client.try_disconnect().map_err(|_| Stuck),
        }
    }
}

/// What is heard, until the first error, which says what to do.
pub(crate) type Events = futures::stream::BoxStream<'static, Result<Heard, String>>;

/// Prepares a connection, which is made when the events are first asked for. Reads files; blocks.
///
/// # Errors
/// A file that cannot be used, as a sentence.
pub(crate) fn open(settings: &Mqtt, client_id: &str) -> Result<(Client, Events), String> {
    let transport = match &settings.tls {
        Some(tls) => Transport::tls_with_config(TlsConfiguration::Rustls(tls::read(tls)?)),
        None => Transport::tcp(),
    };
    let login = login(settings)?;
    let requests = ACKS_QUEUED_MAX + OTHER_REQUESTS;
    match settings.protocol {
        Protocol::V5 => {
            let (client, events) = v5::AsyncClient::new(options_5(settings, client_id, transport, login), requests);
            let events = unfold(events, async |mut events| {
                let heard = events.poll().await.map(heard_5).map_err(|error| told_5(&error));
                Some((heard, events))
            });
            Ok((Client::V5(client), until_error(events)))
        }
        Protocol::V311 => {
            let (client, mut events) = v4::AsyncClient::new(options_4(settings, client_id, transport, login), requests);
            events.network_options.set_connection_timeout(deadline_s(settings));
            let events = unfold(events, async |mut events| {
                let heard = events.poll().await.map(heard_4).map_err(|error| told_4(&error));
                Some((heard, events))
            });
            Ok((Client::V4(client), until_error(events)))
        }
    }
}

fn until_error(events: impl Stream<Item = Result<Heard, String>> + Send + 'static) -> Events {
    let ended = events.scan(false, |failed, heard| {
        let over = std::mem::replace(failed, heard.is_err());
        std::future::ready((!over).then_some(heard))
    });
    ended.boxed()
}

fn login(settings: &Mqtt) -> Result<Option<(String, String)>, String> {
    let Some(user) = settings.user.clone() else { return Ok(None) };
    let password = match &settings.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("password_file {} cannot be read: {error}", path.display()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => settings.password.clone().unwrap_or_default(),
    };
    Ok(Some((user, password)))
}

fn deadline_s(settings: &Mqtt) -> u64 {
    Duration::from_millis(settings.connect_deadline_ms).as_secs().max(1)
}

fn options_5(
    settings: &Mqtt,
    client_id: &str,
    transport: Transport,
    login: Option<(String, String)>,
) -> v5::MqttOptions {
    let mut options = v5::MqttOptions::new(client_id, &settings.host, settings.port);
    options.set_transport(transport);
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    options.set_clean_start(false);
    options.set_manual_acks(true);
    options.set_keep_alive(Duration::from_secs(settings.keep_alive_s.into()));
    options.set_connection_timeout(deadline_s(settings));
    options.set_outgoing_inflight_upper_limit(OUTGOING);
    options.set_session_expiry_interval(Some(settings.session_expiry_s));
    options.set_receive_maximum(Some(settings.receive_window));
    options.set_max_packet_size(Some(settings.packet_limit_bytes));
    options
}

fn options_4(
    settings: &Mqtt,
    client_id: &str,
    transport: Transport,
    login: Option<(String, String)>,
) -> v4::MqttOptions {
    let mut options = v4::MqttOptions::new(client_id, &settings.host, settings.port);
    options.set_transport(transport);
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    options.set_clean_session(false);
    options.set_manual_acks(true);
    options.set_keep_alive(Duration::from_secs(settings.keep_alive_s.into()));
    options.set_inflight(OUTGOING);
    let limit_bytes = settings.packet_limit_bytes as usize;
    options.set_max_packet_size(limit_bytes, limit_bytes);
    options
}

fn heard_5(event: v5::Event) -> Heard {
    match event {
        v5::Event::Incoming(five::Packet::Publish(publish)) => Heard::Publish(Taken {
            ack: Ack { packet_id: publish.pkid, qos: publish.qos as u8 },
            retain: publish.retain,
            dup: publish.dup,
            content_type: publish.properties.and_then(|properties| properties.content_type).map(Box::from),
            topic: publish.topic,
            payload: publish.payload,
        }),
        v5::Event::Incoming(five::Packet::ConnAck(ack)) => Heard::Connected { session_present: ack.session_present },
        v5::Event::Incoming(five::Packet::SubAck(ack)) => {
            let refused = ack.return_codes.iter().find(|code| !matches!(code, five::SubscribeReasonCode::Success(_)));
            Heard::Subscribed(refused.map_or(Ok(()), |code| Err(format!("{code:?}"))))
        }
        v5::Event::Outgoing(Outgoing::PubAck(_) | Outgoing::PubRec(_)) => Heard::Acknowledged,
        v5::Event::Outgoing(Outgoing::Disconnect) => Heard::Left,
        _ => Heard::Other,
    }
}

fn heard_4(event: v4::Event) -> Heard {
    match event {
        v4::Event::Incoming(v4::Packet::Publish(publish)) => Heard::Publish(Taken {
            ack: Ack { packet_id: publish.pkid, qos: publish.qos as u8 },
            retain: publish.retain,
            dup: publish.dup,
            content_type: None,
            topic: Bytes::from(publish.topic),
            payload: publish.payload,
        }),
        v4::Event::Incoming(v4::Packet::ConnAck(ack)) => Heard::Connected { session_present: ack.session_present },
        v4::Event::Incoming(v4::Packet::SubAck(ack)) => {
            let refused = ack.return_codes.contains(&v4::SubscribeReasonCode::Failure);
            Heard::Subscribed(if refused { Err("failure".into()) } else { Ok(()) })
        }
        v4::Event::Outgoing(Outgoing::PubAck(_) | Outgoing::PubRec(_)) => Heard::Acknowledged,
        v4::Event::Outgoing(Outgoing::Disconnect) => Heard::Left,
        _ => Heard::Other,
    }
}

const CREDENTIALS: &str = "the broker refused our credentials: correct user and password (password_file) here or there";
const CLIENT_ID: &str = "the broker refused our client id: set another client_id";
const NO_PING: &str = "the broker does not answer: look at it and at the network";
const CLOSED: &str = "the broker closed the connection: if it goes on, look at its log";
const TAKEN_OVER: &str = "another client took over our session: give each station a client_id of its own";
const TIMEOUT: &str = "no answer within connect_deadline_ms: are host and port right?";

fn told_5(error: &v5::ConnectionError) -> String {
    use five::ConnectReturnCode as Code;
    use v5::{ConnectionError as Error, StateError as State};
    match error {
        Error::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => CREDENTIALS.into(),
        Error::ConnectionRefused(Code::BadClientId | Code::ClientIdentifierNotValid) => CLIENT_ID.into(),
        Error::ConnectionRefused(Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion) => {
            "the broker does not speak MQTT 5: set protocol = \"3.1.1\"".into()
        }
        Error::ConnectionRefused(code) => format!("the broker refused the connection: {code:?}"),
        Error::Timeout(_) => TIMEOUT.into(),
        Error::Io(error) => told_io(error),
        Error::MqttState(State::Io(error)) => told_io(error),
        Error::MqttState(State::AwaitPingResp) => NO_PING.into(),
        Error::MqttState(State::ConnectionAborted) => CLOSED.into(),
        Error::MqttState(State::ServerDisconnect {
            reason_code: five::DisconnectReasonCode::SessionTakenOver, ..
        }) => TAKEN_OVER.into(),
        Error::Tls(error) => format!("TLS failed: {error}: check tls.ca and the name in the broker's certificate"),
        other => format!("the connection ended: {other}"),
    }
}

fn told_4(error: &v4::ConnectionError) -> String {
    use v4::{ConnectReturnCode as Code, ConnectionError as Error, StateError as State};
    match error {
        Error::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => CREDENTIALS.into(),
        Error::ConnectionRefused(Code::BadClientId) => CLIENT_ID.into(),
        Error::ConnectionRefused(code) => format!("the broker refused the connection: {code:?}"),
        Error::NetworkTimeout | Error::FlushTimeout => TIMEOUT.into(),
        Error::Io(error) => told_io(error),
        Error::MqttState(State::Io(error)) => told_io(error),
        Error::MqttState(State::AwaitPingResp) => NO_PING.into(),
        Error::MqttState(State::ConnectionAborted) => CLOSED.into(),
        Error::Tls(error) => format!("TLS failed: {error}: check tls.ca and the name in the broker's certificate"),
        other => format!("the connection ended: {other}"),
    }
}

fn told_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("{error}: is the broker running, are host and port right?"),
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof => CLOSED.into(),
        _ => error.to_string(),
    }
}

fn qos_5(qos: u8) -> v5::mqttbytes::QoS {
    match qos {
        0 => v5::mqttbytes::QoS::AtMostOnce,
        1 => v5::mqttbytes::QoS::AtLeastOnce,
        _ => v5::mqttbytes::QoS::ExactlyOnce,
    }
}

fn qos_4(qos: u8) -> v4::QoS {
    match qos {
        0 => v4::QoS::AtMostOnce,
        1 => v4::QoS::AtLeastOnce,
        _ => v4::QoS::ExactlyOnce,
    }
}
