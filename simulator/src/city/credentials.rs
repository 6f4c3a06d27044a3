//! Accounts and tokens. The roster holds salted hashes, `secrets.csv` the words themselves.
//!
//! Names: `vendor-<vendor>`, `device-<device>`, `person-<code>`, `centre`; tokens `admin`, `operator`, `responders` and
//! `viewer-<township>`.

use super::Settings;
use crate::roster::{Credential, Roster, Secret};
use rand::RngCore;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes of a salt and of a secret: 128 bits, so that a fast hash is safe.
const BYTES: usize = 16;

/// Fills `roster.credentials` and `roster.secrets`.
pub fn build(settings: &Settings, rng: &mut impl RngCore, roster: &mut Roster) {
    let city = roster.regions[0].code.clone();
    let mut vendors: Vec<String> = roster.devices.iter().map(|d| d.vendor.clone()).collect();
    vendors.sort();
    vendors.dedup();
    let mut rows: Vec<[String; 5]> = Vec::new();
    let mut row = |name: String, kind: &str, subject: &str, scope: &str, role: &str| {
        rows.push([name, kind.into(), subject.into(), scope.into(), role.into()]);
    };
    row("admin".into(), "token", "admin", &city, "admin");
    row("operator".into(), "token", "operator", &city, "operator");
    row("responders".into(), "token", "responders", &city, "operator");
    for region in roster.regions.iter().filter(|r| r.code.len() == 9) {
        let name = format!("viewer-{}", region.code);
        row(name.clone(), "token", &name, &region.code, "viewer");
    }
    row("centre".into(), "service", "centre", &city, "");
    for vendor in &vendors {
        row(format!("vendor-{vendor}"), "vendor", vendor, "", "");
    }
    for device in spread(&roster.devices, settings.device_credentials) {
        let subject = format!("{}/{}", device.vendor, device.device);
        row(format!("device-{}", device.device), "device", &subject, "", "");
    }
    for person in roster.people.iter().filter(|p| p.channels.contains("mqtt")) {
        row(format!("person-{}", person.code), "person", &person.code, &person.region, "");
    }
    for [name, kind, subject, scope, role] in rows {
        let secret = hex(&draw(rng));
        let salt = draw(rng);
        roster.credentials.push(Credential {
            name: name.clone(),
            kind,
            subject,
            scope,
            role,
            secret: hash(&salt, &secret),
        });
        roster.secrets.push(Secret { name, secret });
    }
}

/// `count` of the rows, evenly over all of them.
fn spread<T>(rows: &[T], count: usize) -> impl Iterator<Item = &T> {
    let count = count.min(rows.len());
    (0..count).map(move |i| &rows[i * rows.len() / count])
}

fn draw(rng: &mut impl RngCore) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A secret as the roster holds it: `sha256:<salt hex>:<hex of sha256(salt || secret)>`.
pub fn hash(salt: &[u8], secret: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(secret.as_bytes()).finalize();
    format!("sha256:{}:{}", hex(salt), hex(&digest))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}"); // writing to a String cannot fail
        out
    })
}
