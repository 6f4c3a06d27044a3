use model::finding::Words;
use model::{AlertId, AlertState, AlertSummary, Colour, DeliveryState, PersonId, UnitId};

use super::*;

fn delivery(family: Family, evidence: &str) -> Delivery {
    let id = AlertId { epoch: 9, unit: UnitId(0), family };
    let summary = AlertSummary {
        id,
        colour: Colour::Red,
        state: AlertState::Raised,
        unit: UnitId(0),
        grid: "331083001001003".parse().unwrap(),
        raised_ms: 0,
        updated_ms: 0,
        ring: 1,
        words: Words { zh: evidence.to_owned().into(), en: evidence.to_owned().into() },
        acknowledged_by: Vec::new(),
        verdict: None,
        evidence_count: 1,
        exercise: false,
    };
    Delivery {
        id: "d".into(),
        alert: id,
        summary,
        whom: "grid".into(),
        person: PersonId(0),
        person_code: "G1".into(),
        person_name: "王某".into(),
        channel: "console".into(),
        owed_ms: 0,
        state: DeliveryState::Owed,
        attempts: Vec::new(),
        attempt_count: 0,
    }
}

fn facts<'a>(unit: &'a str, address: &'a str, post: Option<Post>) -> Facts<'a> {
    Facts { unit, address, village: "南门社区".into(), grid: "3网格".into(), person: "王某", post }
}

#[test]
fn a_line_says_what_where_who_and_what_to_do() {
    let facts = facts("兴旺旅馆", "城中路12号", Some(Post::GridWorker));
    let mut delivery = delivery(Family::Fire, "烟雾浓度 0.18 dB/m");
    let line = chinese(&delivery, &facts);
    assert_eq!(line, "【红色火警】南门社区3网格兴旺旅馆，城中路12号：烟雾浓度 0.18 dB/m。王某，请立即到场核实");
    assert!(count(&line) <= ZH_CHARS_MAX);
    delivery.summary.ring = 2;
    delivery.summary.exercise = true;
    assert!(chinese(&delivery, &facts).starts_with("【演练·再次红色火警】"));
    let line = english(&delivery, &facts);
    assert!(line.starts_with("EXERCISE: RED FIRE ALARM (again) 兴旺旅馆, 南门社区 3网格, 城中路12号: "), "{line}");
}

#[test]
fn whatever_the_length_head_and_tail_stay() {
    for unit_len in 0..90 {
        for evidence_len in [0, 3, 10, 200] {
            let (unit, evidence) = ("店".repeat(unit_len), "烟".repeat(evidence_len));
            let address = "路".repeat(unit_len / 2);
            for (family, act) in
                [(Family::Fire, "请立即出动"), (Family::Warning, "请尽快排查"), (Family::Fault, "请安排检修")]
            {
                let facts = facts(&unit, &address, Some(Post::MicroStation));
                let delivery = delivery(family, &evidence);
                let line = chinese(&delivery, &facts);
                assert!(count(&line) <= ZH_CHARS_MAX, "{line}");
                assert!(line.starts_with("【红色") && line.ends_with(act), "{line}");
                let line = english(&delivery, &facts);
                assert!(count(&line) <= EN_CHARS_MAX, "{line}");
            }
        }
    }
}

#[test]
fn control_characters_do_not_break_a_line() {
    let line = chinese(&delivery(Family::Fault, "a\nb"), &facts("x\r\ny", "", None));
    assert!(!line.contains(['\n', '\r']), "{line}");
}

#[test]
fn a_roster_without_the_unit_still_gives_a_line() {
    let lines = lines(&delivery(Family::Fire, "烟"), &Roster::default());
    assert_eq!(lines.zh, "【红色火警】331083001001331083001001003：烟。王某，请立即到场核实");
}
