//! A table by number whose copies are cheap: chunks are shared until one side changes them.
//!
//! A checkpoint takes a copy on the worker in microseconds; the chunks that change while it is being written are copied
//! one by one, when they change.

use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows in a chunk, so few that a commit which touches a thousand devices while a checkpoint is being written copies a fifth of
/// them, and so many that the copy of the table itself stays below half a millisecond for a city.
const CHUNK: usize = 16;

/// Rows by number, from 0, without gaps.
#[derive(Debug, Clone)]
pub struct Table<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Table<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)
    }

    pub fn push(&mut self, row: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Arc::new(Vec::with_capacity(CHUNK)));
        }
        let last = self.chunks.last_mut().expect("one was pushed where none had room");
        Arc::make_mut(last).push(row);
        self.len += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
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
        for row in 0..200_u32 {
            table.push(row);
        }
        let copy = table.clone();
        *table.get_mut(130).expect("is there") = 7;
        table.push(200);
        assert_eq!((copy.get(130), table.get(130)), (Some(&130), Some(&7)));
        assert_eq!((copy.len(), table.len()), (200, 201));
        assert_eq!(table.get(201), None);
        let stored: Table<u32> = model::wire::decode(&model::wire::encode(&table)).expect("reads back");
        assert!(stored.iter().eq(table.iter()));
    }
}
