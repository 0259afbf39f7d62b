//! Redis' protocol, as far as a link has to understand it: where a command or a reply ends, and what a command is called.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

/// What is neither a command nor a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// Longest line before a length, as in Redis (`PROTO_INLINE_MAX_SIZE`).
const LINE_MAX: usize = 64 << 10;

/// Bytes of the command or reply that `bytes` begin with; `None`: there is more to come.
///
/// # Errors
/// When it is neither.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Garbled> {
    let mut at = 0;
    let mut left: u64 = 1;
    while left > 0 {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(end) = line_end(rest) else {
            return if rest.len() > LINE_MAX {
                Err(Garbled)
            } else {
                Ok(None)
            };
        };
        let (kind, count) = (
            rest.first().copied().unwrap_or_default(),
            &rest[1.min(end)..end],
        );
        at += end + 2;
        left -= 1;
        match kind {
            b'$' | b'=' | b'!' => {
                if let Some(length) = number(count)? {
                    at = usize::try_from(length)
                        .ok()
                        .and_then(|length| at.checked_add(length)?.checked_add(2))
                        .ok_or(Garbled)?;
                }
            }
            b'*' | b'~' | b'>' => {
                left = left
                    .checked_add(number(count)?.unwrap_or(0))
                    .ok_or(Garbled)?;
            }
            b'%' => {
                let pairs = number(count)?.unwrap_or(0);
                left = pairs
                    .checked_mul(2)
                    .and_then(|more| left.checked_add(more))
                    .ok_or(Garbled)?;
            }
            // An attribute stands before what it is about.
            b'|' => {
                let pairs = number(count)?.unwrap_or(0);
                let more = pairs.checked_mul(2).and_then(|more| more.checked_add(1));
                left = more
                    .and_then(|more| left.checked_add(more))
                    .ok_or(Garbled)?;
            }
            // A line by itself: a simple reply, or a command as one types it.
            _ => {}
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// Where the first line ends.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

/// A length; `None`: there is nothing, which is written -1.
fn number(digits: &[u8]) -> Result<Option<u64>, Garbled> {
    if digits == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Garbled)?;
    text.parse().map(Some).map_err(|_| Garbled)
}

/// The first parts of a command, at most `most` of them.
pub(super) fn parts(command: &[u8], most: usize) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    if command.first() != Some(&b'*') {
        let words = command.split(u8::is_ascii_whitespace);
        return words.filter(|word| !word.is_empty()).take(most).collect();
    }
    let mut rest = after_line(command);
    while parts.len() < most && rest.first() == Some(&b'$') {
        let line = &rest[1..rest.len() - after_line(rest).len()];
        let Ok(Some(length)) = number(line.trim_ascii_end()) else {
            break;
        };
        rest = after_line(rest);
        let Some(part) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
        else {
            break;
        };
        parts.push(part);
        rest = rest.get(part.len() + 2..).unwrap_or_default();
    }
    parts
}

fn after_line(bytes: &[u8]) -> &[u8] {
    line_end(bytes).map_or(&[], |end| &bytes[end + 2..])
}

/// Whether a reply says that something was done: no error; and `with_task`, not nothing.
pub(super) fn has_acted(reply: &[u8], with_task: bool) -> bool {
    let nothing = [&b"$-1"[..], b"*-1", b"_"];
    let is_nothing = nothing.iter().any(|nil| reply.starts_with(nil));
    let is_error = matches!(reply.first(), Some(b'-' | b'!'));
    !is_error && (!with_task || !is_nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_and_replies_end_where_they_end() {
        for whole in [
            "*3\r\n$7\r\nEVALSHA\r\n$2\r\nab\r\n$0\r\n\r\n",
            "PING\r\n",
            "+OK\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            "%1\r\n+a\r\n:1\r\n",
            "|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
            "_\r\n",
        ] {
            let bytes = whole.as_bytes();
            assert_eq!(length(bytes), Ok(Some(bytes.len())), "{whole:?}");
            for cut in 0..bytes.len() {
                assert_eq!(length(&bytes[..cut]), Ok(None), "{whole:?} cut at {cut}");
            }
            let more = [bytes, b"+more"].concat();
            assert_eq!(length(&more), Ok(Some(bytes.len())), "{whole:?}");
        }
        assert_eq!(length(b"$abc\r\n"), Err(Garbled));
        assert_eq!(length(&[b'x'; LINE_MAX + 1]), Err(Garbled));
    }

    #[test]
    fn what_was_done() {
        assert!(has_acted(b"+OK\r\n", false) && has_acted(b"$-1\r\n", false));
        assert!(!has_acted(b"$-1\r\n", true) && has_acted(b"$1\r\nm\r\n", true));
        assert!(!has_acted(b"-ERR no\r\n", false));
    }

    proptest! {
        #[test]
        fn parts_of_a_command(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)) {
            let mut command = redis::cmd("");
            let mut packed = redis::Cmd::new();
            for word in &words {
                packed.arg(word.as_slice());
            }
            command.clone_from(&packed);
            let bytes = command.get_packed_command();
            prop_assert_eq!(length(&bytes), Ok(Some(bytes.len())));
            let expected: Vec<&[u8]> = words.iter().take(3).map(Vec::as_slice).collect();
            prop_assert_eq!(parts(&bytes, 3), expected);
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = length(&bytes);
            let _ = parts(&bytes, 3);
        }
    }
}
