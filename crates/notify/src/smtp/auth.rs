//! AUTH: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gauntlet_net::config::Secret;
use md5::{Digest as _, Md5};

/// How credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Login,
    CramMd5,
}

impl Mechanism {
    /// Go's name of the type, which begins upstream's errors.
    pub(crate) fn go_type(self) -> &'static str {
        match self {
            Self::Plain => "*smtp.plainAuth",
            Self::Login => "*email.loginAuth",
            Self::CramMd5 => "*smtp.cramMD5Auth",
        }
    }
}

/// Credentials for one mechanism.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    pub(crate) mechanism: Mechanism,
    /// PLAIN alone: act as another.
    pub(crate) identity: String,
    pub(crate) username: String,
    /// Password, or CRAM-MD5's shared secret.
    pub(crate) secret: Secret,
}

impl Auth {
    /// The first line. A password is not shown in clear text but to this host.
    pub(super) fn first(&self, is_tls: bool, host: &str) -> Result<String, String> {
        match self.mechanism {
            Mechanism::Login => Ok("AUTH LOGIN".to_owned()),
            Mechanism::CramMd5 => Ok("AUTH CRAM-MD5".to_owned()),
            Mechanism::Plain => {
                if !is_tls && !matches!(host, "localhost" | "127.0.0.1" | "::1") {
                    return Err("unencrypted connection".to_owned());
                }
                let text =
                    format!("{}\0{}\0{}", self.identity, self.username, self.secret.expose());
                Ok(format!("AUTH PLAIN {}", STANDARD.encode(text)))
            }
        }
    }

    /// The line that answers a challenge (base64), `None` where there is nothing to answer. `step` counts challenges from 0.
    pub(super) fn next(&self, step: usize, challenge: &str) -> Result<Option<String>, String> {
        let challenge = STANDARD
            .decode(challenge.trim())
            .map_err(|_| "illegal base64 data in the server's challenge".to_owned())?;
        let answer = match self.mechanism {
            Mechanism::Plain => return Err("unexpected server challenge".to_owned()),
            // Upstream knows `Username:` and `Password:` alone; others ask in the words of the first draft.
            Mechanism::Login => match challenge.to_ascii_lowercase().as_slice() {
                b"username:" | b"user name\0" => self.username.clone(),
                b"password:" | b"password\0" => self.secret.expose().to_owned(),
                _ => return Err("unexpected server challenge".to_owned()),
            },
            Mechanism::CramMd5 if step > 0 => return Ok(None),
            Mechanism::CramMd5 => {
                let mac = hmac_md5(self.secret.expose().as_bytes(), &challenge);
                let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{} {hex}", self.username)
            }
        };
        Ok(Some(STANDARD.encode(answer)))
    }
}

/// HMAC (RFC 2104) with MD5, which CRAM-MD5 asks for.
fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    const BLOCK: usize = 64;
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let hash = |pad: u8, message: &[u8]| -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(block.map(|byte| byte ^ pad));
        md5.update(message);
        md5.finalize().into()
    };
    hash(0x5c, &hash(0x36, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(mechanism: Mechanism) -> Auth {
        Auth {
            mechanism,
            identity: String::new(),
            username: "tim".to_owned(),
            secret: Secret::new("tanstaaftanstaaf"),
        }
    }

    #[test]
    fn cram_md5_is_that_of_the_rfc() {
        let challenge = STANDARD.encode("<1896.697170952@postoffice.reston.mci.net>");
        let answer = auth(Mechanism::CramMd5).next(0, &challenge).unwrap().unwrap();
        assert_eq!(STANDARD.decode(answer).unwrap(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        let long = hmac_md5(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long[..4], [0x6b, 0x1a, 0xb7, 0xfe]);
    }

    #[test]
    fn passwords_are_not_shown_in_clear() {
        let plain = auth(Mechanism::Plain);
        assert_eq!(plain.first(false, "mail.example.org").unwrap_err(), "unencrypted connection");
        assert!(plain.first(true, "mail.example.org").is_ok());
        assert!(plain.first(false, "127.0.0.1").is_ok());
        assert!(!format!("{plain:?}").contains("tanstaaf"));
    }

    #[test]
    fn login_answers_what_is_asked() {
        let login = auth(Mechanism::Login);
        let ask = |text: &str| login.next(0, &STANDARD.encode(text));
        assert_eq!(ask("Username:").unwrap().unwrap(), STANDARD.encode("tim"));
        assert_eq!(ask("PASSWORD:").unwrap().unwrap(), STANDARD.encode("tanstaaftanstaaf"));
        assert_eq!(ask("User Name\0").unwrap().unwrap(), STANDARD.encode("tim"));
        assert_eq!(ask("Shoe size:").unwrap_err(), "unexpected server challenge");
    }
}
