//! What a credential may do at the listener, as topic filters.

use std::sync::Arc;

use broker::{TopicError, TopicFilter};
use model::RegionCode;

use super::Kind;
use crate::front::feed_filter;

/// First levels that are the station's own: what devices say, the feed, what people are told.
const RESERVED: [&str; 3] = [DEVICES, FEED, PEOPLE];
const DEVICES: &str = "fire";
const FEED: &str = "feed";
const PEOPLE: &str = "people";
/// What the listener tells about itself.
const OWN_STATE: &str = "$SYS/#";

/// Compiled once for a credential; its connections share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Arc<[TopicFilter]>,
    pub subscribe: Arc<[TopicFilter]>,
    pub retain: bool,
}

/// The columns `publish`, `subscribe` and `retain`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    pub publish: &'a str,
    pub subscribe: &'a str,
    pub retain: bool,
}

/// Whether a topic or filter begins with a level that is the station's own.
pub fn is_reserved(topic: &str) -> bool {
    RESERVED.contains(&first_level(topic))
}

/// Whether publishes to a topic go to the station.
pub fn is_device_topic(topic: &str) -> bool {
    first_level(topic) == DEVICES
}

fn first_level(topic: &str) -> &str {
    topic.split('/').next().unwrap_or_default()
}

impl Permissions {
    /// `None` for a token, which has no business at the listener.
    ///
    /// # Errors
    /// Filters that are none or that nobody may be given.
    pub fn of(
        kind: Kind,
        subject: &str,
        scope: Option<RegionCode>,
        asked: Asked<'_>,
    ) -> Result<Option<Permissions>, String> {
        let (publish, subscribe) = match kind {
            Kind::Device => device_topics(subject),
            Kind::Vendor => device_topics(&format!("{subject}/+")),
            Kind::Person => (Vec::new(), vec![format!("{PEOPLE}/v1/{subject}/#"), feed_filter(scope)]),
            Kind::Service => (Vec::new(), vec![feed_filter(scope), OWN_STATE.to_owned()]),
            Kind::Client => return client(scope, asked).map(Some),
            Kind::Token(_) => return Ok(None),
        };
        Ok(Some(Permissions { publish: parse(&publish)?, subscribe: parse(&subscribe)?, retain: false }))
    }
}

fn parse(filters: &[impl AsRef<str>]) -> Result<Arc<[TopicFilter]>, String> {
    let parse = |filter: &str| TopicFilter::parse(filter).map_err(|error: TopicError| format!("{filter:?}: {error}"));
    filters.iter().map(|filter| parse(filter.as_ref())).collect()
}

fn device_topics(device: &str) -> (Vec<String>, Vec<String>) {
    let up = ["alarm", "telemetry", "event", "state"].map(|kind| format!("{DEVICES}/v1/{device}/{kind}"));
    (up.to_vec(), vec![format!("{DEVICES}/v1/{device}/command")])
}

fn client(scope: Option<RegionCode>, asked: Asked<'_>) -> Result<Permissions, String> {
    let publish: Vec<&str> = asked.publish.split_whitespace().collect();
    let subscribe: Vec<&str> = asked.subscribe.split_whitespace().collect();
    if publish.is_empty() && subscribe.is_empty() {
        return Err("a client needs filters in publish or subscribe".to_owned());
    }
    if let Some(filter) = publish.iter().find(|filter| is_reserved(filter) || filter.starts_with('$')) {
        return Err(format!(
            "publish {filter:?}: topics under fire/, feed/, people/ and $ are the station's; a device needs a credential of \
             kind device or vendor"
        ));
    }
    let feed = parse(&[feed_filter(scope)])?;
    let subscribe_filters = parse(&subscribe)?;
    for filter in &*subscribe_filters {
        let text = filter.as_str();
        let own_state = first_level(text) == first_level(OWN_STATE);
        let is_feed = first_level(text) == FEED && feed.iter().any(|feed| feed.covers(filter));
        if (is_reserved(text) && !is_feed) || (text.starts_with('$') && !own_state) {
            return Err(format!(
                "subscribe {text:?}: a client may be given the feed within its scope ({}), $SYS/# and topics outside of \
                 fire/, people/ and $",
                feed_filter(scope)
            ));
        }
    }
    Ok(Permissions { publish: parse(&publish)?, subscribe: subscribe_filters, retain: asked.retain })
}
