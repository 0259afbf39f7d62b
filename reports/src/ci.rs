//! What a pipeline reads of a run: JUnit, annotations, benchmark figures, a badge.
