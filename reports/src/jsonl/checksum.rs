//! A checksum over a record's bytes: it tells what was changed by accident or in passing. It is no signature, and whoever
//! means to forge a record can compute it anew.

/// What stands in the last line before the checksum: all bytes of the record until here count.
pub(super) const BEFORE: &[u8] = b",\"checksum\":";

/// FNV-1a, 64 bits, of the bytes taken so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut sum = self.0;
        for byte in bytes {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.0 = sum;
    }

    /// As it stands in the record.
    pub(super) fn written(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The checksum with the last line, as far as it counts; `None` where it is not the last thing there.
    pub(super) fn with_last(mut self, line: &[u8]) -> Option<String> {
        let mut places = line.windows(BEFORE.len()).enumerate();
        let (until, _) = places.rfind(|(_, bytes)| *bytes == BEFORE)?;
        self.take(&line[..until]);
        let sum = self.written();
        let rest = &line[until + BEFORE.len()..];
        let is_last = rest.len() == sum.len() + 3 && rest.ends_with(b"\"}");
        is_last.then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a() {
        for (text, sum) in [("", "cbf29ce484222325"), ("foobar", "85944171f73967e8")] {
            let mut checksum = Checksum::default();
            checksum.take(text.as_bytes());
            assert_eq!(checksum.written(), sum);
        }
    }

    #[test]
    fn nothing_follows_it() {
        let sum = |line: &[u8]| Checksum::default().with_last(line);
        let line = b"foobar,\"checksum\":\"0123456789abcdef\"}";
        assert_eq!(sum(line).as_deref(), Some("85944171f73967e8"));
        assert_eq!(sum(b"foobar}"), None);
        assert_eq!(
            sum(b"foobar,\"checksum\":\"0123456789abcdef\",\"aborted\":null}"),
            None
        );
        assert_eq!(sum(b"foobar,\"checksum\":"), None);
    }
}
