//! Rows of credentials.csv, columns found by name.

use std::fmt;
use std::sync::atomic::AtomicU8;

use csv::StringRecord;
use model::RegionCode;
use model::roster::RosterFault;

use super::permissions::Asked;
use super::secret::Secrets;
use super::{ClientIdRule, Credential, Kind, NOBODY, Permissions, Role, fault};

/// Columns without which a file is none.
const REQUIRED: [&str; 4] = ["name", "kind", "subject", "secret"];
/// Columns that may be left out, which is as if they were empty.
const OPTIONAL: [&str; 8] = ["scope", "role", "client_id", "certificate", "publish", "subscribe", "retain", "register"];
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 256;
/// Characters of a vendor, a device or a person's code, as in the roster.
const LEVEL_CHARS_MAX: usize = 64;

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// Common name of the subject.
    Cn(Box<str>),
    /// Alternative name: DNS, URI or mail address.
    San(Box<str>),
}

impl CertificateName {
    /// The name itself.
    pub fn text(&self) -> &str {
        match self {
            CertificateName::Cn(name) | CertificateName::San(name) => name,
        }
    }

    fn parse(text: &str) -> Result<Option<CertificateName>, String> {
        let (form, name) = text.split_once(':').unwrap_or_default();
        match (form, name.trim()) {
            _ if text.is_empty() => Ok(None),
            ("cn", name) if !name.is_empty() => Ok(Some(CertificateName::Cn(name.into()))),
            ("san", name) if !name.is_empty() => Ok(Some(CertificateName::San(name.into()))),
            _ => Err(format!("certificate {text:?} must be cn:<common name> or san:<DNS name or URI>")),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateName::Cn(name) => write!(f, "cn:{name}"),
            CertificateName::San(name) => write!(f, "san:{name}"),
        }
    }
}

/// Whether `text` can be a level of a topic and a name in the roster.
///
/// # Errors
/// Why not.
pub fn check_level(what: &str, text: &str) -> Result<(), String> {
    let length = text.chars().count();
    let fits = (1..=LEVEL_CHARS_MAX).contains(&length)
        && !text.starts_with('$')
        && !text.contains(['/', '+', '#'])
        && !text.contains(char::is_control)
        && text.trim() == text;
    if fits {
        return Ok(());
    }
    Err(format!("{what} {text:?} must have 1 to {LEVEL_CHARS_MAX} characters, none of / + # and no $ at its beginning"))
}

/// Rows that are good, with their lines, and what is wrong with the others.
pub(super) fn read(text: &[u8]) -> (Vec<(usize, Credential)>, Vec<RosterFault>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return (rows, vec![fault(1, format!("the header cannot be read: {error}"))]),
    };
    for column in REQUIRED.iter().filter(|column| !header.iter().any(|name| name == **column)) {
        faults.push(fault(1, format!("the header has no column {column}: it must have {}", REQUIRED.join(","))));
    }
    for (at, column) in header.iter().enumerate() {
        let known = REQUIRED.iter().chain(&OPTIONAL);
        if !known.clone().any(|name| *name == column) {
            let nearest = known.min_by_key(|name| strsim::damerau_levenshtein(column, name)).unwrap_or(&"");
            faults.push(fault(1, format!("column {column:?} is not known; did you mean {nearest}?")));
        } else if header.iter().take(at).any(|name| name == column) {
            faults.push(fault(1, format!("column {column} stands there twice")));
        }
    }
    if !faults.is_empty() {
        return (rows, faults);
    }
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |position| position.line() as usize);
                match credential(&Fields { header: &header, record: &record }) {
                    Ok(credential) => rows.push((line, credential)),
                    Err(what) => faults.push(fault(line, what)),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, |position| position.line() as usize);
                faults.push(fault(line, format!("cannot be read: {error}")));
            }
        }
    }
    (rows, faults)
}

struct Fields<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl<'a> Fields<'a> {
    fn text(&self, column: &str) -> &'a str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn yes(&self, column: &str) -> Result<bool, String> {
        match self.text(column) {
            "" | "no" => Ok(false),
            "yes" => Ok(true),
            other => Err(format!("{column} {other:?} must be yes or no")),
        }
    }
}

fn credential(fields: &Fields<'_>) -> Result<Credential, String> {
    let (name, subject) = (fields.text("name"), fields.text("subject"));
    let kind = kind(fields)?;
    check_name(name)?;
    check_subject(kind, subject)?;
    if matches!(kind, Kind::Token(_)) && name.contains('.') {
        return Err(format!("token name {name:?} must not contain a dot: the bearer is <name>.<secret>"));
    }
    let scope = match fields.text("scope") {
        "" => None,
        code => Some(code.parse::<RegionCode>().map_err(|error| error.to_string())?),
    };
    let asked =
        Asked { publish: fields.text("publish"), subscribe: fields.text("subscribe"), retain: fields.yes("retain")? };
    let is_plain = asked.publish.is_empty() && asked.subscribe.is_empty() && !asked.retain;
    if kind != Kind::Client && !is_plain {
        return Err(
            "publish, subscribe and retain are for kind client: what the others may do follows from the kind".into()
        );
    }
    let register = fields.yes("register")?;
    if register && kind != Kind::Vendor {
        return Err("register is for kind vendor".to_owned());
    }
    let certificate = CertificateName::parse(fields.text("certificate"))?;
    let secrets = Secrets::parse(fields.text("secret"))?;
    let needs_secret = matches!(kind, Kind::Person | Kind::Service) && certificate.is_none();
    if secrets.len() == 0 && (needs_secret || matches!(kind, Kind::Token(_))) {
        return Err(format!("secret is empty, and a {} has no other proof", kind.class()));
    }
    Ok(Credential {
        name: name.into(),
        kind,
        subject: subject.into(),
        scope,
        client_id: ClientIdRule::parse(fields.text("client_id"))?,
        certificate,
        register,
        permissions: Permissions::of(kind, subject, scope, asked)?,
        secrets,
        used: AtomicU8::new(0),
    })
}

fn kind(fields: &Fields<'_>) -> Result<Kind, String> {
    let role = match fields.text("role") {
        "" => None,
        "viewer" => Some(Role::Viewer),
        "operator" => Some(Role::Operator),
        "admin" => Some(Role::Admin),
        other => return Err(format!("role {other:?} must be viewer, operator or admin")),
    };
    match (fields.text("kind"), role) {
        ("device", _) => Ok(Kind::Device),
        ("vendor", _) => Ok(Kind::Vendor),
        ("person", _) => Ok(Kind::Person),
        ("service", _) => Ok(Kind::Service),
        ("client", _) => Ok(Kind::Client),
        ("token", Some(role)) => Ok(Kind::Token(role)),
        ("token", None) => Err("a token needs a role: viewer, operator or admin".to_owned()),
        (other, _) => Err(format!("kind {other:?} must be device, vendor, person, service, client or token")),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    if name.len() > NAME_BYTES_MAX || name.contains(['+', '#']) || name.contains(char::is_control) {
        return Err(format!("name {name:?} must have at most {NAME_BYTES_MAX} bytes, and none of + #"));
    }
    Ok(())
}

fn check_subject(kind: Kind, subject: &str) -> Result<(), String> {
    let vendor = match kind {
        Kind::Device => {
            let Some((vendor, device)) = subject.split_once('/') else {
                return Err(format!("subject {subject:?}: a device's is vendor/device"));
            };
            check_level("subject: the device", device)?;
            vendor
        }
        _ => subject,
    };
    check_level(if kind == Kind::Device { "subject: the vendor" } else { "subject" }, vendor)?;
    if matches!(kind, Kind::Device | Kind::Vendor) && vendor == NOBODY {
        return Err(format!("no vendor can be called {NOBODY}: refusals that are no vendor's are looked up under it"));
    }
    Ok(())
}
