//! `client_allowed_sans`: clients whose certificate has none of the configured names are turned away.
//!
//! Names are those of the extension for alternative names: host names, mail addresses, IP addresses, URIs. Source: RFC 5280 4.2.1.6,
//! X.690 for the bytes. Only what leads to the extension is read; the certificate as such is checked elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
/// `[3]` of the certificate: its extensions.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
const MAIL: u8 = 0x81;
const HOST: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Asks `inner`, and then for a name.
#[derive(Debug)]
pub(super) struct NamedClient {
    inner: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl NamedClient {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>, allowed: Vec<String>) -> Self {
        Self { inner, allowed }
    }
}

impl ClientCertVerifier for NamedClient {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        if names(end_entity).iter().any(|name| self.allowed.contains(name)) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The alternative names of a certificate; none of one that cannot be read.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for (tag, name) in Elements(extension(certificate).unwrap_or_default()) {
        let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
        out.extend(match tag {
            MAIL | HOST | URI => text(name),
            IP => address(name).map(|ip| ip.to_string()),
            _ => None,
        });
    }
    out
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(IpAddr::V6(ip).to_canonical())
}

/// What is within the sequence of names.
fn extension(certificate: &[u8]) -> Option<&[u8]> {
    let whole = find(Elements(certificate), SEQUENCE)?;
    let body = find(Elements(whole), SEQUENCE)?;
    let extensions = find(Elements(find(Elements(body), EXTENSIONS)?), SEQUENCE)?;
    for (_, extension) in Elements(extensions) {
        let mut parts = Elements(extension).filter(|(tag, _)| *tag != BOOLEAN);
        if parts.next() == Some((OBJECT_ID, &ALTERNATIVE_NAMES)) {
            return find(Elements(find(parts, OCTETS)?), SEQUENCE);
        }
    }
    None
}

fn find<'a>(mut elements: impl Iterator<Item = (u8, &'a [u8])>, wanted: u8) -> Option<&'a [u8]> {
    elements.find(|(tag, _)| *tag == wanted).map(|(_, value)| value)
}

/// The elements that follow one another in these bytes, up to the first that is not whole.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, short], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            // The length in so many bytes.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let mut out = vec![tag];
        match u8::try_from(value.len()) {
            Ok(length @ 0..=0x7f) => out.push(length),
            Ok(length) => out.extend([0x81, length]),
            Err(_) => {
                out.push(0x82);
                out.extend((value.len() as u16).to_be_bytes());
            }
        }
        out.extend(value);
        out
    }

    fn certificate(names: &[&[u8]]) -> Vec<u8> {
        let id = element(OBJECT_ID, &[&ALTERNATIVE_NAMES]);
        let names = element(OCTETS, &[&element(SEQUENCE, names)]);
        let critical = element(BOOLEAN, &[&[0xff]]);
        let other = element(SEQUENCE, &[&element(OBJECT_ID, &[&[0x55, 0x1d, 0x0f]]), &[5, 0]]);
        let list = element(SEQUENCE, &[&other, &element(SEQUENCE, &[&id, &critical, &names])]);
        let body = element(SEQUENCE, &[&[2, 1, 7], &element(EXTENSIONS, &[&list])]);
        element(SEQUENCE, &[&body, &element(SEQUENCE, &[]), &[3, 1, 0]])
    }

    #[test]
    fn names_of_all_kinds_are_read() {
        let long = "a".repeat(300);
        let mut v6 = [0; 16];
        v6[15] = 1;
        let mut mapped = [0; 16];
        mapped[10..].copy_from_slice(&[0xff, 0xff, 10, 1, 2, 3]);
        let der = certificate(&[
            &element(HOST, &[b"host.example"]),
            &element(MAIL, &[b"a@b"]),
            &element(URI, &[b"spiffe://x/y"]),
            &element(IP, &[&[10, 0, 0, 1]]),
            &element(IP, &[&v6]),
            &element(IP, &[&mapped]),
            &element(IP, &[&[1, 2]]),
            &element(0xa0, &[b"other"]),
            &element(HOST, &[long.as_bytes()]),
        ]);
        assert_eq!(
            names(&der),
            ["host.example", "a@b", "spiffe://x/y", "10.0.0.1", "::1", "10.1.2.3", long.as_str()]
        );
    }

    #[test]
    fn bytes_cut_anywhere_give_no_more_names() {
        let der = certificate(&[&element(HOST, &[b"one"]), &element(HOST, &[b"two"])]);
        assert_eq!(names(&der), ["one", "two"]);
        for end in 0..der.len() {
            assert!(names(&der[..end]).is_empty(), "{end}");
        }
        assert!(names(&[0x30, 0x85, 1, 1, 1, 1, 1]).is_empty());
        assert!(names(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1]).is_empty());
    }
}
