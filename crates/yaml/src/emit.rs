//! Values -> YAML text as Go's package v2 prints it: block style, indent 2, sequences not indented in mappings, lines folded
//! behind column 80.

mod style;

use crate::document::Dialect;
use crate::scalar::{self, Scalar};
use crate::value::Value;

use style::{Style, choose, is_printable};

const INDENT: usize = 2;
/// Spaces behind this column become line breaks.
const WIDTH: usize = 80;
/// Longest key that may stand before its `:` without `?`.
const MAX_SIMPLE_KEY: usize = 128;

/// Prints a value. The text ends with a line break.
pub fn to_string(value: &Value) -> String {
    let mut printer = Printer { out: String::new(), column: 0 };
    match value {
        Value::Map(pairs) if !pairs.is_empty() => printer.mapping(pairs, 0, true),
        Value::Seq(items) if !items.is_empty() => printer.sequence(items, 0, true),
        _ => printer.inline(value, Place { indent: INDENT, flow: false, key: false }),
    }
    printer.out.push('\n');
    printer.out
}

/// Where a scalar stands.
#[derive(Clone, Copy)]
struct Place {
    /// Column of continued lines.
    indent: usize,
    /// Inside brackets.
    flow: bool,
    /// As a simple key: on one line.
    key: bool,
}

struct Printer {
    out: String,
    /// Characters since the last line break.
    column: usize,
}

impl Printer {
    /// The pairs of a mapping at a column. `inline`: the first goes on the line that was begun.
    fn mapping(&mut self, pairs: &[(Value, Value)], indent: usize, inline: bool) {
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 || !inline {
                self.new_line(indent);
            }
            if is_simple_key(key) {
                self.inline(key, Place { indent: indent + INDENT, flow: false, key: true });
                self.put(":");
            } else {
                self.put("? ");
                self.inline(key, Place { indent: indent + INDENT, flow: false, key: false });
                self.new_line(indent);
                self.put(":");
            }
            match value {
                Value::Map(inner) if !inner.is_empty() => {
                    self.mapping(inner, indent + INDENT, false)
                }
                // Not indented: its dashes stand below the key.
                Value::Seq(items) if !items.is_empty() => self.sequence(items, indent, false),
                _ => {
                    self.put(" ");
                    self.inline(value, Place { indent: indent + INDENT, flow: false, key: false });
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, inline: bool) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || !inline {
                self.new_line(indent);
            }
            self.put("- ");
            match item {
                Value::Map(pairs) if !pairs.is_empty() => {
                    self.mapping(pairs, indent + INDENT, true)
                }
                Value::Seq(items) if !items.is_empty() => {
                    self.sequence(items, indent + INDENT, true)
                }
                _ => self.inline(item, Place { indent: indent + INDENT, flow: false, key: false }),
            }
        }
    }

    /// A scalar, an empty collection or a flow sequence.
    fn inline(&mut self, value: &Value, place: Place) {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(b) => self.put(if *b { "true" } else { "false" }),
            Value::Int(n) => self.put(&n.to_string()),
            Value::Uint(n) => self.put(&n.to_string()),
            Value::Float(f) => self.put(&float(*f)),
            Value::Timestamp(text) => self.put(text),
            Value::Str(text) => self.text(text, place),
            Value::Bytes(bytes) => self.text(&String::from_utf8_lossy(bytes), place),
            Value::Seq(items) | Value::Flow(items) => {
                self.put("[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.put(",");
                        if self.column > WIDTH {
                            self.new_line(place.indent);
                        } else {
                            self.put(" ");
                        }
                    }
                    let indent = place.indent + INDENT;
                    self.inline(item, Place { indent, flow: true, key: false });
                }
                self.put("]");
            }
            Value::Map(pairs) => {
                self.put("{");
                for (index, (key, value)) in pairs.iter().enumerate() {
                    if index > 0 {
                        self.put(", ");
                    }
                    self.inline(key, Place { flow: true, key: true, ..place });
                    self.put(": ");
                    self.inline(value, Place { flow: true, key: false, ..place });
                }
                self.put("}");
            }
        }
    }

    fn text(&mut self, text: &str, place: Place) {
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if reads_back_as_text(text) && !(place.key && text == "<<") {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        match choose(text, wanted, place.flow, place.key) {
            Style::Plain => self.folded(text, place, false),
            Style::SingleQuoted => {
                self.put("'");
                self.folded(&text.replace('\'', "''"), place, true);
                self.put("'");
            }
            Style::DoubleQuoted => self.double_quoted(text, place),
            Style::Literal => self.literal(text, place.indent),
        }
    }

    /// Text as it is, with single spaces turned into line breaks behind the width. `quoted`: not the first nor the last.
    fn folded(&mut self, text: &str, place: Place, quoted: bool) {
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let inner = !quoted || (at > 0 && next.is_some());
            if c == ' '
                && !place.key
                && !after_space
                && self.column > WIDTH
                && inner
                && next != Some(' ')
            {
                self.new_line(place.indent);
            } else {
                self.put_char(c);
            }
            after_space = c == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, place: Place) {
        self.put("\"");
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            if c == ' ' {
                if !place.key && !after_space && self.column > WIDTH && at > 0 && next.is_some() {
                    self.new_line(place.indent);
                    if next == Some(' ') {
                        self.put("\\");
                    }
                } else {
                    self.put(" ");
                }
                after_space = true;
                continue;
            }
            after_space = false;
            match escape(c) {
                Some(escaped) => self.put(&escaped),
                None => self.put_char(c),
            }
        }
        self.put("\"");
    }

    /// Lines below `|`, with hints for what the text itself would not show.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put(&INDENT.to_string());
        }
        let ends = text.len() - text.trim_end_matches('\n').len();
        match ends {
            0 => self.put("-"),
            1 if text.len() > 1 => {}
            _ => self.put("+"),
        }
        let body = text.strip_suffix('\n').unwrap_or(text);
        for line in body.split('\n') {
            if line.is_empty() {
                self.out.push('\n');
                self.column = 0;
            } else {
                self.new_line(indent);
                line.chars().for_each(|c| self.put_char(c));
            }
        }
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}

fn is_simple_key(key: &Value) -> bool {
    match key {
        Value::Str(text) => text.len() <= MAX_SIMPLE_KEY && !text.contains('\n'),
        Value::Map(pairs) => pairs.is_empty(),
        Value::Seq(items) | Value::Flow(items) => items.is_empty(),
        _ => true,
    }
}

/// Text may stay plain unless it would read back as something else, to readers old or new.
fn reads_back_as_text(text: &str) -> bool {
    matches!(scalar::resolve(text, Dialect::V2), Scalar::Str(_))
        && text != "<<"
        && !is_base_60(text)
}

/// `1:30` is a number in old YAML.
fn is_base_60(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
    let mut groups = whole.split(':');
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    groups.next().is_some_and(|g| digits(g) && !g.starts_with('_'))
        && whole.contains(':')
        && groups.all(|g| matches!(g.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
        && (fraction.is_empty() || digits(fraction))
}

/// How a character must be written between double quotes; `None`: as it is.
fn escape(c: char) -> Option<String> {
    let short = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0B' => 'v',
        '\x0C' => 'f',
        '\r' => 'r',
        '\x1B' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{A0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ if is_printable(c) => return None,
        _ => {
            let code = u32::from(c);
            return Some(match code {
                0..=0xFF => format!("\\x{code:02X}"),
                0x100..=0xFFFF => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    // A no-break space is printable and stays.
    if c == '\u{A0}' { None } else { Some(format!("\\{short}")) }
}

/// Go's 'g' form: shortest digits, exponent from 1e21 on and below 1e-4.
fn float(f: f64) -> String {
    if f.is_nan() {
        return ".nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let exponential = format!("{f:e}");
    let (mantissa, exponent) = exponential.split_once('e').expect("BUG: no exponent");
    let exponent: i32 = exponent.parse().expect("BUG: exponent is no number");
    if (-4..21).contains(&exponent) {
        return format!("{f}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
