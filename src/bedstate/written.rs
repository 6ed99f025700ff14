//! Written lines: the dataset as CSV, in the fields and the order of the published schema.

use super::line::Line;
use super::small::ShortCode;
use super::snapshot::Snapshot;

/// A line's fields by name, in the order of the specification, as they are written; blank where nothing is known.
///
/// The provider and the snapshot's time stand on the snapshot.
#[must_use]
pub fn written_fields(line: &Line) -> Vec<(&'static str, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let yes_no = |flag: Option<bool>| text(flag.map(|flag| if flag { "Y" } else { "N" }));
    let code = |code: Option<&'static str>| text(code);
    vec![
        ("site_code", line.site_code.to_string()),
        ("line_type", line.line_type.code().to_owned()),
        ("quantity", line.quantity.to_string()),
        ("ward_code", text(line.ward_code.as_deref())),
        ("bay_code", text(line.bay_code.as_deref())),
        ("bed_ref", text(line.bed_ref.as_deref())),
        ("bed_status", code(line.bed_status.map(|status| status.code()))),
        ("empty_state", code(line.empty_state.map(|state| state.code()))),
        ("closed_reason", code(line.closed_reason.map(|reason| reason.code()))),
        ("bed_base", code(line.bed_base.map(|base| base.code()))),
        ("bed_sex", code(line.bed_sex.map(|sex| sex.code()))),
        ("side_room", yes_no(line.side_room)),
        ("care_level", text(line.care_level.as_ref().map(ShortCode::as_str))),
        ("treatment_function", text(line.treatment_function.as_ref().map(ShortCode::as_str))),
        ("gender", code(line.gender.map(|gender| gender.code()))),
        ("age_band", code(line.age_band.map(|band| band.code()))),
        ("ready", code(line.ready.map(|ready| ready.code()))),
        ("edd_band", code(line.edd_band.map(|band| band.code()))),
        ("los_band", code(line.los_band.map(|band| band.code()))),
        ("demand_source", code(line.demand_source.map(|source| source.code()))),
        ("demand_for", text(line.demand_for.as_deref())),
        ("in_bed_now", yes_no(line.in_bed_now)),
        ("wait_from", line.wait_from.map(|moment| moment.at().to_string()).unwrap_or_default()),
        ("source_updated_at", line.source_updated_at.map(|moment| moment.at().to_string()).unwrap_or_default()),
    ]
}

/// A snapshot as CSV: a line of the schema's field names, then a line for each of its lines, ended by CR LF (RFC 4180).
///
/// Fields that no line holds are blank: ward type, class and bed group, which the reference data decide, and `demand_ref`.
#[must_use]
pub fn csv_text(snapshot: &Snapshot) -> String {
    let names = super::schema::field_names();
    let mut text = names.join(",") + "\r\n";
    let (provider, at) = (snapshot.provider.to_string(), snapshot.snapshot_at.to_string());
    for line in &snapshot.lines {
        let fields = written_fields(line);
        let value = |name: &str| match name {
            "provider_code" => provider.clone(),
            "snapshot_at" => at.clone(),
            _ => fields.iter().find(|(field, _)| *field == name).map(|(_, value)| quoted(value)).unwrap_or_default(),
        };
        text.push_str(&names.iter().map(|name| value(name)).collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}

fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\r', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::LineType;

    /// Fields of the schema that no line holds: the reference data decide them when a line is loaded, and a reference of the
    /// provider's own is dropped once repeats have been looked for.
    const NOT_HELD: &[&str] = &["ward_type", "ward_class", "bed_group", "demand_ref"];

    #[test]
    fn every_field_of_the_schema_is_written_or_known_not_to_be_held() {
        let fields = written_fields(&Line::new("RM102", LineType::Empty));
        let mut written: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        written.extend(["provider_code", "snapshot_at"]);
        written.extend(NOT_HELD);
        written.sort_unstable();
        let mut names = super::super::schema::field_names();
        names.sort_unstable();
        assert_eq!(written, names);
    }

    #[test]
    fn a_value_with_a_separator_is_quoted() {
        let rows = [("W1", "W1"), ("a,b", "\"a,b\""), ("a \"b\"", "\"a \"\"b\"\"\"")];
        for (value, expected) in rows {
            assert_eq!(quoted(value), expected);
        }
    }
}
