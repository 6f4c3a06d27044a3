//! Signatures of Standard Webhooks: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::settings::Secret;

/// Signs by every secret that is known.
pub(super) struct Signer {
    keys: Vec<Hmac<Sha256>>,
}

impl Signer {
    pub(super) fn new(secrets: &[Secret]) -> Result<Signer, String> {
        if secrets.is_empty() {
            return Err("it has no secret: make one with `echo whsec_$(head -c 32 /dev/urandom | base64)`".into());
        }
        Ok(Signer { keys: secrets.iter().map(key).collect::<Result<_, _>>()? })
    }

    /// Value of `webhook-signature`: one signature for each secret, apart by blanks.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_s}.");
        let sign = |key: &Hmac<Sha256>| {
            let mut mac = key.clone();
            mac.update(head.as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.keys.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>, String> {
    let bytes = secret.0.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
    let bytes = bytes.ok_or("a secret must be whsec_ and base64 of 24 to 64 bytes")?;
    Hmac::new_from_slice(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signs_as_the_reference_does() {
        let signer = Signer::new(&[Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())]).unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn bad_secrets_are_refused() {
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_not base64"] {
            assert!(Signer::new(&[Secret(bad.into())]).is_err(), "{bad}");
        }
        assert!(Signer::new(&[]).is_err());
    }
}
