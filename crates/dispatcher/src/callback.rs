//! Tokens by which somebody outside names a delivery and proves that it was given to them: a voice gateway whose call was
//! answered by pressing 1, a person who follows the link in a short message.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use model::{Delivery, DeliveryId, Matter};
use sha2::Sha256;

use crate::dispatcher::StartError;
use crate::settings::Secret;

/// Bytes of the secret at least.
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a token at most.
const TOKEN_BYTES_MAX: usize = 1024;

/// Bytes of the proof: HMAC-SHA256 cut to 128 bits, since a link has to fit in a short message.
const PROOF_BYTES: usize = 16;
/// Where a link points to, below the public address of the station.
const LINK_PATH: &str = "r";

/// Makes and reads tokens: `base64url(delivery).base64url(proof)`. A delivery's id begins with its matter and a point; where it
/// does not, matter and blank go before it.
#[derive(Clone)]
pub(crate) struct Callbacks {
    key: Hmac<Sha256>,
    /// `https://fire.example.org/r/`; `None`: no links.
    links: Option<Box<str>>,
}

impl Callbacks {
    /// `public_url` is the station's address as people reach it, empty for no links.
    ///
    /// # Errors
    /// A secret that is too short, an address that is none.
    pub(crate) fn new(secret: Option<&Secret>, public_url: &str) -> Result<Option<Callbacks>, StartError> {
        let wrong = |key, reason: String| StartError::Setting { key, reason };
        let Some(secret) = secret else {
            return match public_url {
                "" => Ok(None),
                _ => Err(wrong("callback_secret", "public_url needs it: make one with `openssl rand -hex 32`".into())),
            };
        };
        let short = || {
            let make = format!("must have {SECRET_BYTES_MIN} characters or more: make one with `openssl rand -hex 32`");
            wrong("callback_secret", make)
        };
        if secret.0.len() < SECRET_BYTES_MIN {
            return Err(short());
        }
        let key = Hmac::new_from_slice(secret.0.as_bytes()).map_err(|_| short())?;
        let links = (!public_url.is_empty()).then(|| link_base(public_url)).transpose();
        Ok(Some(Callbacks { key, links: links.map_err(|reason| wrong("public_url", reason))? }))
    }

    /// Whether links can be made.
    pub(crate) fn has_links(&self) -> bool {
        self.links.is_some()
    }

    pub(crate) fn token(&self, delivery: &Delivery) -> String {
        let (matter, id) = (delivery.matter.to_string(), delivery.id.as_str());
        let begins = id.strip_prefix(&matter).is_some_and(|rest| rest.starts_with('.'));
        let named = if begins { id.to_owned() } else { format!("{matter} {id}") };
        let proof = self.mac(named.as_bytes()).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(named), URL_SAFE_NO_PAD.encode(&proof[..PROOF_BYTES]))
    }

    /// The page where a person says that they have a delivery before them; `None`: there are no links.
    pub(crate) fn link(&self, delivery: &Delivery) -> Option<String> {
        self.links.as_ref().map(|base| format!("{base}{}", self.token(delivery)))
    }

    /// What a token of ours names; `None`: it is not ours.
    pub(crate) fn read(&self, token: &str) -> Option<(Matter, DeliveryId)> {
        let (named, proof) = token.split_once('.').filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        let (named, proof) = (URL_SAFE_NO_PAD.decode(named).ok()?, URL_SAFE_NO_PAD.decode(proof).ok()?);
        if proof.len() != PROOF_BYTES {
            return None;
        }
        // takes the same time wherever they differ
        self.mac(&named).verify_truncated_left(&proof).ok()?;
        let named = String::from_utf8(named).ok()?;
        let apart = named.split_once(' ').and_then(|(matter, id)| Some((matter.parse().ok()?, id)));
        let (matter, id) = match apart {
            Some(apart) => apart,
            None => (named.split_once('.')?.0.parse().ok()?, named.as_str()),
        };
        Some((matter, DeliveryId::from(id)))
    }

    fn mac(&self, named: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        // apart from whatever else the secret might be used for
        mac.update(b"fenghuo callback 1 ");
        mac.update(named);
        mac
    }
}

fn link_base(public_url: &str) -> Result<Box<str>, String> {
    let url: hyper::Uri = public_url.parse().map_err(|error| format!("{public_url:?} is no address: {error}"))?;
    let is_web = matches!(url.scheme_str(), Some("https" | "http")) && url.authority().is_some();
    if !is_web || url.query().is_some() {
        return Err(format!("{public_url:?} must look like https://fire.example.org"));
    }
    Ok(format!("{}/{LINK_PATH}/", public_url.trim_end_matches('/')).into())
}

#[cfg(test)]
mod tests {
    use model::Family;

    use super::*;
    use crate::wording::tests::delivery;

    fn callbacks(secret: &str, public_url: &str) -> Callbacks {
        Callbacks::new(Some(&Secret(secret.repeat(32))), public_url).unwrap().unwrap()
    }

    #[test]
    fn a_token_names_its_delivery_and_no_other_can_be_made() {
        let mut delivery = delivery(Family::Fire, "x");
        for id in ["fire-0-9.1.0.0.voice:+86 138", "d", "fire-0-99.1", "fire-0-9"] {
            delivery.id = id.into();
            let token = callbacks("a", "").token(&delivery);
            assert_eq!(callbacks("a", "").read(&token), Some((delivery.matter, delivery.id.clone())));
            assert_eq!(callbacks("b", "").read(&token), None);
            let (named, proof) = token.split_once('.').unwrap();
            let other = URL_SAFE_NO_PAD.encode(format!("{} {}", delivery.matter, "other"));
            let short = &proof[..proof.len() - 4];
            for forged in [
                format!("{other}.{proof}"),
                format!("{named}."),
                format!("{named}.{short}"),
                format!("{named}.{proof}AAAA"),
                named.into(),
                String::new(),
                ".".repeat(2000),
            ] {
                assert_eq!(callbacks("a", "").read(&forged), None, "{forged}");
            }
        }
        let short = Callbacks::new(Some(&Secret("short".into())), "");
        assert!(short.is_err() && Callbacks::new(None, "").unwrap().is_none());
    }

    #[test]
    fn a_link_is_short_and_needs_an_address() {
        let mut delivery = delivery(Family::Fire, "x");
        delivery.id = "fire-0-9.1.0.12345.sms".into();
        assert_eq!(callbacks("a", "").link(&delivery), None);
        for url in ["https://fire.example.org", "https://fire.example.org/"] {
            let link = callbacks("a", url).link(&delivery).unwrap();
            let token = link.strip_prefix("https://fire.example.org/r/").unwrap();
            assert_eq!(callbacks("a", url).read(token), Some((delivery.matter, delivery.id.clone())));
            assert!(link.len() <= 90, "{link}");
        }
        let secret = Secret("a".repeat(32));
        for bad in ["fire.example.org", "ftp://x", "https://x/?a=b", "/r"] {
            assert!(Callbacks::new(Some(&secret), bad).is_err(), "{bad}");
        }
        assert!(Callbacks::new(None, "https://x").is_err());
    }
}
