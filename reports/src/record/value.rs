//! The value of a sample, in JSON.

use serde::{Deserialize, Serialize};

/// A sample's value, with a JSON form for what JSON numbers cannot say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "serde_json::Value", try_from = "serde_json::Value")]
pub struct Value(
    /// The value; the staleness marker keeps its bits.
    pub f64,
);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        let v = value.0;
        if firedrill_detector::sample::is_stale(v) {
            "stale".into()
        } else if v.is_nan() {
            "NaN".into()
        } else if v.is_infinite() {
            if v > 0.0 {
                "+Inf".into()
            } else {
                "-Inf".into()
            }
        } else if v.fract() == 0.0 && v.abs() < 9e15 && !(v == 0.0 && v.is_sign_negative()) {
            (v as i64).into()
        } else {
            v.into()
        }
    }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        match &value {
            serde_json::Value::Number(n) => n.as_f64().map(Self),
            serde_json::Value::String(text) => match text.as_str() {
                "stale" => Some(Self(firedrill_detector::sample::stale_marker())),
                "NaN" => Some(Self(f64::NAN)),
                "+Inf" => Some(Self(f64::INFINITY)),
                "-Inf" => Some(Self(f64::NEG_INFINITY)),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| {
            format!("expected a number, `NaN`, `+Inf`, `-Inf` or `stale`, found {value}")
        })
    }
}
