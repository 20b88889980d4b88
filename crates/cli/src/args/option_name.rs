//! The names of options in error messages.

/// The option for a field of [`EngineConfig`](weir::EngineConfig): the same words, without the unit.
pub(crate) fn option_name(field: &str) -> String {
    let name = field.strip_suffix("_secs").or_else(|| field.strip_suffix("_bytes")).unwrap_or(field);
    name.replace('_', "-")
}
