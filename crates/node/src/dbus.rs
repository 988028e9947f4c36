//! A small D-Bus client: connect, authenticate as the own user, call methods and read their replies. Enough for the service and
//! login managers; no signals, no descriptors, no exported objects. Format: D-Bus specification, message protocol.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::error::Malformed;

const TIMEOUT: Duration = Duration::from_secs(4);
/// Larger messages are refused.
const MAX_MESSAGE: usize = 16 << 20;
/// Calls that are under way at once: bounds what lies in the socket.
const PIPELINE: usize = 32;
const MAX_DEPTH: u32 = 16;

/// A value of a reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Strings, object paths and signatures.
    Text(String),
    /// Arrays, structures and dictionary entries.
    List(Vec<Value>),
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn uint(&self) -> Option<u64> {
        match self {
            Value::Uint(n) => Some(*n),
            Value::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// A method call with string arguments only.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) method: &'a str,
    pub(crate) arguments: &'a [&'a str],
}

impl<'a> Call<'a> {
    /// Reads a property: `arguments` are the interface and the property's name.
    pub(crate) fn property(path: &'a str, arguments: &'a [&'a str; 2]) -> Call<'a> {
        Call { path, interface: "org.freedesktop.DBus.Properties", method: "Get", arguments }
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    /// Who is called; empty on a direct connection.
    destination: &'static str,
    serial: u32,
}

impl Connection {
    /// Connects to the system bus.
    pub(crate) fn system_bus(destination: &'static str) -> io::Result<Connection> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
        let path = address
            .split(';')
            .find_map(|a| a.strip_prefix("unix:path="))
            .map_or("/var/run/dbus/system_bus_socket", |p| p.split(',').next().unwrap_or(p));
        let mut connection = Connection::open(path, destination)?;
        let hello = Call {
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            method: "Hello",
            arguments: &[],
        };
        let bus = std::mem::replace(&mut connection.destination, "org.freedesktop.DBus");
        connection.call(&hello)?;
        connection.destination = bus;
        Ok(connection)
    }

    /// Connects to a peer without a bus between.
    pub(crate) fn direct(path: &str) -> io::Result<Connection> {
        Connection::open(path, "")
    }

    fn open(path: &str, destination: &'static str) -> io::Result<Connection> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut connection = Connection { stream, destination, serial: 0 };
        connection.authenticate()?;
        Ok(connection)
    }

    fn authenticate(&mut self) -> io::Result<()> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let hex: String = user.bytes().map(|b| format!("{b:02x}")).collect();
        self.stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
            if line.len() > 1024 {
                return Err(io::Error::other("authentication answer does not end"));
            }
        }
        if !line.starts_with(b"OK ") {
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        self.stream.write_all(b"BEGIN\r\n")
    }

    /// One call and its reply's values; an error reply gives `Err` of kind `Other` with the error's name.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> io::Result<Vec<Value>> {
        let mut replies = self.call_all(std::slice::from_ref(call))?;
        replies.pop().unwrap_or_else(|| Err("no reply".to_owned())).map_err(io::Error::other)
    }

    /// Calls in a row without waiting in between; one result each, in order.
    pub(crate) fn call_all(
        &mut self,
        calls: &[Call<'_>],
    ) -> io::Result<Vec<Result<Vec<Value>, String>>> {
        let mut results: Vec<Option<Result<Vec<Value>, String>>> = vec![None; calls.len()];
        for (chunk_number, chunk) in calls.chunks(PIPELINE).enumerate() {
            let first = self.serial + 1;
            let mut bytes = Vec::new();
            for call in chunk {
                self.serial += 1;
                bytes.extend_from_slice(&encode(call, self.destination, self.serial));
            }
            self.stream.write_all(&bytes)?;
            let mut left = chunk.len();
            while left > 0 {
                let message = self.receive()?;
                let Some(reply) = decode(&message).map_err(|e| io::Error::other(e.0))? else {
                    continue;
                };
                let at = reply.to.wrapping_sub(first) as usize;
                if at < chunk.len() {
                    results[chunk_number * PIPELINE + at] = Some(reply.result);
                    left -= 1;
                }
            }
        }
        Ok(results.into_iter().map(|r| r.unwrap_or_else(|| Err("no reply".to_owned()))).collect())
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; 16];
        self.stream.read_exact(&mut message)?;
        let size = message_size(&message).map_err(|e| io::Error::other(e.0))?;
        message.resize(size, 0);
        self.stream.read_exact(&mut message[16..])?;
        Ok(message)
    }
}

/// Whole size from the first 16 bytes.
fn message_size(head: &[u8]) -> Result<usize, Malformed> {
    let little = head.first() == Some(&b'l');
    let mut reader = Reader { bytes: head, at: 4, little };
    let body = reader.u32()? as usize;
    reader.at = 12;
    let fields = reader.u32()? as usize;
    let size = (16 + fields).next_multiple_of(8).saturating_add(body);
    if size > MAX_MESSAGE { Err(Malformed::new("message is too large")) } else { Ok(size) }
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

fn encode(call: &Call<'_>, destination: &str, serial: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for argument in call.arguments {
        put_text(&mut body, argument);
    }
    let mut fields = Vec::new();
    put_field(&mut fields, 1, 'o', call.path);
    put_field(&mut fields, 2, 's', call.interface);
    put_field(&mut fields, 3, 's', call.method);
    if !destination.is_empty() {
        put_field(&mut fields, 6, 's', destination);
    }
    if !call.arguments.is_empty() {
        align(&mut fields, 8);
        fields.extend_from_slice(&[8, 1, b'g', 0, call.arguments.len() as u8]);
        fields.extend(std::iter::repeat_n(b's', call.arguments.len()));
        fields.push(0);
    }
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    message.extend_from_slice(&(body.len() as u32).to_le_bytes());
    message.extend_from_slice(&serial.to_le_bytes());
    message.extend_from_slice(&(fields.len() as u32).to_le_bytes());
    message.extend_from_slice(&fields);
    align(&mut message, 8);
    message.extend_from_slice(&body);
    message
}

fn put_field(fields: &mut Vec<u8>, code: u8, kind: char, text: &str) {
    align(fields, 8);
    fields.extend_from_slice(&[code, 1, kind as u8, 0]);
    put_text(fields, text);
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    align(to, 4);
    to.extend_from_slice(&(text.len() as u32).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
    to.push(0);
}

fn align(to: &mut Vec<u8>, size: usize) {
    to.resize(to.len().next_multiple_of(size), 0);
}

#[derive(Debug)]
struct Reply {
    to: u32,
    result: Result<Vec<Value>, String>,
}

/// A reply or an error; `None` for signals and calls.
fn decode(message: &[u8]) -> Result<Option<Reply>, Malformed> {
    let kind = *message.get(1).ok_or_else(|| Malformed::new("short message"))?;
    let mut reader = Reader { bytes: message, at: 12, little: message[0] == b'l' };
    let fields_end = 16 + reader.u32()? as usize;
    let (mut to, mut signature, mut name) = (0, String::new(), String::new());
    while reader.at < fields_end {
        reader.align(8);
        let code = reader.u8()?;
        let value = reader.value("v", 0)?.0;
        match (code, value) {
            (4, Value::Text(text)) => name = text,
            (5, Value::Uint(serial)) => to = serial as u32,
            (8, Value::Text(text)) => signature = text,
            _ => {}
        }
    }
    reader.align(8);
    match kind {
        METHOD_RETURN => {
            let mut values = Vec::new();
            let mut rest = signature.as_str();
            while !rest.is_empty() {
                let (value, after) = reader.value(rest, 0)?;
                values.push(value);
                rest = after;
            }
            Ok(Some(Reply { to, result: Ok(values) }))
        }
        ERROR => Ok(Some(Reply { to, result: Err(name) })),
        _ => Ok(None),
    }
}

/// Decodes a message of any content, for fuzzing.
pub(crate) fn check(message: &[u8]) {
    if message.len() >= 16 && message_size(message).is_ok() {
        let _ = decode(message);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    little: bool,
}

impl Reader<'_> {
    fn align(&mut self, size: usize) {
        self.at = self.at.next_multiple_of(size);
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.align(N);
        let bytes = self.bytes.get(self.at..).and_then(|b| b.first_chunk::<N>());
        self.at += N;
        bytes.copied().ok_or_else(|| Malformed::new("message ends early"))
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take()?;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take()?;
        Ok(if self.little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take()?;
        Ok(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn string(&mut self, size: usize) -> Result<String, Malformed> {
        let end = self.at.saturating_add(size);
        let bytes = self.bytes.get(self.at..end);
        let bytes = bytes.ok_or_else(|| Malformed::new("string ends early"))?;
        self.at = end + 1;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Reads one value of the first complete type of `signature`; gives the rest of the signature too.
    fn value<'s>(&mut self, signature: &'s str, depth: u32) -> Result<(Value, &'s str), Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed::new("values are nested too deeply"));
        }
        let kind = signature.chars().next().ok_or_else(|| Malformed::new("empty signature"))?;
        let rest = signature.get(1..).unwrap_or("");
        let value = match kind {
            'y' => Value::Uint(self.u8()?.into()),
            'b' => Value::Bool(self.u32()? != 0),
            'n' => Value::Int((self.u16()? as i16).into()),
            'q' => Value::Uint(self.u16()?.into()),
            'i' => Value::Int((self.u32()? as i32).into()),
            'u' | 'h' => Value::Uint(self.u32()?.into()),
            'x' => Value::Int(self.u64()? as i64),
            't' => Value::Uint(self.u64()?),
            'd' => Value::Double(f64::from_bits(self.u64()?)),
            's' | 'o' => {
                let size = self.u32()? as usize;
                Value::Text(self.string(size)?)
            }
            'g' => {
                let size = self.u8()? as usize;
                Value::Text(self.string(size)?)
            }
            'v' => {
                let size = self.u8()? as usize;
                let inner = self.string(size)?;
                self.value(&inner, depth + 1)?.0
            }
            'a' => return self.array(rest, depth),
            '(' | '{' => {
                self.align(8);
                let close = if kind == '(' { ')' } else { '}' };
                let mut items = Vec::new();
                let mut inner = rest;
                while !inner.starts_with(close) {
                    let (item, after) = self.value(inner, depth + 1)?;
                    items.push(item);
                    inner = after;
                }
                return Ok((Value::List(items), &inner[1..]));
            }
            other => return Err(Malformed(format!("unknown type {other:?}"))),
        };
        Ok((value, rest))
    }

    fn array<'s>(&mut self, element: &'s str, depth: u32) -> Result<(Value, &'s str), Malformed> {
        let size = self.u32()? as usize;
        if matches!(element.chars().next(), Some('x' | 't' | 'd' | '(' | '{')) {
            self.align(8);
        }
        let end = self.at.saturating_add(size);
        if end > self.bytes.len() {
            return Err(Malformed::new("array ends early"));
        }
        let mut items = Vec::new();
        while self.at < end {
            let before = self.at;
            items.push(self.value(element, depth + 1)?.0);
            if self.at == before {
                return Err(Malformed::new("array of nothing"));
            }
        }
        Ok((Value::List(items), after_type(element, 0)?))
    }
}

/// The signature behind its first complete type.
fn after_type(signature: &str, depth: u32) -> Result<&str, Malformed> {
    let bad = || Malformed::new("broken signature");
    if depth > MAX_DEPTH {
        return Err(bad());
    }
    let kind = signature.chars().next().filter(char::is_ascii).ok_or_else(bad)?;
    let rest = &signature[1..];
    match kind {
        'a' => after_type(rest, depth + 1),
        '(' | '{' => {
            let close = if kind == '(' { ')' } else { '}' };
            let mut inner = rest;
            while !inner.starts_with(close) {
                inner = after_type(inner, depth + 1)?;
            }
            Ok(&inner[1..])
        }
        _ => Ok(rest),
    }
}

/// A peer for tests: speaks the service's side of a direct connection.
#[cfg(test)]
pub(crate) mod fake {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A reply as a service would send it: header fields, then the body.
    pub(crate) fn reply(to: u32, signature: &str, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![5, 1, b'u', 0];
        fields.extend_from_slice(&to.to_le_bytes());
        fields.extend_from_slice(&[8, 1, b'g', 0, signature.len() as u8]);
        fields.extend_from_slice(signature.as_bytes());
        fields.push(0);
        let mut message = vec![b'l', METHOD_RETURN, 0, 1];
        message.extend_from_slice(&(body.len() as u32).to_le_bytes());
        message.extend_from_slice(&7u32.to_le_bytes());
        message.extend_from_slice(&(fields.len() as u32).to_le_bytes());
        message.extend_from_slice(&fields);
        align(&mut message, 8);
        message.extend_from_slice(body);
        message
    }

    /// A body of one variant.
    pub(crate) fn variant(signature: &str, value: &[u8]) -> Vec<u8> {
        let mut body = vec![signature.len() as u8];
        body.extend_from_slice(signature.as_bytes());
        body.push(0);
        align(&mut body, value.len().min(8));
        body.extend_from_slice(value);
        body
    }

    /// A body of one variant that holds a string.
    pub(crate) fn text_variant(text: &str) -> Vec<u8> {
        let mut body = vec![1, b's', 0];
        put_text(&mut body, text);
        body
    }

    /// A body that is an array of structures of strings and one number (the units of a manager).
    pub(crate) fn unit_list(rows: &[[&str; 10]]) -> Vec<u8> {
        let mut body = vec![0; 8];
        for row in rows {
            align(&mut body, 8);
            for (column, text) in row.iter().enumerate() {
                if column == 7 {
                    align(&mut body, 4);
                    body.extend_from_slice(&0u32.to_le_bytes());
                } else {
                    put_text(&mut body, text);
                }
            }
        }
        let size = (body.len() - 8) as u32;
        body[..4].copy_from_slice(&size.to_le_bytes());
        body
    }

    /// Answers the calls of one connection until it closes. The handler gets path, method and the string arguments, and gives
    /// signature and body; without them the call gets an error.
    pub(crate) fn serve(
        listener: &UnixListener,
        handler: impl Fn(&str, &str, &[String]) -> Option<(&'static str, Vec<u8>)>,
    ) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        assert!(line.starts_with(b"\0AUTH EXTERNAL "));
        stream.write_all(b"OK 1234\r\n").unwrap();
        let mut begin = [0; 7];
        stream.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"BEGIN\r\n");
        let mut signal = reply(0, "", &[]);
        signal[1] = 4;
        stream.write_all(&signal).unwrap();
        let mut message = vec![0; 16];
        while stream.read_exact(&mut message[..16]).is_ok() {
            message.resize(message_size(&message).unwrap(), 0);
            stream.read_exact(&mut message[16..]).unwrap();
            let (serial, path, method, arguments) = call_of(&message);
            let answer = match handler(&path, &method, &arguments) {
                Some((signature, body)) => reply(serial, signature, &body),
                None => {
                    let mut error = reply(serial, "", &[]);
                    error[1] = ERROR;
                    error
                }
            };
            stream.write_all(&answer).unwrap();
            message = vec![0; 16];
        }
    }

    fn call_of(message: &[u8]) -> (u32, String, String, Vec<String>) {
        let mut reader = Reader { bytes: message, at: 8, little: true };
        let serial = reader.u32().unwrap();
        let end = 16 + reader.u32().unwrap() as usize;
        let (mut path, mut method, mut count) = (String::new(), String::new(), 0);
        while reader.at < end {
            reader.align(8);
            let code = reader.u8().unwrap();
            let Value::Text(text) = reader.value("v", 0).unwrap().0 else { panic!("no text") };
            match code {
                1 => path = text,
                3 => method = text,
                8 => count = text.len(),
                _ => {}
            }
        }
        reader.align(8);
        let arguments = (0..count)
            .map(|_| reader.value("s", 0).unwrap().0.text().unwrap().to_owned())
            .collect();
        (serial, path, method, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::fake::reply;

    #[test]
    fn replies_with_nested_values_are_decoded() {
        let mut body = Vec::new();
        body.extend_from_slice(&24u32.to_le_bytes());
        align(&mut body, 8);
        put_text(&mut body, "a.service");
        align(&mut body, 4);
        body.extend_from_slice(&5u32.to_le_bytes());
        let size = (body.len() - 8) as u32;
        body[..4].copy_from_slice(&size.to_le_bytes());
        let message = reply(3, "a(su)", &body);
        assert_eq!(message_size(&message[..16]), Ok(message.len()));
        let reply = decode(&message).unwrap().unwrap();
        assert_eq!(reply.to, 3);
        let values = reply.result.unwrap();
        assert_eq!(
            values,
            [Value::List(vec![Value::List(vec![Value::Text("a.service".into()), Value::Uint(5)])])]
        );
    }

    #[test]
    fn calls_in_a_row_get_their_own_replies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            fake::serve(&listener, |path, method, arguments| {
                assert_eq!((method, arguments.len()), ("Get", 2));
                (path != "/gone")
                    .then(|| ("v", fake::text_variant(&format!("{path} {}", arguments[1]))))
            });
        });
        let mut connection = Connection::direct(path.to_str().unwrap()).unwrap();
        let arguments = ["i", "p"];
        let calls = ["/a", "/gone", "/b"].map(|path| Call::property(path, &arguments));
        let replies = connection.call_all(&calls).unwrap();
        let text = |t: &str| Ok(vec![Value::Text(t.to_owned())]);
        assert_eq!(replies, [text("/a p"), Err(String::new()), text("/b p")]);
        drop(connection);
        server.join().unwrap();
    }

    #[test]
    fn broken_messages_err() {
        assert!(decode(&reply(1, "s", &[9, 0, 0, 0, b'x'])).is_err());
        assert!(
            decode(&reply(1, "a()", &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).is_err()
        );
        assert!(decode(&reply(1, "(((((((((((((((((((((((", &[])).is_err());
        assert!(decode(&reply(1, "a", &[0; 8])).is_err());
    }

    #[test]
    fn calls_are_encoded_with_their_signature() {
        let call = Call { path: "/a", interface: "i", method: "m", arguments: &["x", "y"] };
        let message = encode(&call, "d", 9);
        assert_eq!(message_size(&message[..16]), Ok(message.len()));
        assert!(message.windows(3).any(|w| w == b"ss\0"));
    }
}
