//! Words to a command with its flags, by kingpin's rules: flags may stand anywhere, a command may have a default below it, and
//! values are looked at only after the whole line was understood.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use gauntlet_model::duration::GoDuration;
use url::Url;

use crate::commands::{Command, Flag, GLOBAL, Kind, ROOT};
use crate::settings::Defaults;

/// What a command line asks for.
pub(crate) enum Parsed {
    /// No command was named.
    Usage,
    /// Help on a command.
    Help(Vec<&'static str>),
    Version,
    Call(Given),
}

/// One word with what it belongs to, in the order of the line.
enum Element {
    Flag(&'static Flag, String),
    Argument(String),
}

/// A command line that is understood, its values not yet.
pub(crate) struct Given {
    command: &'static Command,
    elements: Vec<Element>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Simple,
    Extended,
    Json,
}

/// A command with everything that was said or is the default.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) command: &'static Command,
    pub(crate) url: Option<ServerUrl>,
    pub(crate) output: OutputFormat,
    pub(crate) date_format: String,
    pub(crate) timeout: Duration,
    flags: BTreeMap<&'static str, Vec<String>>,
    pub(crate) arguments: Vec<String>,
}

/// A URL that may lack scheme and host, as the flag allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    pub(crate) scheme: String,
    pub(crate) user: Option<(String, String)>,
    /// Host and port; empty if not given.
    pub(crate) host: String,
    pub(crate) path: String,
}

/// Words that a line may have.
const MAX_WORDS: usize = 100_000;

/// Understands a command line. Errs in kingpin's words.
pub(crate) fn parse(arguments: &[String]) -> Result<Parsed, String> {
    let mut words: VecDeque<String> = arguments.iter().cloned().collect();
    let mut line =
        Line { at: &ROOT, path: Vec::new(), help: false, version: false, elements: Vec::new() };
    let mut plain = false;
    let mut read = 0usize;
    while let Some(word) = words.pop_front() {
        read += 1;
        if read > MAX_WORDS {
            return Err("too many arguments".to_owned());
        }
        if plain || word == "-" || !word.starts_with('-') {
            if let Some(path) = word.strip_prefix('@').filter(|_| !plain) {
                for (i, word) in arguments_file(path)?.into_iter().enumerate() {
                    words.insert(i, word);
                }
                continue;
            }
            if line.word(&word)? {
                return Err(format!("unexpected {word}"));
            }
        } else if word == "--" {
            plain = true;
        } else {
            line.flag(word, &mut words)?;
        }
    }
    line.end()
}

/// The line so far.
struct Line {
    at: &'static Command,
    path: Vec<&'static str>,
    help: bool,
    version: bool,
    elements: Vec<Element>,
}

impl Line {
    /// A word that is no flag; `true` if nothing wants it.
    fn word(&mut self, word: &str) -> Result<bool, String> {
        while !self.at.commands.is_empty() {
            if self.path.is_empty() && word == "help" {
                self.help = true;
                return Ok(false);
            }
            if let Some(command) = self.at.commands.iter().find(|c| c.name == word) {
                self.enter(command);
                return Ok(false);
            }
            match self.at.default_command().filter(|_| !self.help) {
                Some(command) => self.enter(command),
                None => return Err(format!("expected command but got {}", go_quoted(word))),
            }
        }
        if !self.at.arguments {
            return Ok(true);
        }
        self.elements.push(Element::Argument(word.to_owned()));
        Ok(false)
    }

    fn enter(&mut self, command: &'static Command) {
        self.path.push(command.name);
        self.at = command;
    }

    fn flag(&mut self, word: String, words: &mut VecDeque<String>) -> Result<(), String> {
        loop {
            let found = match word.strip_prefix("--") {
                Some(long) => self.long(long, words),
                None => self.short(&word[1..], words),
            };
            let Err(text) = found else { return Ok(()) };
            // The flag may be one of the default command's.
            match self.at.default_command().filter(|_| !self.help) {
                Some(command) => self.enter(command),
                None => return Err(text),
            }
        }
    }

    fn known(&self) -> impl Iterator<Item = &'static Flag> {
        let mut found = GLOBAL.iter().collect::<Vec<_>>();
        let mut at: &'static Command = &ROOT;
        for name in &self.path {
            if let Some(next) = at.commands.iter().find(|c| c.name == *name) {
                at = next;
                found.extend(at.flags);
            }
        }
        found.into_iter()
    }

    fn long(&mut self, long: &str, words: &mut VecDeque<String>) -> Result<(), String> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        if matches!(name, "help" | "help-long" | "help-man") {
            self.help = true;
            return Ok(());
        }
        if name == "version" {
            self.version = true;
            return Ok(());
        }
        let plain = self.known().find(|flag| flag.name == name);
        let negated = name.strip_prefix("no-").filter(|_| plain.is_none());
        let flag = match negated {
            Some(name) => self.known().find(|f| f.name == name && f.kind == Kind::Bool),
            None => plain,
        };
        let Some(flag) = flag else { return Err(format!("unknown long flag '--{name}'")) };
        let value = if flag.kind == Kind::Bool {
            if let Some(value) = value {
                return Err(format!("unexpected {value}"));
            }
            negated.is_none().to_string()
        } else {
            match value.or_else(|| next_value(words)) {
                Some(value) => value,
                None => return Err(format!("expected argument for flag '--{name}'")),
            }
        };
        self.elements.push(Element::Flag(flag, value));
        Ok(())
    }

    fn short(&mut self, shorts: &str, words: &mut VecDeque<String>) -> Result<(), String> {
        let mut rest = shorts.chars();
        while let Some(short) = rest.next() {
            if short == 'h' {
                self.help = true;
                continue;
            }
            let Some(flag) = self.known().find(|flag| flag.short == Some(short)) else {
                return Err(format!("unknown short flag '-{short}'"));
            };
            if flag.kind == Kind::Bool {
                self.elements.push(Element::Flag(flag, "true".to_owned()));
                continue;
            }
            let rest = rest.as_str();
            let value = if rest.is_empty() { next_value(words) } else { Some(rest.to_owned()) };
            let Some(value) = value else {
                return Err(format!("expected argument for flag '-{short}'"));
            };
            self.elements.push(Element::Flag(flag, value));
            break;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Parsed, String> {
        if self.help {
            return Ok(Parsed::Help(self.path));
        }
        if self.version {
            return Ok(Parsed::Version);
        }
        if self.path.is_empty() {
            return Ok(Parsed::Usage);
        }
        while let Some(command) = self.at.default_command() {
            self.enter(command);
        }
        if !self.at.commands.is_empty() {
            return Ok(Parsed::Help(self.path));
        }
        for element in &self.elements {
            if let Element::Flag(flag, _) = element
                && !flag.repeatable
                && self.elements.iter().filter(|e| e.is(flag.name)).count() > 1
            {
                return Err(format!("flag '{}' cannot be repeated", flag.name));
            }
        }
        Ok(Parsed::Call(Given { command: self.at, elements: self.elements }))
    }
}

impl Element {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Flag(flag, _) if flag.name == name)
    }
}

impl Given {
    /// Looks at the values in the order of the line, up to the first that is wrong, whose text comes along.
    pub(crate) fn settle(self, defaults: &Defaults, user: &str) -> (Call, Option<String>) {
        let mut call = Call {
            command: self.command,
            url: None,
            output: OutputFormat::Simple,
            date_format: String::new(),
            timeout: Duration::from_secs(30),
            flags: BTreeMap::new(),
            arguments: Vec::new(),
        };
        let mut problem = None;
        for flag in GLOBAL.iter().chain(self.command.flags).chain(self.command.inherited) {
            if self.elements.iter().any(|e| e.is(flag.name)) {
                continue;
            }
            let value = match (defaults.get(flag.name), flag.name) {
                (Some(value), _) => Some(value.to_owned()),
                (None, "author") => Some(user.to_owned()),
                (None, _) => flag.default.map(str::to_owned),
            };
            if let Some(value) = value
                && let Err(text) = call.set(flag, value)
            {
                problem.get_or_insert(text);
            }
        }
        for element in self.elements {
            let set = match element {
                Element::Flag(flag, value) => call.set(flag, value),
                Element::Argument(value) => call.argument(value),
            };
            if let Err(text) = set {
                problem.get_or_insert(text);
                break;
            }
        }
        let missing: Vec<String> = (self.command.flags.iter())
            .filter(|flag| flag.required && !call.flags.contains_key(flag.name))
            .map(|flag| format!("'--{}'", flag.name))
            .collect();
        if problem.is_none() && !missing.is_empty() {
            problem = Some(format!("required flag(s) {} not provided", missing.join(", ")));
        }
        (call, problem)
    }
}

impl Call {
    fn set(&mut self, flag: &'static Flag, value: String) -> Result<(), String> {
        match flag.kind {
            Kind::Bool | Kind::Text => {}
            Kind::Url => self.url = Some(ServerUrl::parse(&value)?),
            Kind::Duration => {
                let duration = GoDuration::parse_flag(&value).map_err(|err| err.to_string())?;
                if flag.name == "timeout" {
                    self.timeout = duration.to_std();
                }
            }
            Kind::Count => {
                value.parse::<f64>().map_err(|_| {
                    format!("strconv.ParseFloat: parsing {}: invalid syntax", go_quoted(&value))
                })?;
            }
            Kind::Existing => existing(&value)?,
            Kind::Readable => {
                std::fs::File::open(&value).map_err(|err| io_text("open", &value, &err))?;
            }
            Kind::Enum(words) => {
                if !words.contains(&value.as_str()) {
                    let words = words.join(",");
                    return Err(format!("enum value must be one of {words}, got '{value}'"));
                }
            }
        }
        match flag.name {
            "output" => {
                self.output = match value.as_str() {
                    "extended" => OutputFormat::Extended,
                    "json" => OutputFormat::Json,
                    _ => OutputFormat::Simple,
                }
            }
            "date.format" => self.date_format.clone_from(&value),
            _ => {}
        }
        self.flags.entry(flag.name).or_default().push(value);
        Ok(())
    }

    fn argument(&mut self, value: String) -> Result<(), String> {
        if self.command.file_arguments {
            existing(&value)?;
        }
        self.arguments.push(value);
        Ok(())
    }

    /// The value of a flag; empty if it has none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.flags.get(name).and_then(|values| values.last()).map_or("", String::as_str)
    }

    /// All values of a flag.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        self.flags.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn bool(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
}

impl ServerUrl {
    /// Errs in Go's words.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("parse {}: {why}", go_quoted(text)));
        if text.starts_with(':') {
            return bad("missing protocol scheme");
        }
        if !text.contains("://") {
            let path = text.trim_matches('/');
            let path = if path.is_empty() { String::new() } else { format!("/{path}") };
            return Ok(Self { scheme: String::new(), user: None, host: String::new(), path });
        }
        let Ok(url) = Url::parse(text) else { return bad("invalid URL") };
        let host = match (url.host_str(), url.port()) {
            (None, _) => String::new(),
            (Some(host), None) => host.to_owned(),
            (Some(host), Some(port)) => format!("{host}:{port}"),
        };
        let user = (!url.username().is_empty())
            .then(|| (url.username().to_owned(), url.password().unwrap_or("").to_owned()));
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme: url.scheme().to_owned(), user, host, path })
    }
}

fn existing(path: &str) -> Result<(), String> {
    match std::fs::metadata(path) {
        Err(_) => Err(format!("path '{path}' does not exist")),
        Ok(meta) if meta.is_dir() => Err(format!("'{path}' is a directory")),
        Ok(_) => Ok(()),
    }
}

/// The value of a flag that has none after `=`: the next word, unless it looks like a flag.
fn next_value(words: &mut VecDeque<String>) -> Option<String> {
    let next = words.front()?;
    if next.len() > 1 && next.starts_with('-') {
        return None;
    }
    words.pop_front()
}

fn arguments_file(path: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|err| {
        format!(
            "failed to open arguments file {}: {}",
            go_quoted(path),
            io_text("open", Path::new(path).display(), &err)
        )
    })?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
}

/// An error of the file system as Go prints it.
pub(crate) fn io_text(verb: &str, path: impl std::fmt::Display, err: &std::io::Error) -> String {
    let what = match err.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => err.to_string(),
    };
    format!("{verb} {path}: {what}")
}

/// A text in double quotes, as Go's `%q` prints it.
pub(crate) fn go_quoted(text: &str) -> String {
    gauntlet_model::float::GoQuoted(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Result<(Call, Option<String>), String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match parse(&words)? {
            Parsed::Call(given) => Ok(given.settle(&Defaults::default(), "me")),
            _ => Err("no call".to_owned()),
        }
    }

    #[test]
    fn a_flag_of_the_default_command_chooses_it() {
        let (call, problem) = call("alert --alertmanager.url=http://x:1/am/ -r team a=b").unwrap();
        assert_eq!((call.command.path, problem), ("alert query", None));
        assert_eq!((call.text("receiver"), &call.arguments[..]), ("team", &["a=b".to_owned()][..]));
        let url = call.url.unwrap();
        assert_eq!((url.host.as_str(), url.path.as_str()), ("x:1", "/am"));
    }

    #[test]
    fn the_first_wrong_value_hides_those_behind_it() {
        let (call, problem) = call("-o xml alert --alertmanager.url=http://x").unwrap();
        assert!(call.url.is_none());
        assert_eq!(
            problem.as_deref(),
            Some("enum value must be one of simple,extended,json, got 'xml'")
        );
    }

    #[test]
    fn lines_that_cannot_be_understood() {
        for (line, text) in [
            ("nope", "expected command but got \"nope\""),
            ("silence add --expires=x", "unknown long flag '--expires'"),
            ("alert -z", "unknown short flag '-z'"),
            ("cluster show more", "unexpected more"),
            ("alert --receiver", "expected argument for flag '--receiver'"),
        ] {
            assert_eq!(call(line).err().as_deref(), Some(text), "{line}");
        }
    }
}
