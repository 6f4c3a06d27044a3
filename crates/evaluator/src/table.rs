//! A table by number whose copies are cheap: what two copies have in common is shared until one side changes it.
//!
//! Rows lie in leaves, leaves in branches. A checkpoint takes a copy on the worker by counting a few hundred branches; while it
//! is being written, the first change in a branch copies its pointers, and the first in a leaf the leaf's few rows.

use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

/// Rows in a leaf: a commit that touches a thousand devices while a checkpoint is being written copies at most so many times a
/// thousand.
const LEAF: usize = 4;
/// Leaves in a branch.
const BRANCH: usize = 64;

type Leaf<T> = SmallVec<[T; LEAF]>;
type Branch<T> = SmallVec<[Arc<Leaf<T>>; BRANCH]>;

/// Rows by number, from 0, without gaps.
#[derive(Debug, Clone)]
pub struct Table<T> {
    branches: Vec<Arc<Branch<T>>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { branches: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Table<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, at: usize) -> Option<&T> {
        self.branches.get(at / (LEAF * BRANCH))?.get(at / LEAF % BRANCH)?.get(at % LEAF)
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let branch = Arc::make_mut(self.branches.get_mut(at / (LEAF * BRANCH))?);
        Arc::make_mut(branch.get_mut(at / LEAF % BRANCH)?).get_mut(at % LEAF)
    }

    pub fn push(&mut self, row: T) {
        if self.len.is_multiple_of(LEAF * BRANCH) {
            self.branches.push(Arc::default());
        }
        let branch = Arc::make_mut(self.branches.last_mut().expect("one was pushed where none had room"));
        if self.len.is_multiple_of(LEAF) {
            branch.push(Arc::default());
        }
        Arc::make_mut(branch.last_mut().expect("one was pushed where none had room")).push(row);
        self.len += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.branches.iter().flat_map(|branch| branch.iter()).flat_map(|leaf| leaf.iter())
    }
}

impl<T: Serialize + Clone> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut rows = serializer.serialize_seq(Some(self.len))?;
        for row in self.iter() {
            rows.serialize_element(row)?;
        }
        rows.end()
    }
}

impl<'de, T: Deserialize<'de> + Clone> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Clone> Visitor<'de> for Rows<T> {
            type Value = Table<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Table<T>, A::Error> {
                let mut table = Table::default();
                while let Some(row) = rows.next_element()? {
                    table.push(row);
                }
                Ok(table)
            }
        }
        deserializer.deserialize_seq(Rows(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_was() {
        let mut table = Table::default();
        for row in 0..600_u32 {
            table.push(row);
        }
        let copy = table.clone();
        *table.get_mut(530).expect("is there") = 7;
        table.push(600);
        assert_eq!((copy.get(530), table.get(530)), (Some(&530), Some(&7)));
        assert_eq!((copy.len(), table.len()), (600, 601));
        assert_eq!(table.get(601), None);
        let stored: Table<u32> = model::wire::decode(&model::wire::encode(&table)).expect("reads back");
        assert!(stored.iter().eq(table.iter()));
    }
}
