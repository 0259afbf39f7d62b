//! Forms: the mappings people write, each key declared once.
//!
//! `form!` declares a struct; from it come its reader (strict, with places, all problems at once), its printer, the rows
//! of its documentation and its JSON Schema. How a single value is written is a [`Shape`].
//!
//! ```text
//! form! {
//!     /// Handlers take longer.                        // sentence of the form
//!     #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//!     pub struct HandlerSlow: "handler.slow" {         // its name in messages
//!         /// Task type; left out: all.                // sentence of the key
//!         pub task: Option<String> = text(), optional;
//!         /// How many times longer.
//!         pub factor: f64 = number(1.0..=1e4).but_not(1.0, MESSAGE, HINT), required;
//!         /// How long it lasts.
//!         pub lasts_ms as "lasts": i64 = positive(), default 60_000;
//!     }
//! }
//! ```
//!
//! - `field: Type = shape, presence;`, with `field as "key"` where the key is not the field's name. Attributes are kept.
//! - presence: `required`; `optional` (the type is an `Option`); `default VALUE`; `quiet VALUE`, a default that is not
//!   printed; `filled VALUE`, a default that is replaced later, and documented as left out; `if_any`, a list that is empty, and not
//!   printed, where it is left out; `outside VALUE`, a field that is in no file and begins as told.
//! - after the name, in brackets: `[block]`, printed over several lines; `[one of a, b]`, exactly one of these keys is needed.

mod doc;
mod shape;
mod shapes;
mod yaml;

pub use doc::{Presence, Row, schema, table};
pub use shape::{At, Shape, Spotted};
pub use shapes::{
    Brief, ButNot, Means, Named, by_name, choice, count, count64, duration, list, name, number,
    one_of, only, parsed, placed, positive, rate, share, size, span, spotted, text, truth, via,
    whole, within,
};
pub use yaml::{Yaml, quote};

use firedrill_detector::yaml::{Fields, Node, Problems};

/// A mapping whose keys are known. Made by `form!`.
pub trait Form: Sized {
    /// What it is called in messages.
    const WHAT: &'static str;
    /// What it is, for people.
    const SENTENCE: &'static str;
    /// Whether it is printed over several lines where it may be.
    const BLOCK: bool;
    /// Keys of which exactly one is needed; empty: there are none.
    const ONE_OF: &'static [&'static str];

    /// Takes its keys out of a mapping, and leaves the others to whoever reads next: several forms may share a mapping.
    /// `None`, with problems, when something is wrong with one of its keys.
    fn take(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self>;

    /// Adds keys and values as they are printed: what was written, and the defaults.
    fn put_entries(&self, entries: &mut Vec<(String, Yaml)>);

    /// Adds its keys, for documentation and schema.
    fn put_rows(rows: &mut Vec<Row>);

    /// Keys and values as they are printed.
    fn entries(&self) -> Vec<(String, Yaml)> {
        let mut entries = Vec::new();
        self.put_entries(&mut entries);
        entries
    }

    /// Its keys.
    fn rows() -> Vec<Row> {
        let mut rows = Vec::new();
        Self::put_rows(&mut rows);
        rows
    }

    /// Reads a mapping that has its keys and no others.
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, Self::WHAT, problems)?;
        let form = Self::take(&mut fields, problems);
        fields.finish(problems);
        form
    }

    /// As printed.
    fn write(&self) -> Yaml {
        Yaml::Map {
            block: Self::BLOCK,
            entries: self.entries(),
        }
    }
}

/// Checks that exactly one of some keys is there.
pub fn exactly_one(keys: &[&str], fields: &Fields<'_>, problems: &mut Problems) -> Option<()> {
    let [before @ .., last] = keys else {
        return Some(());
    };
    let there = keys.iter().filter(|key| fields.has(key)).count();
    if there == 1 {
        return Some(());
    }
    let before: Vec<String> = before.iter().map(|key| format!("`{key}`")).collect();
    problems.push(
        fields.at(),
        format!(
            "{}: exactly one of {} and `{last}` is needed",
            fields.what(),
            before.join(", ")
        ),
    );
    None
}

/// Declares a form; see [the module](self).
macro_rules! form {
    (
        $(#[$($attr:tt)*])*
        $vis:vis struct $name:ident: $what:literal $([$($option:tt)*])? {
            $(
                $(#[$($field_attr:tt)*])*
                $field_vis:vis $field:ident $(as $key:literal)?: $ty:ty = $shape:expr, $presence:ident $($default:expr)?;
            )*
        }
    ) => {
        $(#[$($attr)*])*
        $vis struct $name {
            $( $(#[$($field_attr)*])* $field_vis $field: $ty, )*
        }

        impl $crate::form::Form for $name {
            const WHAT: &'static str = $what;
            const SENTENCE: &'static str = concat!("" $(, $crate::form::form!(@doc $($attr)*))*);
            const BLOCK: bool = $crate::form::form!(@block $($($option)*)?);
            const ONE_OF: &'static [&'static str] = $crate::form::form!(@keys $($($option)*)?);

            fn take(
                fields: &mut ::firedrill_detector::yaml::Fields<'_>,
                problems: &mut ::firedrill_detector::yaml::Problems,
            ) -> Option<Self> {
                // All at once: a key may be called as the function its shape is made by.
                let ($($field,)*) = ($(
                    $crate::form::form!(
                        @read fields, problems, $crate::form::form!(@key $field $($key)?), $shape, $presence $($default)?
                    ),
                )*);
                $crate::form::exactly_one(Self::ONE_OF, fields, problems)?;
                Some(Self { $( $field: $field?, )* })
            }

            fn put_entries(&self, entries: &mut Vec<(String, $crate::form::Yaml)>) {
                // There are forms without keys.
                let _ = &entries;
                $(
                    $crate::form::form!(
                        @write entries, self.$field, $crate::form::form!(@key $field $($key)?), $shape, $presence $($default)?
                    );
                )*
            }

            fn put_rows(rows: &mut Vec<$crate::form::Row>) {
                let _ = &rows;
                $(
                    $crate::form::form!(
                        @row rows,
                        concat!("" $(, $crate::form::form!(@doc $($field_attr)*))*),
                        $crate::form::form!(@key $field $($key)?), $shape, $presence $($default)?
                    );
                )*
            }
        }
    };

    (@doc doc = $text:literal) => { $text };
    (@doc $($other:tt)*) => { "" };
    (@block block) => { true };
    (@block $($other:tt)*) => { false };
    (@keys one of $($key:ident),*) => { &[$(stringify!($key)),*] };
    (@keys $($other:tt)*) => { &[] };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };

    (@read $fields:ident, $problems:ident, $key:expr, $shape:expr, required) => {
        $fields
            .required($key, $problems)
            .and_then(|node| $crate::form::Shape::read(&$shape, node, $key, $problems))
    };
    (@read $fields:ident, $problems:ident, $key:expr, $shape:expr, optional) => {
        match $fields.take($key) {
            Some(node) => $crate::form::Shape::read(&$shape, node, $key, $problems).map(Some),
            None => Some(None),
        }
    };
    (@read $fields:ident, $problems:ident, $key:expr, $shape:expr, if_any) => {
        match $fields.take($key) {
            Some(node) => $crate::form::Shape::read(&$shape, node, $key, $problems),
            None => Some(Vec::new()),
        }
    };
    (@read $fields:ident, $problems:ident, $key:expr, $shape:expr, outside $default:expr) => { Some($default) };
    (@read $fields:ident, $problems:ident, $key:expr, $shape:expr, $presence:ident $default:expr) => {
        match $fields.take($key) {
            Some(node) => $crate::form::Shape::read(&$shape, node, $key, $problems),
            None => Some($default),
        }
    };

    (@write $entries:ident, $value:expr, $key:expr, $shape:expr, optional) => {
        if let Some(value) = &$value {
            $entries.push(($key.to_owned(), $crate::form::Shape::write(&$shape, value)));
        }
    };
    (@write $entries:ident, $value:expr, $key:expr, $shape:expr, outside $default:expr) => {};
    (@write $entries:ident, $value:expr, $key:expr, $shape:expr, if_any) => {
        if !$value.is_empty() {
            $entries.push(($key.to_owned(), $crate::form::Shape::write(&$shape, &$value)));
        }
    };
    (@write $entries:ident, $value:expr, $key:expr, $shape:expr, quiet $default:expr) => {
        if $value != $default {
            $entries.push(($key.to_owned(), $crate::form::Shape::write(&$shape, &$value)));
        }
    };
    (@write $entries:ident, $value:expr, $key:expr, $shape:expr, $presence:ident $($default:expr)?) => {
        $entries.push(($key.to_owned(), $crate::form::Shape::write(&$shape, &$value)));
    };

    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, outside $default:expr) => {};
    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, required) => {
        $rows.push($crate::form::Row::new($key, $sentence, $crate::form::Presence::Required, &$shape));
    };
    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, optional) => {
        $rows.push($crate::form::Row::new($key, $sentence, $crate::form::Presence::Optional, &$shape));
    };
    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, if_any) => {
        $rows.push($crate::form::Row::new($key, $sentence, $crate::form::Presence::Optional, &$shape));
    };
    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, filled $default:expr) => {
        $rows.push($crate::form::Row::new($key, $sentence, $crate::form::Presence::Optional, &$shape));
    };
    (@row $rows:ident, $sentence:expr, $key:expr, $shape:expr, $presence:ident $default:expr) => {
        let shape = $shape;
        let default = $crate::form::Shape::write(&shape, &$default).flow();
        $rows.push($crate::form::Row::new($key, $sentence, $crate::form::Presence::Default(default), &shape));
    };
}
pub(crate) use form;

#[cfg(test)]
mod tests;
