//! Adding, rotating and revoking credentials: the one way in which a program changes credentials.csv, for the commands and
//! for vendors who register devices.

use std::path::Path;

use anyhow::{Result, bail};

use crate::credentials::{
    CredentialFaults, Credentials, FILE, SECRETS_MAX, fresh_salt, fresh_secret, hash_secret, is_stored,
};
use crate::folder;
use crate::table::Table;

/// Columns of a file that is written for the first time.
const COLUMNS: [&str; 6] = ["name", "kind", "subject", "scope", "role", "secret"];

/// A row to be added; what is empty stays empty.
#[derive(Debug, Clone, Default)]
pub struct NewRow {
    pub kind: &'static str,
    pub name: String,
    pub subject: String,
    /// Other columns.
    pub fields: Vec<(&'static str, String)>,
    /// Whether it gets a secret.
    pub with_secret: bool,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("there is a {kind} credential {name} already: rotate its secret, or revoke it first")]
    Exists { kind: String, name: String },
    #[error("there is no {kind} credential for {subject}: `fenghuo {kind} list` shows those there are")]
    Absent { kind: &'static str, subject: String },
    #[error("{0}")]
    Invalid(#[from] CredentialFaults),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Changes credentials.csv under the folder's lock. Nothing is written when the change fails or when the file that would
/// result has a fault.
///
/// # Errors
/// Those of the change, faults of the result, files that cannot be written.
pub fn edit<T>(
    roster: &Path,
    change: impl FnOnce(&mut Table) -> Result<T, ProvisionError>,
) -> Result<(T, Credentials), ProvisionError> {
    let locked = folder::lock(roster)?;
    let mut table = match locked.read(FILE)? {
        Some(text) => Table::parse(FILE, &text)?,
        None => Table::new(&COLUMNS),
    };
    let done = change(&mut table)?;
    let text = table.to_bytes()?;
    let credentials = Credentials::parse(&text)?;
    locked.replace(&[(FILE, text)])?;
    Ok((done, credentials))
}

/// A new secret and its stored form.
fn make_secret() -> Result<(String, String), ProvisionError> {
    let (secret, salt) = (fresh_secret().map_err(anyhow::Error::from)?, fresh_salt().map_err(anyhow::Error::from)?);
    let stored = hash_secret(&salt, secret.as_bytes());
    Ok((secret, stored))
}

/// Adds a row; its secret, which is stored nowhere.
///
/// # Errors
/// When the name, or the device, has a row.
pub fn add(table: &mut Table, new: &NewRow) -> Result<Option<String>, ProvisionError> {
    let twin = table.rows().find(|row| {
        let same_device = new.kind == "device" && table.get(*row, "kind") == "device";
        table.get(*row, "name") == new.name || (same_device && table.get(*row, "subject") == new.subject)
    });
    if let Some(row) = twin {
        let (kind, name) = (table.get(row, "kind").to_owned(), table.get(row, "name").to_owned());
        return Err(ProvisionError::Exists { kind, name });
    }
    let row = table.push();
    table.set(row, "name", &new.name);
    table.set(row, "kind", new.kind);
    table.set(row, "subject", &new.subject);
    for (column, value) in &new.fields {
        table.set(row, column, value);
    }
    if !new.with_secret {
        return Ok(None);
    }
    let (secret, stored) = make_secret()?;
    table.set(row, "secret", &stored);
    Ok(Some(secret))
}

/// Rows of a kind by subject or name; at least one.
fn find(table: &Table, kind: &'static str, subject: &str) -> Result<Vec<usize>, ProvisionError> {
    let fits = |row: &usize| {
        table.get(*row, "kind") == kind && (table.get(*row, "subject") == subject || table.get(*row, "name") == subject)
    };
    let found: Vec<usize> = table.rows().filter(fits).collect();
    if found.is_empty() { Err(ProvisionError::Absent { kind, subject: subject.to_owned() }) } else { Ok(found) }
}

fn find_one(table: &Table, kind: &'static str, subject: &str) -> Result<usize, ProvisionError> {
    match find(table, kind, subject)?[..] {
        [only] => Ok(only),
        ref several => {
            let names: Vec<&str> = several.iter().map(|row| table.get(*row, "name")).collect();
            let told =
                anyhow::anyhow!("{subject} has several credentials ({}): give the name of one", names.join(", "));
            Err(told.into())
        }
    }
}

fn stored(table: &Table, row: usize) -> Vec<String> {
    let column = table.get(row, "secret").split(';').map(str::trim);
    column.filter(|stored| !stored.is_empty()).map(str::to_owned).collect()
}

/// Adds a second secret, valid beside the first until [`finish`]: the credential's name, and the secret.
///
/// # Errors
/// When two are valid already.
pub fn rotate(table: &mut Table, kind: &'static str, subject: &str) -> Result<(String, String), ProvisionError> {
    let row = find_one(table, kind, subject)?;
    let mut secrets = stored(table, row);
    if secrets.len() >= SECRETS_MAX {
        return Err(
            anyhow::anyhow!("{subject} has {SECRETS_MAX} valid secrets: end that rotation first (--finish)").into()
        );
    }
    let (secret, fresh) = make_secret()?;
    secrets.push(fresh);
    table.set(row, "secret", &secrets.join(";"));
    Ok((table.get(row, "name").to_owned(), secret))
}

/// Ends a rotation: only the newest secret stays valid. The credential's name.
///
/// # Errors
/// When there is only one secret.
pub fn finish(table: &mut Table, kind: &'static str, subject: &str) -> Result<String, ProvisionError> {
    let row = find_one(table, kind, subject)?;
    let secrets = stored(table, row);
    let newest = match &secrets[..] {
        [_, .., newest] if is_stored(newest) => newest.clone(),
        _ => return Err(anyhow::anyhow!("{subject} has one secret: rotate it first, without --finish").into()),
    };
    table.set(row, "secret", &newest);
    Ok(table.get(row, "name").to_owned())
}

/// Removes the rows of a subject; with `devices` those of a vendor's devices too. The names removed.
///
/// # Errors
/// When there are none.
pub fn revoke(
    table: &mut Table,
    kind: &'static str,
    subject: &str,
    devices: bool,
) -> Result<Vec<String>, ProvisionError> {
    let mut rows = match find(table, kind, subject) {
        Err(ProvisionError::Absent { .. }) if devices => Vec::new(),
        found => found?,
    };
    if devices {
        let of_vendor = |row: &usize| {
            table.get(*row, "kind") == "device"
                && table.get(*row, "subject").split_once('/').is_some_and(|(vendor, _)| vendor == subject)
        };
        rows.extend(table.rows().filter(of_vendor));
    }
    if rows.is_empty() {
        return Err(ProvisionError::Absent { kind, subject: subject.to_owned() });
    }
    rows.sort_unstable();
    let mut names = Vec::new();
    for row in rows.into_iter().rev() {
        names.push(table.get(row, "name").to_owned());
        table.remove(row);
    }
    names.reverse();
    Ok(names)
}

/// Splits `vendor/device`.
///
/// # Errors
/// When it is none.
pub fn split_device(device: &str) -> Result<(&str, &str)> {
    match device.split_once('/') {
        Some((vendor, device)) if !device.contains('/') => Ok((vendor, device)),
        _ => bail!("{device:?} must be vendor/device"),
    }
}

#[cfg(test)]
mod tests;
