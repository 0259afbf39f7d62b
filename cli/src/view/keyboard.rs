//! What keys mean while the whole terminal is drawn on: in a rehearsal they make up a line, which is a word as if it had been typed
//! without a view.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longest line, bytes: the room refuses what is longer, so nothing is lost.
const LINE_MAX: usize = 4_000;

/// What a key, or a line of them, comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// The command is to stop.
    Stop,
    /// The next of several drills is to be shown.
    Next,
    /// A line was ended.
    Line(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keyboard {
    /// What was typed of a line; `None`: nobody reads lines.
    line: Option<String>,
}

impl Keyboard {
    /// `lines`: whether somebody reads them.
    pub(super) fn new(lines: bool) -> Self {
        Self {
            line: lines.then(String::new),
        }
    }

    /// What was typed so far, if somebody reads lines.
    pub(super) fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Meant> {
        let is_plain = !key
            .modifiers
            .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let begins = self.line.as_ref().is_none_or(String::is_empty);
        match (key.code, &mut self.line) {
            (KeyCode::Char('c'), _) if key.modifiers.contains(KeyModifiers::CONTROL) => {
                Some(Meant::Stop)
            }
            // No word begins with it.
            (KeyCode::Char('q'), _) if is_plain && begins => Some(Meant::Stop),
            (KeyCode::Tab, _) => Some(Meant::Next),
            (KeyCode::Char(letter), Some(line)) if is_plain => {
                if line.len() + letter.len_utf8() <= LINE_MAX {
                    line.push(letter);
                }
                None
            }
            (KeyCode::Backspace, Some(line)) => {
                line.pop();
                None
            }
            (KeyCode::Esc, Some(line)) => {
                line.clear();
                None
            }
            (KeyCode::Enter, Some(line)) => {
                let line = std::mem::take(line);
                (!line.trim().is_empty()).then_some(Meant::Line(line))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pressed(keyboard: &mut Keyboard, keys: &[KeyCode]) -> Vec<Meant> {
        let keys = keys.iter().map(|code| KeyEvent::from(*code));
        keys.filter_map(|key| keyboard.press(key)).collect()
    }

    fn letters(text: &str) -> Vec<KeyCode> {
        text.chars().map(KeyCode::Char).collect()
    }

    #[test]
    fn a_line_is_typed_mended_and_sent() {
        let mut keyboard = Keyboard::new(true);
        let mut keys = letters("note quiet quee");
        keys.extend([KeyCode::Backspace, KeyCode::Char('u'), KeyCode::Char('e')]);
        assert_eq!(pressed(&mut keyboard, &keys), []);
        assert_eq!(keyboard.line(), Some("note quiet queue"));
        let sent = pressed(&mut keyboard, &[KeyCode::Enter, KeyCode::Enter]);
        assert_eq!(sent, [Meant::Line("note quiet queue".to_owned())]);
        let mut keys = letters("ack");
        keys.extend([KeyCode::Esc, KeyCode::Char('q')]);
        assert_eq!(pressed(&mut keyboard, &keys), [Meant::Stop]);
    }

    #[test]
    fn where_nobody_reads_lines_none_is_typed() {
        let mut keyboard = Keyboard::new(false);
        let mut keys = letters("ack");
        keys.extend([KeyCode::Enter, KeyCode::Tab, KeyCode::Char('q')]);
        assert_eq!(pressed(&mut keyboard, &keys), [Meant::Next, Meant::Stop]);
        assert_eq!(keyboard.line(), None);
    }

    #[test]
    fn control_c_stops_in_the_middle_of_a_line() {
        let mut keyboard = Keyboard::new(true);
        pressed(&mut keyboard, &letters("note so"));
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(keyboard.press(key), Some(Meant::Stop));
    }

    proptest! {
        #[test]
        fn any_letters_come_out_as_the_line_they_went_in(text in "[^q\\s]\\PC{0,80}") {
            let mut keyboard = Keyboard::new(true);
            prop_assert_eq!(pressed(&mut keyboard, &letters(&text)), []);
            prop_assert_eq!(pressed(&mut keyboard, &[KeyCode::Enter]), [Meant::Line(text)]);
        }
    }
}
