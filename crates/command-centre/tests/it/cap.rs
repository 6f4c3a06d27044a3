//! Alerts as CAP 1.2 messages, read back and held against the schema's order of elements.

use model::alert::Mark;
use model::finding::Words;
use model::{AlertId, AlertState, Colour, FeedKind, OrderId, Verdict};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::station::{LOCAL, Station, VIEWER};

const CAP: &str = "urn:oasis:names:tc:emergency:cap:1.2";

/// Elements in an element, in order: name, and how often at least and at most.
type Parts = &'static [(&'static str, usize, usize)];

/// Elements of the schema of CAP 1.2 that have elements in them.
const SCHEMA: &[(&str, Parts)] = &[
    (
        "alert",
        &[
            ("identifier", 1, 1),
            ("sender", 1, 1),
            ("sent", 1, 1),
            ("status", 1, 1),
            ("msgType", 1, 1),
            ("source", 0, 1),
            ("scope", 1, 1),
            ("restriction", 0, 1),
            ("addresses", 0, 1),
            ("code", 0, 99),
            ("note", 0, 1),
            ("references", 0, 1),
            ("incidents", 0, 1),
            ("info", 0, 99),
        ],
    ),
    (
        "info",
        &[
            ("language", 0, 1),
            ("category", 1, 99),
            ("event", 1, 1),
            ("responseType", 0, 99),
            ("urgency", 1, 1),
            ("severity", 1, 1),
            ("certainty", 1, 1),
            ("audience", 0, 1),
            ("eventCode", 0, 99),
            ("effective", 0, 1),
            ("onset", 0, 1),
            ("expires", 0, 1),
            ("senderName", 0, 1),
            ("headline", 0, 1),
            ("description", 0, 1),
            ("instruction", 0, 1),
            ("web", 0, 1),
            ("contact", 0, 1),
            ("parameter", 0, 99),
            ("resource", 0, 99),
            ("area", 0, 99),
        ],
    ),
    (
        "area",
        &[
            ("areaDesc", 1, 1),
            ("polygon", 0, 99),
            ("circle", 0, 99),
            ("geocode", 0, 99),
            ("altitude", 0, 1),
            ("ceiling", 0, 1),
        ],
    ),
    ("geocode", &[("valueName", 1, 1), ("value", 1, 1)]),
    ("parameter", &[("valueName", 1, 1), ("value", 1, 1)]),
];

/// Elements whose text is one of a list.
const WORDS: &[(&str, &[&str])] = &[
    ("status", &["Actual", "Exercise", "System", "Test", "Draft"]),
    ("msgType", &["Alert", "Update", "Cancel", "Ack", "Error"]),
    ("scope", &["Public", "Restricted", "Private"]),
    (
        "category",
        &[
            "Geo",
            "Met",
            "Safety",
            "Security",
            "Rescue",
            "Fire",
            "Health",
            "Env",
            "Transport",
            "Infra",
            "CBRNE",
            "Other",
        ],
    ),
    ("responseType", &["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"]),
    ("urgency", &["Immediate", "Expected", "Future", "Past", "Unknown"]),
    ("severity", &["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
    ("certainty", &["Observed", "Likely", "Possible", "Unlikely", "Unknown"]),
];

#[derive(Debug, Default, Clone)]
struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn all<'a>(&'a self, name: &str) -> Vec<&'a Node> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> &Node {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.name);
        all[0]
    }

    #[track_caller]
    fn text(&self, name: &str) -> &str {
        &self.one(name).text
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse(xml: &[u8]) -> Node {
    let mut reader = Reader::from_reader(xml);
    let mut open = vec![Node::default()];
    let start = |element: &quick_xml::events::BytesStart<'_>| Node {
        name: String::from_utf8(element.name().as_ref().to_vec()).unwrap(),
        attributes: element
            .attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                let value = attribute.unescape_value().unwrap().into_owned();
                (String::from_utf8(attribute.key.as_ref().to_vec()).unwrap(), value)
            })
            .collect(),
        ..Node::default()
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => open.push(start(&element)),
            Event::Empty(element) => {
                let node = start(&element);
                open.last_mut().unwrap().children.push(node);
            }
            Event::End(_) => {
                let node = open.pop().unwrap();
                open.last_mut().unwrap().children.push(node);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.decode().unwrap()),
            Event::GeneralRef(reference) => {
                let name = String::from_utf8(reference.to_vec()).unwrap();
                let text = match reference.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_xml_entity(&name).unwrap().to_owned(),
                };
                open.last_mut().unwrap().text.push_str(&text);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    let mut root = open.pop().unwrap();
    assert!(open.is_empty() && root.children.len() == 1);
    root.children.remove(0)
}

/// Checks a node against the schema, and what it cannot say: section 3.2 of the standard.
#[track_caller]
fn conforms(alert: &Node) {
    assert_eq!((alert.name.as_str(), alert.attribute("xmlns")), ("alert", Some(CAP)));
    ordered(alert);
    for name in ["identifier", "sender"] {
        assert!(!alert.text(name).is_empty() && !alert.text(name).contains([' ', ',', '<', '&']), "{name}");
    }
    is_time(alert.text("sent"));
    assert_eq!(alert.all("restriction").is_empty(), alert.text("scope") != "Restricted");
    assert_eq!(alert.all("references").is_empty(), alert.text("msgType") == "Alert");
    for reference in alert.all("references").iter().flat_map(|references| references.text.split(' ')) {
        let parts: Vec<&str> = reference.split(',').collect();
        assert_eq!((parts.len(), parts[0]), (3, alert.text("sender")), "{reference}");
        is_time(parts[2]);
        assert!(parts[1] != alert.text("identifier"));
    }
    let infos = alert.all("info");
    assert_eq!(infos.iter().map(|info| info.text("language")).collect::<Vec<_>>(), ["zh-CN", "en-US"]);
    for info in infos {
        is_time(info.text("effective"));
        is_time(info.text("onset"));
        assert!(info.text("headline").chars().count() <= 160);
        let area = info.one("area");
        assert!(!area.text("areaDesc").is_empty());
        let geocode = area.one("geocode");
        assert_eq!(geocode.text("valueName"), "CN-DIVISION");
        assert_eq!(geocode.text("value").len(), 12);
    }
}

#[track_caller]
fn ordered(node: &Node) {
    let Some((_, allowed)) = SCHEMA.iter().find(|(name, _)| *name == node.name) else {
        assert!(node.children.is_empty(), "{} has elements in it", node.name);
        if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == node.name) {
            assert!(words.contains(&node.text.as_str()), "{}: {}", node.name, node.text);
        }
        return;
    };
    let mut at = 0;
    for child in &node.children {
        let place = allowed.iter().position(|(name, _, _)| *name == child.name);
        let place = place.unwrap_or_else(|| panic!("{} does not belong in {}", child.name, node.name));
        assert!(place >= at, "{} comes too late in {}", child.name, node.name);
        at = place;
        ordered(child);
    }
    for (name, least, most) in *allowed {
        let count = node.all(name).len();
        assert!((*least..=*most).contains(&count), "{count} times {name} in {}", node.name);
    }
}

/// `dateTime` as section 3.3.2 narrows it.
#[track_caller]
fn is_time(text: &str) {
    let pattern = "dddd-dd-ddTdd:dd:dd+dd:dd";
    let fits = text.chars().zip(pattern.chars()).all(|(c, p)| match p {
        'd' => c.is_ascii_digit(),
        '+' => c == '+' || c == '-',
        other => c == other,
    });
    assert!(fits && text.len() == pattern.len(), "{text}");
}

async fn raw(station: &Station, alert: AlertId) -> Vec<u8> {
    let answer = station.get(VIEWER, &format!("/api/v1/alerts/{alert}/cap")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.headers["content-type"], "application/cap+xml");
    answer.body
}

async fn read(station: &Station, alert: AlertId) -> Node {
    let message = parse(&raw(station, alert).await);
    conforms(&message);
    message
}

fn mark(person: &str) -> Mark {
    Mark::by(person, 1)
}

#[tokio::test]
async fn a_fire_is_told_from_alert_to_cancel() {
    let station = Station::start().await;
    let alert = station.desk.raise(3);
    let first = read(&station, alert).await;
    let sent = "2025-11-22T16:00:00+08:00";
    for (name, expected) in [
        ("identifier", format!("{alert}.1")),
        ("sender", "fenghuo.station".to_owned()),
        ("sent", sent.to_owned()),
        ("status", "Actual".to_owned()),
        ("msgType", "Alert".to_owned()),
        ("incidents", alert.to_string()),
    ] {
        assert_eq!(first.text(name), expected, "{name}");
    }
    let info = first.all("info")[1];
    for (name, expected) in [
        ("category", "Fire"),
        ("event", "Fire alarm"),
        ("responseType", "Assess"),
        ("urgency", "Immediate"),
        ("severity", "Extreme"),
        ("certainty", "Likely"),
        ("headline", "Fire alarm (red): 3号店"),
        ("description", "smoke 0.18 dB/m. Not verified yet."),
    ] {
        assert_eq!(info.text(name), expected, "{name}");
    }
    let area = first.all("info")[0].one("area");
    assert_eq!(area.text("areaDesc"), "玉环市 第1街道 第1村 001网格 Harbour Road 3 3号店");
    assert_eq!(area.one("geocode").text("value"), "331083001001");

    station.desk.change(alert, FeedKind::AlertAcknowledged, true, |alert| {
        alert.state = AlertState::Acknowledged;
        alert.acknowledged.push(mark("P2"));
    });
    let second = read(&station, alert).await;
    assert_eq!((second.text("identifier"), second.text("msgType")), (format!("{alert}.2").as_str(), "Update"));
    assert_eq!(second.text("references"), format!("fenghuo.station,{alert}.1,{sent}"));

    station.desk.change(alert, FeedKind::AlertVerified, true, |alert| {
        alert.state = AlertState::Verified;
        alert.verdict = Some((Verdict::Real, mark("P2")));
    });
    let third = read(&station, alert).await;
    let info = third.all("info")[0];
    assert_eq!((info.text("certainty"), info.text("responseType")), ("Observed", "Execute"));
    assert_eq!(third.text("references").split(' ').count(), 2);

    station.desk.close(alert);
    let last = read(&station, alert).await;
    assert_eq!((last.text("identifier"), last.text("msgType")), (format!("{alert}.4").as_str(), "Cancel"));
    assert_eq!(last.text("references").split(' ').count(), 3);
    let info = last.all("info")[0];
    assert_eq!((info.text("urgency"), info.text("responseType")), ("Past", "AllClear"));
    station.stop().await;
}

#[tokio::test]
async fn a_message_once_sent_stays_as_it_is() {
    let station = Station::start().await;
    let (alert, other) = (station.desk.raise(3), station.desk.raise(4));
    let sent = raw(&station, alert).await;
    station.desk.see_more(alert, "烟雾浓度 0.40 dB/m", "smoke 0.40 dB/m");
    station.desk.change(alert, FeedKind::AlertEscalated, true, |_| ());
    station.desk.paint(3, Colour::Red);
    assert_eq!(raw(&station, alert).await, sent, "more of the same and an inner step is no news to others");
    station.desk.change(alert, FeedKind::AlertAcknowledged, true, |alert| alert.state = AlertState::Acknowledged);
    let acknowledged = raw(&station, alert).await;
    assert_ne!(acknowledged, sent);
    assert!(String::from_utf8_lossy(&acknowledged).contains("smoke 0.40"));
    station.desk.change(alert, FeedKind::AlertAcknowledged, true, |_| ());
    station.desk.see_more(alert, "明火", "flames");
    assert_eq!(raw(&station, alert).await, acknowledged, "a second person's acknowledgement changes nothing");
    // also when the feed no longer has it
    station.desk.ledger.give_up_to(7);
    assert_eq!(raw(&station, alert).await, acknowledged);
    assert_eq!(read(&station, other).await.text("msgType"), "Alert");
    station.stop().await;
}

#[tokio::test]
async fn what_was_found_to_be_nothing_is_cancelled_and_may_come_again() {
    let station = Station::start().await;
    for verdict in [Verdict::False, Verdict::Test] {
        let alert = station.desk.raise(3);
        station.desk.change(alert, FeedKind::AlertVerified, true, |alert| {
            alert.state = AlertState::Verified;
            alert.verdict = Some((verdict, mark("P2")));
        });
        let cancel = read(&station, alert).await;
        assert_eq!((cancel.text("msgType"), cancel.text("status")), ("Cancel", "Actual"));
        assert!(cancel.text("note").contains("All clear"));
        assert_eq!(cancel.all("info")[0].text("certainty"), "Unlikely");
        station.desk.change(alert, FeedKind::AlertRangAgain, true, |alert| {
            alert.state = AlertState::Raised;
            alert.verdict = None;
        });
        let again = read(&station, alert).await;
        assert_eq!((again.text("msgType"), again.text("references").split(' ').count()), ("Update", 2));
        station.desk.close(alert);
    }
    station.stop().await;
}

#[tokio::test]
async fn every_change_of_state_is_told_and_nothing_else() {
    let station = Station::start().await;
    let alert = station.desk.raise(3);
    let mut known = raw(&station, alert).await;
    for (kind, state, is_told) in [
        (FeedKind::AlertAcknowledged, AlertState::Acknowledged, true),
        (FeedKind::AlertAcknowledged, AlertState::Acknowledged, false),
        (FeedKind::AlertAcknowledgementExpired, AlertState::Raised, true),
        (FeedKind::AlertAcknowledged, AlertState::Acknowledged, true),
        (FeedKind::AlertAssigned, AlertState::Acknowledged, false),
        (FeedKind::AlertArrived, AlertState::Arrived, true),
        (FeedKind::AlertNoted, AlertState::Arrived, false),
        (FeedKind::AlertPhotographed, AlertState::Arrived, false),
        (FeedKind::AlertWorkBegun, AlertState::InWork, true),
        (FeedKind::AlertWorkFinished, AlertState::InWork, true),
        (FeedKind::AlertChecked, AlertState::Checked, true),
        (FeedKind::AlertShelved, AlertState::Shelved, true),
        (FeedKind::AlertUnshelved, AlertState::Raised, true),
        (FeedKind::AlertAcknowledged, AlertState::Acknowledged, true),
        (FeedKind::AlertOutOfService, AlertState::OutOfService, true),
        (FeedKind::AlertReturnedToService, AlertState::Raised, true),
        (FeedKind::AlertRestored, AlertState::RestoredUnacknowledged, true),
    ] {
        station.desk.change(alert, kind, true, |alert| alert.state = state);
        let now = raw(&station, alert).await;
        assert_eq!(now != known, is_told, "{kind:?}");
        assert!(String::from_utf8_lossy(&now).contains(&format!("<value>{}</value>", state.word())));
        conforms(&parse(&now));
        known = now;
    }
    station.stop().await;
}

#[tokio::test]
async fn what_is_not_in_earnest_says_so_everywhere() {
    let station = Station::start().await;
    for (drill, status, note, zh, en) in [
        (Some(OrderId { epoch: 1, at: 0 }), "Exercise", "演练", "【演练】", "[EXERCISE]"),
        (None, "Test", "测试", "【测试】", "[TEST]"),
    ] {
        let alert = station.desk.raise(3);
        station.desk.change(alert, FeedKind::AlertRangAgain, true, |alert| {
            (alert.exercise, alert.drill) = (true, drill);
        });
        let message = read(&station, alert).await;
        assert_eq!(message.text("status"), status);
        assert!(message.text("note").contains(note));
        assert!(message.all("info")[0].text("headline").starts_with(zh));
        assert!(message.all("info")[1].text("headline").starts_with(en));
        station.desk.close(alert);
    }
    station.stop().await;
}

#[tokio::test]
async fn words_from_outside_are_words_and_nothing_else() {
    let station = Station::start().await;
    let alert = station.desk.raise(3);
    let evil = "</description><x a=\"1\">&amp;]]> \u{0}\u{b}\u{fffe}<!-- ' 火";
    station.desk.change(alert, FeedKind::AlertUpdated, true, |alert| {
        alert.evidence[0].words = Words { zh: evil.to_owned().into(), en: evil.to_owned().into() };
    });
    let message = read(&station, alert).await;
    let description = message.all("info")[0].text("description");
    assert!(description.starts_with("</description><x a=\"1\">&amp;]]> <!-- ' 火。"), "{description}");
    station.stop().await;
}

#[tokio::test]
async fn references_stay_within_bounds_and_keep_the_first() {
    let station = Station::start().await;
    let alert = station.desk.raise(3);
    for _ in 0..100 {
        station.desk.change(alert, FeedKind::AlertRestored, true, |alert| alert.state = AlertState::Restored);
        station.desk.change(alert, FeedKind::AlertRangAgain, true, |alert| alert.state = AlertState::Raised);
    }
    let message = read(&station, alert).await;
    let references: Vec<&str> = message.text("references").split(' ').collect();
    assert_eq!(references.len(), 64);
    assert!(references[0].contains(&format!(",{alert}.1,")) && references[63].contains(&format!(",{alert}.200,")));
    station.stop().await;
}

#[tokio::test]
async fn the_open_alerts_are_a_feed_in_pages() {
    let station = Station::start().await;
    let raised = station.desk.raise_all(&[0, 5, 10, 30, 35]);
    for (at, id) in raised.iter().enumerate() {
        if at % 2 == 0 {
            station.desk.see_more(*id, "更多", "more");
        }
    }
    station.desk.close(raised[1]);
    let mut path = "/api/v1/cap?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = station.get(VIEWER, &path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "application/atom+xml");
        let feed = parse(&answer.body);
        assert_eq!((feed.name.as_str(), feed.attribute("xmlns")), ("feed", Some("http://www.w3.org/2005/Atom")));
        assert_eq!(feed.text("cursor"), "9");
        for name in ["id", "title", "updated"] {
            assert!(!feed.text(name).is_empty());
        }
        for entry in feed.all("entry") {
            let message = entry.one("content").one("alert");
            conforms(message);
            assert_eq!(entry.text("id"), format!("urn:fenghuo:cap:{}", message.text("identifier")));
            // the same message as by itself
            let href = entry.one("link").attribute("href").unwrap().to_owned();
            let alone = parse(&station.get(VIEWER, &href).await.body);
            assert_eq!(format!("{alone:?}"), format!("{message:?}"));
            seen.push(message.text("incidents").to_owned());
        }
        let next = feed.all("link").into_iter().find(|link| link.attribute("rel") == Some("next"));
        match next {
            Some(next) => path = next.attribute("href").unwrap().to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = [4, 3, 2, 0].iter().map(|at| raised[*at].to_string()).collect();
    assert_eq!(seen, expected);

    let local = parse(&station.get(LOCAL, "/api/v1/cap").await.body);
    assert_eq!(local.all("entry").len(), 2, "the second township is not this token's");
    station.get(LOCAL, &format!("/api/v1/alerts/{}/cap", raised[4])).await.problem(404);
    station.get(VIEWER, "/api/v1/alerts/fire-1-99/cap").await.problem(404);
    station.get(VIEWER, "/api/v1/cap?before=x").await.problem(400);
    station.stop().await;
}
