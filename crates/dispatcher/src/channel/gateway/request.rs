//! Requests to a gateway, made of the tables in the settings.

use std::collections::BTreeMap;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use model::Family;
use serde_json::Value;
use sha2::Sha256;

use super::{BodyFormat, Gateway, Method};
use crate::callback::Callbacks;
use crate::channel::Try;
use crate::channel::http::{form, with_query};
use crate::settings::Secret;
use crate::template::{self, Part};

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Phone,
    TextZh,
    TextEn,
    Person,
    Unit,
    Address,
    Colour,
    Family,
    Delivery,
    Alert,
    Timestamp,
    TimestampMs,
    Callback,
    Link,
    Stations,
    Hydrants,
    Cameras,
    FromStation,
    Secret(Secret),
}

const SLOTS: [(&str, Slot); 18] = [
    ("phone", Slot::Phone),
    ("text_zh", Slot::TextZh),
    ("text_en", Slot::TextEn),
    ("person", Slot::Person),
    ("unit", Slot::Unit),
    ("address", Slot::Address),
    ("colour", Slot::Colour),
    ("family", Slot::Family),
    ("delivery", Slot::Delivery),
    ("alert", Slot::Alert),
    ("timestamp", Slot::Timestamp),
    ("timestamp_ms", Slot::TimestampMs),
    ("callback", Slot::Callback),
    ("link", Slot::Link),
    ("stations", Slot::Stations),
    ("hydrants", Slot::Hydrants),
    ("cameras", Slot::Cameras),
    ("from_station", Slot::FromStation),
];

type Text = Vec<Part<Slot>>;

/// JSON with placeholders in its texts.
enum Field {
    Text(Text),
    List(Vec<Field>),
    Table(Vec<(String, Field)>),
    Other(Value),
}

/// The tables of a gateway, read.
pub(super) struct Forms {
    body: Vec<(String, Field)>,
    headers: Vec<(HeaderName, Text)>,
    method: Method,
    format: BodyFormat,
    sign: Option<Hmac<Sha256>>,
    callbacks: Option<Callbacks>,
}

impl Forms {
    /// # Errors
    /// Unknown placeholders, headers that cannot be, fields that the format cannot write.
    pub(super) fn new(settings: &Gateway, callbacks: Option<Callbacks>) -> Result<Forms, String> {
        let slots = slots(&settings.secrets)?;
        let slots: Vec<(&str, Slot)> = slots.iter().map(|(name, slot)| (name.as_str(), slot.clone())).collect();
        let flat = settings.format == BodyFormat::Form || settings.method == Method::Get;
        let mut body = Vec::new();
        for (key, value) in &settings.body {
            let field = field(value, &slots).map_err(|reason| format!("body.{key}: {reason}"))?;
            if flat && matches!(field, Field::List(_) | Field::Table(_) | Field::Other(Value::Null)) {
                return Err(format!("body.{key}: in a form or a query every field is a text, a number or true/false"));
            }
            body.push((key.clone(), field));
        }
        let mut headers = Vec::new();
        for (name, text) in &settings.headers {
            let failed = |reason: String| format!("headers.{name}: {reason}");
            let known: HeaderName = name.parse().map_err(|_| failed("this cannot be the name of a header".into()))?;
            headers.push((known, template::parse(text, &slots, false).map_err(failed)?));
        }
        let all = format!("{:?}{:?}", settings.body, settings.headers);
        if callbacks.is_none() && all.contains("{callback}") {
            return Err("{callback} needs the setting callback_secret".into());
        }
        if all.contains("{link}") && !callbacks.as_ref().is_some_and(Callbacks::has_links) {
            return Err("{link} needs the settings callback_secret and public_url (of http)".into());
        }
        let sign = |secret: &Secret| match Hmac::new_from_slice(secret.0.as_bytes()) {
            Ok(key) if !secret.0.is_empty() => Ok(key),
            _ => Err(String::from("sign_secret is empty: leave it out where nothing is signed")),
        };
        let sign = settings.sign_secret.as_ref().map(sign).transpose()?;
        Ok(Forms { body, headers, method: settings.method, format: settings.format, sign, callbacks })
    }

    /// # Errors
    /// A value that cannot be written.
    pub(super) fn request(&self, url: &Uri, attempt: &Try<'_>, phone: String) -> Result<Request<Full<Bytes>>, String> {
        let text = |text: &Text| template::fill(text, |slot| self.value(slot, attempt, &phone));
        let pairs = || -> Vec<(String, String)> {
            let written = |field: &Field| match written(field, &text) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            self.body.iter().map(|(key, field)| (key.clone(), written(field))).collect()
        };
        let (content, body) = match (self.method, self.format) {
            (Method::Get, _) | (_, BodyFormat::Form) => ("application/x-www-form-urlencoded", form(&pairs())),
            (Method::Post, BodyFormat::Json) => ("application/json", table(&self.body, &text).to_string()),
        };
        let signature = self.sign.as_ref().map(|key| {
            let mut mac = key.clone();
            mac.update(format!("{}.{body}", attempt.now_ms / 1000).as_bytes());
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let request = match self.method {
            Method::Post => Request::post(url.clone()).header(CONTENT_TYPE, content).body(Full::new(body.into())),
            Method::Get => Request::get(with_query(url, &body)?).body(Full::default()),
        };
        let mut request = request.map_err(|error| format!("the request cannot be made: {error}"))?;
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(&text(value))
                .map_err(|_| format!("the header {name} cannot hold its value: headers hold no such signs"))?;
            request.headers_mut().insert(name, value);
        }
        if let Some(signature) = signature.and_then(|signature| HeaderValue::from_str(&signature).ok()) {
            request.headers_mut().insert("x-timestamp", HeaderValue::from(attempt.now_ms / 1000));
            request.headers_mut().insert("x-signature", signature);
        }
        Ok(request)
    }

    fn value(&self, slot: &Slot, attempt: &Try<'_>, phone: &str) -> String {
        let (delivery, message) = (attempt.delivery, attempt.message);
        match slot {
            Slot::Phone => phone.to_owned(),
            Slot::TextZh => message.text_zh().to_owned(),
            Slot::TextEn => message.text_en().to_owned(),
            Slot::Person => delivery.person_name.to_string(),
            Slot::Unit => message.unit().to_owned(),
            Slot::Address => message.address().to_owned(),
            Slot::Colour => delivery.about.colour().word().to_owned(),
            Slot::Family => delivery.about.family().map_or("order", Family::word).to_owned(),
            Slot::Delivery => delivery.id.as_str().to_owned(),
            Slot::Alert => delivery.matter.to_string(),
            Slot::Timestamp => (attempt.now_ms / 1000).to_string(),
            Slot::TimestampMs => attempt.now_ms.to_string(),
            Slot::Callback => self.callbacks.as_ref().map(|it| it.token(delivery)).unwrap_or_default(),
            Slot::Link => message.link().unwrap_or_default().to_owned(),
            Slot::Stations => message.near().stations.zh.clone(),
            Slot::Hydrants => message.near().hydrants.zh.clone(),
            Slot::Cameras => message.near().cameras.zh.clone(),
            Slot::FromStation => message.near().from_station.zh.clone(),
            Slot::Secret(secret) => secret.0.clone(),
        }
    }
}

fn slots(secrets: &BTreeMap<String, Secret>) -> Result<Vec<(String, Slot)>, String> {
    let mut slots: Vec<(String, Slot)> = SLOTS.map(|(name, slot)| (name.to_owned(), slot)).into();
    for (name, secret) in secrets {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            return Err(format!("secrets.{name}: the name must be of small letters, digits and _"));
        }
        if SLOTS.iter().any(|(known, _)| known == name) {
            return Err(format!("secrets.{name}: {{{name}}} has a meaning already: give it another name"));
        }
        slots.push((name.clone(), Slot::Secret(secret.clone())));
    }
    Ok(slots)
}

fn field(value: &Value, slots: &[(&str, Slot)]) -> Result<Field, String> {
    Ok(match value {
        Value::String(text) => Field::Text(template::parse(text, slots, false)?),
        Value::Array(list) => Field::List(list.iter().map(|value| field(value, slots)).collect::<Result<_, _>>()?),
        Value::Object(table) => {
            let fields = table.iter().map(|(key, value)| Ok((key.clone(), field(value, slots)?)));
            Field::Table(fields.collect::<Result<_, String>>()?)
        }
        other => Field::Other(other.clone()),
    })
}

fn written(field: &Field, text: &impl Fn(&Text) -> String) -> Value {
    match field {
        Field::Text(parts) => Value::String(text(parts)),
        Field::List(list) => list.iter().map(|field| written(field, text)).collect(),
        Field::Table(fields) => table(fields, text),
        Field::Other(value) => value.clone(),
    }
}

fn table(fields: &[(String, Field)], text: &impl Fn(&Text) -> String) -> Value {
    Value::Object(fields.iter().map(|(key, field)| (key.clone(), written(field, text))).collect())
}
