//! Mail by SMTP: connection and credentials as configured, text and HTML as alternatives, mails of one group in one thread if wanted.

use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_model::float::GoQuoted;
use gauntlet_net::{TlsDialer, dial};
use gauntlet_runtime::Chance;
use gauntlet_template::Time;
use parking_lot::Mutex;
use tracing::{debug, warn};

use super::{Setup, group_hash};
use crate::config::EmailConfig;
use crate::files;
use crate::mail::{Mail, addresses};
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::smtp::{Auth, Client, Mechanism, SmtpError};
use crate::texts::Texts;

/// How long a server may take to say goodbye.
const QUIT_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Email {
    config: EmailConfig,
    tls: TlsDialer,
    setup: Setup,
    hostname: String,
    chance: Mutex<Chance>,
}

/// A mail and where it goes.
struct Envelope {
    from: String,
    to: Vec<String>,
    mail: Vec<u8>,
}

impl Email {
    pub(crate) fn new(config: &EmailConfig, setup: &Setup) -> Result<Self, String> {
        let config = config.clone();
        let tls = config.tls_config.clone().unwrap_or_default();
        let tls = TlsDialer::new(&tls).map_err(|err| format!("parse TLS configuration: {err}"))?;
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let chance = Mutex::new(Chance::from_system());
        Ok(Self { config, tls, setup: setup.clone(), hostname, chance })
    }

    async fn send(&self, cx: &NotifyContext, alerts: &[Alert]) -> Result<(), NotifyError> {
        let envelope = {
            let texts = self.setup.texts(cx, alerts);
            self.envelope(cx, &texts)?
        };
        let mut client = self.connect().await?;
        let sent = self.deliver(&mut client, &envelope).await;
        match (tokio::time::timeout(QUIT_TIME, client.quit()).await, &sent) {
            (Ok(Err(err)), Ok(())) => warn!(%err, "failed to close SMTP connection"),
            (Err(_), Ok(())) => warn!("the SMTP server does not say goodbye"),
            _ => {}
        }
        sent
    }

    /// Everything that needs no server.
    fn envelope(&self, cx: &NotifyContext, texts: &Texts<'_>) -> Result<Envelope, NotifyError> {
        let render = |template: &str, what: &str| {
            texts.text(template).map_err(|err| err.context(format_args!("execute {what} template")))
        };
        let parse = |text: &str, what: &str| {
            addresses(text)
                .map_err(|err| NotifyError::fatal(format!("parse '{what}' addresses: {err}")))
        };
        let mut from = parse(&render(&self.config.from, "'from'")?, "from")?;
        if from.len() != 1 {
            let count = from.len();
            let text = format!("must be exactly one 'from' address (got: {count})");
            return Err(NotifyError::fatal(text));
        }
        let to = parse(&render(&self.config.to, "'to'")?, "to")?;
        let now = Time::from_unix_ms(self.setup.clock.now_ms());
        let format = |layout: &[u8]| String::from_utf8_lossy(&now.format(layout)).into_owned();
        let mut mail = Mail::new(self.boundary());
        for (name, value) in &self.config.headers {
            let value = render(value, &format!("{} header", GoQuoted(name)))?;
            mail.header(name, &value);
        }
        if !self.config.headers.contains_key("Message-Id") {
            let ms = self.setup.clock.now_ms();
            let id = self.chance.lock().next_u64();
            mail.header("Message-Id", &format!("<{ms}.{id}@{}>", self.hostname));
        }
        if self.config.threading.enabled {
            // No mail has this id; it is what all mails of the group refer to.
            let day = match self.config.threading.thread_by_date.as_str() {
                "none" => String::new(),
                _ => format(b"2006-01-02"),
            };
            let root = format!("<alert-{}-{day}@alertmanager>", &group_hash(cx)[..16]);
            mail.header("References", &root);
            mail.header("In-Reply-To", &root);
        }
        mail.header("Date", &format(b"Mon, 02 Jan 2006 15:04:05 -0700"));
        mail.begin_parts();
        if !self.config.text.is_empty() {
            mail.part("text/plain", &render(&self.config.text, "text")?);
        }
        if !self.config.html.is_empty() {
            let html = texts.html(&self.config.html);
            mail.part("text/html", &html.map_err(|err| err.context("execute html template"))?);
        }
        Ok(Envelope { from: from.remove(0), to, mail: mail.finish() })
    }

    fn boundary(&self) -> String {
        let mut chance = self.chance.lock();
        (0..4).map(|_| format!("{:015x}", chance.next_u64() >> 4)).collect()
    }

    pub(super) fn uses_implicit_tls(&self) -> bool {
        self.config.force_implicit_tls.unwrap_or(self.config.smarthost.port == "465")
    }

    /// A conversation that is encrypted and authenticated as configured.
    async fn connect(&self) -> Result<Client, NotifyError> {
        let temporary = |what: &'static str| {
            move |err: SmtpError| NotifyError::temporary(format!("{what}: {err}"))
        };
        let smarthost = &self.config.smarthost;
        let host = smarthost.host.as_str();
        let implicit = self.uses_implicit_tls();
        let what = if implicit {
            "establish TLS connection to server"
        } else {
            "establish connection to server"
        };
        let fail = |err: &dyn std::fmt::Display| NotifyError::temporary(format!("{what}: {err}"));
        let port = port(&smarthost.port).ok_or_else(|| {
            fail(&format!("dial tcp: lookup tcp/{}: unknown port", smarthost.port))
        })?;
        let socket = dial(host, port).await.map_err(|err| fail(&err))?;
        let client = if implicit {
            let stream = self.tls.start(host, socket).await.map_err(|err| fail(&err))?;
            Client::new(stream, true).await
        } else {
            Client::new(socket, false).await
        };
        let mut client = client.map_err(temporary("create SMTP client"))?;
        client.hello(&self.config.hello).await.map_err(temporary("send EHLO command"))?;
        if self.config.require_tls.unwrap_or(true) && !implicit {
            if client.extension("STARTTLS").is_none() {
                let server = smarthost.to_string();
                let server = GoQuoted(&server);
                return Err(NotifyError::temporary(format!(
                    "'require_tls' is true (default) but {server} does not advertise the STARTTLS extension"
                )));
            }
            client = client
                .start_tls(&self.tls, host)
                .await
                .map_err(temporary("send STARTTLS command"))?;
        }
        let auth = match client.extension("AUTH") {
            Some(mechanisms) => self
                .auth(mechanisms)
                .await
                .map_err(|err| NotifyError::temporary(format!("find auth mechanism: {err}")))?,
            None => None,
        };
        if let Some(auth) = auth {
            let name = auth.mechanism.go_type();
            let done = client.authenticate(&auth, host).await;
            done.map_err(|err| NotifyError::temporary(format!("{name} auth: {err}")))?;
        }
        Ok(client)
    }

    /// The first mechanism of the server's that credentials are configured for.
    async fn auth(&self, mechanisms: &str) -> Result<Option<Auth>, String> {
        let config = &self.config;
        if config.auth_username.is_empty() {
            debug!("no user name is configured, sending without authentication");
            return Ok(None);
        }
        let mut wrong = Vec::new();
        for name in mechanisms.split(' ') {
            let mechanism = match name {
                "CRAM-MD5" => Mechanism::CramMd5,
                "PLAIN" => Mechanism::Plain,
                "LOGIN" => Mechanism::Login,
                _ => {
                    wrong.push(format!("unknown auth mechanism: {name}"));
                    continue;
                }
            };
            let (what, secret, file) = match mechanism {
                Mechanism::CramMd5 => ("secret", &config.auth_secret, &config.auth_secret_file),
                _ => ("password", &config.auth_password, &config.auth_password_file),
            };
            // Both may be given in a receiver; then the file counts.
            let found = if file.is_empty() {
                Ok(secret.expose().to_owned())
            } else {
                files::trimmed(file, &format!("could not read {file}")).await
            };
            match found {
                Err(err) => wrong.push(err),
                Ok(secret) if secret.is_empty() => {
                    wrong.push(format!("missing {what} for {name} auth mechanism"));
                }
                Ok(secret) => {
                    return Ok(Some(Auth {
                        mechanism,
                        identity: config.auth_identity.clone(),
                        username: config.auth_username.clone(),
                        secret: gauntlet_net::config::Secret::new(secret),
                    }));
                }
            }
        }
        Err(wrong.join("\n"))
    }

    async fn deliver(&self, client: &mut Client, envelope: &Envelope) -> Result<(), NotifyError> {
        let temporary = |what: &'static str| {
            move |err: SmtpError| NotifyError::temporary(format!("{what}: {err}"))
        };
        client.mail(&envelope.from).await.map_err(temporary("send MAIL command"))?;
        for to in &envelope.to {
            client.recipient(to).await.map_err(temporary("send RCPT command"))?;
        }
        client.data().await.map_err(temporary("send DATA command"))?;
        client.send(&envelope.mail).await.map_err(temporary("delivery failure"))
    }
}

/// A number, or the name of a service that mail goes to.
fn port(text: &str) -> Option<u16> {
    match text {
        "smtp" => Some(25),
        "submission" => Some(587),
        "smtps" | "submissions" => Some(465),
        number => number.parse().ok(),
    }
}

impl Notifier for Email {
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.send(cx, alerts))
    }
}
