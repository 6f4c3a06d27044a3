//! Which addresses a message may go to over HTTP, so that no name can be turned against the station's own network: checked for the
//! address in the URL when the station starts, and for every address that a name stands for at each connection.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// Reads a URL and checks what can be checked without asking for names.
pub(super) fn check_url(url: &str, allow_private: bool) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|error| format!("the url {url:?} cannot be read: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("the url {url:?} must begin with https:// or http://"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(
            "the url must hold no user name: it would be sent in the clear of logs; use headers or secrets".into()
        );
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("the url {url:?} names no host"))?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if let Ok(address) = address {
        permitted(address, allow_private)?;
    }
    Ok(uri)
}

/// Whether a message may go to this address; the reason why not.
fn permitted(address: IpAddr, allow_private: bool) -> Result<(), String> {
    let address = embedded(address);
    let never = match address {
        IpAddr::V4(v4) => {
            let [a, ..] = v4.octets();
            v4.is_unspecified() || a == 0 || v4.is_link_local() || v4.is_multicast() || a >= 240
        }
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast(),
    };
    if never {
        return Err(format!(
            "the address {address} is link-local, unspecified, multicast or reserved: nothing is sent there"
        ));
    }
    let private = match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    };
    if private && !allow_private {
        return Err(format!("the address {address} is private: set allow_private if that is meant"));
    }
    Ok(())
}

/// The IPv4 address inside an IPv6 address that stands for one (mapped, NAT64, 6to4), else the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4(v4(high, low)),
        [0x2002, high, low, ..] => IpAddr::V4(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if v6 != Ipv6Addr::LOCALHOST && v6 != Ipv6Addr::UNSPECIFIED => {
            IpAddr::V4(v4(high, low))
        }
        _ => address,
    }
}

/// Asks the system for names, and passes on only addresses that are permitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guarded {
    pub(super) allow_private: bool,
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let mut refused = None;
            let mut permitted_ones = Vec::new();
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match permitted(address.ip(), allow_private) {
                    Ok(()) => permitted_ones.push(address),
                    Err(reason) => refused = Some(reason),
                }
            }
            match refused {
                Some(reason) if permitted_ones.is_empty() => Err(std::io::Error::other(reason)),
                _ => Ok(permitted_ones.into_iter()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let never = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.1.1",
        ];
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
        ];
        let public = ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2001:4860:4860::8888", "::ffff:8.8.8.8"];
        let check = |text: &str, allow_private| permitted(text.parse().unwrap(), allow_private).is_ok();
        for address in never {
            assert!(!check(address, true), "{address}");
        }
        for address in private {
            assert!(check(address, true) && !check(address, false), "{address}");
        }
        for address in public {
            assert!(check(address, false), "{address}");
        }
    }

    #[test]
    fn urls_are_checked() {
        for bad in [
            "ftp://x/",
            "x",
            "/path",
            "http://",
            "http://user:pass@example.com/",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://127.0.0.1/",
            "http://[::1]:80/",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        for good in ["https://example.com/hook?x=1", "http://8.8.8.8:8080/"] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        assert!(check_url("http://127.0.0.1:9/", true).is_ok());
    }

    #[tokio::test]
    async fn names_of_private_addresses_are_refused() {
        let name: Name = "localhost".parse().unwrap();
        // the others are ways to write 127.0.0.1 that the system knows
        for name in [&name, &"2130706433".parse().unwrap(), &"0x7f.1".parse().unwrap()] {
            let error = Guarded { allow_private: false }.call(name.clone()).await.unwrap_err();
            assert!(error.to_string().contains("private"), "{error}");
        }
        assert!(Guarded { allow_private: true }.call(name).await.unwrap().len() > 0);
    }
}
