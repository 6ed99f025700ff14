//! Pipeline: the only code that moves a delivery between stages.

pub mod assess;
