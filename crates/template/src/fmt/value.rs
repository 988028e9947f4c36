//! How each kind of value answers each verb.

use gauntlet_model::duration::GoDuration;

use super::printer::Printer;
use crate::time::{Time, month_name, weekday_name};
use crate::value::{IntType, List, Object, Type, Value};

/// Lists within lists deeper than this are not printed. Go would follow them to the end of its stack.
const MAX_DEPTH: u32 = 100;

impl Printer {
    /// Prints one operand.
    pub(crate) fn value(&mut self, value: &Value, verb: char) {
        if matches!(value, Value::Nil | Value::Missing) {
            return match verb {
                'T' | 'v' => self.pad(b"<nil>"),
                _ => self.bad_verb(value, verb),
            };
        }
        match verb {
            'T' => self.lay_string(value.type_name().as_bytes()),
            'p' => self.bad_verb(value, verb),
            _ => self.inner(value, verb),
        }
    }

    fn inner(&mut self, value: &Value, verb: char) {
        if self.is_over() {
            return;
        }
        if verb == 'w' && !self.erring {
            // Only for wrapping errors, which no template does.
            return self.bad_verb(value, verb);
        }
        if !self.erring
            && !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = stringer(value)
        {
            return self.string(&text, value, verb);
        }
        match value {
            Value::Missing | Value::Nil => self.write(b"<nil>"),
            Value::NilPointer(name) => match verb {
                'v' if self.flags.sharp_v => self.write(format!("({name})(nil)").as_bytes()),
                'v' => self.pad(b"<nil>"),
                'b' | 'o' | 'd' | 'x' | 'X' => self.integer(0, IntType::Uint64, value, verb),
                _ => self.bad_verb(value, verb),
            },
            Value::Bool(truth) => match verb {
                't' | 'v' => self.pad(truth.to_string().as_bytes()),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(code, ty) => self.integer(*code, *ty, value, verb),
            Value::Float(number) => self.float(*number, value, verb),
            Value::Complex(re, im) => self.complex(*re, *im, value, verb),
            Value::Str(text, _) => self.string(text, value, verb),
            Value::Time(time) => {
                if self.flags.sharp_v && !self.erring {
                    return self.lay_string(time.go_string().as_bytes());
                }
                self.time(time, verb);
            }
            Value::List(list) => self.list(list, value, verb),
            Value::Map(map) => {
                if self.flags.sharp_v {
                    self.write(value.type_name().as_bytes());
                    if map.is_nil() {
                        return self.write(b"(nil)");
                    }
                    self.write(b"{");
                } else {
                    self.write(b"map[");
                }
                for (i, (key, of)) in map.entries().iter().enumerate() {
                    self.separate(i);
                    self.element(key, verb);
                    self.write(b":");
                    self.element(of, verb);
                }
                self.write(if self.flags.sharp_v { b"}" } else { b"]" });
            }
            // Its address is nobody's business.
            Value::Func(_) => self.bad_verb(value, verb),
            Value::Object(object) => self.object(object.as_ref(), verb),
        }
    }

    /// The struct within: nanoseconds, seconds since year 1, location.
    fn time(&mut self, time: &Time, verb: char) {
        let nanos = Value::Int(i64::from(time.nanos()), IntType::Uint64);
        let seconds = Value::Int(time.seconds_since_year_one(), IntType::Int64);
        let parts =
            [("wall", nanos), ("ext", seconds), ("loc", Value::NilPointer("*time.Location"))];
        if self.flags.sharp_v {
            self.write(b"time.Time");
        }
        self.write(b"{");
        for (i, (name, part)) in parts.iter().enumerate() {
            self.separate(i);
            if self.flags.plus_v || self.flags.sharp_v {
                self.write(name.as_bytes());
                self.write(b":");
            }
            self.element(part, verb);
        }
        self.write(b"}");
    }

    fn separate(&mut self, i: usize) {
        if i > 0 {
            self.write(if self.flags.sharp_v { b", " } else { b" " });
        }
    }

    /// A value within a list, map or struct: nil prints without padding.
    fn element(&mut self, value: &Value, verb: char) {
        if matches!(value, Value::Nil | Value::Missing) {
            let text: &[u8] = if self.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" };
            return self.write(text);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.give_up();
        } else {
            self.inner(value, verb);
        }
        self.depth -= 1;
    }

    fn list(&mut self, list: &List, value: &Value, verb: char) {
        if list.elem == Type::Int(IntType::Uint8) && matches!(verb, 's' | 'q' | 'x' | 'X') {
            let bytes: Vec<u8> = list
                .items
                .iter()
                .map(|item| if let Value::Int(byte, _) = item { *byte as u8 } else { 0 })
                .collect();
            return self.string(&bytes, value, verb);
        }
        if self.flags.sharp_v {
            self.write(value.type_name().as_bytes());
            if list.nil {
                return self.write(b"(nil)");
            }
            self.write(b"{");
        } else {
            self.write(b"[");
        }
        for (i, item) in list.items.iter().enumerate() {
            self.separate(i);
            self.element(item, verb);
            if self.is_over() {
                return;
            }
        }
        self.write(if self.flags.sharp_v { b"}" } else { b"]" });
    }

    fn object(&mut self, object: &dyn Object, verb: char) {
        if let Some(plain) = object.underlying() {
            return self.inner(&plain, verb);
        }
        if object.is_pointer() && self.depth == 0 {
            self.write(b"&");
        }
        if self.flags.sharp_v {
            self.write(object.type_name().trim_start_matches('*').as_bytes());
        }
        self.write(b"{");
        for (i, name) in object.field_names().iter().enumerate() {
            self.separate(i);
            if self.flags.plus_v || self.flags.sharp_v {
                self.write(name.as_bytes());
                self.write(b":");
            }
            let field = object.field(name).unwrap_or_default();
            self.element(&field, verb);
        }
        self.write(b"}");
    }

    fn integer(&mut self, code: i64, ty: IntType, value: &Value, verb: char) {
        let bits = code as u64;
        let signed = !ty.is_unsigned();
        match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.lay_integer(bits, signed, 16, 'v');
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.lay_integer(bits, signed, 10, verb),
            'b' => self.lay_integer(bits, signed, 2, verb),
            'o' | 'O' => self.lay_integer(bits, signed, 8, verb),
            'x' | 'X' => self.lay_integer(bits, signed, 16, verb),
            'c' => self.lay_rune(bits),
            'q' => self.lay_quoted_rune(bits),
            'U' => self.lay_unicode(bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn float(&mut self, number: f64, value: &Value, verb: char) {
        match verb {
            'v' => self.lay_float(number, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.lay_float(number, verb, None),
            'f' | 'F' | 'e' | 'E' => self.lay_float(number, verb, Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn complex(&mut self, re: f64, im: f64, value: &Value, verb: char) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        self.write(b"(");
        self.float(re, value, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(im, value, verb);
        self.flags.plus = plus;
        self.write(b"i)");
    }

    fn string(&mut self, text: &[u8], value: &Value, verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.lay_quoted(text),
            'v' | 's' => self.lay_string(text),
            'x' | 'X' => self.lay_hex(text, verb == 'X'),
            'q' => self.lay_quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    /// `%!d(string=x)`.
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.write(b"%!");
        self.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.write(b"(");
        match value {
            Value::Nil | Value::Missing => self.write(b"<nil>"),
            Value::Func(func) => self.write(func.type_name().as_bytes()),
            _ => {
                self.write(value.type_name().as_bytes());
                self.write(b"=");
                let erring = std::mem::replace(&mut self.erring, true);
                self.inner(value, 'v');
                self.erring = erring;
            }
        }
        self.write(b")");
    }
}

/// The text of the value's own `String()` method.
pub(crate) fn stringer(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Int(ns, IntType::Duration) => GoDuration::from_ns(*ns).to_string().into_bytes(),
        Value::Int(month, IntType::Month) => month_name(*month).into_bytes(),
        Value::Int(day, IntType::Weekday) => weekday_name(*day).into_bytes(),
        Value::Time(time) => time.to_string().into_bytes(),
        Value::Object(object) => object.string()?.to_vec(),
        _ => return None,
    })
}
