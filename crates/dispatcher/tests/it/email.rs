//! E-mail against a small SMTP server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dispatcher::{Dispatcher, Email, Secret, Security};
use model::alert::ReceiptOutcome;
use model::{Colour, DeliveryState};

use crate::authority::Authority;
use crate::fixture::*;
use crate::smtp::*;

fn email(smtp: &Smtp, security: Security) -> Email {
    Email {
        server: "localhost".into(),
        port: Some(smtp.address.port()),
        security,
        from: "烽火 <fire@fenghuo.example>".into(),
        user: None,
        password: None,
        hello: None,
        ca_file: None,
        per_minute: 60,
    }
}

fn header<'m>(mail: &'m Mail, name: &str) -> &'m str {
    mail.data.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[tokio::test]
async fn a_mail_goes_over_starttls_with_authentication_and_keeps_its_id() {
    let authority = Authority::new();
    // the first mail comes, and all the same the answer is "try later"
    let smtp = Smtp::start(Some(authority.acceptor("localhost")), false, |line, count| {
        (line == "." && count == 1).then(|| "451 try later\r\n".into())
    })
    .await;
    let mut rig = Rig::new();
    rig.settings.email = Some(Email {
        user: Some("fire".into()),
        password: Some(Secret("geheim".into())),
        ca_file: Some(authority.path()),
        ..email(&smtp, Security::Starttls)
    });
    rig.settings.retry_red_s = vec![0, 1];
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "email:zhang@example.org", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    assert_eq!(rig.desk.outcomes("d1"), [ReceiptOutcome::Retry, ReceiptOutcome::Delivered]);
    assert!(rig.ledger.get("d1").attempts[0].reason.contains("451"));
    assert_eq!(rig.desk.last_reason("d1"), "the mail server took it: queued as 4711");
    let (first, second) = (smtp.mail(0), smtp.mail(1));
    assert!(second.tls && second.to.contains("<zhang@example.org>") && second.from.contains("<fire@fenghuo.example>"));
    let login = STANDARD.decode(second.auth.strip_prefix("AUTH PLAIN ").unwrap()).unwrap();
    assert_eq!(login, b"\0fire\0geheim");
    let id = header(&second, "Message-ID");
    assert!(id.starts_with('<') && id.ends_with("@fenghuo.example>"), "{id}");
    assert_eq!(id, header(&first, "Message-ID"), "the same mail twice");
    let date = header(&second, "Date");
    assert!(date.starts_with("Sun, 22 Nov 2026 00:00:0") && date.ends_with(" +0000"), "{date}");
    assert_eq!((header(&second, "Auto-Submitted"), header(&second, "Importance")), ("auto-generated", "high"));
    assert_eq!(header(&second, "X-Fenghuo-Alert"), "fire-0-4711");
    let body = second.data.split_once("\n\n").unwrap().1.replace('\n', "");
    let body = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert!(body.contains("【红色火警】南门社区3网格兴旺旅馆，城中路12号：烟雾报警。王某，请立即到场核实"), "{body}");
    assert!(body.contains("RED FIRE ALARM"), "{body}");
    handle.shutdown().await;
}

#[tokio::test]
async fn what_the_server_says_decides_whether_it_is_tried_again() {
    let smtp = Smtp::start(None, false, |line, _| match line {
        _ if line.contains("<nobody@") => Some("550 no such mailbox\r\n".into()),
        _ if line.contains("<full@") => Some("452 mailbox full\r\n".into()),
        _ => None,
    })
    .await;
    let mut rig = Rig::new();
    rig.settings.email = Some(email(&smtp, Security::None));
    let handle = rig.start();
    let to = |address: &str| rig.delivery(address, &format!("email{address}"), Colour::Red);
    let all =
        [":nobody@example.org", ":full@example.org", ":zhang@example.org", "", ":no address", ":a@b\r\nRCPT TO:<x@y>"];
    rig.owe(&handle, all.map(to).into());
    until("all were tried", || all.iter().all(|id| !rig.desk.outcomes(id).is_empty())).await;
    for (id, outcome, word) in [
        (all[0], ReceiptOutcome::Failed, "550"),
        (all[1], ReceiptOutcome::Retry, "452"),
        (all[2], ReceiptOutcome::Delivered, "queued"),
        (all[3], ReceiptOutcome::Failed, "email:<address>"),
        (all[4], ReceiptOutcome::Failed, "is no address"),
        (all[5], ReceiptOutcome::Failed, "is no address"),
    ] {
        assert_eq!(rig.desk.outcomes(id)[0], outcome, "{id}");
        assert!(rig.ledger.get(id).attempts[0].reason.contains(word), "{:?}", rig.ledger.get(id).attempts);
    }
    assert_eq!(smtp.count(), 1);
    handle.shutdown().await;
}

#[tokio::test]
async fn trouble_with_the_server_itself_is_no_end() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let tls = authority.acceptor("localhost");
    let smtp = Smtp::start(Some(tls), true, |line, _| line.starts_with("AUTH").then(|| "535 no\r\n".into())).await;
    for (ca, user, word) in [(&stranger, None, "invalid peer certificate"), (&authority, Some("fire"), "535")] {
        let mut rig = Rig::new();
        rig.settings.email = Some(Email {
            user: user.map(String::from),
            password: user.map(|_| Secret("x".into())),
            ca_file: Some(ca.path()),
            ..email(&smtp, Security::Tls)
        });
        let handle = rig.start();
        rig.owe(&handle, vec![rig.delivery("d1", "email:zhang@example.org", Colour::Red)]);
        until("it was tried", || !rig.desk.outcomes("d1").is_empty()).await;
        assert_eq!(rig.desk.outcomes("d1")[0], ReceiptOutcome::Retry);
        assert!(rig.desk.last_reason("d1").contains(word), "{}", rig.desk.last_reason("d1"));
        handle.shutdown().await;
    }
    assert_eq!(smtp.count(), 0);
}

#[tokio::test]
async fn settings_are_checked() {
    let smtp = Smtp::start(None, false, |_, _| None).await;
    let good = || email(&smtp, Security::None);
    for (email, word) in [
        (Email { server: "mail.example.org".into(), ..good() }, "on this machine"),
        (Email { from: "nobody".into(), ..good() }, "from \"nobody\""),
        (Email { user: Some("a".into()), ..good() }, "together"),
        (Email { security: Security::Tls, ca_file: Some("/nowhere.pem".into()), ..good() }, "/nowhere.pem"),
    ] {
        let mut rig = Rig::new();
        rig.settings.email = Some(email);
        let error = Dispatcher::start(rig.parts()).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("email: ") && error.contains(word), "{error}");
    }
    let text = "[email]\nserver = \"mail.example.org\"\nfrom = \"a@b.example\"\nuser = \"u\"\npassword = \"geheim\"\n";
    let settings: dispatcher::Settings = toml::from_str(text).unwrap();
    assert_eq!(settings.email.as_ref().unwrap().security, Security::Tls);
    assert!(!format!("{settings:?}{}", toml::to_string(&settings).unwrap()).contains("geheim"));
}
