//! Who owns which client id, and which certificate proves whom.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::{CertificateName, Credential, Kind};

/// The column `client_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdRule {
    Exact(Box<str>),
    /// Written with `*` at its end.
    Prefix(Box<str>),
}

impl ClientIdRule {
    /// Reads the column; empty: no rule.
    pub fn parse(text: &str) -> Result<Option<ClientIdRule>, String> {
        if text.contains(char::is_control) {
            return Err("client_id contains a control character".to_owned());
        }
        match text.strip_suffix('*') {
            Some("") => Err("client_id * says nothing: leave the column empty".to_owned()),
            Some(prefix) => Ok(Some(ClientIdRule::Prefix(prefix.into()))),
            None if text.is_empty() => Ok(None),
            None => Ok(Some(ClientIdRule::Exact(text.into()))),
        }
    }

    pub fn fits(&self, client_id: &str) -> bool {
        match self {
            ClientIdRule::Exact(only) => **only == *client_id,
            ClientIdRule::Prefix(prefix) => client_id.starts_with(&**prefix),
        }
    }
}

impl fmt::Display for ClientIdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientIdRule::Exact(only) => f.write_str(only),
            ClientIdRule::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

type Owners = HashMap<Box<str>, Vec<Arc<str>>>;

/// Found at a login without looking at all rows.
#[derive(Debug, Default)]
pub struct Index {
    /// Device subjects and exact client ids. Names are the table itself.
    client_ids: Owners,
    prefixes: Owners,
    /// Lengths of the prefixes, bytes.
    prefix_lengths: BTreeSet<usize>,
    /// By the name that a row's `certificate` gives.
    certificates: HashMap<CertificateName, Arc<str>>,
    /// Rows without `certificate`: a device's subject, a device's or a vendor's name.
    plain_names: Owners,
    pub vendors: HashSet<Box<str>>,
}

impl Index {
    /// # Errors
    /// When the certificate is another row's already.
    pub fn add(&mut self, credential: &Credential) -> Result<(), String> {
        let name = &credential.name;
        let own = |owners: &mut Owners, key: &str| owners.entry(key.into()).or_default().push(Arc::clone(name));
        if credential.kind == Kind::Device {
            own(&mut self.client_ids, &credential.subject);
        }
        match &credential.client_id {
            Some(ClientIdRule::Exact(only)) => own(&mut self.client_ids, only),
            Some(ClientIdRule::Prefix(prefix)) => {
                self.prefix_lengths.insert(prefix.len());
                own(&mut self.prefixes, prefix);
            }
            None => {}
        }
        if let Some(vendor) = credential.vendor() {
            self.vendors.insert(vendor.into());
        }
        match &credential.certificate {
            Some(certificate) => {
                if let Some(other) = self.certificates.insert(certificate.clone(), Arc::clone(name)) {
                    return Err(format!("certificate {certificate} proves {other} already"));
                }
            }
            None if matches!(credential.kind, Kind::Device | Kind::Vendor) => {
                own(&mut self.plain_names, name);
                if credential.kind == Kind::Device && *credential.subject != **name {
                    own(&mut self.plain_names, &credential.subject);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Whether a client id is claimed by others and not by `credential`.
    pub fn is_foreign(&self, client_id: &str, credential: &Credential) -> bool {
        let others = |owners: Option<&Vec<Arc<str>>>| owners.is_some_and(|owners| !owners.contains(&credential.name));
        if others(self.client_ids.get(client_id)) {
            return *credential.name != *client_id;
        }
        let claimed_itself = credential.client_id.is_some() || *credential.name == *client_id;
        let is_own = claimed_itself || *credential.subject == *client_id;
        !is_own
            && self
                .prefix_lengths
                .range(..=client_id.len())
                .any(|length| client_id.get(..*length).is_some_and(|prefix| self.prefixes.contains_key(prefix)))
    }

    pub fn of_certificate(&self, name: &CertificateName) -> impl Iterator<Item = &Arc<str>> {
        let plain = self.plain_names.get(name.text()).into_iter().flatten();
        self.certificates.get(name).into_iter().chain(plain)
    }
}
