//! What can go wrong between bedfeed and its warehouse, sorted by what the pipeline should do about it.

/// Why the warehouse did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {}", .kind.meaning())]
pub struct ForwardError {
    kind: ForwardErrorKind,
    doing: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardErrorKind {
    /// The warehouse cannot be reached or written just now: try again later. Nothing was changed.
    Unavailable,
    /// The warehouse will not take this, now or later: a person must look. Nothing was changed.
    Refused,
    /// The database was made by a newer bedfeed than this one.
    SchemaNewer,
    /// What is there is no warehouse, or not one that can be used: nothing can be loaded until somebody mends that.
    Unusable,
}

impl From<crate::fault::Injected> for ForwardError {
    fn from(fault: crate::fault::Injected) -> Self {
        Self::unavailable("doing a durable step", fault)
    }
}

impl ForwardErrorKind {
    fn meaning(self) -> &'static str {
        match self {
            Self::Unavailable => "the warehouse is not available",
            Self::Refused => "the warehouse refused it",
            Self::Unusable => "this is no warehouse that can be used; put back the right one",
            Self::SchemaNewer => "the database was made by a newer bedfeed; start that version, or restore an older copy",
        }
    }
}

impl ForwardError {
    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ForwardErrorKind {
        self.kind
    }

    pub(super) fn new(kind: ForwardErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), source: None }
    }

    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn unavailable(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ForwardErrorKind::Unavailable, doing).caused_by(source)
    }

    /// What would be refused while it is opened is not about what is to be loaded.
    pub(super) fn at_the_opening(self) -> Self {
        let kind = if self.kind == ForwardErrorKind::Refused { ForwardErrorKind::Unusable } else { self.kind };
        Self { kind, ..self }
    }

    pub(super) fn refused(doing: impl Into<String>) -> Self {
        Self::new(ForwardErrorKind::Refused, doing)
    }
}
