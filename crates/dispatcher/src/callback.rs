//! Tokens by which somebody outside names a delivery and proves that it was given to them: a voice gateway whose call was
//! answered by pressing 1.

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

/// Makes and reads tokens: `base64url(matter delivery).base64url(HMAC-SHA256)`.
#[derive(Clone)]
pub(crate) struct Callbacks(Hmac<Sha256>);

impl Callbacks {
    /// # Errors
    /// A secret that is too short.
    pub(crate) fn new(secret: Option<&Secret>) -> Result<Option<Callbacks>, StartError> {
        let Some(secret) = secret else { return Ok(None) };
        let short = || StartError::Setting {
            key: "callback_secret",
            reason: format!("must have {SECRET_BYTES_MIN} characters or more: make one with `openssl rand -hex 32`"),
        };
        if secret.0.len() < SECRET_BYTES_MIN {
            return Err(short());
        }
        Hmac::new_from_slice(secret.0.as_bytes()).map(|key| Some(Callbacks(key))).map_err(|_| short())
    }

    pub(crate) fn token(&self, delivery: &Delivery) -> String {
        let named = format!("{} {}", delivery.matter, delivery.id);
        let proof = self.mac(named.as_bytes()).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(named), URL_SAFE_NO_PAD.encode(proof))
    }

    /// What a token of ours names; `None`: it is not ours.
    pub(crate) fn read(&self, token: &str) -> Option<(Matter, DeliveryId)> {
        let (named, proof) = token.split_once('.').filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        let (named, proof) = (URL_SAFE_NO_PAD.decode(named).ok()?, URL_SAFE_NO_PAD.decode(proof).ok()?);
        self.mac(&named).verify_slice(&proof).ok()?;
        let named = String::from_utf8(named).ok()?;
        let (matter, delivery) = named.split_once(' ')?;
        Some((matter.parse().ok()?, DeliveryId::from(delivery)))
    }

    fn mac(&self, named: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // apart from whatever else the secret might be used for
        mac.update(b"fenghuo callback 1 ");
        mac.update(named);
        mac
    }
}

#[cfg(test)]
mod tests {
    use model::Family;

    use super::*;
    use crate::wording::tests::delivery;

    #[test]
    fn a_token_names_its_delivery_and_no_other_can_be_made() {
        let callbacks = |secret: &str| Callbacks::new(Some(&Secret(secret.repeat(32)))).unwrap().unwrap();
        let mut delivery = delivery(Family::Fire, "x");
        delivery.id = "fire-0-9.1.0.0.voice:+86 138".into();
        let token = callbacks("a").token(&delivery);
        assert_eq!(callbacks("a").read(&token), Some((delivery.matter, delivery.id.clone())));
        assert_eq!(callbacks("b").read(&token), None);
        let (named, proof) = token.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(format!("{} {}", delivery.matter, "other"));
        for forged in [format!("{other}.{proof}"), format!("{named}."), named.into(), String::new(), ".".repeat(2000)] {
            assert_eq!(callbacks("a").read(&forged), None, "{forged}");
        }
        assert!(Callbacks::new(Some(&Secret("short".into()))).is_err() && Callbacks::new(None).unwrap().is_none());
    }
}
