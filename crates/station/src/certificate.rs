//! The names that a client's certificate carries. The TLS handshake has verified it; nothing is verified here.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::credentials::CertificateName;

/// Names looked at; a certificate with more is a strange one.
const NAMES_MAX: usize = 32;

/// Common names, and alternative names that are DNS names, URIs or mail addresses; none where it cannot be read.
pub fn names(der: &[u8]) -> Vec<CertificateName> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let common = common.map(|name| CertificateName::Cn(name.into()));
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some(CertificateName::San((*name).into()))
        }
        _ => None,
    });
    common.chain(alternative).take(NAMES_MAX).collect()
}
