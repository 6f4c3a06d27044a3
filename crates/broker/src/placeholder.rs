use std::sync::Arc;
use bytes::Bytes;
use crate::topic::{Topic, TopicError, TopicFilter};
#[derive(Debug)]
pub(crate) struct Parcel { pub(crate) topic: Arc<str>, pub(crate) payload: Bytes, pub(crate) forward: Option<Forward>, pub(crate) retain: bool, pub(crate) expires_at_ms: Option<u64> }
#[derive(Clone, Debug, PartialEq, Eq)] pub struct Forward(Box<[u8]>);
impl Forward { pub(crate) fn of_content_type(t: &str) -> Forward { Forward(t.as_bytes().into()) } pub(crate) fn encoded(&self) -> &[u8] { &self.0 } pub(crate) fn decode(b: &[u8]) -> Result<Forward, ()> { Ok(Forward(b.into())) } pub(crate) fn bytes(&self) -> usize { self.0.len() } }
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)] pub(crate) struct Options { pub(crate) qos: u8, pub(crate) no_local: bool, pub(crate) retain_as_published: bool, pub(crate) retain_handling: u8 }
impl Options { pub(crate) fn to_byte(self) -> u8 { self.qos | u8::from(self.no_local) << 2 | u8::from(self.retain_as_published) << 3 | self.retain_handling << 4 }
 pub(crate) fn from_byte(b: u8) -> Option<Options> { let o = Options { qos: b & 3, no_local: b & 4 != 0, retain_as_published: b & 8 != 0, retain_handling: b >> 4 & 3 }; (o.qos < 3 && o.retain_handling < 3 && b >> 6 == 0).then_some(o) } }
#[derive(Clone, Debug, PartialEq, Eq, Hash)] pub(crate) struct SharedFilter { pub(crate) group: Option<Arc<str>>, pub(crate) filter: TopicFilter }
impl SharedFilter { pub(crate) fn parse(t: &str) -> Result<SharedFilter, TopicError> { match t.strip_prefix("$share/") { None => Ok(SharedFilter { group: None, filter: TopicFilter::parse(t)? }), Some(r) => { let (g, f) = r.split_once('/').ok_or(TopicError::Empty)?; if g.is_empty() || g.contains(['+','#']) { return Err(TopicError::Wildcard) } Ok(SharedFilter { group: Some(g.into()), filter: TopicFilter::parse(f)? }) } } } }
impl std::fmt::Display for SharedFilter { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { if let Some(g) = &self.group { write!(f, "$share/{g}/")?; } write!(f, "{}", self.filter) } }
#[derive(Clone, Debug)] pub(crate) struct Will { pub(crate) topic: Topic, pub(crate) payload: Bytes, pub(crate) qos: u8, pub(crate) retain: bool, pub(crate) delay_s: u32, pub(crate) expiry_s: Option<u32>, pub(crate) properties: Option<Forward> }
