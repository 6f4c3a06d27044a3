//! Many connections, too many, and no file descriptors.

use std::fs::File;
use std::process::Command;

use broker::Settings;

use crate::support::{Connect, Raw, is_puback, publish, settings, start_accepting, until, within};

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_room_is_used_again() {
    let broker = start_accepting(Settings { max_connections: 3, ..settings() }).await;
    let first = Raw::login(&broker, &Connect::v5("1", "a").bytes()).await;
    let _second = Raw::login(&broker, &Connect::v5("2", "a").bytes()).await;
    let _third = Raw::login(&broker, &Connect::v5("3", "a").bytes()).await;
    let mut fourth = Raw::open(&broker).await;
    fourth.closed().await;
    assert_eq!(broker.counts().turned_away, 1);
    drop(first);
    until("there is room again", || broker.connections() == 2).await;
    Raw::login(&broker, &Connect::v5("4", "a").bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_idle_connections_are_held_and_served() {
    const CONNECTIONS: usize = 2_000;
    let broker = start_accepting(settings()).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::open(&broker).await;
        raw.send(&Connect::v5("", "dev").bytes()).await;
        clients.push(raw);
    }
    for raw in &mut clients {
        assert_eq!(raw.packet().await.body[1], 0);
    }
    assert_eq!((broker.connections(), broker.sessions()), (CONNECTIONS, CONNECTIONS));
    for raw in &mut clients {
        raw.send(&publish(true, "up/dev/x", 1, b"x")).await;
    }
    for raw in &mut clients {
        assert!(is_puback(&raw.packet().await, 1));
    }
    drop(clients);
    until("all are gone", || broker.connections() == 0 && broker.sessions() == 0).await;
}

/// The limit of open files belongs to a process, so that this runs in one of its own.
#[test]
fn running_out_of_file_descriptors_sheds_new_connections_and_recovers() {
    let this = std::env::current_exe().unwrap();
    let name = "limits::in_a_process_with_few_file_descriptors";
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --ignored --exact \"$1\""])
        .arg(this)
        .arg(name)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "run by the test above, with a limit of 64 open files"]
async fn in_a_process_with_few_file_descriptors() {
    let broker = start_accepting(settings()).await;
    let mut old = Raw::login(&broker, &Connect::v5("old", "a").bytes()).await;
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    for shed in 1..4 {
        hoard.pop(); // one for the client's end; the listener finds none for its own
        let mut new = Raw::open(&broker).await;
        new.closed().await; // at once, and not when the client's patience ends
        assert_eq!(broker.counts().shed_no_file, shed);
        drop(new);
        hoard.push(File::open("/dev/null").unwrap());
        old.ping().await;
    }
    hoard.truncate(10);
    Raw::login(&broker, &Connect::v5("new", "a").bytes()).await;
    let errors = broker.counts().accept_errors;
    assert!(errors < 50, "it asks again after a pause, not in a loop: {errors}");
    within(broker.shutdown()).await;
}
