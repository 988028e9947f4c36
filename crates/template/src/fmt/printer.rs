//! `Sprint`, `Sprintln` and `Sprintf`.

use super::pad::Flags;
use crate::utf8;
use crate::value::Value;

/// The text would be larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Collects printed text up to a limit; beyond it nothing is written and [`Printer::finish`] says so.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) out: Vec<u8>,
    limit: usize,
    over: bool,
    pub(super) flags: Flags,
    /// Within the text of a wrong verb: methods are not asked.
    pub(super) erring: bool,
    pub(super) depth: u32,
}

/// Go's own bound on widths and precisions.
const MAX_WIDTH: usize = 1_000_000;

impl Printer {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            out: Vec::new(),
            limit,
            over: false,
            flags: Flags::default(),
            erring: false,
            depth: 0,
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, TooLarge> {
        if self.over { Err(TooLarge) } else { Ok(self.out) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn write(&mut self, text: &[u8]) {
        if self.over || self.out.len() + text.len() > self.limit {
            self.over = true;
        } else {
            self.out.extend_from_slice(text);
        }
    }

    pub(super) fn repeat(&mut self, byte: u8, count: usize) {
        if self.over || self.out.len() + count > self.limit {
            self.over = true;
        } else {
            self.out.resize(self.out.len() + count, byte);
        }
    }

    /// Marks the text as too large without writing: for depth.
    pub(super) fn give_up(&mut self) {
        self.over = true;
    }

    /// Prints a value as if it stood within another: a pointer without its ampersand.
    pub(crate) fn below(&mut self, value: &Value, verb: char) {
        self.depth += 1;
        self.value(value, verb);
        self.depth -= 1;
    }
}

/// A space between operands when neither is a string.
pub(crate) fn print(args: &[Value], limit: usize) -> Result<Vec<u8>, TooLarge> {
    let mut printer = Printer::new(limit);
    let mut after_string = false;
    for (i, arg) in args.iter().enumerate() {
        // Only the plain type `string` and its relatives count, as in reflect: every kind of string.
        let is_string = matches!(arg.plain().as_ref(), Value::Str(..));
        if i > 0 && !is_string && !after_string {
            printer.write(b" ");
        }
        printer.value(arg, 'v');
        after_string = is_string;
    }
    printer.finish()
}

pub(crate) fn println(args: &[Value], limit: usize) -> Result<Vec<u8>, TooLarge> {
    let mut printer = Printer::new(limit);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.write(b" ");
        }
        printer.value(arg, 'v');
    }
    printer.write(b"\n");
    printer.finish()
}

pub(crate) fn printf(format: &[u8], args: &[Value], limit: usize) -> Result<Vec<u8>, TooLarge> {
    let mut run = Run { printer: Printer::new(limit), args, next: 0, reordered: false, good: true };
    let mut at = 0;
    while at < format.len() {
        let text = format[at..].iter().take_while(|b| **b != b'%').count();
        run.printer.write(&format[at..at + text]);
        at += text;
        if at < format.len() {
            at = run.verb(format, at + 1);
        }
    }
    run.extra();
    run.printer.finish()
}

struct Run<'a> {
    printer: Printer,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    /// Whether the argument indexes of the present verb made sense.
    good: bool,
}

impl Run<'_> {
    /// Handles what follows a `%`; returns where the text goes on.
    fn verb(&mut self, format: &[u8], mut at: usize) -> usize {
        self.good = true;
        self.printer.flags = Flags::default();
        while let Some(byte) = format.get(at) {
            let flags = &mut self.printer.flags;
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            at += 1;
        }
        let mut after_index = self.index(format, &mut at);
        if format.get(at) == Some(&b'*') {
            at += 1;
            match self.int_arg() {
                Some(width) => {
                    let flags = &mut self.printer.flags;
                    flags.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        flags.minus = true;
                        flags.zero = false;
                    }
                }
                None => self.printer.write(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            self.printer.flags.width = number(format, &mut at);
            if after_index && self.printer.flags.width.is_some() {
                self.good = false;
            }
        }
        // A dot at the very end is taken for the verb.
        if format.get(at) == Some(&b'.') && at + 1 < format.len() {
            at += 1;
            if after_index {
                self.good = false;
            }
            after_index = self.index(format, &mut at);
            if format.get(at) == Some(&b'*') {
                at += 1;
                let precision = self.int_arg();
                self.printer.flags.precision = precision.and_then(|p| usize::try_from(p).ok());
                if self.printer.flags.precision.is_none() {
                    self.printer.write(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                self.printer.flags.precision = Some(number(format, &mut at).unwrap_or(0));
            }
        }
        if !after_index {
            self.index(format, &mut at);
        }
        let (verb, width) = utf8::decode(&format[at.min(format.len())..]);
        if width == 0 {
            self.printer.write(b"%!(NOVERB)");
            return format.len();
        }
        self.apply(verb);
        at + width
    }

    fn apply(&mut self, verb: char) {
        if verb == '%' {
            return self.printer.write(b"%");
        }
        if !self.good {
            return self.complain(verb, b"(BADINDEX)");
        }
        let Some(arg) = self.args.get(self.next) else {
            return self.complain(verb, b"(MISSING)");
        };
        self.next += 1;
        let flags = &mut self.printer.flags;
        if matches!(verb, 'v' | 'w') {
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        self.printer.value(arg, verb);
    }

    fn complain(&mut self, verb: char, what: &[u8]) {
        self.printer.write(b"%!");
        self.printer.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.printer.write(what);
    }

    /// `[n]`: whether there was a well-formed index.
    fn index(&mut self, format: &[u8], at: &mut usize) -> bool {
        if format.get(*at) != Some(&b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &format[*at..];
        let Some(close) = rest.iter().position(|b| *b == b']').filter(|_| rest.len() >= 3) else {
            *at += 1;
            self.good = false;
            return false;
        };
        let mut end = 1;
        let index = number(&rest[..close], &mut end).filter(|_| end == close);
        *at += close + 1;
        match index {
            Some(index) if (1..=self.args.len()).contains(&index) => {
                self.next = index - 1;
                true
            }
            other => {
                self.good = false;
                other.is_some()
            }
        }
    }

    fn int_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        match arg.plain().as_ref() {
            Value::Int(value, _) if value.unsigned_abs() <= MAX_WIDTH as u64 => Some(*value),
            _ => None,
        }
    }

    /// Arguments that no verb took, unless indexes made it unclear.
    fn extra(&mut self) {
        if self.reordered || self.next >= self.args.len() {
            return;
        }
        self.printer.flags = Flags::default();
        self.printer.write(b"%!(EXTRA ");
        for (i, arg) in self.args[self.next..].iter().enumerate() {
            if i > 0 {
                self.printer.write(b", ");
            }
            if matches!(arg, Value::Nil | Value::Missing) {
                self.printer.write(b"<nil>");
            } else {
                self.printer.write(arg.type_name().as_bytes());
                self.printer.write(b"=");
                self.printer.value(arg, 'v');
            }
        }
        self.printer.write(b")");
    }
}

/// Digits at `at`. A number beyond Go's bound swallows the rest of the format.
fn number(format: &[u8], at: &mut usize) -> Option<usize> {
    let start = *at;
    let mut value = 0;
    while let Some(digit) = format.get(*at).filter(|b| b.is_ascii_digit()) {
        if value > MAX_WIDTH {
            *at = format.len();
            return None;
        }
        value = value * 10 + usize::from(digit - b'0');
        *at += 1;
    }
    if value > MAX_WIDTH && *at > start {
        *at = format.len();
        return None;
    }
    (*at > start).then_some(value)
}
