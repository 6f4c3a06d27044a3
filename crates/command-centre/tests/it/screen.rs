//! The embedded screen.

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::station::Station;

#[tokio::test]
async fn the_screen_comes_with_a_strict_policy() {
    let station = Station::start().await;
    let page = station.ask(Method::GET, "/", &[], None).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-cache");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for rule in ["default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));

    let etag = page.headers["etag"].to_str().unwrap();
    let again = station.ask(Method::GET, "/", &[("if-none-match", etag)], None).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let head = station.ask(Method::HEAD, "/", &[], None).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    station.stop().await;
}

#[tokio::test]
async fn what_the_page_asks_for_is_there_and_kept_for_good() {
    let station = Station::start().await;
    let page = station.ask(Method::GET, "/index.html", &[], None).await;
    let text = String::from_utf8(page.body).unwrap();
    let assets: Vec<&str> = text.split('"').filter(|part| part.contains("assets/")).collect();
    for asset in &assets {
        let path = format!("/{}", asset.trim_start_matches("./").trim_start_matches('/'));
        let answer = station.ask(Method::GET, &path, &[("accept-encoding", "gzip")], None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.headers["cache-control"].to_str().unwrap().contains("immutable"), "{path}");
        let content_type = answer.headers["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/javascript") || content_type.starts_with("text/css"), "{path}");
    }
    station.stop().await;
}

#[tokio::test]
async fn nothing_but_the_bundle_is_served() {
    let station = Station::start().await;
    // by hand: a client would tidy such paths up
    for path in
        ["/../Cargo.toml", "/assets/../index.html", "/assets", "/assets/", "//index.html/", "/%2e%2e/Cargo.toml"]
    {
        let mut stream = tokio::net::TcpStream::connect(station.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}");
    }
    station.stop().await;
}
