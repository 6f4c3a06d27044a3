use super::*;

fn credentials() -> Credentials {
    let rows =
        "name,kind,subject,client_id,secret\nacme,vendor,acme,,\ns1,device,acme/s1,s1-*,\nc,service,centre,,sha256::";
    let hash = "0".repeat(64);
    Credentials::parse(format!("{rows}{hash}\n").as_bytes()).expect("valid")
}

fn refused<'a>(who: &'a str, proved: bool, what: Attempt<'a>, code: u8) -> Refused<'a> {
    let peer = Some(([10, 0, 0, 1], 1).into());
    Refused { who: Some(who), proved, client_id: Some("id"), peer, what, code, detail: "as the listener says" }
}

fn store(per_vendor: usize) -> Refusals {
    Refusals::new(MqttAccess { refusals_per_vendor: per_vendor, ..MqttAccess::default() })
}

#[test]
fn the_same_again_counts_and_comes_first() {
    let (refusals, credentials) = (store(10), credentials());
    let topic = Attempt::Publish("fire/v1/other/x/alarm");
    refusals.note(&refused("acme", true, topic, 0x87), &credentials, 100);
    refusals.note(&refused("s1", false, Attempt::Connect, 0x86), &credentials, 200);
    refusals.note(&refused("acme", true, topic, 0x87), &credentials, 300);
    let page = refusals.page("acme", None, 10);
    let told: Vec<_> = page.iter().map(|it| (it.who.as_deref(), it.count, it.first_ms, it.last_ms)).collect();
    assert_eq!(told, [(Some("acme"), 2, 100, 300), (Some("s1"), 1, 200, 200)]);
    assert!(page[0].detail.contains("fire/v1/acme/+/alarm"), "{}", page[0].detail);
    assert_eq!(refusals.page("acme", Some(page[0].seq), 10).len(), 1);
    assert_eq!(refusals.counts("acme"), [(0x86, 1), (0x87, 2)]);
}

#[test]
fn refusals_are_filed_under_the_vendor_that_is_claimed() {
    let (refusals, credentials) = (store(10), credentials());
    for (who, vendor) in [("acme/zzz", "acme"), ("acme", "acme"), ("s1", "acme"), ("evil/x", NOBODY), ("c", NOBODY)] {
        let before = refusals.page(vendor, None, 99).len();
        refusals.note(&refused(who, false, Attempt::Connect, 0x86), &credentials, 1);
        assert_eq!(refusals.page(vendor, None, 99).len(), before + 1, "{who} under {vendor}");
    }
}

#[test]
fn strangers_do_not_push_out_what_was_proved() {
    let (refusals, credentials) = (store(8), credentials());
    for number in 0..4 {
        let topic = format!("t/{number}");
        refusals.note(&refused("acme", true, Attempt::Publish(&topic), 0x87), &credentials, number);
    }
    for number in 0..1000 {
        refusals.note(&refused(&format!("acme/{number}"), false, Attempt::Connect, 0x86), &credentials, 10);
    }
    let page = refusals.page("acme", None, 99);
    assert_eq!(page.len(), 8);
    assert!(page.iter().filter(|it| it.proved).count() >= 3, "{page:?}");
}

#[test]
fn texts_and_vendors_are_bounded() {
    let settings = MqttAccess { refusal_vendors_max: 1, ..MqttAccess::default() };
    let (refusals, credentials) = (Refusals::new(settings), credentials());
    let long = "烽".repeat(5000);
    refusals.note(&refused(&long, false, Attempt::Connect, 0x86), &credentials, 1);
    let page = refusals.page(NOBODY, None, 1);
    assert_eq!(page[0].who.as_deref().map(|who| who.chars().count()), Some(TEXT_CHARS_MAX + 1));
    refusals.note(&refused("acme", false, Attempt::Connect, 0x86), &credentials, 1);
    assert_eq!((refusals.page("acme", None, 9).len(), refusals.page(NOBODY, None, 9).len()), (0, 2));
}

#[test]
fn the_log_hears_of_an_identity_once_in_a_while() {
    let settings = MqttAccess { refusal_log_identities_max: 2, ..MqttAccess::default() };
    let mut kept = Kept::default();
    assert_eq!(kept.may_log(7, 1000, &settings), Some(0));
    assert_eq!(kept.may_log(7, 2000, &settings), None);
    assert_eq!(kept.may_log(8, 2000, &settings), Some(1));
    assert_eq!(kept.may_log(9, 2000, &settings), Some(0), "the last one of its own");
    assert_eq!(kept.may_log(10, 2000, &settings), None, "those beyond share a line");
    assert_eq!(kept.may_log(7, 70_000, &settings), Some(1));
}

#[test]
fn sentences_say_what_to_do() {
    let credentials = credentials();
    for (who, what, code, expected) in [
        ("nobody", Attempt::Connect, 0x86, "no credential is called"),
        ("acme", Attempt::Connect, 0x86, "no secret"),
        ("c", Attempt::Connect, 0x86, "not the stored one"),
        ("s1", Attempt::Connect, 0x85, "only the client id s1-*"),
        ("c", Attempt::Publish("x"), 0x87, "may not publish to anything"),
        ("c", Attempt::Subscribe("x"), 0x87, "may subscribe to: feed/v1/#"),
        ("c", Attempt::Connection, 0x95, "as the listener says"),
    ] {
        let told = sentences::explain(&refused(who, true, what, code), &credentials);
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(name_of(0x86), "Bad User Name or Password");
}
