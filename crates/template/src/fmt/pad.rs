//! Widths, precisions and flags: how one string, integer or float is laid out.

use super::printer::Printer;
use super::{append_float, can_backquote, push_quoted_rune, quote_into};
use crate::utf8;

/// What stood between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

impl Printer {
    pub(super) fn padding(&mut self, count: usize) {
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.repeat(byte, count);
    }

    /// Writes `text` within the width, which counts runes.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            None | Some(0) => return self.write(text),
            Some(width) => width.saturating_sub(utf8::count(text)),
        };
        if self.flags.minus {
            self.write(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.write(text);
        }
    }

    fn pad_without_zeros(&mut self, text: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn truncated<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match self.flags.precision {
            Some(precision) => &text[..utf8::prefix_of_runes(text, precision)],
            None => text,
        }
    }

    pub(super) fn lay_string(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        self.pad(text);
    }

    pub(super) fn lay_quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.flags.sharp && can_backquote(text) {
            let mut raw = vec![b'`'];
            raw.extend_from_slice(text);
            raw.push(b'`');
            return self.pad(&raw);
        }
        let mut quoted = String::new();
        quote_into(&mut quoted, text, '"', self.flags.plus);
        self.pad(quoted.as_bytes());
    }

    pub(super) fn lay_rune(&mut self, code: u64) {
        let c = rune(code);
        self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    pub(super) fn lay_quoted_rune(&mut self, code: u64) {
        let mut quoted = String::from("'");
        push_quoted_rune(&mut quoted, rune(code), '\'', self.flags.plus);
        quoted.push('\'');
        self.pad(quoted.as_bytes());
    }

    pub(super) fn lay_unicode(&mut self, code: u64) {
        let mut digits = format!("{code:X}");
        let least = self.flags.precision.unwrap_or(4).max(4);
        digits.insert_str(0, &"0".repeat(least.saturating_sub(digits.len())));
        let mut text = format!("U+{digits}");
        let c = rune(code);
        if self.flags.sharp && code <= 0x10_ffff && super::is_print(c) {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_without_zeros(text.as_bytes());
    }

    /// `code` in `base`; a signed one is negative by its top bit.
    pub(super) fn lay_integer(&mut self, code: u64, signed: bool, base: u32, verb: char) {
        let negative = signed && (code as i64) < 0;
        let value = if negative { code.wrapping_neg() } else { code };
        let flags = self.flags;
        let mut least = 0;
        if let Some(precision) = flags.precision {
            least = precision;
            if precision == 0 && value == 0 {
                self.repeat(b' ', flags.width.unwrap_or(0));
                return;
            }
        } else if flags.zero
            && !flags.minus
            && let Some(width) = flags.width
        {
            let sign = negative || flags.plus || flags.space;
            least = width.saturating_sub(usize::from(sign));
        }
        let digits = match base {
            2 => format!("{value:b}"),
            8 => format!("{value:o}"),
            16 if verb == 'X' => format!("{value:X}"),
            16 => format!("{value:x}"),
            _ => value.to_string(),
        };
        let zeros = least.saturating_sub(digits.len());
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if flags.plus {
            text.push('+');
        } else if flags.space {
            text.push(' ');
        }
        if verb == 'O' {
            text.push_str("0o");
        }
        if flags.sharp {
            match base {
                2 => text.push_str("0b"),
                8 if zeros == 0 && !digits.starts_with('0') => text.push('0'),
                16 => text.push_str(if verb == 'X' { "0X" } else { "0x" }),
                _ => {}
            }
        }
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(&digits);
        self.pad_without_zeros(text.as_bytes());
    }

    pub(super) fn lay_float(&mut self, value: f64, verb: char, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let mut text = String::new();
        append_float(&mut text, value, verb, precision);
        if !text.starts_with(['+', '-']) {
            text.insert(0, '+');
        }
        let flags = self.flags;
        if flags.space && text.starts_with('+') && !flags.plus {
            text.replace_range(..1, " ");
        }
        if !value.is_finite() {
            let unsigned = value.is_nan() && !flags.space && !flags.plus;
            let signed = flags.plus || !text.starts_with('+');
            // An infinity keeps its sign even unasked.
            let text = if unsigned || value.is_nan() && !signed { &text[1..] } else { &text[..] };
            return self.pad_without_zeros(text.as_bytes());
        }
        if flags.sharp && verb != 'b' {
            text = with_point(&text, verb, precision);
        }
        if flags.plus || !text.starts_with('+') {
            if flags.zero
                && !flags.minus
                && let Some(width) = flags.width
                && width > text.len()
            {
                self.write(&text.as_bytes()[..1]);
                self.repeat(b'0', width - text.len());
                return self.write(&text.as_bytes()[1..]);
            }
            return self.pad(text.as_bytes());
        }
        self.pad(&text.as_bytes()[1..]);
    }

    /// `%x` of a string: two digits a byte.
    pub(super) fn lay_hex(&mut self, text: &[u8], upper: bool) {
        let flags = self.flags;
        let length = text.len().min(flags.precision.unwrap_or(usize::MAX));
        if length == 0 {
            return self.padding(flags.width.unwrap_or(0));
        }
        let prefix = if upper { "0X" } else { "0x" };
        let mut out = String::with_capacity(length * 2);
        for (i, byte) in text[..length].iter().enumerate() {
            if flags.space && i > 0 {
                out.push(' ');
            }
            if flags.sharp && (i == 0 || flags.space) {
                out.push_str(prefix);
            }
            out.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(out.as_bytes());
    }
}

fn rune(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

/// `%#g`: a decimal point and trailing zeros up to the precision (6 unless given).
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let mut digits = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6) as i64,
        _ => 0,
    };
    let hex = matches!(verb, 'x' | 'X');
    let tail_at = text[1..]
        .find(|c| matches!(c, 'p' | 'P') || !hex && matches!(c, 'e' | 'E'))
        .map_or(text.len(), |at| at + 1);
    let (number, tail) = text.split_at(tail_at);
    let (mut point, mut nonzero) = (false, false);
    for c in number[1..].chars() {
        if c == '.' {
            point = true;
            continue;
        }
        nonzero |= c != '0';
        digits -= i64::from(nonzero);
    }
    let mut out = number.to_owned();
    if !point {
        if number.len() == 2 && number.ends_with('0') {
            digits -= 1;
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', digits.max(0) as usize));
    out.push_str(tail);
    out
}
