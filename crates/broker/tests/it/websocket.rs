//! MQTT over WebSocket (MQTT 5 section 6), and clients that get it wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Broker, Settings};
use futures::{SinkExt, StreamExt};
use rustls::version::TLS13;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::certificates::{Authority, connect};
use crate::support::{Connect, publish, settings, start_accepting, until, within};

fn with_websocket() -> Settings {
    Settings { websocket_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..settings() }
}

async fn open(broker: &Broker) -> WebSocketStream<TcpStream> {
    let tcp = TcpStream::connect(broker.websocket_addr().unwrap()).await.unwrap();
    upgrade(tcp, Some("mqtt")).await.unwrap()
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    protocols: Option<&str>,
) -> Result<WebSocketStream<S>, Error> {
    let mut request = "ws://localhost/mqtt".into_client_request().unwrap();
    if let Some(protocols) = protocols {
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocols.parse().unwrap());
    }
    let (socket, response) = within(tokio_tungstenite::client_async(request, stream)).await?;
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
    Ok(socket)
}

async fn bytes<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Binary(bytes) => all.extend_from_slice(&bytes),
            Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(all.len(), count);
    all
}

const CONNACK_V3: [u8; 4] = [0x20, 2, 0, 0];

async fn login(broker: &Broker) -> WebSocketStream<TcpStream> {
    let mut socket = open(broker).await;
    socket.send(Message::binary(Connect::v3("ws", "dev").bytes())).await.unwrap();
    assert_eq!(bytes(&mut socket, 4).await, CONNACK_V3);
    socket
}

async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> Option<CloseCode> {
    while let Some(message) = within(socket.next()).await {
        match message {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    None
}

/// MQTT-6.0.0-2: packets share frames and span them.
#[tokio::test]
async fn packets_share_frames_and_span_frames() {
    let broker = start_accepting(with_websocket()).await;
    let mut socket = login(&broker).await;
    let three = [publish(false, "up/dev/x", 1, b"1"), publish(false, "up/dev/x", 2, b"2"), vec![0xC0, 0]].concat();
    socket.send(Message::binary(three.clone())).await.unwrap();
    let mut answers = bytes(&mut socket, 10).await;
    for byte in three {
        socket.send(Message::binary(vec![byte])).await.unwrap();
    }
    answers.extend(bytes(&mut socket, 10).await);
    let count = |one: &[u8]| answers.windows(one.len()).filter(|window| *window == one).count();
    assert_eq!((count(&[0x40, 2, 0, 1]), count(&[0x40, 2, 0, 2]), count(&[0xD0, 0])), (2, 2, 2), "{answers:?}");
}

#[tokio::test]
async fn a_message_in_fragments_and_a_large_one_come_through() {
    let broker = start_accepting(with_websocket()).await;
    let mut socket = login(&broker).await;
    let packet = publish(false, "up/dev/x", 1, &vec![b'x'; 50_000]);
    let (first, last) = packet.split_at(20_000);
    let fragment = |bytes: &[u8], data, last| Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(data), last));
    socket.send(fragment(first, Data::Binary, false)).await.unwrap();
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    socket.send(fragment(last, Data::Continue, true)).await.unwrap();
    let mut ponged = false;
    loop {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Pong(payload) => ponged = payload.as_ref() == b"are you there",
            Message::Binary(bytes) => {
                assert_eq!(bytes.as_ref(), [0x40, 2, 0, 1]);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ponged);
}

#[tokio::test]
async fn it_works_over_tls_too() {
    let authority = Authority::new();
    let broker = start_accepting(authority.settings()).await;
    let config = Arc::new(authority.client(&[&TLS13], None));
    let tls = connect(&config, broker.websocket_tls_addr().unwrap()).await.unwrap();
    let mut socket = upgrade(tls, Some("x, mqtt")).await.unwrap();
    socket.send(Message::binary(Connect::v3("ws", "dev").bytes())).await.unwrap();
    assert_eq!(bytes(&mut socket, 4).await, CONNACK_V3);
    socket.send(Message::binary(publish(false, "up/dev/x", 3, b"x"))).await.unwrap();
    assert_eq!(bytes(&mut socket, 4).await, [0x40, 2, 0, 3]);
}

#[tokio::test]
async fn only_the_protocol_mqtt_is_served() {
    let broker = start_accepting(with_websocket()).await;
    for protocols in [None, Some("mqttv3.1"), Some("chat, superchat")] {
        let tcp = TcpStream::connect(broker.websocket_addr().unwrap()).await.unwrap();
        let error = upgrade(tcp, protocols).await.err().unwrap();
        assert!(matches!(&error, Error::Http(response) if response.status() == 400), "{protocols:?}: {error}");
    }
    assert_eq!(broker.counts().handshakes_failed, 3);
}

/// MQTT-6.0.0-1.
#[tokio::test]
async fn a_text_frame_ends_the_connection_as_unsupported() {
    let broker = start_accepting(with_websocket()).await;
    for mut socket in [login(&broker).await, open(&broker).await] {
        socket.send(Message::text("CONNECT please")).await.unwrap();
        assert_eq!(close_code(&mut socket).await, Some(CloseCode::Unsupported));
    }
    until("both are gone", || broker.connections() == 0).await;
}

#[tokio::test]
async fn a_frame_beyond_the_packet_limit_is_refused_by_its_header() {
    let broker = start_accepting(with_websocket()).await;
    let mut socket = login(&broker).await;
    let mut header = Vec::new();
    let mask = Some([1, 2, 3, 4]);
    FrameHeader { is_final: true, opcode: OpCode::Data(Data::Binary), mask, ..FrameHeader::default() }
        .format(1 << 40, &mut header)
        .unwrap();
    socket.get_mut().write_all(&header).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Size));
}

/// Frames that bring no MQTT cost us too; an idle connection may send some, a flood of them ends it.
#[tokio::test]
async fn a_flood_of_pings_or_empty_frames_ends_its_connection_alone() {
    let broker = start_accepting(with_websocket()).await;
    let mut bystander = login(&broker).await;
    for frame in [Message::Ping("x".into()), Message::binary(Vec::new())] {
        let mut socket = open(&broker).await;
        socket.send(Message::binary(Connect::v3("flood", "dev").bytes())).await.unwrap();
        bytes(&mut socket, 4).await;
        let flood = async { while socket.send(frame.clone()).await.is_ok() {} };
        within(flood).await;
        until("it is gone", || broker.connections() == 1).await;
    }
    bystander.send(Message::binary(vec![0xC0, 0])).await.unwrap();
    assert_eq!(bytes(&mut bystander, 2).await, [0xD0, 0]);
}

#[tokio::test]
async fn the_opening_request_is_bounded_in_size_and_time() {
    let broker = start_accepting(Settings { connect_deadline_ms: 300, ..with_websocket() }).await;
    let to = broker.websocket_addr().unwrap();
    let mut large = TcpStream::connect(to).await.unwrap();
    let request = format!("GET /mqtt HTTP/1.1\r\nX-Filler: {}\r\n", "x".repeat(100_000));
    drop(large.write_all(request.as_bytes()).await);
    let mut rest = Vec::new();
    drop(within(large.read_to_end(&mut rest)).await);
    assert!(rest.is_empty());
    let began = Instant::now();
    let mut slow = TcpStream::connect(to).await.unwrap();
    slow.write_all(b"GET /mqtt HTTP/1.1\r\n").await.unwrap();
    drop(within(slow.read_to_end(&mut rest)).await);
    let mut silent = open(&broker).await; // the same deadline goes on for CONNECT
    assert!(within(silent.next()).await.is_none_or(|message| matches!(message, Ok(Message::Close(_)) | Err(_))));
    assert!(began.elapsed() >= Duration::from_millis(590), "{:?}", began.elapsed());
    assert_eq!((broker.counts().handshakes_failed, broker.counts().no_connect), (2, 1));
}

#[tokio::test]
async fn a_close_frame_is_answered() {
    let broker = start_accepting(with_websocket()).await;
    let mut socket = login(&broker).await;
    socket.close(None).await.unwrap();
    within(async { while let Some(Ok(_)) = socket.next().await {} }).await;
    until("it is gone", || broker.connections() == 0 && broker.sessions() == 0).await;
    let mut socket = login(&broker).await;
    socket.send(Message::binary(vec![0xE0, 0])).await.unwrap();
    assert!(
        matches!(within(socket.next()).await, Some(Ok(Message::Close(_)))),
        "we say goodbye in WebSocket's own terms"
    );
}

/// Before it has logged in a client may send a CONNECT and little beside it, whatever its frames promise.
#[tokio::test]
async fn a_long_frame_has_to_wait_for_the_login() {
    let limits = Settings { connect_limit_bytes: 1_024, packet_limit_bytes: 200_000, ..with_websocket() };
    let broker = start_accepting(limits).await;
    let mut early = open(&broker).await;
    let mut sent = 0;
    // a frame of 199,000 bytes, whose mask is that of zeros
    let head = [&[0x82, 0xFF][..], &199_000u64.to_be_bytes(), &[0; 4]].concat();
    early.get_mut().write_all(&head).await.unwrap();
    while sent < 199_000 && early.get_mut().write_all(&[0x10; 1_000]).await.is_ok() {
        sent += 1_000;
        tokio::task::yield_now().await;
    }
    until("it was cut off", || broker.counts().no_connect == 1).await;
    let goodbye = within(early.next()).await.unwrap().unwrap();
    assert!(matches!(&goodbye, Message::Close(Some(frame)) if frame.code == CloseCode::Policy), "{goodbye:?}");
    let mut socket = login(&broker).await;
    socket.send(Message::binary(publish(false, "up/dev/x", 1, &[b'x'; 150_000]))).await.unwrap();
    assert_eq!(bytes(&mut socket, 4).await, [0x40, 2, 0, 1]);
}
