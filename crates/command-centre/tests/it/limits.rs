//! Connections and deadlines.

use command_centre::{CommandCentre, ServeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::station::{DEADLINE, Station};

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut text)).await.expect("the other end closes");
    // a reset is an end too
    let _ = read;
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let station = Station::start_with(|settings| settings.connections_max = 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(station.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut third = TcpStream::connect(station.address).await.unwrap();
    assert!(read_to_end(&mut third).await.starts_with("HTTP/1.1 503"));
    drop(held);
    let free_again = async {
        loop {
            let mut stream = TcpStream::connect(station.address).await.unwrap();
            let request = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            if stream.write_all(request).await.is_ok() && read_to_end(&mut stream).await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, free_again).await.unwrap();
    station.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let station = Station::start_with(|settings| settings.head_deadline_ms = 500).await;
    let mut silent = TcpStream::connect(station.address).await.unwrap();
    let mut halting = TcpStream::connect(station.address).await.unwrap();
    halting.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    let mut idle = TcpStream::connect(station.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_to_end(&mut silent).await;
    read_to_end(&mut halting).await;
    assert!(read_to_end(&mut idle).await.starts_with("HTTP/1.1 200"));
    station.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let station = Station::start_with(|settings| {
        settings.action_deadline_ms = 50;
        settings.request_deadline_ms = 100;
    })
    .await;
    let mut stream = TcpStream::connect(station.address).await.unwrap();
    let head = "POST /api/v1/session HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 504"));
    station.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_told_with_what_to_do() {
    let station = Station::start().await;
    let parts = station.parts_at(station.address);
    let error = CommandCentre::serve(parts, tokio_util::sync::CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }));
    assert!(error.to_string().contains("http.listen"));
    station.stop().await;
}
