//! Topics that are served from a log by cursor and not from a queue in memory: what a session has not taken waits in
//! the log, however long it is away.

use bytes::Bytes;
use tokio::sync::watch;

use crate::topic::TopicFilter;

/// A numbered log of messages, each with its topic. The numbers rise, with gaps or without.
pub trait Log: Send + Sync + 'static {
    /// Topics that come from here and from nowhere else; every topic of [`Log::read`] lies under it. For example
    /// `feed/v1/#`.
    fn filter(&self) -> &TopicFilter;

    /// Number of the newest message; changes are told. 0 when there is none.
    fn newest(&self) -> watch::Receiver<u64>;

    /// The messages after `after`, oldest first, at most `limit` entries looked at. May read a disk and block for
    /// milliseconds: called off the connections' tasks.
    ///
    /// # Errors
    /// What failed, for the log; it is tried again.
    fn read(&self, after: u64, limit: usize) -> Result<Page, String>;
}

/// Some messages of a [`Log`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The messages, oldest first.
    pub entries: Vec<LogEntry>,
    /// Where to read on: number of the last entry looked at, whether it made a message or not.
    pub read_to: u64,
    /// Numbers after `after` that the log does not keep any more.
    pub lost: u64,
}

/// One message of a [`Log`].
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// Its topic, a valid topic name.
    pub topic: Box<str>,
    /// The application message.
    pub payload: Bytes,
    /// MQTT 5 content type.
    pub content_type: Option<&'static str>,
}
