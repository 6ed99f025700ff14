//! The tables of a lake: their columns, what they are made of in the index, and what those who read them see.
//!
//! Rows carry keys that mean something outside the index: a snapshot's id; a ward's provider, site, code and first day.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    /// In the index a text: `2018-12-03T10:15:00Z`.
    Instant,
    /// In the index a text: `2018-12-03`.
    Day,
}
use Kind::{Day, Instant, Text, Whole};

/// A column: its kind, and what it is in the index. Its name is what stands last.
pub(super) type Column = (Kind, &'static str);

/// One table.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
    /// Where it is read from, in order; facts by `?1`, a snapshot's id.
    from: &'static str,
}

impl Table {
    /// Reads its rows from the index.
    pub(super) fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(_, expression)| *expression).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.from)
    }

    /// Reads whether a snapshot of the index, `s`, has rows of it.
    pub(super) fn exists(&self) -> String {
        format!("EXISTS (SELECT 1 FROM {} AS x WHERE x.snapshot_key = s.snapshot_key)", self.name)
    }
}

/// A column's name.
pub(super) fn name((_, expression): &Column) -> &'static str {
    expression.rsplit(['.', ' ']).next().unwrap_or(expression)
}

/// What a snapshot becomes: an object of each that it has rows of.
pub(super) const FACTS: [Table; 3] = [
    Table {
        name: "fact_bed_line",
        columns: &[
            (Text, "s.snapshot_id"),
            (Whole, "l.line_no"),
            (Text, "w.provider_code"),
            (Text, "w.site_code"),
            (Text, "w.ward_code"),
            (Day, "w.valid_from AS ward_valid_from"),
            (Text, "l.line_type"),
            (Whole, "l.quantity"),
            (Text, "l.bay_code"),
            (Text, "l.bed_ref"),
            (Text, "l.bed_status"),
            (Text, "l.empty_state"),
            (Text, "l.closed_reason"),
            (Text, "l.bed_base"),
            (Text, "l.bed_sex"),
            (Whole, "l.side_room"),
            (Text, "l.care_level"),
            (Text, "l.treatment_function"),
            (Text, "l.gender"),
            (Text, "l.age_band"),
            (Text, "l.ready"),
            (Text, "l.edd_band"),
            (Text, "l.los_band"),
            (Instant, "l.source_updated_at"),
        ],
        from: "fact_bed_line AS l JOIN ingest_snapshot AS s USING (snapshot_key) JOIN dim_ward AS w USING (ward_key)
            WHERE s.snapshot_id = ?1 ORDER BY l.line_no",
    },
    Table {
        name: "fact_demand_line",
        columns: &[
            (Text, "s.snapshot_id"),
            (Whole, "l.line_no"),
            (Text, "s.provider_code"),
            (Text, "l.site_code"),
            (Text, "w.ward_code"),
            (Day, "w.valid_from AS ward_valid_from"),
            (Whole, "l.quantity"),
            (Text, "l.demand_source"),
            (Text, "l.demand_for"),
            (Text, "l.for_bed_group"),
            (Text, "l.for_ward_type"),
            (Whole, "l.in_bed_now"),
            (Whole, "l.wait_minutes"),
            (Text, "l.wait_band"),
            (Text, "l.gender"),
            (Text, "l.age_band"),
            (Instant, "l.source_updated_at"),
        ],
        from: "fact_demand_line AS l JOIN ingest_snapshot AS s USING (snapshot_key) LEFT JOIN dim_ward AS w USING (ward_key)
            WHERE s.snapshot_id = ?1 ORDER BY l.line_no",
    },
    Table {
        name: "agg_ward_slot",
        columns: &[
            (Text, "s.snapshot_id"),
            (Text, "w.provider_code"),
            (Text, "w.site_code"),
            (Text, "w.ward_code"),
            (Day, "w.valid_from AS ward_valid_from"),
            (Text, "l.gender"),
            (Text, "l.age_band"),
            (Whole, "l.occupied"),
            (Whole, "l.empty"),
            (Whole, "l.available_now"),
            (Whole, "l.cleaning"),
            (Whole, "l.reserved"),
            (Whole, "l.leave"),
            (Whole, "l.closed"),
            (Whole, "l.closed_infection"),
            (Whole, "l.closed_staffing"),
            (Whole, "l.closed_estates"),
            (Whole, "l.closed_timetable"),
            (Whole, "l.closed_companion"),
            (Whole, "l.closed_other"),
            (Whole, "l.escalation"),
            (Whole, "l.ready_to_leave"),
            (Whole, "l.los_7_plus"),
            (Whole, "l.los_14_plus"),
            (Whole, "l.los_21_plus"),
        ],
        from: "agg_ward_slot AS l JOIN ingest_snapshot AS s USING (snapshot_key) JOIN dim_ward AS w USING (ward_key)
            WHERE s.snapshot_id = ?1 ORDER BY w.site_code, w.ward_code, w.valid_from, l.gender, l.age_band",
    },
];

/// What is the same for all snapshots: each an object, written anew where it has changed.
pub(super) const REFERENCE: [Table; 13] = [
    Table {
        name: "dim_provider",
        columns: &[(Text, "provider_code"), (Text, "name"), (Text, "kind"), (Whole, "registered")],
        from: "dim_provider ORDER BY 1",
    },
    Table {
        name: "dim_site",
        columns: &[(Text, "provider_code"), (Text, "site_code"), (Text, "name"), (Day, "valid_from"), (Day, "valid_to")],
        from: "dim_site ORDER BY 1, 2, 4",
    },
    Table {
        name: "dim_ward",
        columns: &[
            (Text, "provider_code"),
            (Text, "site_code"),
            (Text, "ward_code"),
            (Text, "name"),
            (Text, "alias"),
            (Text, "ward_type"),
            (Text, "ward_class"),
            (Text, "bed_group"),
            (Text, "bed_sex"),
            (Whole, "min_age"),
            (Whole, "max_age"),
            (Text, "treatment_function"),
            (Whole, "registered_beds"),
            (Text, "bed_base"),
            (Day, "valid_from"),
            (Day, "valid_to"),
            (Text, "state"),
        ],
        from: "dim_ward ORDER BY 1, 2, 3, valid_from",
    },
    codes("dim_ward_type", &[(Text, "ward_type"), (Text, "meaning")], "dim_ward_type ORDER BY 1"),
    codes("dim_ward_class", &[(Text, "ward_class"), (Text, "meaning")], "dim_ward_class ORDER BY 1"),
    codes("dim_bed_group", &[(Text, "bed_group"), (Text, "meaning")], "dim_bed_group ORDER BY 1"),
    codes("dim_gender", &[(Text, "gender"), (Text, "meaning")], "dim_gender ORDER BY 1"),
    codes("dim_demand_source", &[(Text, "demand_source"), (Text, "meaning")], "dim_demand_source ORDER BY 1"),
    codes("dim_age_band", &[(Text, "age_band"), (Text, "meaning"), (Whole, "low_age"), (Whole, "high_age")], "dim_age_band ORDER BY 1"),
    Table {
        name: "dim_slot",
        columns: &[
            (Instant, "slot_utc"),
            (Day, "local_date"),
            (Text, "local_time"),
            (Whole, "local_hour"),
            (Whole, "fold"),
            (Whole, "slot_of_day"),
            (Whole, "is_0800"),
            (Whole, "is_midnight"),
            (Whole, "winter"),
            (Whole, "bank_holiday"),
        ],
        from: "dim_slot ORDER BY 1",
    },
    Table {
        name: "ref_mapping_version",
        columns: &[
            (Text, "provider_code"),
            (Text, "version"),
            (Text, "mapping_hash"),
            (Text, "author"),
            (Day, "valid_from"),
            (Day, "valid_to"),
        ],
        from: "ref_mapping_version ORDER BY 1, 2, 3",
    },
    Table {
        name: "ref_agreement",
        columns: &[(Text, "provider_code"), (Text, "reference"), (Day, "starts"), (Day, "ends")],
        from: "ref_agreement ORDER BY 1, 2",
    },
    Table {
        name: "feed",
        columns: &[
            (Text, "provider_code"),
            (Instant, "first_slot_utc"),
            (Whole, "due_after_s"),
            (Whole, "stale_after_s"),
            (Whole, "no_data_after_s"),
        ],
        from: "feed ORDER BY 1",
    },
];

const fn codes(name: &'static str, columns: &'static [Column], from: &'static str) -> Table {
    Table { name, columns, from }
}

/// The snapshots of a day, in the day's manifest. What supersedes one is named by its id.
pub(super) const SNAPSHOT: [Column; 26] = [
    (Text, "s.snapshot_id"),
    (Text, "s.provider_code"),
    (Instant, "s.slot_utc"),
    (Whole, "s.version"),
    (Instant, "s.snapshot_at"),
    (Whole, "s.sequence"),
    (Text, "s.content_hash"),
    (Text, "s.mapping"),
    (Text, "s.mapping_hash"),
    (Whole, "s.carries_beds"),
    (Whole, "s.carries_demand"),
    (Whole, "s.lines"),
    (Whole, "s.rows_read"),
    (Whole, "s.rows_rejected"),
    (Whole, "s.occupied"),
    (Whole, "s.empty"),
    (Whole, "s.available_now"),
    (Whole, "s.closed"),
    (Whole, "s.demand"),
    (Whole, "s.demand_not_in_bed"),
    (Instant, "s.assessed_at"),
    (Whole, "s.is_current"),
    (Text, "b.snapshot_id AS superseded_by"),
    (Text, "s.time_rule"),
    (Whole, "s.place"),
    (Whole, "a.snapshot_key IS NOT NULL AS has_sums"),
];

/// A snapshot's sums as a whole, beside it in the manifest.
pub(super) const SUMS: [Column; 22] = [
    (Whole, "a.occupied"),
    (Whole, "a.empty"),
    (Whole, "a.available_now"),
    (Whole, "a.cleaning"),
    (Whole, "a.reserved"),
    (Whole, "a.leave"),
    (Whole, "a.closed"),
    (Whole, "a.closed_infection"),
    (Whole, "a.closed_staffing"),
    (Whole, "a.closed_estates"),
    (Whole, "a.closed_timetable"),
    (Whole, "a.closed_companion"),
    (Whole, "a.closed_other"),
    (Whole, "a.escalation"),
    (Whole, "a.ready_to_leave"),
    (Whole, "a.los_7_plus"),
    (Whole, "a.los_14_plus"),
    (Whole, "a.los_21_plus"),
    (Whole, "a.demand"),
    (Whole, "a.demand_not_in_bed"),
    (Whole, "a.demand_in_bed"),
    (Whole, "a.waits_12h"),
];

/// The census that a day's snapshots made.
pub(super) const CENSUS: [Column; 14] = [
    (Text, "c.provider_code"),
    (Day, "c.local_date"),
    (Text, "c.census"),
    (Text, "c.ward_class"),
    (Text, "s.snapshot_id"),
    (Whole, "c.occupied"),
    (Whole, "c.empty"),
    (Whole, "c.available_now"),
    (Whole, "c.leave"),
    (Whole, "c.closed"),
    (Whole, "c.escalation"),
    (Whole, "c.los_7_plus"),
    (Whole, "c.los_14_plus"),
    (Whole, "c.los_21_plus"),
];
