//! What a person should know of a text with matchers, as the peer's log line on standard output.

use gauntlet_alertmanager::Matcher;
use gauntlet_alertmanager::matcher::Note;
use gauntlet_model::MatchOp;

use crate::args::go_quoted;
use crate::{Failure, Run};

impl Run<'_, '_> {
    /// Reads one matcher, and says what is odd about it.
    pub(crate) fn matcher(&mut self, text: &str) -> Result<Matcher, String> {
        let mut notes = Vec::new();
        let matcher = self.mode.matcher(text, &mut notes);
        self.tell(&notes, "cli");
        matcher.map_err(|err| err.to_string())
    }

    /// A first word that is no matcher is the name of an alert.
    pub(crate) fn words_with_name(&mut self) -> Vec<String> {
        let mut words = self.call.arguments.clone();
        if let Some(first) = words.first_mut()
            && self.matcher(first).is_err()
        {
            *first = format!("alertname={}", go_quoted(first));
        }
        words
    }

    /// Words of the form `name=value`.
    pub(crate) fn pairs(
        &mut self,
        words: &[String],
        what: &str,
    ) -> Result<Vec<(String, String)>, Failure> {
        let mut pairs = Vec::new();
        for word in words {
            let matcher = self.matcher(word).map_err(Failure::Message)?;
            if matcher.op != MatchOp::Equal {
                return Err(Failure::new(format!("{what} must be specified as key=value pairs")));
            }
            pairs.push((matcher.name.to_string(), matcher.value.to_string()));
        }
        Ok(pairs)
    }

    pub(crate) fn tell(&mut self, notes: &[Note], origin: &str) {
        for note in notes {
            let line = match note {
                Note::Incompatible { input, reason, suggestion } => format!(
                    "msg={} input={} origin={origin} err={} suggestion={}",
                    go_quoted(INCOMPATIBLE),
                    word(input),
                    word(reason),
                    word(suggestion),
                ),
                Note::Disagreement { input } => {
                    format!("msg={} input={} origin={origin}", go_quoted(DISAGREEMENT), word(input))
                }
            };
            let source = match note {
                Note::Incompatible { .. } => "parse.go:136",
                Note::Disagreement { .. } => "parse.go:142",
            };
            self.log_line(source, &line);
        }
    }

    pub(crate) fn log(&mut self, source: &str, message: &str) {
        self.log_line(source, &format!("msg={}", go_quoted(message)));
    }

    fn log_line(&mut self, source: &str, rest: &str) {
        let now = gauntlet_alertmanager::Time::now(&*self.world.clock).to_ms_text();
        self.print(&format!("time={now} level=WARN source={source} {rest}"));
    }
}

/// A value of a log line: in quotes where it must be.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && c != '=' && c != '"';
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { go_quoted(text) }
}

const INCOMPATIBLE: &str = "Alertmanager is moving to a new parser for labels and matchers, and this input is incompatible. Alertmanager has instead parsed the input using the classic matchers parser as a fallback. To make this input compatible with the UTF-8 matchers parser please make sure all regular expressions and values are double-quoted and backslashes are escaped. If you are still seeing this message please open an issue.";
const DISAGREEMENT: &str = "Matchers input has disagreement";
