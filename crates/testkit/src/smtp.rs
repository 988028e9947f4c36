//! A mail server that takes everything and keeps it: EHLO, STARTTLS or TLS from the first byte, AUTH, and answers out of order where a
//! test wants them. Blocking, one thread a connection. Left out: anything after the mail was taken.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Longest wait for sessions, and for a client's next line.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How the server behaves. The default: no TLS, no AUTH.
#[derive(Clone, Debug, Default)]
pub struct SmtpOptions {
    /// Certificate and key, PEM; offers STARTTLS.
    pub tls: Option<(String, String)>,
    /// TLS from the first byte instead.
    pub implicit_tls: bool,
    /// Mechanisms that AUTH offers, in order; on a server with STARTTLS only once that was done.
    pub mechanisms: Vec<&'static str>,
    /// The account that PLAIN and LOGIN know.
    pub account: (String, String),
    /// The challenge of CRAM-MD5 and the answer that is right.
    pub cram: (String, String),
    /// Said in clear behind the answer to STARTTLS, as someone in between would.
    pub injected: &'static str,
    /// Lines that begin like this are answered like that, whatever they say.
    pub answers: Vec<(&'static str, &'static str)>,
}

/// A conversation that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmtpSession {
    /// Lines of the client, those of AUTH included, the mail's not.
    pub commands: Vec<String>,
    /// The mail as it came over the wire, dots still doubled.
    pub data: Option<String>,
    pub tls: bool,
    pub authenticated: bool,
}

/// The server. Its threads end with the process.
#[derive(Debug)]
pub struct SmtpSink {
    pub address: SocketAddr,
    sessions: Arc<(Mutex<Vec<SmtpSession>>, Condvar)>,
}

impl SmtpSink {
    /// Listens on a free port of loopback.
    pub fn start(options: SmtpOptions) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(server_config).transpose()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let sessions: Arc<(Mutex<Vec<SmtpSession>>, Condvar)> = Arc::default();
        let kept = Arc::clone(&sessions);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (options, tls, kept) = (options.clone(), tls.clone(), Arc::clone(&kept));
                std::thread::spawn(move || {
                    let mut session = SmtpSession::default();
                    // What breaks off is kept as far as it came.
                    let _ = talk(stream, &options, tls, &mut session);
                    kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
                    kept.1.notify_all();
                });
            }
        });
        Ok(Self { address, sessions })
    }

    /// Waits until that many sessions are over and takes them.
    pub fn take(&self, count: usize) -> Vec<SmtpSession> {
        let (sessions, changed) = &*self.sessions;
        let guard = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut guard, _) = changed
            .wait_timeout_while(guard, TIMEOUT, |sessions| sessions.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *guard)
    }
}

fn server_config((cert, key): &(String, String)) -> io::Result<Arc<ServerConfig>> {
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
    let certs = certs.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

struct Wrap(Box<dyn Wire>);

impl Read for Wrap {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

fn encrypted(stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Box<dyn Wire>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn talk(
    stream: TcpStream,
    options: &SmtpOptions,
    tls: Option<Arc<ServerConfig>>,
    session: &mut SmtpSession,
) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let wire: Box<dyn Wire> = match &tls {
        Some(config) if options.implicit_tls => {
            session.tls = true;
            encrypted(stream.try_clone()?, config)?
        }
        _ => Box::new(stream.try_clone()?),
    };
    let mut wire = BufReader::new(Wrap(wire));
    say(&mut wire, scripted(options, "<greeting>").unwrap_or("220 sink ESMTP"))?;
    loop {
        let line = hear(&mut wire, session)?;
        let upper = line.to_ascii_uppercase();
        if let Some(answer) = scripted(options, &upper) {
            say(&mut wire, answer)?;
            continue;
        }
        if upper.starts_with("EHLO") {
            let mut lines = vec!["sink".to_owned(), "8BITMIME".into(), "SMTPUTF8".into()];
            let offers_tls = tls.is_some() && !session.tls;
            if offers_tls {
                lines.push("STARTTLS".to_owned());
            } else if !options.mechanisms.is_empty() {
                lines.push(format!("AUTH {}", options.mechanisms.join(" ")));
            }
            let last = lines.len() - 1;
            for (at, text) in lines.iter().enumerate() {
                let mark = if at == last { ' ' } else { '-' };
                say(&mut wire, &format!("250{mark}{text}"))?;
            }
        } else if upper == "STARTTLS" {
            let Some(config) = &tls else {
                say(&mut wire, "502 no")?;
                continue;
            };
            say(&mut wire, &format!("220 go ahead{}", options.injected))?;
            wire = BufReader::new(Wrap(encrypted(stream.try_clone()?, config)?));
            session.tls = true;
        } else if upper.starts_with("AUTH ") {
            session.authenticated = authenticate(&mut wire, options, session, &line)?;
            let answer = if session.authenticated { "235 welcome" } else { "535 wrong" };
            say(&mut wire, answer)?;
        } else if upper == "DATA" {
            say(&mut wire, "354 go ahead")?;
            session.data = Some(mail(&mut wire)?);
            say(&mut wire, "250 taken")?;
        } else if upper == "QUIT" {
            return say(&mut wire, "221 bye");
        } else {
            say(&mut wire, "250 ok")?;
        }
    }
}

fn scripted(options: &SmtpOptions, line: &str) -> Option<&'static str> {
    options.answers.iter().find(|(start, _)| line.starts_with(start)).map(|(_, answer)| *answer)
}

fn say(wire: &mut BufReader<Wrap>, line: &str) -> io::Result<()> {
    let out = &mut wire.get_mut().0;
    out.write_all(format!("{line}\r\n").as_bytes())?;
    out.flush()
}

/// A line of the client, which is noted.
fn hear(wire: &mut BufReader<Wrap>, session: &mut SmtpSession) -> io::Result<String> {
    let mut line = String::new();
    if wire.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    session.commands.push(line.clone());
    Ok(line)
}

fn mail(wire: &mut BufReader<Wrap>) -> io::Result<String> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        if wire.read_until(b'\n', &mut data)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &data[start..] == b".\r\n" {
            data.truncate(start);
            return String::from_utf8(data).map_err(io::Error::other);
        }
    }
}

fn authenticate(
    wire: &mut BufReader<Wrap>,
    options: &SmtpOptions,
    session: &mut SmtpSession,
    line: &str,
) -> io::Result<bool> {
    let mut words = line.split(' ').skip(1);
    let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
    if !options.mechanisms.contains(&mechanism.as_str()) {
        return Ok(false);
    }
    let decode = |text: &str| {
        let bytes = STANDARD.decode(text).map_err(io::Error::other)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    };
    let (user, password) = &options.account;
    match mechanism.as_str() {
        "PLAIN" => {
            let shown = decode(words.next().unwrap_or_default())?;
            let mut parts = shown.split('\0').skip(1);
            Ok(parts.next() == Some(user.as_str()) && parts.next() == Some(password.as_str()))
        }
        "LOGIN" => {
            say(wire, &format!("334 {}", STANDARD.encode("Username:")))?;
            let shown_user = decode(&hear(wire, session)?)?;
            say(wire, &format!("334 {}", STANDARD.encode("Password:")))?;
            let shown_password = decode(&hear(wire, session)?)?;
            Ok(shown_user == *user && shown_password == *password)
        }
        _ => {
            let (challenge, right) = &options.cram;
            say(wire, &format!("334 {challenge}"))?;
            Ok(hear(wire, session)? == *right)
        }
    }
}
