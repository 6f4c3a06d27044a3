use super::*;

const HEADER: &str = "name,kind,subject,scope,role,secret";

fn read(rows: &str) -> Result<Credentials, CredentialFaults> {
    Credentials::parse(format!("{HEADER}\n{rows}").as_bytes())
}

fn wide(rows: &str) -> Result<Credentials, CredentialFaults> {
    let header = "name,kind,subject,secret,client_id,certificate,publish,subscribe,retain,register,scope";
    Credentials::parse(format!("{header}\n{rows}").as_bytes())
}

fn cn(name: &str) -> CertificateName {
    CertificateName::Cn(name.into())
}

#[test]
fn only_the_right_secret_opens() {
    let stored = hash_secret(b"salt", b"s3cret");
    let credentials = read(&format!("acme,vendor,acme,,,{stored}\nroom,token,centre,331083001,operator,{stored}\n"));
    let credentials = credentials.expect("valid");
    assert_eq!(credentials.check("acme", b"s3cret").expect("right").0.kind, Kind::Vendor);
    assert!(credentials.check("acme", b"s3cres").is_none());
    assert!(credentials.check("nobody", b"s3cret").is_none());
    let (token, role) = credentials.check_token("room.s3cret").expect("right");
    assert_eq!((&*token.subject, role), ("centre", Role::Operator));
    assert!(credentials.check_token("acme.s3cret").is_none(), "a vendor's password is no token");
    assert_eq!(&*credentials.check_vendor("acme", b"s3cret").expect("right").subject, "acme");
    assert!(credentials.check_vendor("room", b"s3cret").is_none(), "a token is no vendor");
}

#[test]
fn two_secrets_open_while_one_replaces_the_other() {
    let (old, new) = (hash_secret(b"a", b"old"), hash_secret(b"b", b"new"));
    let credentials = read(&format!("d,device,acme/d,,,{old};{new}\n")).expect("valid");
    assert_eq!(credentials.check("d", b"old").expect("first").1, Proof::Secret(0));
    assert_eq!(credentials.check("d", b"new").expect("second").1, Proof::Secret(1));
    assert!(credentials.check("d", b"other").is_none());
    let error = read(&format!("d,device,acme/d,,,{old};{new};{old}\n")).expect_err("three").to_string();
    assert!(error.contains("at most 2"), "{error}");
}

#[test]
fn a_row_without_secret_opens_to_no_password() {
    let credentials = wide("d,device,acme/d,,,,,,,,\n").expect("valid");
    assert!(credentials.check("d", b"").is_none());
    assert!(wide("g,service,g,,,,,,,,\n").is_err());
    assert!(wide("g,service,g,,,cn:g,,,,,\n").is_ok());
}

#[test]
fn faults_name_the_line() {
    let stored = hash_secret(b"salt", b"s3cret");
    for (row, expected) in [
        ("a,vendor,a,,,plain", "sha256:"),
        (&*format!("a,vender,a,,,{stored}"), "kind \"vender\""),
        (&*format!("a,device,a,,,{stored}"), "vendor/device"),
        (&*format!("a,token,a,,,{stored}"), "needs a role"),
        (&*format!("a,service,a,12,,{stored}"), "6, 9, 12 or 15"),
        (&*format!("a,device,acme/+,,,{stored}"), "none of / + #"),
        (&*format!("a,device,acme/d/e,,,{stored}"), "none of / + #"),
        (&*format!("a,vendor,#,,,{stored}"), "none of / + #"),
        (&*format!("a,vendor,$SYS,,,{stored}"), "no $"),
        (&*format!("a,vendor,unknown,,,{stored}"), "no vendor can be called"),
        (&*format!("a+b,vendor,a,,,{stored}"), "name \"a+b\""),
    ] {
        let error = read(row).expect_err(row).to_string();
        assert!(error.starts_with("credentials.csv:2:") && error.contains(expected), "{error}");
    }
    let two = read("a,vender,a,,,\nb,vender,b,,,\n").expect_err("two").0;
    assert_eq!(two.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3], "all are told");
}

#[test]
fn unknown_columns_and_empty_files_are_refused() {
    let error = Credentials::parse(b"name,kind,subject,secret,clientid\n").expect_err("unknown").to_string();
    assert!(error.contains("did you mean client_id?"), "{error}");
    assert!(Credentials::parse(b"name,kind,subject\n").expect_err("missing").to_string().contains("no column secret"));
    assert!(read("").expect_err("nobody").to_string().contains("nobody could come in"));
}

#[test]
fn clients_get_what_relays_and_nothing_of_the_stations() {
    let credentials = wide("c,client,c,,,,# a/+,# $SYS/# feed/v1/#,yes,,\n").expect("valid");
    let permissions = credentials.get("c").and_then(|it| it.permissions.clone()).expect("has some");
    assert!(permissions.retain && permissions.publish.len() == 2 && permissions.subscribe.len() == 3);
    for publish in ["fire/#", "fire/v1/acme/d/alarm", "feed/x", "people/#", "$SYS/x", "$share/g/a"] {
        let error = wide(&format!("c,client,c,,,,{publish},,,,\n")).expect_err(publish).to_string();
        assert!(error.contains(publish), "{error}");
    }
    for subscribe in ["fire/#", "people/v1/P1/#", "$share/g/a", "feed/#", "a/#/b"] {
        wide(&format!("c,client,c,,,,,{subscribe},,,\n")).expect_err(subscribe);
    }
    wide("c,client,c,,,,,feed/v1/331083001/#,,,331083001\n").expect("within its scope");
    wide("c,client,c,,,,,feed/v1/#,,,331083001\n").expect_err("beyond its scope");
    wide("c,client,c,,,,,,,,\n").expect_err("nothing at all");
    wide("v,vendor,v,,,,a/b,,,,\n").expect_err("only clients are given filters");
}

#[test]
fn a_client_id_belongs_to_its_credential() {
    let rows = "s1,device,acme/s1,,,,,,,,\ns2,device,acme/s2,,meter-2,,,,,,\nacme,vendor,acme,,gw-*,,,,,,\n\
                free,vendor,free,,,,,,,,\nother,vendor,other,,gw-*,,,,,,\n";
    let credentials = wide(rows).expect("valid");
    let fits = |name: &str, client_id: &str| {
        credentials.client_id_fits(credentials.get(name).expect("is there"), client_id).is_ok()
    };
    for (name, client_id, expected) in [
        ("s1", "s1", true),
        ("s1", "acme/s1", true),
        ("s1", "whatever", true),
        ("s1", "s2", false),
        ("s1", "acme/s2", false),
        ("s1", "meter-2", false),
        ("s1", "gw-7", false),
        ("s2", "meter-2", true),
        ("s2", "s2", false),
        ("acme", "gw-1", true),
        ("acme", "x", false),
        ("other", "gw-1", true),
        ("free", "gw-1", false),
        ("free", "gw", true),
        ("free", "acme", false),
    ] {
        assert_eq!(fits(name, client_id), expected, "{name} as {client_id}");
    }
    wide("a,vendor,a,,*,,,,,,\n").expect_err("a prefix of nothing");
}

#[test]
fn certificates_find_their_credential() {
    let rows = "s1,device,acme/s1,,,,,,,,\nacme,vendor,acme,,,,,,,,\ncentre,service,centre,,,san:urn:centre,,,,,\n\
                s2,device,acme/s2,,,cn:meter,,,,,\n";
    let credentials = wide(rows).expect("valid");
    let found = |names: &[CertificateName]| -> Vec<String> {
        credentials.of_certificate(names).iter().map(|found| found.name.to_string()).collect()
    };
    assert_eq!(found(&[cn("acme/s1")]), ["s1"]);
    assert_eq!(found(&[cn("s1"), CertificateName::San("acme/s1".into())]), ["s1"], "both names are the same device's");
    assert_eq!(found(&[CertificateName::San("acme".into())]), ["acme"]);
    assert_eq!(found(&[cn("urn:centre")]), [""; 0], "the row says san");
    assert_eq!(found(&[CertificateName::San("urn:centre".into())]), ["centre"]);
    assert_eq!(found(&[cn("meter")]), ["s2"]);
    assert_eq!(found(&[cn("acme/s2")]), [""; 0], "a row that names a certificate has no other");
    assert_eq!(found(&[cn("acme/s1"), cn("meter")]).len(), 2);
    let twice = wide("a,vendor,a,,,cn:x,,,,,\nb,vendor,b,,,cn:x,,,,,\n").expect_err("twice").to_string();
    assert!(twice.contains("cn:x proves a already"), "{twice}");
    assert!(wide("a,vendor,a,,,x,,,,,\n").is_err() && wide("a,vendor,a,,,cn: ,,,,,\n").is_err());
}

#[test]
fn an_exchange_ends_what_is_no_longer_true() {
    let [one, two] = [hash_secret(b"1", b"one"), hash_secret(b"2", b"two")];
    let before = read(&format!(
        "same,vendor,same,,,{one}\nnew,vendor,new,,,{one};{two}\nold,vendor,old,,,{one};{two}\nidle,vendor,idle,,,{one}\n\
         gone,vendor,gone,,,{one}\nmoved,device,acme/d1,,,{one}\ntoken,token,t,,viewer,{one}\n"
    ))
    .expect("valid");
    for (name, secret) in [("same", "one"), ("new", "two"), ("old", "one"), ("gone", "one"), ("moved", "one")] {
        let (credential, proof) = before.check(name, secret.as_bytes()).expect("right");
        credential.note(proof);
    }
    let mut after = read(&format!(
        "same,vendor,same,,,{one};{two}\nnew,vendor,new,,,{two}\nold,vendor,old,,,{two}\nidle,vendor,idle,,,{two}\n\
         moved,device,acme/d2,,,{one}\n"
    ))
    .expect("valid");
    let mut outdated = after.succeed(&before);
    outdated.sort();
    let names: Vec<&str> = outdated.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["gone", "moved", "old"]);
    let filters = |credentials: &Credentials| credentials.get("same").unwrap().permissions.clone().unwrap().publish;
    assert!(Arc::ptr_eq(&filters(&before), &filters(&after)), "live connections and new ones share");
    // what was used stays known, under the secret's new place
    let mut last = read(&format!("same,vendor,same,,,{two}\nnew,vendor,new,,,{one}\n")).expect("valid");
    let mut names: Vec<_> = last.succeed(&after).into_iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["idle", "moved", "new", "old", "same"]);
}
