//! Random numbers as people write them, and scalar arithmetic.

use super::Random;

/// A number that may stand beside a vector; some are written as only Prometheus 3 reads them.
pub(super) fn number(random: &mut Random) -> String {
    if random.chance(60) {
        return random
            .pick(&["0.3137", "2", "7.03", "-1", "11", "0", "100"])
            .into();
    }
    if random.chance(60) {
        return random
            .pick(&[
                "1e1",
                "0x1F",
                ".5",
                "Inf",
                "-Inf",
                "NaN",
                "time()",
                "pi()",
                "scalar(lim)",
                "scalar(g{job=\"y\",i=\"3\"})",
                "1_0",
                "10s",
            ])
            .into();
    }
    let (left, right) = (simple(random), simple(random));
    let op = random.pick(&["+", "-", "*", "/", "%", "^", "> bool", "== bool", "<= bool"]);
    format!("({left} {op} {right} {} 2)", random.pick(&["^", "%", "-"]))
}

fn simple(random: &mut Random) -> &'static str {
    random.pick(&["1", "-2", "3", "2.5", "time()", "scalar(g)", "Inf", "-7"])
}
