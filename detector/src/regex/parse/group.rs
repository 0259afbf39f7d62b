//! Groups and flags.

use super::{Code, Error, Flags, Node, Outside, Parser, syntax};
use crate::compat::Compat;

impl Parser<'_> {
    /// Opens a group that captures, with its name if it has one.
    pub(super) fn open_group(&mut self, name: Option<String>) -> Result<(), Error> {
        let number =
            u32::try_from(self.groups.len()).map_err(|_| Error::TooLarge(self.groups.len()))?;
        self.groups.push(name);
        self.open(Some(number));
        Ok(())
    }

    fn open(&mut self, capture: Option<u32>) {
        self.open.push(Outside {
            capture,
            flags: self.flags,
            parts: std::mem::take(&mut self.parts),
            alternatives: std::mem::take(&mut self.alternatives),
        });
    }

    /// Reads a `)`.
    pub(super) fn close_group(&mut self) -> Result<(), Error> {
        self.bump();
        let inside = self.close_alternatives()?;
        let Some(outside) = self.open.pop() else {
            return Err(syntax(Code::UnexpectedParen, self.text));
        };
        self.flags = outside.flags;
        self.parts = outside.parts;
        self.alternatives = outside.alternatives;
        let node = match outside.capture {
            Some(number) => Node::capture(number, inside),
            None => inside,
        };
        // What it holds was counted as it was read.
        self.check_height(&node)?;
        self.parts.push(node);
        Ok(())
    }

    /// Reads what begins with `(?`: a group with a name, flags, or a group with flags.
    pub(super) fn perl_group(&mut self) -> Result<(), Error> {
        let start = self.at;
        let rest = self.rest();
        let mut forms = vec!["(?P<"];
        // Since Go 1.22.
        if self.compat == Compat::V3 {
            forms.push("(?<");
        }
        for form in forms {
            // Alone at the end it is no name, but flags that are none.
            if rest.starts_with(form) && rest.len() > form.len() {
                return self.named_group(form.len());
            }
        }
        self.at += 2;
        let mut flags = self.flags;
        let mut on = true;
        let mut seen = false;
        while let Some(char) = self.bump() {
            match char {
                'i' | 'm' | 's' | 'U' => {
                    let flag = flag(&mut flags, char);
                    *flag = on;
                    seen = true;
                }
                '-' if on => (on, seen) = (false, false),
                ':' | ')' if on || seen => {
                    if char == ':' {
                        self.open(None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(syntax(Code::InvalidPerlOp, self.since(start)))
    }

    /// Reads `(?P<name>`, of which `length` bytes come before the name.
    fn named_group(&mut self, length: usize) -> Result<(), Error> {
        let rest = self.rest();
        let Some(end) = rest.find('>') else {
            return Err(syntax(Code::InvalidNamedCapture, rest));
        };
        let name = &rest[length..end];
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(syntax(Code::InvalidNamedCapture, &rest[..=end]));
        }
        self.at += end + 1;
        self.open_group(Some(name.to_owned()))
    }
}

fn flag(flags: &mut Flags, letter: char) -> &mut bool {
    match letter {
        'i' => &mut flags.fold,
        'm' => &mut flags.multi_line,
        's' => &mut flags.dot_newline,
        _ => &mut flags.ungreedy,
    }
}
