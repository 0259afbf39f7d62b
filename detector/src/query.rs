//! Instant queries, for tests and for people who ask.

use thiserror::Error;

use crate::compat::Compat;
use crate::detector::Detector;
use crate::expr::Expr;
use crate::expr::compile::compile;
use crate::sample::{Labels, Timestamp};

/// A compiled expression that can be asked of a [`Detector`] at any time.
#[derive(Debug, Clone)]
pub struct Query {
    expr: Expr,
}

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The expression is wrong, or beyond this crate.
    #[error("{0}")]
    Refused(String),
    /// It cannot be evaluated on these series, as when labels match more than once.
    #[error("{0}")]
    Failed(String),
}

impl Query {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// [`QueryError::Refused`] if Prometheus would refuse it, or it cannot be evaluated exactly.
    pub fn parse(text: &str, compat: Compat) -> Result<Self, QueryError> {
        let compiled =
            compile(text, compat).map_err(|refusal| QueryError::Refused(refusal.message))?;
        Ok(Self::new(compiled.expr))
    }

    pub(crate) fn new(expr: Expr) -> Self {
        Self { expr }
    }

    /// The value of an expression that is a number as written, its sign included.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match &self.expr {
            Expr::Scalar(expr) => expr.literal(),
            Expr::Vector(_) => None,
        }
    }
}

impl Detector {
    /// The value of `query` at `at`, in label order; a number is one value without labels.
    ///
    /// Only samples that the rules' own look-back keeps are seen.
    ///
    /// # Errors
    ///
    /// [`QueryError::Failed`].
    pub fn query(
        &mut self,
        query: &Query,
        at: Timestamp,
    ) -> Result<Vec<(Labels, f64)>, QueryError> {
        // An expression remembers what belongs to one detector, so the query's own stays untouched.
        let mut expr = query.expr.clone();
        let engine = self.engine();
        let vector = engine
            .query(&mut expr, at.0)
            .map_err(|error| QueryError::Failed(error.to_string()))?;
        let mut values: Vec<(Labels, f64)> = vector
            .into_iter()
            .map(|element| {
                (
                    engine.interner.labels(element.labels).clone(),
                    element.value,
                )
            })
            .collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(values)
    }
}
