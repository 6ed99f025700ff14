//! Statements that SQLite and PostgreSQL both run as they stand.
//!
//! Parameters are `$1`, `$2`, … in the order in which they first appear: SQLite takes these for names and numbers them by that
//! order. What the two cannot say alike is in their own folders.

/// A provider that is not known yet: one that left the settings while its files waited is kept, and not expected.
pub(super) const MENTION: &str =
    "INSERT INTO dim_provider (provider_code, name, kind, registered) VALUES ($1, $1, 'unknown', 0) ON CONFLICT DO NOTHING";

/// A provider that is expected: code, name, kind.
pub(super) const PUT_PROVIDER: &str = "INSERT INTO dim_provider (provider_code, name, kind, registered) VALUES ($1, $2, $3, 1)
     ON CONFLICT (provider_code) DO UPDATE SET name = excluded.name, kind = excluded.kind, registered = 1";

/// What is expected of a feed.
pub(super) const PUT_FEED: &str =
    "INSERT INTO feed (provider_code, first_slot_utc, due_after_s, stale_after_s, no_data_after_s) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (provider_code) DO UPDATE SET first_slot_utc = excluded.first_slot_utc, due_after_s = excluded.due_after_s,
       stale_after_s = excluded.stale_after_s, no_data_after_s = excluded.no_data_after_s";

/// A delivery.
pub(super) const PUT_FILE: &str =
    "INSERT INTO ingest_file (delivery_id, provider_code, name, sha256, bytes, key_owner, received_at, state, mapping,
       snapshot_id, rows_read, rows_rejected)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (delivery_id) DO UPDATE SET state = excluded.state, mapping = coalesce(excluded.mapping, ingest_file.mapping),
       snapshot_id = coalesce(excluded.snapshot_id, ingest_file.snapshot_id),
       rows_read = coalesce(excluded.rows_read, ingest_file.rows_read),
       rows_rejected = coalesce(excluded.rows_rejected, ingest_file.rows_rejected)";

/// The highest version of a slot, where one has a certain number.
pub(super) const NUMBER_TAKEN: &str = "SELECT max(version) FROM ingest_snapshot WHERE provider_code = $1 AND slot_utc = $2
     HAVING max(CASE WHEN version = $3 THEN 1 ELSE 0 END) = 1";

/// Every delivery that is told of, and every snapshot.
pub(super) const DELIVERIES: &str = "SELECT delivery_id FROM ingest_file UNION SELECT snapshot_id FROM ingest_snapshot";

/// The newest snapshot of a slot.
pub(super) const LEFT_IN_SLOT: &str = "SELECT max(snapshot_key) FROM ingest_snapshot WHERE provider_code = $1 AND slot_utc = $2";

/// Points what nothing points past any more to the version that counts.
pub(super) const BEHIND: &str = "UPDATE ingest_snapshot SET superseded_by = (SELECT c.snapshot_key FROM ingest_snapshot AS c
       WHERE c.provider_code = ingest_snapshot.provider_code AND c.slot_utc = ingest_snapshot.slot_utc AND c.is_current = 1)
     WHERE provider_code = $1 AND slot_utc = $2 AND is_current = 0 AND superseded_by IS NULL";

/// The findings of a delivery, away.
pub(super) const FORGET_ISSUES: &str = "DELETE FROM ingest_issue WHERE delivery_id = $1";
/// Its rejected rows, away.
pub(super) const FORGET_REJECTS: &str = "DELETE FROM ingest_row_reject WHERE delivery_id = $1";
/// A finding.
pub(super) const PUT_ISSUE: &str =
    "INSERT INTO ingest_issue (delivery_id, issue_no, rule, severity, part, line, column_name, occurrences, message)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// A rejected row.
pub(super) const PUT_REJECT: &str =
    "INSERT INTO ingest_row_reject (delivery_id, reject_no, part, line, rule, column_name) VALUES ($1, $2, $3, $4, $5, $6)";

/// How a slot was filled.
pub(super) const PUT_SLOT: &str = "INSERT INTO feed_slot (provider_code, slot_utc, state) VALUES ($1, $2, $3)
     ON CONFLICT (provider_code, slot_utc) DO UPDATE SET state = excluded.state";

/// A row of the calendar.
pub(super) const PUT_DAY: &str =
    "INSERT INTO dim_slot (slot_utc, local_date, local_time, local_hour, fold, slot_of_day, is_0800, is_midnight, winter)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

/// A ward that nobody has registered, seen in this slot.
pub(super) const PUT_PENDING: &str =
    "INSERT INTO pending_ward (provider_code, site_code, ward_code, first_slot_utc, last_slot_utc) VALUES ($1, $2, $3, $4, $4)
     ON CONFLICT (provider_code, site_code, ward_code) DO UPDATE SET
       first_slot_utc = CASE WHEN excluded.first_slot_utc < pending_ward.first_slot_utc
         THEN excluded.first_slot_utc ELSE pending_ward.first_slot_utc END,
       last_slot_utc = CASE WHEN excluded.last_slot_utc > pending_ward.last_slot_utc
         THEN excluded.last_slot_utc ELSE pending_ward.last_slot_utc END,
       registered = 0";

/// Nobody is expected, until the rows that follow say who is.
pub(super) const EXPECT_NOBODY: &str = "UPDATE dim_provider SET registered = 0";
/// No ward is registered, until the rows that follow say which are.
pub(super) const WITHDRAW_WARDS: &str = "UPDATE dim_ward SET state = 'withdrawn' WHERE state = 'registered'";
/// Sites are not pointed at by facts.
pub(super) const FORGET_SITES: &str = "DELETE FROM dim_site";
/// A site; of two with the same first day the later row holds.
pub(super) const PUT_SITE: &str = "INSERT INTO dim_site (provider_code, site_code, name, valid_from, valid_to) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (provider_code, site_code, valid_from) DO UPDATE SET name = excluded.name, valid_to = excluded.valid_to";
/// A mapping version.
pub(super) const PUT_MAPPING: &str =
    "INSERT INTO ref_mapping_version (provider_code, version, mapping_hash, author, valid_from, valid_to) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (provider_code, version, mapping_hash) DO UPDATE SET author = excluded.author, valid_from = excluded.valid_from,
       valid_to = excluded.valid_to";
/// A sharing agreement.
pub(super) const PUT_AGREEMENT: &str = "INSERT INTO ref_agreement (provider_code, reference, starts, ends) VALUES ($1, $2, $3, $4)
     ON CONFLICT (provider_code, reference) DO UPDATE SET starts = excluded.starts, ends = excluded.ends";
/// Code lists that the settings bring.
pub(super) const PUT_WARD_TYPE: &str =
    "INSERT INTO dim_ward_type (ward_type, meaning) VALUES ($1, $2) ON CONFLICT (ward_type) DO UPDATE SET meaning = excluded.meaning";
/// Ward classifications.
pub(super) const PUT_WARD_CLASS: &str =
    "INSERT INTO dim_ward_class (ward_class, meaning) VALUES ($1, $2) ON CONFLICT (ward_class) DO UPDATE SET meaning = excluded.meaning";
/// Bed groups.
pub(super) const PUT_BED_GROUP: &str =
    "INSERT INTO dim_bed_group (bed_group, meaning) VALUES ($1, $2) ON CONFLICT (bed_group) DO UPDATE SET meaning = excluded.meaning";
/// Code lists that the dataset brings.
pub(super) const PUT_GENDER: &str =
    "INSERT INTO dim_gender (gender, meaning) VALUES ($1, $2) ON CONFLICT (gender) DO UPDATE SET meaning = excluded.meaning";
/// Where demand comes from.
pub(super) const PUT_SOURCE: &str = "INSERT INTO dim_demand_source (demand_source, meaning) VALUES ($1, $2)
     ON CONFLICT (demand_source) DO UPDATE SET meaning = excluded.meaning";
/// Age bands.
pub(super) const PUT_BAND: &str = "INSERT INTO dim_age_band (age_band, meaning, low_age, high_age) VALUES ($1, $2, $3, $4)
     ON CONFLICT (age_band) DO UPDATE SET meaning = excluded.meaning, low_age = excluded.low_age, high_age = excluded.high_age";
/// What stands for local codes that are not known.
pub(super) const PUT_UNKNOWN: &str = "
    INSERT INTO dim_ward_type VALUES ('UNKNOWN', 'not registered yet') ON CONFLICT DO NOTHING;
    INSERT INTO dim_ward_class VALUES ('UNKNOWN', 'not registered yet') ON CONFLICT DO NOTHING;
    INSERT INTO dim_bed_group VALUES ('UNKNOWN', 'not registered yet, or not stated') ON CONFLICT DO NOTHING;";

/// A registered ward.
pub(super) const PUT_WARD: &str =
    "INSERT INTO dim_ward (provider_code, site_code, ward_code, name, alias, ward_type, ward_class, bed_group, bed_sex, min_age,
       max_age, treatment_function, registered_beds, bed_base, valid_from, valid_to, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'registered')
     ON CONFLICT (provider_code, site_code, ward_code, valid_from) DO UPDATE SET name = excluded.name, alias = excluded.alias,
       ward_type = excluded.ward_type, ward_class = excluded.ward_class, bed_group = excluded.bed_group, bed_sex = excluded.bed_sex,
       min_age = excluded.min_age, max_age = excluded.max_age, treatment_function = excluded.treatment_function,
       registered_beds = excluded.registered_beds, bed_base = excluded.bed_base, valid_to = excluded.valid_to, state = 'registered'";
/// Wards that were pending and are registered by now.
pub(super) const SETTLE_PENDING: &str = "UPDATE pending_ward SET registered = 1 WHERE EXISTS
       (SELECT 1 FROM dim_ward AS w WHERE w.provider_code = pending_ward.provider_code AND w.site_code = pending_ward.site_code
          AND w.ward_code = pending_ward.ward_code AND w.state = 'registered')";

/// The wards of a provider in force on a day, the later ones last.
pub(super) const WARDS_IN_FORCE: &str = "SELECT site_code, ward_code, ward_key, ward_type, bed_group FROM dim_ward
     WHERE provider_code = $1 AND state = 'registered' AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)
     ORDER BY valid_from";

/// Whether a snapshot is there.
pub(super) const IS_LOADED: &str = "SELECT version, assessed_at FROM ingest_snapshot WHERE snapshot_id = $1";
/// The current snapshot of a slot.
pub(super) const CURRENT: &str = "SELECT snapshot_id FROM ingest_snapshot WHERE provider_code = $1 AND slot_utc = $2 AND is_current = 1";
/// The versions of the slot of a snapshot.
pub(super) const VERSIONS_OF_SLOT: &str =
    "SELECT v.snapshot_key, v.snapshot_id, v.version, v.sequence, v.snapshot_at, v.is_current, coalesce(v.place, v.version) AS place
     FROM ingest_snapshot AS v JOIN ingest_snapshot AS n ON n.provider_code = v.provider_code AND n.slot_utc = v.slot_utc
     WHERE n.snapshot_key = $1";
/// A version that another takes the place of.
pub(super) const BEATEN: &str = "UPDATE ingest_snapshot SET is_current = 0, superseded_by = $1 WHERE snapshot_key = $2";
/// The version that counts.
pub(super) const COUNTS: &str = "UPDATE ingest_snapshot SET is_current = 1, superseded_by = NULL WHERE snapshot_key = $1";

/// Sums of a snapshot by ward, gender and age band.
pub(super) const SUM_WARDS: &str = "INSERT INTO agg_ward_slot
     SELECT l.snapshot_key, l.ward_key, coalesce(l.gender, '-'), coalesce(l.age_band, '-'),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'RDY'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'CLN'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'RSV'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'LVE'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'IPC'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'STF'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'EST'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'TIM'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'CAR'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND coalesce(l.closed_reason, 'OTH') = 'OTH'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type <> 'CLO' AND coalesce(l.bed_base, w.bed_base) = 'ESC'), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.ready IN ('R', 'D')), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band IN ('L07', 'L14', 'L21')), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band IN ('L14', 'L21')), 0),
       coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band = 'L21'), 0)
     FROM fact_bed_line AS l JOIN dim_ward AS w USING (ward_key)
     WHERE l.snapshot_key = $1
     GROUP BY l.snapshot_key, l.ward_key, coalesce(l.gender, '-'), coalesce(l.age_band, '-')";

/// Sums of a snapshot as a whole.
pub(super) const SUM_PROVIDER: &str = "INSERT INTO agg_org_slot
     SELECT s.snapshot_key, b.*, d.* FROM ingest_snapshot AS s,
      (SELECT coalesce(sum(occupied), 0), coalesce(sum(empty), 0), coalesce(sum(available_now), 0), coalesce(sum(cleaning), 0),
         coalesce(sum(reserved), 0), coalesce(sum(leave), 0), coalesce(sum(closed), 0), coalesce(sum(closed_infection), 0),
         coalesce(sum(closed_staffing), 0), coalesce(sum(closed_estates), 0), coalesce(sum(closed_timetable), 0),
         coalesce(sum(closed_companion), 0), coalesce(sum(closed_other), 0), coalesce(sum(escalation), 0),
         coalesce(sum(ready_to_leave), 0), coalesce(sum(los_7_plus), 0), coalesce(sum(los_14_plus), 0), coalesce(sum(los_21_plus), 0)
       FROM agg_ward_slot WHERE snapshot_key = $1) AS b,
      (SELECT coalesce(sum(quantity), 0), coalesce(sum(quantity) FILTER (WHERE in_bed_now = 0), 0),
         coalesce(sum(quantity) FILTER (WHERE in_bed_now = 1), 0),
         coalesce(sum(quantity) FILTER (WHERE in_bed_now = 0 AND wait_minutes >= 720), 0)
       FROM fact_demand_line WHERE snapshot_key = $1) AS d
     WHERE s.snapshot_key = $1";

/// What a snapshot does not tell of is not known, and no nought.
pub(super) const FORGET_BEDS: &str = "UPDATE agg_org_slot SET occupied = NULL, empty = NULL, available_now = NULL, cleaning = NULL,
       reserved = NULL, leave = NULL, closed = NULL, closed_infection = NULL, closed_staffing = NULL, closed_estates = NULL,
       closed_timetable = NULL, closed_companion = NULL, closed_other = NULL, escalation = NULL, ready_to_leave = NULL,
       los_7_plus = NULL, los_14_plus = NULL, los_21_plus = NULL
     WHERE snapshot_key = $1";
/// The same of demand.
pub(super) const FORGET_DEMAND: &str =
    "UPDATE agg_org_slot SET demand = NULL, demand_not_in_bed = NULL, demand_in_bed = NULL, waits_12h = NULL WHERE snapshot_key = $1";

/// Whether the sums over the rows just written are the totals that the checks saw.
pub(super) const SUMS_AGREE: &str = "SELECT 1 FROM ingest_snapshot AS s JOIN agg_org_slot AS a USING (snapshot_key)
     WHERE s.snapshot_key = $1 AND s.occupied = coalesce(a.occupied, 0) AND s.empty = coalesce(a.empty, 0)
       AND s.available_now = coalesce(a.available_now, 0) AND s.closed = coalesce(a.closed, 0)
       AND s.demand = coalesce(a.demand, 0) AND s.demand_not_in_bed = coalesce(a.demand_not_in_bed, 0)";

/// The census of a snapshot's slot, away: where the slot is a census time.
pub(super) const FORGET_CENSUS: &str = "DELETE FROM census_daily
     WHERE (provider_code, local_date, census) IN
       (SELECT s.provider_code, d.local_date, d.local_time FROM ingest_snapshot AS s JOIN dim_slot AS d USING (slot_utc)
        WHERE s.snapshot_key = $1 AND (d.is_0800 = 1 OR d.is_midnight = 1))";
/// The census that a snapshot makes.
pub(super) const TAKE_CENSUS: &str = "INSERT INTO census_daily
     SELECT s.provider_code, d.local_date, d.local_time, w.ward_class, s.snapshot_key, sum(a.occupied), sum(a.empty),
       sum(a.available_now), sum(a.leave), sum(a.closed), sum(a.escalation), sum(a.los_7_plus), sum(a.los_14_plus),
       sum(a.los_21_plus)
     FROM ingest_snapshot AS s
     JOIN dim_slot AS d USING (slot_utc)
     JOIN agg_ward_slot AS a USING (snapshot_key)
     JOIN dim_ward AS w USING (ward_key)
     WHERE s.snapshot_key = $1 AND s.carries_beds = 1 AND (d.is_0800 = 1 OR d.is_midnight = 1)
     GROUP BY s.provider_code, d.local_date, d.local_time, w.ward_class, s.snapshot_key";

/// The loaded snapshots.
pub(super) const SNAPSHOTS: &str = "SELECT snapshot_id AS id, version, assessed_at FROM ingest_snapshot";
/// The views that are read back.
pub(super) const SYSTEM_NOW: &str = "SELECT * FROM v_system_now ORDER BY scope DESC, provider_code";
/// One provider's wards.
pub(super) const WARDS_NOW: &str = "SELECT * FROM v_provider_ward_now WHERE provider_code = $1 ORDER BY site_code, ward_code";
/// How feeds do.
pub(super) const FEED_HEALTH: &str = "SELECT * FROM v_feed_health ORDER BY provider_code";
