//! Orders: given within scope, answered by those who were asked, shown by region.

use model::alert::Refused;
use model::finding::Words;
use model::order::{
    Answered, Asked, DeafChannel, OrderCounts, OrderEnd, OrderItem, OrderNews, OrderRecord, OrderSummary, Stage, Way,
    WayEnd,
};
use model::{AlertId, Colour, FeedKind, Kept, KeptKind, Ledger, Order, OrderBody, OrderId, PersonId, RegionCode, wire};
use reqwest::Method;
use serde_json::json;

use crate::city::{TOWNSHIP, code};
use crate::desk::{Desk, START_MS};
use crate::station::{ADMIN, LOCAL, OPERATOR, Station, VIEWER};
use command_centre::Role;

/// As the real desk keeps them, in little.
pub fn take(desk: &Desk, order: Order) -> Result<OrderId, Refused> {
    let refuse = |why: &str| Err(Refused::Forbidden(why.to_owned()));
    match &order.body {
        OrderBody::Answer { order: id, answer, note } => {
            let (mut record, number) = (desk.order_record(*id), desk.roster.person_by_code(&order.person).unwrap());
            if record.ended.is_some() {
                return refuse("it has ended");
            }
            let mut asked = desk.asked(*id, number);
            record.counts.read += u32::from(asked.answers.is_empty());
            asked.answers.push(Answered {
                what: *answer,
                at_ms: START_MS + desk.next_epoch(),
                entered_by: order.entered_by.clone(),
                note: note.clone(),
            });
            let row =
                Kept { kind: KeptKind::Asked, key: Asked::key(*id, number), value: Some(wire::encode(&asked).into()) };
            desk.put(record, vec![row], FeedKind::OrderReceipt);
            Ok(*id)
        }
        OrderBody::End { order: id, reason } => {
            let mut record = desk.order_record(*id);
            record.ended = Some(OrderEnd { at_ms: START_MS, by: order.person, why: reason.clone() });
            desk.put(record, vec![], FeedKind::OrderClosed);
            Ok(*id)
        }
        OrderBody::Progress { order: id, stage, reason } => {
            let mut record = desk.order_record(*id);
            record.stage = Some(*stage);
            record.history.push(OrderItem {
                at_ms: START_MS,
                what: stage.word().into(),
                by: order.person,
                note: reason.clone(),
            });
            desk.put(record, vec![], FeedKind::OrderReceipt);
            Ok(*id)
        }
        OrderBody::Silence(_) | OrderBody::EndSilence(_) => Ok(OrderId { epoch: 1, at: 0 }),
        _ => Ok(desk.give(order)),
    }
}

impl Desk {
    fn order_record(&self, id: OrderId) -> OrderRecord {
        let read = |is_open| self.ledger.kept_one(KeptKind::Order, &OrderRecord::key(id, is_open)).unwrap();
        wire::decode(&read(true).or_else(|| read(false)).unwrap()).unwrap()
    }

    fn asked(&self, id: OrderId, number: PersonId) -> Asked {
        wire::decode(&self.ledger.kept_one(KeptKind::Asked, &Asked::key(id, number)).unwrap().unwrap()).unwrap()
    }

    fn put(&self, record: OrderRecord, mut kept: Vec<Kept>, kind: FeedKind) {
        let (open, ended) = (OrderRecord::key(record.id, true), OrderRecord::key(record.id, false));
        let (key, other) = if record.is_open() { (open, ended) } else { (ended, open) };
        kept.push(Kept { kind: KeptKind::Order, key: other, value: None });
        kept.push(Kept { kind: KeptKind::Order, key, value: Some(wire::encode(&record).into()) });
        let head = OrderSummary {
            id: record.id,
            kind: record.order.body.word().into(),
            colour: record.colour,
            region: record.region,
            by: record.order.person.clone(),
            at_ms: record.at_ms,
            words: Words { zh: "全体到岗".into(), en: "".into() },
            alert: None,
            exercise: record.exercise,
            facts: None,
        };
        let is_open = record.is_open();
        let news = OrderNews { head, counts: record.counts, stage: record.stage, is_open };
        self.keep(kept, vec![(kind, news)]);
    }

    fn give(&self, order: Order) -> OrderId {
        let (region, alert): (RegionCode, Option<AlertId>) = match &order.body {
            OrderBody::Instruct { region, .. }
            | OrderBody::RollCall { region, .. }
            | OrderBody::ChannelTest { region, .. }
            | OrderBody::Drill { region, .. } => (*region, None),
            OrderBody::HandOff { alert, .. } => (code(TOWNSHIP), Some(*alert)),
            other => panic!("{other:?}"),
        };
        let id = OrderId { epoch: self.next_epoch(), at: 0 };
        let exercise = matches!(&order.body, OrderBody::RollCall { exercise: true, .. });
        let mut record = OrderRecord {
            id,
            order,
            at_ms: START_MS,
            region,
            colour: Colour::Red,
            exercise,
            ends_ms: Some(START_MS + 600_000),
            remind_ms: None,
            counts: OrderCounts::default(),
            told: OrderCounts::default(),
            history: vec![],
            stage: alert.map(|_| Stage::Offered),
            alerts: vec![],
            ended: None,
        };
        let mut kept = Vec::new();
        for (at, slot) in self.roster.people().iter().enumerate().filter(|_| alert.is_none()) {
            let (person, row) = (PersonId(u32::try_from(at).unwrap()), &slot.row);
            if !region.contains(row.region) || &*row.code == "P1" {
                continue;
            }
            let asked = Asked {
                order: id,
                person,
                code: row.code.clone(),
                name: row.name.clone(),
                post: row.post,
                region: row.region,
                ways: vec![
                    Way { channel: "mqtt".into(), end: None },
                    Way {
                        channel: "console".into(),
                        end: Some(WayEnd { at_ms: START_MS, delivered: false, reason: "no such channel".into() }),
                    },
                ],
                answers: vec![],
            };
            record.counts.count(&asked);
            kept.push(Kept {
                kind: KeptKind::Asked,
                key: Asked::key(id, person),
                value: Some(wire::encode(&asked).into()),
            });
        }
        if let Some(alert) = alert {
            let key = OrderRecord::hand_off_key(alert, id);
            kept.push(Kept { kind: KeptKind::HandOff, key, value: Some(wire::encode(&id).into()) });
        }
        self.put(record, kept, FeedKind::OrderGiven);
        id
    }

    pub fn instruct(&self, region: &str) -> OrderId {
        let body = OrderBody::Instruct {
            region: code(region),
            posts: vec![],
            text: "全体到岗".into(),
            alert: None,
            colour: Colour::Red,
            expires_s: 600,
            remind_after_s: 0,
            exercise: false,
        };
        self.give(Order { id: "P3/k".into(), person: "P3".into(), entered_by: None, body })
    }

    pub fn hand_off(&self, alert: AlertId, to: &str) -> OrderId {
        let body = OrderBody::HandOff { alert, to: to.into(), answer_within_s: 60, note: None };
        self.give(Order { id: "P3/h".into(), person: "P3".into(), entered_by: None, body })
    }
}

#[tokio::test]
async fn an_order_is_given_within_scope_answered_and_counted_by_region() {
    let station = Station::start().await;
    let mut follower = station.follow(VIEWER, "", None).await;
    let body = json!({ "region": TOWNSHIP, "text": "全体到岗", "colour": "red" });
    let given = station.post(LOCAL, "/api/v1/orders", &body).await.ok()["order"].clone();
    assert_eq!((&given["kind"], &given["state"], &given["by"]), (&json!("instruct"), &json!("open"), &json!("P2")));
    assert_eq!((&given["counts"]["asked"], &given["counts"]["silent"]), (&json!(2), &json!(2)));
    let event = follower.event().await.data;
    assert_eq!((&event["type"], &event["order"]["id"]), (&json!("order.given"), &given["id"]));
    let order = station.desk.given.lock().unwrap()[0].clone();
    assert!(matches!(order.body, OrderBody::Instruct { remind_after_s: 120, expires_s: 86_400, .. }), "{order:?}");

    // a township's operator orders nobody else
    let outside = json!({ "region": "331083002", "text": "全体到岗" });
    station.post(LOCAL, "/api/v1/orders", &outside).await.problem(403);
    station.post(LOCAL, "/api/v1/orders", &json!({ "region": "331083", "text": "全体到岗" })).await.problem(403);
    station.post(VIEWER, "/api/v1/orders", &body).await.problem(403);
    assert_eq!(station.desk.given.lock().unwrap().len(), 1);

    let path = format!("/api/v1/orders/{}", given["id"].as_str().unwrap());
    // a worker's own token needs no more than to be theirs
    station.tokens.put("worker.s", "P2", Role::Viewer, Some("331083001001001"));
    for _ in 0..2 {
        let now = station.post("worker.s", &format!("{path}/read"), &json!({})).await.ok();
        assert_eq!(now["order"]["counts"], json!(null), "the worker sees a part of the township");
    }
    assert_eq!(station.desk.given.lock().unwrap().len(), 2, "what was answered is not journalled again");
    station.post("worker.s", &format!("{path}/read"), &json!({ "person": "P3" })).await.problem(403);
    station.post(VIEWER, &format!("{path}/read"), &json!({})).await.problem(409);
    let cannot = station.post("worker.s", &format!("{path}/cannot"), &json!({})).await.problem(422);
    assert_eq!(cannot["field"], "note");
    station.post(LOCAL, &format!("{path}/done"), &json!({ "person": "P3", "note": "电话报告" })).await.ok();

    let whole = station.get(LOCAL, &path).await.ok();
    assert_eq!((&whole["totals"]["read"], &whole["totals"]["done"]), (&json!(2), &json!(1)));
    assert_eq!((&whole["people"], &whole["people_count"]), (&json!([]), &json!(0)), "nobody is silent");
    let places = whole["places"].as_array().unwrap();
    assert_eq!(places.iter().map(|place| place["region"].as_str().unwrap()).collect::<Vec<_>>().len(), 2);
    let all = station.get(LOCAL, &format!("{path}?people=all&level=township")).await.ok();
    assert_eq!(all["places"][0]["share"], 1.0);
    assert_eq!(all["people"][1]["answers"][0]["entered_by"], "P2");
    assert_eq!(all["people"][0]["channels"][1]["reason"], "no such channel");
    // the worker sees the own grid
    let part = station.get("worker.s", &path).await.ok();
    assert_eq!(part["totals"]["asked"], 1);

    assert_eq!(station.get(VIEWER, "/api/v1/orders").await.ok()["orders"].as_array().unwrap().len(), 1);
    station.post("worker.s", &format!("{path}/end"), &json!({ "reason": "够了" })).await.problem(403);
    for _ in 0..2 {
        let ended = station.post(LOCAL, &format!("{path}/end"), &json!({ "reason": "已解除" })).await.ok();
        assert_eq!(ended["order"]["ended"]["why"], "已解除");
    }
    assert!(station.get(VIEWER, "/api/v1/orders").await.ok()["orders"].as_array().unwrap().is_empty());
    let ended = station.get(VIEWER, "/api/v1/orders?state=ended&kind=instruct").await.ok();
    assert_eq!(ended["orders"][0]["id"], given["id"]);
    station.stop().await;
}

#[tokio::test]
async fn what_cannot_be_ordered_is_refused_and_named() {
    let station = Station::start().await;
    let order = |region: &str, text: &str| json!({ "region": region, "text": text });
    for (body, names) in [
        (order("331083001", ""), "text"),
        (order("331083001", &"长".repeat(201)), "text"),
        (order("331083001", "一\n二"), "text"),
        (order("331083001", "\u{7}响"), "text"),
        (order("331083009", "x"), "region"),
        (json!({ "region": "331083001", "text": "x", "person": "P9" }), "person"),
    ] {
        assert_eq!(station.post(OPERATOR, "/api/v1/orders", &body).await.problem(422)["field"], names, "{body}");
    }
    for body in [
        json!({ "region": "331083001" }),
        json!({ "region": "331083001", "text": "x", "posts": ["mayor"] }),
        json!({ "region": "33", "text": "x" }),
        json!({ "region": "331083001", "text": "x", "colour": "green" }),
    ] {
        station.post(OPERATOR, "/api/v1/orders", &body).await.problem(422);
    }
    let bad_unit = json!({ "region": "331083001", "note": "x", "units": ["U9999"] });
    assert_eq!(station.post(OPERATOR, "/api/v1/drills", &bad_unit).await.problem(422)["field"], "units");
    for unknown in ["order-9-99", "fire-0-1", "x"] {
        station.get(VIEWER, &format!("/api/v1/orders/{unknown}")).await.problem(404);
        station.post(OPERATOR, &format!("/api/v1/orders/{unknown}/read"), &json!({})).await.problem(404);
        station.post(OPERATOR, &format!("/api/v1/hand-offs/{unknown}/accepted"), &json!({})).await.problem(404);
    }
    assert_eq!(station.get(VIEWER, "/api/v1/orders?kind=silence").await.problem(400)["field"], "kind");
    station.post(OPERATOR, "/api/v1/alerts/fire-0-99/hand-offs", &json!({ "to": "webhook:b" })).await.problem(404);
    assert!(station.desk.given.lock().unwrap().is_empty());
    station.stop().await;
}

#[tokio::test]
async fn regions_are_ranked_by_their_roll_calls() {
    let station = Station::start().await;
    for (answers, exercise) in [(true, false), (false, false), (false, true)] {
        let body = json!({ "region": "331083", "exercise": exercise });
        let called = station.post(OPERATOR, "/api/v1/roll-calls", &body).await.ok();
        let path = format!("/api/v1/orders/{}", called["order"]["id"].as_str().unwrap());
        if answers {
            station.post(OPERATOR, &format!("{path}/read"), &json!({ "person": "P2" })).await.ok();
        }
        station.post(OPERATOR, &format!("{path}/end"), &json!({ "reason": "到此" })).await.ok();
    }
    let page = station.get(OPERATOR, "/api/v1/roll-calls?level=grid").await.ok();
    assert_eq!(page["orders"].as_array().unwrap().len(), 3);
    let league = page["league"].as_array().unwrap();
    // the grid worker answered one of two (the exercise is not counted), the township's chief none of two
    let lines: Vec<_> =
        league.iter().map(|place| (place["region"].as_str().unwrap(), place["share"].as_f64().unwrap())).collect();
    assert_eq!(lines, [("331083001001001", 0.5), ("331083001", 0.0)]);
    assert_eq!((&league[0]["counts"]["asked"], &league[1]["median_s"]), (&json!(2), &json!(null)));
    station.stop().await;
}

#[tokio::test]
async fn the_same_key_is_the_same_command() {
    let station = Station::start().await;
    let bearer = format!("Bearer {OPERATOR}");
    let headers = [("authorization", &*bearer), ("idempotency-key", "city-1"), ("content-type", "application/json")];
    let body = json!({ "region": "331083", "text": "全体到岗" }).to_string();
    for _ in 0..2 {
        station.ask(Method::POST, "/api/v1/orders", &headers, Some(body.clone())).await.ok();
    }
    let given = station.desk.given.lock().unwrap().clone();
    assert_eq!((given[0].id.as_str(), given[1].id.as_str()), ("P3/city-1", "P3/city-1"), "the desk knows it again");
    station.stop().await;
}

#[tokio::test]
async fn the_brigade_answers_with_its_own_token() {
    let station = Station::start().await;
    let alert = station.desk.raise(0);
    let path = format!("/api/v1/alerts/{alert}/hand-offs");
    let nowhere = station.post(LOCAL, &path, &json!({ "to": "webhook:nowhere" })).await.problem(422);
    assert_eq!(nowhere["field"], "to");
    assert!(nowhere["detail"].as_str().unwrap().contains("there are brigade"), "{nowhere}");
    let offered = station.post(LOCAL, &path, &json!({ "to": "webhook:brigade" })).await.ok();
    assert_eq!((&offered["order"]["stage"], &offered["order"]["to"]), (&json!("offered"), &json!("webhook:brigade")));
    let path = format!("/api/v1/hand-offs/{}", offered["order"]["id"].as_str().unwrap());
    station.tokens.put("brigade.s", "brigade", Role::Viewer, None);
    for _ in 0..2 {
        let now = station.post("brigade.s", &format!("{path}/accepted"), &json!({})).await.ok();
        assert_eq!(now["order"]["stage"], "accepted");
    }
    station.post(VIEWER, &format!("{path}/accepted"), &json!({})).await.problem(404);
    let problem = station.post("brigade.s", &format!("{path}/closed"), &json!({})).await.problem(422);
    assert_eq!(problem["field"], "reason");
    station.post("brigade.s", &format!("{path}/dispatched"), &json!({})).await.ok();
    let story = station.get(LOCAL, &format!("/api/v1/alerts/{alert}")).await.ok();
    let history: Vec<_> =
        story["hand_offs"][0]["history"].as_array().unwrap().iter().map(|item| &item["what"]).collect();
    assert_eq!(history, ["accepted", "dispatched"]);
    station.stop().await;
}

#[tokio::test]
async fn deaf_channels_stand_in_the_list_of_their_region() {
    let station = Station::start().await;
    for (at, region) in ["331083001001001", "331083002"].into_iter().enumerate() {
        let deaf = DeafChannel {
            person: PersonId(u32::try_from(at).unwrap()),
            code: format!("P{at}").into(),
            name: "李".into(),
            region: code(region),
            channel: "sms".into(),
            since_ms: START_MS,
            test: OrderId { epoch: 1, at: 0 },
            reason: "no receipt in the window".into(),
        };
        let value = Some(wire::encode(&deaf).into());
        station.desk.keep(vec![Kept { kind: KeptKind::DeafChannel, key: deaf.key(), value }], vec![]);
    }
    assert_eq!(station.get(ADMIN, "/api/v1/channel-tests").await.ok()["deaf_count"], 2);
    let local = station.get(LOCAL, "/api/v1/channel-tests").await.ok();
    assert_eq!((&local["deaf_count"], &local["deaf"][0]["channel"]), (&json!(1), &json!("sms")));
    station.stop().await;
}
