//! What keys mean while the whole terminal is drawn on, as in programs that people know: single keys are commands, `:` begins a line,
//! and what is typed into a line is never a command. A line is a word of a rehearsal, as if it had been typed without a view.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Longest line, bytes: the room refuses what is longer, so nothing is lost.
const LINE_MAX: usize = 4_000;

/// The word that stops a rehearsal.
const ABORT: &str = "abort";

/// What a key, or a line of them, comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// The command is to stop.
    Stop,
    /// The next of several drills is to be shown.
    Next,
    /// A line was ended.
    Line(String),
    /// The runbook is to be shown, or no more.
    Runbook,
    /// It is to be told which keys there are, or no more.
    Help,
    /// What is shown in the place of the figures is to go.
    Back,
    /// What is longer than the screen is to be moved.
    Scroll(Scroll),
}

/// How far something is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scroll {
    /// By so many rows.
    Rows(isize),
    /// By so many halves of a screen.
    Halves(isize),
    /// To its beginning.
    Top,
    /// To its end.
    End,
}

/// What keys are typed into now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// Each is a command.
    Keys,
    /// A line, and what was typed of it.
    Line(String),
    /// Whether it is to stop.
    Sure,
}

/// What stands in the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt<'k> {
    /// Which keys there are; and the one that was pressed and is none.
    Keys(Option<char>),
    /// A line, and what was typed of it.
    Line(&'k str),
    /// Whether it is to stop.
    Sure,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keyboard {
    mode: Mode,
    /// Whether somebody reads lines.
    lines: bool,
    /// A key that is none.
    unknown: Option<char>,
}

impl Keyboard {
    /// `lines`: whether somebody reads them.
    pub(super) fn new(lines: bool) -> Self {
        Self {
            mode: Mode::Keys,
            lines,
            unknown: None,
        }
    }

    /// What stands in the last row.
    pub(super) fn prompt(&self) -> Prompt<'_> {
        match &self.mode {
            Mode::Keys => Prompt::Keys(self.unknown),
            Mode::Line(line) => Prompt::Line(line),
            Mode::Sure => Prompt::Sure,
        }
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Meant> {
        self.unknown = None;
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && key.code == KeyCode::Char('c') {
            return Some(Meant::Stop);
        }
        match &mut self.mode {
            Mode::Keys => self.commands(key),
            Mode::Line(line) => {
                let (is_open, meant) = typed(line, key);
                if !is_open {
                    self.mode = Mode::Keys;
                }
                meant
            }
            Mode::Sure => {
                self.mode = Mode::Keys;
                let is_yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
                // In the words of the room, which says who stopped it.
                (is_yes && is_plain(key)).then(|| Meant::Line(ABORT.to_owned()))
            }
        }
    }

    fn commands(&mut self, key: KeyEvent) -> Option<Meant> {
        if !is_plain(key) {
            return match key.code {
                KeyCode::Char('d' | 'f') => Some(Meant::Scroll(Scroll::Halves(1))),
                KeyCode::Char('u' | 'b') => Some(Meant::Scroll(Scroll::Halves(-1))),
                _ => None,
            };
        }
        match key.code {
            KeyCode::Char(':') | KeyCode::Enter if self.lines => {
                self.mode = Mode::Line(String::new());
                None
            }
            // No word begins with one: it is an entry of the checklist.
            KeyCode::Char(digit @ '1'..='9') if self.lines => {
                self.mode = Mode::Line(format!("done {digit}"));
                None
            }
            // People are in the middle of something, and it may be a slip.
            KeyCode::Char('q') if self.lines => {
                self.mode = Mode::Sure;
                None
            }
            KeyCode::Char('q') => Some(Meant::Stop),
            KeyCode::Char('r') if self.lines => Some(Meant::Runbook),
            KeyCode::Char('?') | KeyCode::F(1) => Some(Meant::Help),
            KeyCode::Esc => Some(Meant::Back),
            KeyCode::Tab => Some(Meant::Next),
            KeyCode::Down | KeyCode::Char('j') => Some(Meant::Scroll(Scroll::Rows(1))),
            KeyCode::Up | KeyCode::Char('k') => Some(Meant::Scroll(Scroll::Rows(-1))),
            KeyCode::PageDown | KeyCode::Char(' ') => Some(Meant::Scroll(Scroll::Halves(2))),
            KeyCode::PageUp => Some(Meant::Scroll(Scroll::Halves(-2))),
            KeyCode::Home | KeyCode::Char('g') => Some(Meant::Scroll(Scroll::Top)),
            KeyCode::End | KeyCode::Char('G') => Some(Meant::Scroll(Scroll::End)),
            KeyCode::Char(unknown) => {
                self.unknown = Some(unknown);
                None
            }
            _ => None,
        }
    }
}

fn is_plain(key: KeyEvent) -> bool {
    !key.modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// A key is pressed in a line: whether that is open still, and what it means.
fn typed(line: &mut String, key: KeyEvent) -> (bool, Option<Meant>) {
    match key.code {
        KeyCode::Char('u') if !is_plain(key) => line.clear(),
        KeyCode::Char('w') if !is_plain(key) => {
            let kept = line.trim_end();
            let kept = kept.rfind(char::is_whitespace).map_or(0, |at| at + 1);
            line.truncate(kept);
        }
        KeyCode::Char(letter) if is_plain(key) && line.len() + letter.len_utf8() <= LINE_MAX => {
            line.push(letter);
        }
        KeyCode::Backspace => return (line.pop().is_some(), None),
        KeyCode::Esc => return (false, None),
        KeyCode::Enter => {
            let line = std::mem::take(line);
            let meant = match line.trim() {
                "" => None,
                "help" => Some(Meant::Help),
                _ => Some(Meant::Line(line)),
            };
            return (false, meant);
        }
        _ => {}
    }
    (true, None)
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
        let keys = text.chars().map(|letter| match letter {
            '\n' => KeyCode::Enter,
            letter => KeyCode::Char(letter),
        });
        keys.collect()
    }

    fn control(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    #[test]
    fn a_line_is_typed_mended_and_sent() {
        let mut keyboard = Keyboard::new(true);
        let mut keys = letters(":note quiet quee");
        keys.extend([KeyCode::Backspace, KeyCode::Char('u'), KeyCode::Char('e')]);
        assert_eq!(pressed(&mut keyboard, &keys), []);
        assert_eq!(keyboard.prompt(), Prompt::Line("note quiet queue"));
        let sent = pressed(&mut keyboard, &letters("\n"));
        assert_eq!(sent, [Meant::Line("note quiet queue".to_owned())]);
        assert_eq!(keyboard.prompt(), Prompt::Keys(None));
        // It is closed by what closes it elsewhere.
        for close in [
            &[KeyCode::Esc][..],
            &[KeyCode::Backspace; 4],
            &[KeyCode::Enter],
        ] {
            pressed(&mut keyboard, &letters(":ack"));
            if close == [KeyCode::Enter] {
                keyboard.press(control('u'));
            }
            assert_eq!(pressed(&mut keyboard, close), []);
            assert_eq!(pressed(&mut keyboard, &[KeyCode::Backspace]), []);
            assert_eq!(keyboard.prompt(), Prompt::Keys(None), "{close:?}");
        }
        pressed(&mut keyboard, &letters(":note a b"));
        keyboard.press(control('w'));
        assert_eq!(keyboard.prompt(), Prompt::Line("note a "));
    }

    #[test]
    fn no_line_that_begins_with_q_stops_anything_and_q_asks() {
        let mut keyboard = Keyboard::new(true);
        let sent = pressed(&mut keyboard, &letters(":quiet, yes\n"));
        assert_eq!(sent, [Meant::Line("quiet, yes".to_owned())]);
        // Nor does one that somebody began to type without a line.
        assert_eq!(pressed(&mut keyboard, &letters("queue")), []);
        assert_eq!(keyboard.prompt(), Prompt::Keys(Some('e')));
        assert_eq!(pressed(&mut keyboard, &letters("q")), []);
        assert_eq!(keyboard.prompt(), Prompt::Sure);
        assert_eq!(pressed(&mut keyboard, &letters("nq")), []);
        let abort = Meant::Line(ABORT.to_owned());
        assert_eq!(pressed(&mut keyboard, &letters("y")), [abort]);
    }

    #[test]
    fn a_number_is_an_entry_of_the_checklist() {
        let mut keyboard = Keyboard::new(true);
        let sent = pressed(&mut keyboard, &letters("12\n"));
        assert_eq!(sent, [Meant::Line("done 12".to_owned())]);
    }

    #[test]
    fn where_nobody_reads_lines_none_is_typed() {
        let mut keyboard = Keyboard::new(false);
        let mut keys = letters(":ack1r");
        keys.extend([KeyCode::Enter, KeyCode::Tab, KeyCode::Char('q')]);
        assert_eq!(
            pressed(&mut keyboard, &keys),
            [Meant::Scroll(Scroll::Rows(-1)), Meant::Next, Meant::Stop]
        );
    }

    #[test]
    fn control_c_stops_wherever_it_is_pressed() {
        for before in ["", ":note so", "q"] {
            let mut keyboard = Keyboard::new(true);
            pressed(&mut keyboard, &letters(before));
            assert_eq!(keyboard.press(control('c')), Some(Meant::Stop), "{before}");
        }
    }

    proptest! {
        #[test]
        fn any_letters_come_out_as_the_line_they_went_in(text in "[^\\s]\\PC{0,80}") {
            prop_assume!(text.trim() != "help");
            let mut keyboard = Keyboard::new(true);
            prop_assert_eq!(pressed(&mut keyboard, &[KeyCode::Char(':')]), []);
            let keys: Vec<KeyCode> = text.chars().map(KeyCode::Char).collect();
            prop_assert_eq!(pressed(&mut keyboard, &keys), []);
            prop_assert_eq!(pressed(&mut keyboard, &[KeyCode::Enter]), [Meant::Line(text)]);
        }

        /// However people hit the keys: nothing stops a rehearsal but `q` and `y` one after the other.
        #[test]
        fn only_q_and_then_y_stop_a_rehearsal(text in "[qy:a\\n1]{0,30}") {
            let mut keyboard = Keyboard::new(true);
            for key in letters(&text) {
                let was_asked = keyboard.prompt() == Prompt::Sure;
                let meant = keyboard.press(KeyEvent::from(key));
                let is_yes = was_asked && key == KeyCode::Char('y');
                let stops = meant == Some(Meant::Line(ABORT.to_owned()));
                prop_assert_eq!(stops, is_yes);
                prop_assert!(meant != Some(Meant::Stop));
            }
        }
    }
}
