use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn new(kind: &'static str, subject: &str) -> NewRow {
    NewRow { kind, name: subject.to_owned(), subject: subject.to_owned(), fields: Vec::new(), with_secret: true }
}

fn add_to(roster: &Path, row: &NewRow) -> Result<String, ProvisionError> {
    edit(roster, |table| add(table, row)).map(|(secret, _)| secret.unwrap_or_default())
}

#[test]
fn a_device_lives_from_its_first_secret_to_its_end() {
    let roster = folder();
    let roster = roster.path();
    let vendor = add_to(roster, &new("vendor", "acme")).unwrap();
    let first = add_to(roster, &new("device", "acme/s1")).unwrap();
    assert_eq!(first.len(), 32, "128 bits");
    assert_ne!(vendor, first);
    assert!(!std::fs::read_to_string(roster.join(FILE)).unwrap().contains(&first), "only its hash is kept");

    let ((name, second), both) = edit(roster, |table| rotate(table, "device", "acme/s1")).unwrap();
    assert!(both.check(&name, first.as_bytes()).is_some() && both.check(&name, second.as_bytes()).is_some());
    assert!(edit(roster, |table| rotate(table, "device", "acme/s1")).is_err(), "two at a time");
    let (_, one) = edit(roster, |table| finish(table, "device", "acme/s1")).unwrap();
    assert!(one.check(&name, first.as_bytes()).is_none() && one.check(&name, second.as_bytes()).is_some());
    assert!(edit(roster, |table| finish(table, "device", "acme/s1")).is_err(), "nothing to finish");

    let (names, left) = edit(roster, |table| revoke(table, "device", "acme/s1", false)).unwrap();
    assert_eq!((names, left.len()), (vec!["acme/s1".to_owned()], 1));
}

#[test]
fn what_would_be_refused_is_not_written() {
    let roster = folder();
    let roster = roster.path();
    add_to(roster, &new("vendor", "acme")).unwrap();
    let before = std::fs::read(roster.join(FILE)).unwrap();
    assert!(matches!(add_to(roster, &new("vendor", "acme")), Err(ProvisionError::Exists { .. })));
    assert!(matches!(add_to(roster, &new("device", "acme/+")), Err(ProvisionError::Invalid(_))));
    let absent = edit(roster, |table| rotate(table, "device", "acme/s9"));
    assert!(matches!(absent, Err(ProvisionError::Absent { .. })));
    assert!(edit(roster, |table| revoke(table, "vendor", "acme", false)).is_err(), "the last row stays");
    assert_eq!(std::fs::read(roster.join(FILE)).unwrap(), before);
    let twin = NewRow { name: "other".to_owned(), ..new("device", "acme/s1") };
    add_to(roster, &new("device", "acme/s1")).unwrap();
    assert!(matches!(add_to(roster, &twin), Err(ProvisionError::Exists { .. })), "one row a device");
}

#[test]
fn a_vendor_can_go_with_all_its_devices() {
    let roster = folder();
    let roster = roster.path();
    for (kind, subject) in [("vendor", "acme"), ("device", "acme/a"), ("vendor", "bcme"), ("device", "acme/b")] {
        add_to(roster, &new(kind, subject)).unwrap();
    }
    let (names, left) = edit(roster, |table| revoke(table, "vendor", "acme", true)).unwrap();
    assert_eq!((names.len(), left.len()), (3, 1));
}

#[test]
fn writers_at_once_lose_no_row() {
    let roster = folder();
    let path = roster.path();
    add_to(path, &new("vendor", "acme")).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                for number in 0..5 {
                    add_to(path, &new("device", &format!("acme/{writer}-{number}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(Credentials::read(path).unwrap().len(), 21);
}

#[test]
fn columns_that_are_set_for_the_first_time_are_added() {
    let roster = folder();
    let roster = roster.path();
    add_to(roster, &new("vendor", "acme")).unwrap();
    let fields = vec![("client_id", "gw-*".to_owned()), ("register", "yes".to_owned()), ("certificate", String::new())];
    add_to(roster, &NewRow { fields, ..new("vendor", "bcme") }).unwrap();
    let text = std::fs::read_to_string(roster.join(FILE)).unwrap();
    assert!(text.starts_with("name,kind,subject,scope,role,secret,client_id,register\n"), "{text}");
    assert!(Credentials::read(roster).unwrap().get("bcme").unwrap().register);
}
