//! E-mail over SMTP. Every try of a delivery carries the same `Message-ID`, so that a mailbox that gets it twice can tell.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use model::Colour;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::http::{authorities, excerpt};
use super::{Channel, Manner, Opened, Outcome, Try, With};
use crate::dispatcher::StartError;
use crate::settings::Secret;

/// The mail server that takes what is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Name or address of the server.
    pub server: String,
    /// Port; absent: 465 with `tls`, 587 with `starttls`, 25 with `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `tls`, `starttls`, or `none` (to this machine's own addresses only). Default `tls`.
    #[serde(default)]
    pub security: Security,
    /// Sender: `fire@example.org`, or `烽火 <fire@example.org>`.
    pub from: String,
    /// User name; absent: no authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing)]
    pub password: Option<Secret>,
    /// Name by which the station greets the server (EHLO); absent: the domain of `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<String>,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Messages within any minute, messages; 0: without limit. Default 60; a quarter of them is kept for red.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte.
    #[default]
    Tls,
    /// TLS after STARTTLS, or nothing is sent.
    Starttls,
    /// Not at all.
    None,
}

fn per_minute() -> u32 {
    60
}

struct Post {
    transport: lettre::transport::smtp::AsyncSmtpTransportBuilder,
    from: Mailbox,
    per_minute: u32,
}

/// The channel `email`, where a server is set.
pub(crate) fn open(with: &With<'_>) -> Opened {
    let Some(email) = &with.settings.email else { return Ok(Vec::new()) };
    let post = Post::open(email).map_err(|reason| StartError::Channel { channel: "email".into(), reason })?;
    Ok(vec![("email".into(), Arc::new(post))])
}

impl Post {
    fn open(settings: &Email) -> Result<Post, String> {
        let from: Mailbox = settings.from.parse().map_err(|error| format!("from {:?}: {error}", settings.from))?;
        let loopback =
            settings.server == "localhost" || settings.server.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if settings.server.is_empty() {
            return Err("server is empty".into());
        }
        if settings.security == Security::None && !loopback {
            return Err("security = \"none\" is for a server on this machine: use \"tls\" or \"starttls\"".into());
        }
        let (tls, port) = match settings.security {
            Security::Tls => (Tls::Wrapper(parameters(settings)?), 465),
            Security::Starttls => (Tls::Required(parameters(settings)?), 587),
            Security::None => (Tls::None, 25),
        };
        let hello = settings.hello.clone().unwrap_or_else(|| from.email.domain().to_owned());
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.server.as_str())
            .port(settings.port.unwrap_or(port))
            .tls(tls)
            .hello_name(ClientId::Domain(hello));
        match (&settings.user, &settings.password) {
            (Some(user), Some(password)) => {
                transport = transport.credentials(Credentials::new(user.clone(), password.0.clone()));
            }
            (None, None) => {}
            _ => return Err("user and password are given together or not at all".into()),
        }
        Ok(Post { transport, from, per_minute: settings.per_minute })
    }

    fn mail(&self, attempt: &Try<'_>) -> Result<Mail, String> {
        let written = attempt.target.filter(|target| !target.is_empty());
        let written = written.ok_or("the channel has no address: write email:<address> in the roster")?;
        let address: Address =
            written.parse().map_err(|error| format!("{written:?} is no address ({error}): correct the roster"))?;
        let (delivery, message) = (attempt.delivery, attempt.message);
        let id = Sha256::digest(delivery.id.as_str()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let header = |name: &str, value: &str| {
            let name = HeaderName::new_from_ascii(name.to_owned()).expect("written here in ASCII");
            HeaderValue::new(name, value.to_owned())
        };
        let text = format!(
            "{}\n{}\n\n单位 unit: {}\n地址 address: {}\n告警 alert: {}\n{}{}",
            message.text_zh(),
            message.text_en(),
            message.unit(),
            message.address(),
            delivery.matter,
            message.near().shown().iter().map(|line| format!("{line}\n")).collect::<String>(),
            message.link().map(|link| format!("\n确认收到 confirm receipt: {link}\n")).unwrap_or_default()
        );
        let mut mail = Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(message.subject())
            .date(UNIX_EPOCH + Duration::from_millis(attempt.now_ms))
            .message_id(Some(format!("<{}@{}>", &id[..32], self.from.email.domain())))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Fenghuo-Alert", &delivery.matter.to_string()));
        if delivery.about.colour() == Colour::Red {
            mail = mail.raw_header(header("Importance", "high")).raw_header(header("X-Priority", "1"));
        }
        mail.header(ContentType::TEXT_PLAIN).body(text).map_err(|error| format!("the mail cannot be written: {error}"))
    }
}

fn parameters(settings: &Email) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.server.clone());
    for authority in authorities(settings.ca_file.as_deref())? {
        let certificate = Certificate::from_der(authority.to_vec());
        builder = builder.add_root_certificate(certificate.map_err(|error| format!("the ca_file: {error}"))?);
    }
    builder.build_rustls().map_err(|error| format!("TLS: {error}"))
}

#[async_trait]
impl Channel for Post {
    fn manner(&self) -> Manner {
        Manner { target: true, per_minute: self.per_minute, breaks: true, to_person: true, ..Manner::plain("email") }
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        let mail = match self.mail(&attempt) {
            Ok(mail) => mail,
            Err(reason) => return Outcome::Failed { reason },
        };
        let transport = self.transport.clone().timeout(Some(attempt.limit)).build::<Tokio1Executor>();
        match transport.send(mail).await {
            Ok(said) => {
                let said: Vec<&str> = said.message().collect();
                Outcome::Delivered { reason: format!("the mail server took it: {}", excerpt(&said.join(" "))) }
            }
            Err(error) => judge(&error),
        }
    }
}

/// What an error means: 4xx is for later, 5xx for ever, but for those about the station itself and not about the mail.
fn judge(error: &SmtpError) -> Outcome {
    let words = excerpt(&error.to_string());
    let code = error.status().map(|status| status.to_string());
    match code.as_deref() {
        // service closes, authentication, command order: nothing that another mail would not meet too
        Some("421" | "454" | "500" | "502" | "503" | "504" | "530" | "534" | "535" | "538") => Outcome::retry(words),
        Some(_) if error.is_permanent() => Outcome::Failed { reason: words },
        Some(_) => Outcome::later(words),
        None => Outcome::retry(words),
    }
}
