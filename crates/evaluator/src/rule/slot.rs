//! Where what a rule remembers of a device is kept: in a box that is made on first use, or nowhere for a rule that remembers
//! nothing. Either way it is encoded as an `Option`.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A place for an `M`.
pub trait Slot<M>: Clone + Default + PartialEq + Debug + Serialize + DeserializeOwned {
    fn get(&self) -> Option<&M>;
    fn get_mut(&mut self) -> Option<&mut M>;
    fn put(&mut self, memory: M);
}

impl<M: Clone + PartialEq + Debug + Serialize + DeserializeOwned> Slot<M> for Option<Box<M>> {
    #[inline]
    fn get(&self) -> Option<&M> {
        self.as_deref()
    }

    #[inline]
    fn get_mut(&mut self) -> Option<&mut M> {
        self.as_deref_mut()
    }

    fn put(&mut self, memory: M) {
        *self = Some(Box::new(memory));
    }
}

/// No place at all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Nowhere;

impl<M> Slot<M> for Nowhere {
    fn get(&self) -> Option<&M> {
        None
    }

    fn get_mut(&mut self) -> Option<&mut M> {
        None
    }

    fn put(&mut self, _: M) {}
}

impl Serialize for Nowhere {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        None::<()>.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nowhere {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<()>::deserialize(deserializer).map(|_| Nowhere)
    }
}

/// Says which slot a memory has, by whether there is anything in it.
pub struct Has<const SOMETHING: bool>;

/// See [`Has`].
pub trait Keeps<M> {
    type Slot: Slot<M>;
}

impl<M: Clone + PartialEq + Debug + Serialize + DeserializeOwned> Keeps<M> for Has<true> {
    type Slot = Option<Box<M>>;
}

impl<M> Keeps<M> for Has<false> {
    type Slot = Nowhere;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nowhere_is_encoded_as_none() {
        let bytes = model::wire::encode(&Nowhere);
        assert_eq!(bytes, model::wire::encode(&None::<Box<u32>>));
        assert_eq!(model::wire::decode::<Nowhere>(&bytes).expect("reads back"), Nowhere);
    }
}
