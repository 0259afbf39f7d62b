//! Shapes made of others: lists, forms, values with their places.

use crate::form::{At, Form, Row, Shape, Spotted, Yaml, doc, name, quote};
use firedrill_detector::yaml::{Node, Position, Problems};
use serde_json::{Value, json};
use std::marker::PhantomData;

/// A list.
#[derive(Debug, Clone, Copy)]
pub struct List<S> {
    item: S,
    called: &'static str,
}

/// A list. Problems with an item call it `called`; items with problems are left out.
#[must_use]
pub fn list<S: Shape>(called: &'static str, item: S) -> List<S> {
    List { item, called }
}

impl<S: Shape> Shape for List<S> {
    type Value = Vec<S::Value>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        let items = node.as_seq(what, problems)?.iter();
        Some(
            items
                .filter_map(|item| self.item.read(item, self.called, problems))
                .collect(),
        )
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        Yaml::List(value.iter().map(|item| self.item.write(item)).collect())
    }

    fn words(&self) -> String {
        match self.item.words() {
            words if words.starts_with('`') => format!("list of {words}"),
            words => format!("list of {words}s"),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "array", "items": self.item.schema() })
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        ("[].", self.item.rows().1)
    }
}

/// A value with its place.
#[derive(Debug, Clone, Copy)]
pub struct Placed<S>(S);

/// A value with its place.
#[must_use]
pub fn placed<S: Shape>(shape: S) -> Placed<S> {
    Placed(shape)
}

impl<S: Shape> Shape for Placed<S> {
    type Value = At<S::Value>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        let value = self.0.read(node, what, problems)?;
        Some(At { at: node.at, value })
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        self.0.write(&value.value)
    }

    fn words(&self) -> String {
        self.0.words()
    }

    fn range(&self) -> Option<String> {
        self.0.range()
    }

    fn schema(&self) -> Value {
        self.0.schema()
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        self.0.rows()
    }
}

/// A form in a form.
#[derive(Debug, Clone, Copy)]
pub struct Within<F>(PhantomData<F>);

/// A form in a form.
#[must_use]
pub fn within<F: Form>() -> Within<F> {
    Within(PhantomData)
}

impl<F: Form> Shape for Within<F> {
    type Value = F;

    fn read(&self, node: &Node, _: &str, problems: &mut Problems) -> Option<F> {
        F::read(node, problems)
    }

    fn write(&self, value: &F) -> Yaml {
        value.write()
    }

    fn words(&self) -> String {
        "mapping".into()
    }

    fn schema(&self) -> Value {
        doc::schema::<F>()
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        (".", F::rows())
    }
}

/// A form with the places of what is in it.
#[derive(Debug, Clone, Copy)]
pub struct WithSpots<F>(PhantomData<F>);

/// A form with the places of what is in it.
#[must_use]
pub fn spotted<F: Form>() -> WithSpots<F> {
    WithSpots(PhantomData)
}

impl<F: Form> Shape for WithSpots<F> {
    type Value = Spotted<F>;

    fn read(&self, node: &Node, _: &str, problems: &mut Problems) -> Option<Self::Value> {
        Some(Spotted {
            value: F::read(node, problems)?,
            node: Some(node.clone()),
        })
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        value.value.write()
    }

    fn words(&self) -> String {
        "mapping".into()
    }

    fn schema(&self) -> Value {
        doc::schema::<F>()
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        (".", F::rows())
    }
}

/// A form that stands for something else.
pub trait Means<T>: Form {
    /// What it means; `None`, with problems, when its keys do not go together.
    fn means(self, here: Position, problems: &mut Problems) -> Option<T>;

    /// The form that means this.
    fn of(value: &T) -> Self;

    /// A single word instead of the mapping, and what it means.
    fn word() -> Option<(&'static str, T)> {
        None
    }

    /// How the plainest case is written without a mapping, if it may be.
    fn brief() -> Option<Brief<T>> {
        None
    }

    /// What is expected where there is another word.
    fn expected() -> &'static str {
        "a mapping"
    }
}

/// How the plainest case of a form is written without a mapping.
pub struct Brief<T> {
    /// Reads it.
    pub read: fn(&Node, &str, &mut Problems) -> Option<T>,
    /// Writes it; `None`: it takes a mapping.
    pub write: fn(&T) -> Option<Yaml>,
    /// What it is.
    pub words: &'static str,
    /// Its JSON Schema.
    pub schema: Value,
}

/// What is written as a form and kept as something else.
#[derive(Debug, Clone, Copy)]
pub struct Via<F, T>(PhantomData<(F, T)>);

/// What is written as a form and kept as something else.
#[must_use]
pub fn via<F: Means<T>, T: PartialEq>() -> Via<F, T> {
    Via(PhantomData)
}

impl<F: Means<T>, T: PartialEq> Shape for Via<F, T> {
    type Value = T;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
        if let (Some((word, value)), Some(text)) = (F::word(), node.text()) {
            if text == word {
                return Some(value);
            }
            node.expected(what, F::expected(), problems);
            return None;
        }
        if let (Some(brief), Some(_)) = (F::brief(), node.text()) {
            return (brief.read)(node, what, problems);
        }
        F::read(node, problems)?.means(node.at, problems)
    }

    fn write(&self, value: &T) -> Yaml {
        match F::word() {
            Some((word, same)) if same == *value => Yaml::Scalar(word.into()),
            _ => {
                let brief = F::brief().and_then(|brief| (brief.write)(value));
                brief.unwrap_or_else(|| F::of(value).write())
            }
        }
    }

    fn words(&self) -> String {
        match (F::word(), F::brief()) {
            (Some((word, _)), _) => format!("`{word}` or mapping"),
            (None, Some(brief)) => format!("{} or mapping", brief.words),
            (None, None) => "mapping".into(),
        }
    }

    fn range(&self) -> Option<String> {
        let [before @ .., last] = F::ONE_OF else {
            return None;
        };
        let before: Vec<String> = before.iter().map(|key| format!("`{key}`")).collect();
        Some(format!("one of {} and `{last}`", before.join(", ")))
    }

    fn schema(&self) -> Value {
        let form = doc::schema::<F>();
        match (F::word(), F::brief()) {
            (Some((word, _)), _) => json!({ "anyOf": [{ "const": word }, form] }),
            (None, Some(brief)) => json!({ "anyOf": [brief.schema, form] }),
            (None, None) => form,
        }
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        (".", F::rows())
    }
}

/// A form that has its name from the key it stands at.
pub trait Named: Form {
    /// Its name.
    fn name(&self) -> &str;
    /// The same under this name.
    #[must_use]
    fn named(self, name: String) -> Self;
}

/// Forms by name, at least one; a name with nothing behind it has every default.
#[derive(Debug, Clone, Copy)]
pub struct ByName<F>(PhantomData<F>);

/// Forms by name, at least one; a name with nothing behind it has every default.
#[must_use]
pub fn by_name<F: Named>() -> ByName<F> {
    ByName(PhantomData)
}

impl<F: Named> Shape for ByName<F> {
    type Value = Vec<F>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Vec<F>> {
        let entries = node.as_map(what, problems)?;
        if entries.is_empty() {
            node.expected(what, &format!("at least one {}", F::WHAT), problems);
        }
        let called = format!("{} name", F::WHAT);
        let mut forms = Vec::new();
        for (key, value) in entries {
            let Some(name) = name().read(key, &called, problems) else {
                continue;
            };
            let empty = Node {
                at: value.at,
                value: firedrill_detector::yaml::Value::Mapping(Vec::new()),
            };
            let value = if value.is_null() { &empty } else { value };
            forms.extend(F::read(value, problems).map(|form| form.named(name)));
        }
        Some(forms)
    }

    fn write(&self, value: &Vec<F>) -> Yaml {
        let entries = value.iter().map(|form| (quote(form.name()), form.write()));
        Yaml::Map {
            block: true,
            entries: entries.collect(),
        }
    }

    fn words(&self) -> String {
        "mapping by name".into()
    }

    fn schema(&self) -> Value {
        let mut form = doc::schema::<F>();
        form["type"] = json!(["object", "null"]);
        json!({ "type": "object", "minProperties": 1, "additionalProperties": form })
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        (".NAME.", F::rows())
    }
}
