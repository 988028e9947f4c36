//! A client of SMTP (RFC 5321) for one mail: greeting, STARTTLS, AUTH, envelope, data. Written from the RFCs; errors in Go's words.
//!
//! Answers are bounded in length and time. Left out: pipelining, several mails on one connection, delivery by MX records.

mod auth;
mod dot;
mod reply;

use std::fmt;
use std::time::Duration;

use gauntlet_net::TlsDialer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(crate) use auth::{Auth, Mechanism};
pub(crate) use dot::stuff as stuffed;
pub(crate) use reply::Reply;

use crate::files::text_of;

/// Longest wait for one answer, or for one write to be taken.
const STEP_TIME: Duration = Duration::from_secs(5 * 60);
/// Longest line and largest answer, in bytes.
const MAX_LINE: usize = 4096;
const MAX_REPLY: usize = 64 << 10;

/// Anything that bytes go over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Why a step failed; prints as Go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SmtpError {
    /// The server said no: `550 no such user`.
    #[error("{0}")]
    Refused(Reply),
    /// The connection failed, or what came was no SMTP.
    #[error("{0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("i/o timeout")]
    Timeout,
}

/// A conversation with a server.
pub(crate) struct Client {
    wire: Box<dyn Wire>,
    /// Read and not yet used.
    buffer: Vec<u8>,
    /// Extensions of the last EHLO, as `NAME arguments`.
    extensions: Vec<String>,
    hello: String,
    is_tls: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("extensions", &self.extensions)
            .field("is_tls", &self.is_tls)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Waits for the greeting on an open connection.
    pub(crate) async fn new(
        wire: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        is_tls: bool,
    ) -> Result<Self, SmtpError> {
        let mut client = Self {
            wire: Box::new(wire),
            buffer: Vec::new(),
            extensions: Vec::new(),
            hello: "localhost".to_owned(),
            is_tls,
        };
        client.reply().await?.expect(220)?;
        Ok(client)
    }

    /// Says who we are; by HELO if the server knows no EHLO.
    pub(crate) async fn hello(&mut self, name: &str) -> Result<(), SmtpError> {
        if !name.is_empty() {
            name.clone_into(&mut self.hello);
        }
        let hello = format!("EHLO {}", self.hello);
        let reply = self.command(&hello).await?;
        if reply.code == 250 {
            self.extensions = reply.lines.iter().skip(1).cloned().collect();
            return Ok(());
        }
        self.extensions.clear();
        let hello = format!("HELO {}", self.hello);
        self.command(&hello).await?.expect(250)
    }

    /// The arguments of an extension; `None` if the server has it not.
    pub(crate) fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let (found, arguments) = line.split_once(' ').unwrap_or((line, ""));
            found.eq_ignore_ascii_case(name).then_some(arguments)
        })
    }

    /// Turns to TLS and says hello anew. What the server sent before the handshake is dropped, or someone in between could put words in.
    pub(crate) async fn start_tls(
        mut self,
        dialer: &TlsDialer,
        host: &str,
    ) -> Result<Self, SmtpError> {
        self.command("STARTTLS").await?.expect(220)?;
        let started = tokio::time::timeout(STEP_TIME, dialer.start(host, self.wire)).await;
        let wire = started
            .map_err(|_| SmtpError::Timeout)?
            .map_err(|err| SmtpError::Broken(err.to_string()))?;
        let mut client = Self {
            wire: Box::new(wire),
            buffer: Vec::new(),
            extensions: Vec::new(),
            hello: self.hello,
            is_tls: true,
        };
        client.hello("").await?;
        Ok(client)
    }

    /// Shows credentials.
    pub(crate) async fn authenticate(&mut self, auth: &Auth, host: &str) -> Result<(), SmtpError> {
        let first = auth.first(self.is_tls, host).map_err(SmtpError::Broken)?;
        let mut reply = self.command(&first).await?;
        let mut step = 0;
        loop {
            match reply.code {
                235 => return Ok(()),
                334 => {}
                _ => return Err(SmtpError::Refused(reply)),
            }
            match auth.next(step, reply.text()) {
                Ok(Some(answer)) => reply = self.command(&answer).await?,
                Ok(None) => return Err(SmtpError::Refused(reply)),
                Err(reason) => {
                    // The exchange is called off; what the server says to that matters no more.
                    let _ = self.command("*").await;
                    return Err(SmtpError::Broken(reason));
                }
            }
            step += 1;
        }
    }

    pub(crate) async fn mail(&mut self, from: &str) -> Result<(), SmtpError> {
        let mut line = format!("MAIL FROM:<{from}>");
        for (extension, word) in [("8BITMIME", " BODY=8BITMIME"), ("SMTPUTF8", " SMTPUTF8")] {
            if self.extension(extension).is_some() {
                line.push_str(word);
            }
        }
        self.command(&line).await?.expect(250)
    }

    pub(crate) async fn recipient(&mut self, to: &str) -> Result<(), SmtpError> {
        self.command(&format!("RCPT TO:<{to}>")).await?.expect_class(25)
    }

    /// Begins the mail itself; [`Client::send`] must follow.
    pub(crate) async fn data(&mut self) -> Result<(), SmtpError> {
        self.command("DATA").await?.expect(354)
    }

    /// Sends the mail and waits until it is taken.
    pub(crate) async fn send(&mut self, mail: &[u8]) -> Result<(), SmtpError> {
        self.write(&dot::stuff(mail)).await?;
        self.reply().await?.expect(250)
    }

    pub(crate) async fn quit(&mut self) -> Result<(), SmtpError> {
        self.command("QUIT").await?.expect(221)
    }

    /// Sends a line and gives what is answered. A line break within it would be another command and is refused.
    async fn command(&mut self, line: &str) -> Result<Reply, SmtpError> {
        if line.contains(['\r', '\n']) {
            return Err(SmtpError::Broken("smtp: A line must not contain CR or LF".to_owned()));
        }
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SmtpError> {
        let work = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        match tokio::time::timeout(STEP_TIME, work).await {
            Err(_) => Err(SmtpError::Timeout),
            Ok(written) => written.map_err(|err| SmtpError::Broken(text_of(&err))),
        }
    }

    async fn reply(&mut self) -> Result<Reply, SmtpError> {
        match tokio::time::timeout(STEP_TIME, self.read_reply()).await {
            Err(_) => Err(SmtpError::Timeout),
            Ok(reply) => reply,
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, SmtpError> {
        let (mut reply, mut size) = (Reply::default(), 0);
        loop {
            let line = self.read_line().await?;
            size += line.len();
            if size > MAX_REPLY {
                return Err(SmtpError::Broken(format!("answer is larger than {MAX_REPLY} bytes")));
            }
            if reply.add(&line).map_err(SmtpError::Broken)? {
                return Ok(reply);
            }
        }
    }

    async fn read_line(&mut self) -> Result<String, SmtpError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                while matches!(line.last(), Some(b'\n' | b'\r')) {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            searched = self.buffer.len();
            if searched > MAX_LINE {
                return Err(SmtpError::Broken(format!("line is longer than {MAX_LINE} bytes")));
            }
            let mut chunk = [0; 1024];
            let read = self.wire.read(&mut chunk).await;
            match read.map_err(|err| SmtpError::Broken(text_of(&err)))? {
                0 => return Err(SmtpError::Broken("EOF".to_owned())),
                n => self.buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }
}
