//! Which elements `limit_ratio` takes: those whose labels' hash, as a share of the greatest one, is below the ratio, or for a
//! negative ratio the others (`promql/engine.go`, HashRatioSampler).
//!
//! The hash is that of Prometheus as it is released; it can be built to keep labels otherwise, and takes others then.

use super::Element;
use crate::intern::{Interner, LabelsId};
use crate::sample::Labels;

/// The labels' places between 0 and 1, by their ids, once asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offsets(Vec<Option<f64>>);

impl Offsets {
    /// Whether an element with these labels is taken.
    pub(super) fn take(&mut self, ratio: f64, labels: LabelsId, interner: &Interner) -> bool {
        if self.0.len() <= labels.index() {
            self.0.resize(labels.index() + 1, None);
        }
        let offset = *self.0[labels.index()].get_or_insert_with(|| offset(interner.labels(labels)));
        match ratio.clamp(-1.0, 1.0) {
            ratio if ratio >= 0.0 => offset < ratio,
            ratio => offset >= 1.0 + ratio,
        }
    }
}

fn offset(labels: &Labels) -> f64 {
    xxh64(&encoded(labels)) as f64 / u64::MAX as f64
}

/// `model/labels/labels_stringlabels.go`: every name and value behind its length.
fn encoded(labels: &Labels) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(length) if length < 255 => bytes.push(length),
            _ => {
                bytes.push(255);
                bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

const PRIMES: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// XXH64 without a seed (`xxhash_spec.md`).
fn xxh64(bytes: &[u8]) -> u64 {
    let [first, second, third, fourth, fifth] = PRIMES;
    let word = |bytes: &[u8]| {
        let shifted = bytes.iter().rev();
        shifted.fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    let round = |lane: u64, input: u64| {
        let mixed = lane.wrapping_add(input.wrapping_mul(second));
        mixed.rotate_left(31).wrapping_mul(first)
    };
    let (stripes, rest) = bytes.split_at(bytes.len() / 32 * 32);
    let mut hash = fifth;
    if !stripes.is_empty() {
        let mut lanes = [first.wrapping_add(second), second, 0, first.wrapping_neg()];
        for stripe in stripes.chunks(32) {
            for (lane, input) in lanes.iter_mut().zip(stripe.chunks(8)) {
                *lane = round(*lane, word(input));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]);
        hash = turned.fold(0, |sum, (lane, turn)| {
            sum.wrapping_add(lane.rotate_left(turn))
        });
        for lane in lanes {
            hash = (hash ^ round(0, lane))
                .wrapping_mul(first)
                .wrapping_add(fourth);
        }
    }
    hash = hash.wrapping_add(bytes.len() as u64);
    let (eights, rest) = rest.split_at(rest.len() / 8 * 8);
    for eight in eights.chunks(8) {
        hash ^= round(0, word(eight));
        hash = hash
            .rotate_left(27)
            .wrapping_mul(first)
            .wrapping_add(fourth);
    }
    let (four, ones) = rest.split_at(rest.len() / 4 * 4);
    if !four.is_empty() {
        hash ^= word(four).wrapping_mul(first);
        hash = hash
            .rotate_left(23)
            .wrapping_mul(second)
            .wrapping_add(third);
    }
    for one in ones {
        hash ^= u64::from(*one).wrapping_mul(fifth);
        hash = hash.rotate_left(11).wrapping_mul(first);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(second);
    hash = (hash ^ hash >> 29).wrapping_mul(third);
    hash ^ hash >> 32
}

/// Puts an element where Go's `container/heap` puts it, which is the order in which others meet it.
pub(super) fn push(heap: &mut [Element]) {
    let mut at = heap.len().saturating_sub(1);
    while at > 0 {
        let above = (at - 1) / 2;
        let is_less = heap[at].value.is_nan() || heap[at].value < heap[above].value;
        if !is_less {
            return;
        }
        heap.swap(at, above);
        at = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `labels.FromStrings(...).Hash()` of Prometheus 3.14.
    #[test]
    fn hashes_are_those_of_prometheus() {
        let long = "v".repeat(300);
        for (pairs, hash) in [
            (&[][..], 17_241_709_254_077_376_921),
            (&[("__name__", "m")], 4_832_324_808_414_200_669),
            (
                &[
                    ("__name__", "http_requests_total"),
                    ("job", "api"),
                    ("instance", "10.0.0.1:8080"),
                ],
                573_739_496_523_243_698,
            ),
            (&[("a", long.as_str())], 10_404_061_552_770_435_868),
        ] {
            let labels = Labels::from_pairs(pairs.iter().copied());
            assert_eq!(xxh64(&encoded(&labels)), hash, "{labels}");
        }
    }
}
