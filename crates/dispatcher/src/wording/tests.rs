use model::finding::Words as Seen;
use model::{AlertId, AlertState, AlertSummary, DeliveryState, PersonId, UnitId};

use super::*;

pub(crate) fn delivery(family: Family, evidence: &str) -> Delivery {
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
        words: Seen { zh: evidence.to_owned().into(), en: evidence.to_owned().into() },
        acknowledged_by: Vec::new(),
        verdict: None,
        evidence_count: 1,
        exercise: false,
        due_ms: None,
        held: None,
        storm: None,
    };
    Delivery {
        id: "d".into(),
        matter: id.into(),
        about: About::Alert(summary),
        whom: "grid".into(),
        person: PersonId(0),
        person_code: "G1".into(),
        person_name: "王某".into(),
        channel: "console".into(),
        owed_ms: 0,
        state: DeliveryState::Owed,
        attempts: Vec::new(),
        attempt_count: 0,
        read_ms: None,
        turn: None,
    }
}

/// The alert that a delivery tells of.
pub(crate) fn alert_of(delivery: &mut Delivery) -> &mut AlertSummary {
    let About::Alert(alert) = &mut delivery.about else { unreachable!("made of an alert") };
    alert
}

fn facts<'a>(unit: &'a str, address: &'a str, post: Option<Post>) -> Facts<'a> {
    Facts {
        unit,
        address,
        township: "玉城街道".into(),
        village: "南门社区".into(),
        grid: "3网格".into(),
        person: "王某",
        post,
        near: &NONE,
    }
}

static NONE: NearWords = {
    const NO: Lines = Lines { zh: String::new(), en: String::new() };
    NearWords { stations: NO, hydrants: NO, cameras: NO, from_station: NO }
};

fn words() -> Words {
    Words::new(&[]).unwrap()
}

fn chinese(delivery: &Delivery, facts: &Facts<'_>) -> String {
    words().line(Language::Zh, delivery, facts)
}

fn english(delivery: &Delivery, facts: &Facts<'_>) -> String {
    words().line(Language::En, delivery, facts)
}

#[test]
fn a_line_says_what_where_who_and_what_to_do() {
    let facts = facts("兴旺旅馆", "城中路12号", Some(Post::GridWorker));
    let mut delivery = delivery(Family::Fire, "烟雾浓度 0.18 dB/m");
    let line = chinese(&delivery, &facts);
    assert_eq!(line, "【红色火警】南门社区3网格兴旺旅馆，城中路12号：烟雾浓度 0.18 dB/m。王某，请立即到场核实");
    assert!(count(&line) <= ZH_CHARS_MAX);
    alert_of(&mut delivery).ring = 2;
    alert_of(&mut delivery).exercise = true;
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
    let lines = words().lines(&delivery(Family::Fire, "烟"), &Roster::default(), &NONE);
    assert_eq!(lines.zh, "【红色火警】331083001001331083001001003：烟。王某，请立即到场核实");
}

fn own(language: Language, text: &str) -> Wording {
    Wording { language, family: None, post: None, colour: None, text: text.into() }
}

#[test]
fn texts_of_the_settings_go_first_and_the_more_particular_before_the_others() {
    let texts = [
        Wording { colour: Some(Colour::Red), ..own(Language::Zh, "{exercise}红{unit}") },
        own(Language::Zh, "{exercise}任何{unit}"),
        Wording { family: Some(Family::Fire), ..own(Language::Zh, "{exercise}火{unit}") },
        Wording { post: Some(Post::Owner), ..own(Language::Zh, "{exercise}业主{unit}") },
        Wording {
            family: Some(Family::Fire),
            post: Some(Post::Owner),
            ..own(Language::Zh, "{exercise}{unit}着火！{person}快逃[：{evidence}]")
        },
    ];
    let words = Words::new(&texts).unwrap();
    for (family, colour, post, expected) in [
        (Family::Fire, Colour::Red, Some(Post::Owner), "兴旺着火！王某快逃：烟"),
        (Family::Fire, Colour::Red, None, "火兴旺"),
        (Family::Fault, Colour::Red, Some(Post::Owner), "业主兴旺"),
        (Family::Fault, Colour::Red, Some(Post::Commander), "红兴旺"),
        (Family::Fault, Colour::Blue, None, "任何兴旺"),
    ] {
        let mut delivery = delivery(family, "烟");
        alert_of(&mut delivery).colour = colour;
        assert_eq!(words.line(Language::Zh, &delivery, &facts("兴旺", "", post)), expected);
        assert!(words.line(Language::En, &delivery, &facts("兴旺", "", post)).contains("兴旺, 南门社区 3网格"));
    }
}

#[test]
fn a_text_of_the_settings_stays_within_one_message() {
    let text =
        "{exercise}{township}{village}[ {grid}][ {unit}][，{address}]出事[（{evidence}）]，{person}速到，联系指挥中心";
    let words = Words::new(&[own(Language::Zh, text)]).unwrap();
    for len in 0..90 {
        let (unit, evidence) = ("店".repeat(len), "烟".repeat(len % 13 * 5));
        let mut delivery = delivery(Family::Fire, &evidence);
        alert_of(&mut delivery).exercise = len % 2 == 0;
        let line = words.line(Language::Zh, &delivery, &facts(&unit, "路", None));
        assert!(count(&line) <= ZH_CHARS_MAX && line.ends_with("，王某速到，联系指挥中心"), "{line}");
        assert_eq!(line.starts_with("演练·玉城街道南门社区 3网格"), delivery.about.exercise(), "{line}");
        assert_eq!(line.contains('（'), line.contains('）'), "{line}");
    }
}

#[test]
fn texts_that_cannot_be_meant_are_refused() {
    let long = format!("{{exercise}}{}{{unit}}", "火".repeat(60));
    for (texts, expected) in [
        (vec![own(Language::Zh, "{exercise}{adress}")], "is {address} meant?"),
        (vec![own(Language::Zh, "{unit}")], "{exercise} must be in it"),
        (vec![own(Language::Zh, &long)], "its own 60 characters leave too little of 70"),
        (vec![own(Language::En, "{exercise}a"), own(Language::En, "{exercise}b")], "the same conditions"),
    ] {
        let error = Words::new(&texts).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("wording: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn texts_are_set_in_toml() {
    let text = "[[wording]]\nlanguage = \"zh\"\nfamily = \"fire\"\npost = \"owner\"\ncolour = \"red\"\ntext = \"{exercise}{unit}\"\n";
    let settings: crate::Settings = toml::from_str(text).unwrap();
    assert!(Words::new(&settings.wording).is_ok());
    assert_eq!(settings.wording[0].post, Some(Post::Owner));
}

#[test]
fn a_text_of_the_settings_may_say_what_is_near() {
    let text = "{exercise}{unit}[，{from_station}][，{stations}][，水{hydrants}][：{evidence}]速去";
    let words = Words::new(&[own(Language::Zh, text)]).unwrap();
    let line = |zh: &str| Lines { zh: zh.into(), en: zh.into() };
    let near = NearWords {
        stations: line("南门站280米(2人)、远站5.0公里(1人)"),
        from_station: line("距南门站280米，东北方向"),
        ..NONE.clone()
    };
    let facts = Facts { near: &near, ..facts("兴旺旅馆", "", Some(Post::MicroStation)) };
    let line = words.line(Language::Zh, &delivery(Family::Fire, &"烟".repeat(60)), &facts);
    assert!(line.starts_with("兴旺旅馆，距南门站280米，东北方向，南门站280米(2人)、远站5.0公里(1人)：烟烟"), "{line}");
    assert!(count(&line) <= ZH_CHARS_MAX && line.ends_with("速去"), "{line}");
}
