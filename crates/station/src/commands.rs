//! `fenghuo device`, `vendor`, `client`, `person`, `service`, `token`: who may come in, from the command line.

pub mod changes;
pub mod duty;
pub mod explain;
mod http;
pub mod import;
pub mod order;
mod reload;
pub mod replay;
pub mod rules;
pub mod test_rules;
mod times;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::credentials::{Credential, Credentials, FILE, Kind, Role};
use crate::folder;
use crate::provision::{self, NewRow};
use crate::table::Table;

/// The folder, and how to answer.
#[derive(Debug, Args)]
pub struct At {
    /// Folder of the roster's CSV files.
    #[arg(long, default_value = "data/roster")]
    roster: PathBuf,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// What can be done with the credentials of one kind.
#[derive(Debug, Subcommand)]
pub enum Accounts<A: Args> {
    /// Adds a credential and prints its secret, this once.
    Add(A),
    /// Lists them, without secrets.
    List {
        /// Only those of this vendor.
        #[arg(long)]
        vendor: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Prints a second secret, valid beside the first until `--finish` drops the older one.
    Rotate {
        /// Subject or name of the credential.
        subject: String,
        /// Ends the rotation: only the newest secret stays valid.
        #[arg(long)]
        finish: bool,
        #[command(flatten)]
        at: At,
    },
    /// Removes a credential; the station cuts its connections within seconds.
    Revoke {
        /// Subject or name of the credential.
        subject: String,
        /// A vendor's devices as well.
        #[arg(long)]
        with_devices: bool,
        #[command(flatten)]
        at: At,
    },
}

/// What all rows may have.
#[derive(Debug, Args)]
pub struct Common {
    /// Name to log in with; without it the subject.
    #[arg(long)]
    name: Option<String>,
    /// The only client id it may use, or a prefix with `*` at its end.
    #[arg(long)]
    client_id: Option<String>,
    /// Certificate that proves it: `cn:<common name>` or `san:<DNS name or URI>`.
    #[arg(long)]
    certificate: Option<String>,
    /// Makes no secret: the certificate alone proves it.
    #[arg(long)]
    no_secret: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub struct AddDevice {
    /// `vendor/device`, as in devices.csv.
    device: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct AddVendor {
    vendor: String,
    /// Lets the vendor register devices over HTTP, where `[station] self_registration` is on.
    #[arg(long)]
    register: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct AddClient {
    client: String,
    /// Topic filters it may publish to, separated by spaces; `#`: all that is not the station's own.
    #[arg(long, default_value = "")]
    publish: String,
    /// Topic filters it may subscribe to, separated by spaces.
    #[arg(long, default_value = "")]
    subscribe: String,
    /// Its retained messages are kept.
    #[arg(long)]
    retain: bool,
    #[command(flatten)]
    common: Common,
}

/// A person or a service.
#[derive(Debug, Args)]
pub struct AddScoped {
    /// Code of the person, or name of the service.
    subject: String,
    /// Region that it is confined to; without one the whole city.
    #[arg(long, default_value = "")]
    scope: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct AddToken {
    name: String,
    /// viewer, operator or admin.
    #[arg(long)]
    role: String,
    /// Person or service that it stands for; without it the name.
    #[arg(long)]
    subject: Option<String>,
    /// Region that it is confined to; without one the whole city.
    #[arg(long, default_value = "")]
    scope: String,
    #[command(flatten)]
    at: At,
}

/// What `add` puts into the file.
pub trait Addition {
    fn row(&self) -> Result<NewRow>;
    fn at(&self) -> &At;
}

impl Common {
    fn row(&self, kind: &'static str, subject: &str, mut fields: Vec<(&'static str, String)>) -> NewRow {
        fields.push(("client_id", self.client_id.clone().unwrap_or_default()));
        fields.push(("certificate", self.certificate.clone().unwrap_or_default()));
        NewRow {
            kind,
            name: self.name.clone().unwrap_or_else(|| subject.to_owned()),
            subject: subject.to_owned(),
            fields,
            with_secret: !self.no_secret,
        }
    }
}

fn yes(flag: bool) -> String {
    if flag { "yes".to_owned() } else { String::new() }
}

impl Addition for AddDevice {
    fn row(&self) -> Result<NewRow> {
        provision::split_device(&self.device)?;
        Ok(self.common.row("device", &self.device, Vec::new()))
    }

    fn at(&self) -> &At {
        &self.common.at
    }
}

impl Addition for AddVendor {
    fn row(&self) -> Result<NewRow> {
        Ok(self.common.row("vendor", &self.vendor, vec![("register", yes(self.register))]))
    }

    fn at(&self) -> &At {
        &self.common.at
    }
}

impl Addition for AddClient {
    fn row(&self) -> Result<NewRow> {
        let fields = vec![
            ("publish", self.publish.clone()),
            ("subscribe", self.subscribe.clone()),
            ("retain", yes(self.retain)),
        ];
        Ok(self.common.row("client", &self.client, fields))
    }

    fn at(&self) -> &At {
        &self.common.at
    }
}

/// `add` of a kind that has a scope and nothing else.
#[derive(Debug, Args)]
pub struct AddPerson {
    #[command(flatten)]
    scoped: AddScoped,
}

#[derive(Debug, Args)]
pub struct AddService {
    #[command(flatten)]
    scoped: AddScoped,
}

impl Addition for AddPerson {
    fn row(&self) -> Result<NewRow> {
        Ok(self.scoped.common.row("person", &self.scoped.subject, vec![("scope", self.scoped.scope.clone())]))
    }

    fn at(&self) -> &At {
        &self.scoped.common.at
    }
}

impl Addition for AddService {
    fn row(&self) -> Result<NewRow> {
        Ok(self.scoped.common.row("service", &self.scoped.subject, vec![("scope", self.scoped.scope.clone())]))
    }

    fn at(&self) -> &At {
        &self.scoped.common.at
    }
}

impl Addition for AddToken {
    fn row(&self) -> Result<NewRow> {
        Ok(NewRow {
            kind: "token",
            name: self.name.clone(),
            subject: self.subject.clone().unwrap_or_else(|| self.name.clone()),
            fields: vec![("role", self.role.clone()), ("scope", self.scope.clone())],
            with_secret: true,
        })
    }

    fn at(&self) -> &At {
        &self.at
    }
}

/// Does what was asked for and prints what came of it.
///
/// # Errors
/// Why nothing was changed.
pub fn run<A: Args + Addition>(kind: &'static str, command: &Accounts<A>) -> Result<()> {
    match command {
        Accounts::Add(addition) => {
            let (row, at) = (addition.row()?, addition.at());
            let (secret, _) = provision::edit(&at.roster, |table| provision::add(table, &row))?;
            told(at, &row.name, secret.as_deref(), row.kind == "token");
            if kind == "device" && !at.json && !on_roster(at, &row.subject) {
                println!("devices.csv does not name it: until it does, what it sends goes to the quarantine");
            }
        }
        Accounts::List { vendor, at } => list(kind, vendor.as_deref(), at)?,
        Accounts::Rotate { subject, finish: false, at } => {
            let ((name, secret), _) = provision::edit(&at.roster, |table| provision::rotate(table, kind, subject))?;
            told(at, &name, Some(&secret), kind == "token");
            if !at.json {
                println!("the older secret stays valid until `fenghuo {kind} rotate {subject} --finish`");
            }
        }
        Accounts::Rotate { subject, finish: true, at } => {
            let (name, _) = provision::edit(&at.roster, |table| provision::finish(table, kind, subject))?;
            match at.json {
                true => println!("{}", json!({ "name": name, "secrets": 1 })),
                false => println!("only the newest secret of {name} is valid now"),
            }
        }
        Accounts::Revoke { subject, with_devices, at } => {
            let devices = *with_devices && kind == "vendor";
            let (names, _) = provision::edit(&at.roster, |table| provision::revoke(table, kind, subject, devices))?;
            match at.json {
                true => println!("{}", json!({ "revoked": names })),
                false => println!("revoked: {}", names.join(", ")),
            }
        }
    }
    Ok(())
}

fn told(at: &At, name: &str, secret: Option<&str>, is_token: bool) {
    if at.json {
        println!("{}", json!({ "name": name, "secret": secret }));
        return;
    }
    println!("name    {name}");
    match secret {
        Some(secret) => {
            println!("secret  {secret}");
            if is_token {
                println!("bearer  {name}.{secret}");
            }
            println!("the secret is shown this once: {FILE} has only its hash");
        }
        None => println!("without a secret"),
    }
}

fn on_roster(at: &At, device: &str) -> bool {
    let table = folder::read(&at.roster, "devices.csv").ok().flatten();
    let table = table.and_then(|text| Table::parse("devices.csv", &text).ok());
    table.is_some_and(|table| {
        table.rows().any(|row| format!("{}/{}", table.get(row, "vendor"), table.get(row, "device")) == device)
    })
}

fn list(kind: &str, vendor: Option<&str>, at: &At) -> Result<()> {
    let credentials = Credentials::read(&at.roster)?;
    let fits = |credential: &&Credential| {
        credential.kind.class() == kind && vendor.is_none_or(|vendor| credential.vendor() == Some(vendor))
    };
    let mut found: Vec<&Credential> = credentials.iter().filter(fits).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if at.json {
        println!("{}", serde_json::Value::Array(found.iter().map(|credential| row_json(credential)).collect()));
        return Ok(());
    }
    for credential in &found {
        let mut words = vec![credential.name.to_string()];
        if *credential.subject != *credential.name {
            words.push(format!("subject {}", credential.subject));
        }
        words.push(format!("secrets {}", credential.secrets()));
        words.extend(credential.scope.map(|scope| format!("scope {scope}")));
        words.extend(credential.client_id.as_ref().map(|rule| format!("client id {rule}")));
        words.extend(credential.certificate.as_ref().map(|name| format!("certificate {name}")));
        words.extend(credential.register.then(|| "registers devices".to_owned()));
        println!("{}", words.join("  "));
    }
    println!("{} {kind} credentials", found.len());
    Ok(())
}

fn row_json(credential: &Credential) -> serde_json::Value {
    let filters = |filters: &[broker::TopicFilter]| -> Vec<String> {
        filters.iter().map(|filter| filter.as_str().to_owned()).collect()
    };
    let permissions = credential.permissions.as_ref();
    json!({
        "name": *credential.name,
        "kind": credential.kind.class(),
        "subject": credential.subject,
        "scope": credential.scope.map(|scope| scope.to_string()),
        "role": match credential.kind {
            Kind::Token(Role::Viewer) => Some("viewer"),
            Kind::Token(Role::Operator) => Some("operator"),
            Kind::Token(Role::Admin) => Some("admin"),
            _ => None,
        },
        "secrets": credential.secrets(),
        "client_id": credential.client_id.as_ref().map(ToString::to_string),
        "certificate": credential.certificate.as_ref().map(ToString::to_string),
        "register": credential.register,
        "publish": permissions.map(|permissions| filters(&permissions.publish)),
        "subscribe": permissions.map(|permissions| filters(&permissions.subscribe)),
        "retain": permissions.is_some_and(|permissions| permissions.retain),
    })
}
