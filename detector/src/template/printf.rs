//! Printing values as Go's fmt does (fmt/print.go): `print`, `println`, and the verbs of `printf`.

use super::value::Value;
use super::{TEXT_MAX, pad};
use crate::compat::Compat;
use crate::go_format::{self, Rune, runes};

/// The largest width or precision Go takes.
const NUMBER_MAX: i64 = 1_000_000;

/// What a text is printed to.
pub(super) struct Printer {
    pub(super) out: Vec<u8>,
    compat: Compat,
    pub(super) flags: pad::Flags,
    /// Whether a value is being shown that a verb does not suit: then it is not asked to write itself.
    erroring: bool,
    /// Why what has been printed is not what Go prints.
    beyond: Option<String>,
}

/// What was printed, or why it is not what Go prints.
pub(super) type Printed = Result<Vec<u8>, String>;

impl Printer {
    pub(super) fn new(compat: Compat) -> Self {
        Self {
            out: Vec::new(),
            compat,
            flags: pad::Flags::default(),
            erroring: false,
            beyond: None,
        }
    }

    pub(super) fn finish(self) -> Printed {
        match self.beyond {
            Some(why) => Err(why),
            None => Ok(self.out),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes, unless it is too much.
    pub(super) fn bytes(&mut self, text: &[u8]) {
        if self.is_over() {
            return;
        }
        if self.out.len() + text.len() > TEXT_MAX {
            self.give_up(&format!("a text of more than {TEXT_MAX} bytes"));
            return;
        }
        self.out.extend_from_slice(text);
    }

    pub(super) fn give_up(&mut self, why: &str) {
        self.beyond.get_or_insert_with(|| why.to_owned());
    }

    fn is_over(&self) -> bool {
        self.beyond.is_some()
    }

    fn push_char(&mut self, char: char) {
        self.push(char.encode_utf8(&mut [0; 4]));
    }

    /// `fmt.Sprint`: blanks between operands neither of which is a text.
    pub(super) fn print(mut self, args: &[Value]) -> Printed {
        let mut after_text = true;
        for (place, arg) in args.iter().enumerate() {
            let arg = arg.concrete();
            let is_text = matches!(arg, Value::Text(_) | Value::Html(_));
            if place > 0 && !is_text && !after_text {
                self.push(" ");
            }
            self.arg(arg, 'v');
            after_text = is_text;
        }
        self.finish()
    }

    /// `fmt.Sprintln`
    pub(super) fn println(mut self, args: &[Value]) -> Printed {
        for (place, arg) in args.iter().enumerate() {
            if place > 0 {
                self.push(" ");
            }
            self.arg(arg.concrete(), 'v');
        }
        self.push("\n");
        self.finish()
    }

    /// `fmt.Sprintf`
    pub(super) fn printf(mut self, format: &[u8], args: &[Value]) -> Printed {
        let mut cursor = Cursor {
            format,
            at: 0,
            arg: 0,
            reordered: false,
            is_good: true,
            after_index: false,
        };
        while cursor.at < format.len() && !self.is_over() {
            let rest = &format[cursor.at..];
            let length = rest.iter().position(|byte| *byte == b'%');
            self.bytes(&rest[..length.unwrap_or(rest.len())]);
            let Some(length) = length else { break };
            cursor.at += length + 1;
            cursor.is_good = true;
            if !self.verb(&mut cursor, args) {
                break;
            }
        }
        if !cursor.reordered && cursor.arg < args.len() {
            self.flags = pad::Flags::default();
            self.push("%!(EXTRA ");
            for (place, arg) in args[cursor.arg..].iter().enumerate() {
                if place > 0 {
                    self.push(", ");
                }
                match arg.concrete() {
                    Value::Invalid => self.push("<nil>"),
                    arg => {
                        self.push(arg.type_name(self.compat));
                        self.push("=");
                        self.arg(arg, 'v');
                    }
                }
            }
            self.push(")");
        }
        self.finish()
    }

    /// One verb with its flags, after its `%`. False when the format is at its end.
    fn verb(&mut self, cursor: &mut Cursor<'_>, args: &[Value]) -> bool {
        self.flags = pad::Flags::default();
        while let Some(byte) = cursor.peek() {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            cursor.at += 1;
        }
        cursor.index(args.len());
        if cursor.peek() == Some(b'*') {
            cursor.at += 1;
            self.flags.width = cursor.int(args);
            if self.flags.width.is_none() {
                self.push("%!(BADWIDTH)");
            }
            if let Some(width) = self.flags.width.filter(|width| *width < 0) {
                self.flags.width = Some(-width);
                self.flags.minus = true;
                self.flags.zero = false;
            }
            cursor.after_index = false;
        } else {
            self.flags.width = cursor.number();
            if cursor.after_index && self.flags.width.is_some() {
                cursor.is_good = false;
            }
        }
        if cursor.peek() == Some(b'.') && cursor.at + 1 < cursor.format.len() {
            cursor.at += 1;
            if cursor.after_index {
                cursor.is_good = false;
            }
            cursor.index(args.len());
            if cursor.peek() == Some(b'*') {
                cursor.at += 1;
                self.flags.precision = cursor.int(args).filter(|precision| *precision >= 0);
                if self.flags.precision.is_none() {
                    self.push("%!(BADPREC)");
                }
                cursor.after_index = false;
            } else {
                self.flags.precision = Some(cursor.number().unwrap_or(0));
            }
        }
        if !cursor.after_index {
            cursor.index(args.len());
        }
        let Some(rune) = runes(&cursor.format[cursor.at..]).next() else {
            self.push("%!(NOVERB)");
            return false;
        };
        let verb = match rune {
            Rune::Char(char) => char,
            Rune::Byte(_) => char::REPLACEMENT_CHARACTER,
        };
        cursor.at += match rune {
            Rune::Char(char) => char.len_utf8(),
            Rune::Byte(_) => 1,
        };
        if verb == '%' {
            self.push("%");
        } else if !cursor.is_good {
            self.push(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(arg) = args.get(cursor.arg) {
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                self.flags.plus_v = std::mem::take(&mut self.flags.plus);
            }
            self.arg(arg.concrete(), verb);
            cursor.arg += 1;
        } else {
            self.push(&format!("%!{verb}(MISSING)"));
        }
        true
    }

    /// A value by a verb.
    fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Invalid, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Invalid, _) => self.bad_verb(value, verb),
            (_, 'T') => {
                let name = value.type_name(self.compat);
                self.text(name.as_bytes());
            }
            (_, 'p') => self.pointer(value, verb),
            (
                Value::Bool(_)
                | Value::Byte(_)
                | Value::Complex(..)
                | Value::Float(_)
                | Value::Text(_),
                _,
            ) => self.value(value, verb, 0),
            _ => {
                if !self.by_itself(value, verb) {
                    self.value(value, verb, 0);
                }
            }
        }
    }

    /// Lets a value write itself that can.
    fn by_itself(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            self.bad_verb(value, verb);
            return true;
        }
        if self.flags.sharp_v {
            let Value::Time { ns, .. } = value else {
                return false;
            };
            let text = super::time::as_go_code(*ns);
            self.text(text.as_bytes());
            return true;
        }
        match value.own_text() {
            Some(text) if matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') => {
                self.string(text.as_bytes(), value, verb);
                true
            }
            _ => false,
        }
    }

    /// A value by its kind, inside `depth` others.
    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.is_over() || depth > 0 && self.by_itself(value.concrete(), verb) {
            return;
        }
        match value {
            Value::Invalid => match verb {
                _ if depth == 0 => self.push("<invalid reflect.Value>"),
                'v' => self.push("<nil>"),
                _ => self.bad_verb(value, verb),
            },
            Value::Interface(None) => match self.flags.sharp_v {
                true => self.push("interface {}(nil)"),
                false => self.push("<nil>"),
            },
            Value::Interface(Some(inside)) => self.value(inside, verb, depth + 1),
            Value::Bool(value) => match verb {
                't' | 'v' => self.pad(value.to_string().as_bytes()),
                _ => self.bad_verb(&Value::Bool(*value), verb),
            },
            Value::Int(int, _) => self.integer(int.cast_unsigned(), true, value, verb),
            Value::Duration {
                ns,
                is_pointer: false,
            } => self.integer(ns.cast_unsigned(), true, value, verb),
            Value::Byte(byte) => self.integer(u64::from(*byte), false, value, verb),
            Value::Float(float) => self.float(*float, value, verb),
            Value::Complex(real, imaginary) => match verb {
                'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' => {
                    let plus = self.flags.plus;
                    self.push("(");
                    self.float(*real, value, verb);
                    self.flags.plus = true;
                    self.float(*imaginary, value, verb);
                    self.push("i)");
                    self.flags.plus = plus;
                }
                _ => self.bad_verb(value, verb),
            },
            Value::Text(text) | Value::Html(text) => self.string(text, value, verb),
            Value::Labels(labels) => {
                let text = |text: &str| Value::text(text);
                let pairs = labels.iter().map(|(name, value)| (text(name), text(value)));
                self.map(value, pairs, verb, depth);
            }
            Value::Map(map) => {
                let pairs = map.values.iter();
                let pairs = pairs.map(|(name, value)| (Value::text(name), value.clone()));
                self.map(value, pairs, verb, depth);
            }
            Value::Result(result) => {
                self.open(value, "[");
                for place in 0..result.len() {
                    self.separator(place);
                    self.value(&Value::Element(result.get(place)), verb, depth + 1);
                }
                self.push(if self.flags.sharp_v { "}" } else { "]" });
            }
            Value::Element(Some(element)) if depth == 0 => {
                self.push("&");
                self.value(&Value::ElementStruct(element.clone()), verb, depth + 1);
            }
            Value::ElementStruct(_) => self.fields(value, &["Labels", "Value"], verb, depth),
            Value::Data(_) => {
                let names = ["Labels", "ExternalLabels", "ExternalURL", "Value"];
                self.fields(value, &names, verb, depth);
            }
            Value::Element(_)
            | Value::Duration {
                is_pointer: true, ..
            } => self.pointer(value, verb),
            Value::Time { .. } => self.give_up("a time's inner parts printed"),
        }
    }

    fn open(&mut self, value: &Value, plain: &str) {
        match self.flags.sharp_v {
            true => {
                self.push(value.type_name(self.compat));
                self.push("{");
            }
            false => self.push(plain),
        }
    }

    fn separator(&mut self, place: usize) {
        if place > 0 {
            self.push(if self.flags.sharp_v { ", " } else { " " });
        }
    }

    fn map(
        &mut self,
        value: &Value,
        pairs: impl Iterator<Item = (Value, Value)>,
        verb: char,
        depth: usize,
    ) {
        self.open(value, "map[");
        for (place, (name, value)) in pairs.enumerate() {
            self.separator(place);
            self.value(&name, verb, depth + 1);
            self.push(":");
            self.value(&value, verb, depth + 1);
        }
        self.push(if self.flags.sharp_v { "}" } else { "]" });
    }

    fn fields(&mut self, value: &Value, names: &[&str], verb: char, depth: usize) {
        self.open(value, "{");
        for (place, name) in names.iter().enumerate() {
            self.separator(place);
            if self.flags.plus_v || self.flags.sharp_v {
                self.push(name);
                self.push(":");
            }
            let field = value.field(name, self.compat).unwrap_or(Value::Invalid);
            self.value(field.concrete(), verb, depth + 1);
        }
        self.push("}");
    }

    /// A pointer shows its address, which is another one each time; all but nil, that is.
    fn pointer(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Element(None), 'v') => self.pad(b"<nil>"),
            (
                Value::Element(_)
                | Value::Result(_)
                | Value::Labels(_)
                | Value::Map(_)
                | Value::Time {
                    is_pointer: true, ..
                }
                | Value::Duration {
                    is_pointer: true, ..
                },
                'v' | 'p' | 'b' | 'o' | 'd' | 'x' | 'X',
            ) => self.give_up("the address of a value printed"),
            _ => self.bad_verb(value, verb),
        }
    }

    /// `%!verb(type=value)`
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        self.push("%!");
        self.push_char(verb);
        self.push("(");
        match value {
            Value::Invalid => self.push("<nil>"),
            _ => {
                self.push(value.type_name(self.compat));
                self.push("=");
                self.arg(value, 'v');
            }
        }
        self.push(")");
        self.erroring = false;
    }

    fn string(&mut self, text: &[u8], value: &Value, verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'x' => self.hexadecimal(text, false),
            'X' => self.hexadecimal(text, true),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn integer(&mut self, bits: u64, is_signed: bool, value: &Value, verb: char) {
        match verb {
            'v' if self.flags.sharp_v && !is_signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.digits(bits, 16, is_signed, verb);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.digits(bits, 10, is_signed, verb),
            'b' => self.digits(bits, 2, is_signed, verb),
            'o' | 'O' => self.digits(bits, 8, is_signed, verb),
            'x' | 'X' => self.digits(bits, 16, is_signed, verb),
            'c' => self.pad(char_of(bits).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let text = char_of(bits).to_string();
                let quoted = go_format::quoted_bytes(text.as_bytes(), '\'', self.flags.plus);
                self.pad(quoted.as_bytes());
            }
            'U' => self.code_point(bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn float(&mut self, float: f64, value: &Value, verb: char) {
        match verb {
            'v' => self.number(float, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.number(float, verb, None),
            'f' | 'e' | 'E' => self.number(float, verb, Some(6)),
            'F' => self.number(float, 'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }
}

fn char_of(bits: u64) -> char {
    let code = u32::try_from(bits).ok();
    code.and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Where a format is read, and which argument is next.
struct Cursor<'f> {
    format: &'f [u8],
    at: usize,
    arg: usize,
    /// Whether an argument was chosen by its number: then not all need be used.
    reordered: bool,
    is_good: bool,
    /// Whether an argument's number was read last.
    after_index: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// A number as it stands; one that is too large takes the rest of the format with it.
    fn number(&mut self) -> Option<i64> {
        let mut number = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let before = number.unwrap_or(0);
            if before > NUMBER_MAX {
                self.at = self.format.len();
                return None;
            }
            number = Some(before * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    /// `[3]`, if it stands here.
    fn index(&mut self, count: usize) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let end = rest.iter().position(|byte| *byte == b']');
        let Some(end) = end.filter(|_| rest.len() >= 3) else {
            self.is_good = false;
            self.at += 1;
            return;
        };
        let digits = std::str::from_utf8(&rest[1..end]).unwrap_or("");
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<usize> = digits.parse().ok().filter(|_| is_number);
        self.at += end + 1;
        match number.and_then(|number| number.checked_sub(1)) {
            Some(index) if index < count => {
                self.arg = index;
                self.after_index = true;
            }
            _ => {
                self.is_good = false;
                self.after_index = is_number;
            }
        }
    }

    /// A width or precision out of the arguments.
    fn int(&mut self, args: &[Value]) -> Option<i64> {
        let arg = args.get(self.arg)?;
        self.arg += 1;
        let int = match arg.concrete() {
            Value::Int(int, _) => *int,
            Value::Byte(byte) => i64::from(*byte),
            Value::Duration {
                ns,
                is_pointer: false,
            } => *ns,
            _ => return None,
        };
        (-NUMBER_MAX..=NUMBER_MAX).contains(&int).then_some(int)
    }
}
