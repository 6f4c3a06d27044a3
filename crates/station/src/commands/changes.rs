//! What a new roster folder changes, row by row.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::table::Table;

/// The files of a roster folder and the columns that name a row.
pub const FILES: [(&str, &[&str]); 10] = [
    ("regions.csv", &["code"]),
    ("units.csv", &["code"]),
    ("devices.csv", &["vendor", "device"]),
    ("people.csv", &["code"]),
    ("stations.csv", &["code"]),
    ("cameras.csv", &["code"]),
    ("shifts.csv", &["post", "region", "person", "days", "from", "first_day"]),
    ("absences.csv", &["person", "from"]),
    ("hydrants.csv", &["code"]),
    ("credentials.csv", &["name"]),
];

/// Rows of one file by key, in order.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub added: Vec<String>,
    pub changed: Vec<Changed>,
    pub removed: Vec<String>,
}

/// A row that both have, and in which columns it differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub key: String,
    pub columns: Vec<String>,
}

impl Changes {
    /// From `old` to `new`; a missing table is an empty one. The values themselves are not told: some are secrets, some are
    /// people's numbers.
    pub fn between(keys: &[&str], old: Option<&Table>, new: Option<&Table>) -> Changes {
        let (before, after) = (by_key(keys, old), by_key(keys, new));
        let mut changes = Changes::default();
        for (key, row) in &after {
            match (before.get(key), old, new) {
                (Some(earlier), Some(old), Some(new)) => {
                    let columns = differing((old, *earlier), (new, *row));
                    if !columns.is_empty() {
                        changes.changed.push(Changed { key: key.clone(), columns });
                    }
                }
                _ => changes.added.push(key.clone()),
            }
        }
        changes.removed.extend(before.into_keys().filter(|key| !after.contains_key(key)));
        changes
    }

    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// At most `limit` keys of each sort.
    pub fn shorten(&mut self, limit: usize) {
        self.added.truncate(limit);
        self.changed.truncate(limit);
        self.removed.truncate(limit);
    }
}

fn by_key(keys: &[&str], table: Option<&Table>) -> BTreeMap<String, usize> {
    let rows = table.into_iter().flat_map(|table| table.rows().map(move |row| (table, row)));
    let named =
        rows.map(|(table, row)| (keys.iter().map(|key| table.get(row, key)).collect::<Vec<_>>().join("/"), row));
    named.collect()
}

fn differing((old, before): (&Table, usize), (new, after): (&Table, usize)) -> Vec<String> {
    let columns = old.header().chain(new.header().filter(|column| !old.header().any(|known| known == *column)));
    columns.filter(|column| old.get(before, column) != new.get(after, column)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_by_their_keys() {
        let table = |text: &str| Table::parse("devices.csv", text.as_bytes()).unwrap();
        let old = table("vendor,device,unit\na,1,U1\na,2,U1\nb,1,U2\n");
        let new = table("device,vendor,unit,location\n1,a,U1,\n2,a,U9,attic\n7,b,U2,\n");
        let changes = Changes::between(&["vendor", "device"], Some(&old), Some(&new));
        assert_eq!((changes.added, changes.removed), (vec!["b/7".to_owned()], vec!["b/1".to_owned()]));
        let columns = vec!["unit".to_owned(), "location".to_owned()];
        assert_eq!(changes.changed, [Changed { key: "a/2".to_owned(), columns }]);
        assert_eq!(Changes::between(&["vendor", "device"], None, Some(&new)).added.len(), 3);
        assert!(Changes::between(&["vendor", "device"], Some(&new), Some(&new)).is_empty());
    }
}
