-- What analysts read. Made again whenever the program's views are others, so they always fit the program.
--
-- The text is SQLite's; PostgreSQL reads the same one, with a dozen phrases put in its own words (postgres/views.rs).
--
-- A provider that has no data, or has never sent, is a row of NULLs and makes the sums partial; it is never counted as
-- zero. Every figure stands beside its age. Figures are management information: confirm by telephone before acting on one.

DROP VIEW IF EXISTS v_public_suppressed;
DROP VIEW IF EXISTS v_daily_census;
DROP VIEW IF EXISTS v_quality_28d;
DROP VIEW IF EXISTS v_feed_grid;
DROP VIEW IF EXISTS v_feed_health;
DROP VIEW IF EXISTS v_carehome_now;
DROP VIEW IF EXISTS v_ward_trend;
DROP VIEW IF EXISTS v_filter_cube;
DROP VIEW IF EXISTS v_provider_ward_now;
DROP VIEW IF EXISTS v_net_position;
DROP VIEW IF EXISTS v_system_trend;
DROP VIEW IF EXISTS v_system_group_now;
DROP VIEW IF EXISTS v_system_now;
DROP VIEW IF EXISTS v_provider_org_now;
DROP VIEW IF EXISTS v_current_snapshot;
DROP VIEW IF EXISTS v_clock;

-- The instant that "now" means in every view.
CREATE VIEW v_clock AS
SELECT coalesce((SELECT now_utc FROM clock_override), strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AS now_utc;

-- The newest accepted slot of every registered provider.
-- state: current, stale (older than the feed's limit, still shown), no data (older than its second limit), never sent.
-- has_figures: 1 for current and stale.
CREATE VIEW v_current_snapshot AS
SELECT provider_code, provider_name, kind, snapshot_key, snapshot_id, slot_utc, local_date, local_time, version, snapshot_at,
  age_s / 60 AS age_minutes,
  CASE WHEN age_s IS NULL THEN 'never sent' WHEN age_s > no_data_after_s THEN 'no data' WHEN age_s > stale_after_s THEN 'stale'
    ELSE 'current' END AS state,
  CASE WHEN age_s <= no_data_after_s THEN 1 ELSE 0 END AS has_figures,
  carries_beds, carries_demand, mapping
FROM (
  SELECT p.provider_code, p.name AS provider_name, p.kind, s.snapshot_key, s.snapshot_id, s.slot_utc, d.local_date, d.local_time,
    s.version, s.snapshot_at, unixepoch(v_clock.now_utc) - unixepoch(s.snapshot_at) AS age_s,
    coalesce(f.stale_after_s, 1800) AS stale_after_s, coalesce(f.no_data_after_s, 14400) AS no_data_after_s,
    s.carries_beds, s.carries_demand, s.mapping
  FROM dim_provider AS p
  CROSS JOIN v_clock
  LEFT JOIN feed AS f ON f.provider_code = p.provider_code
  LEFT JOIN ingest_snapshot AS s ON s.snapshot_key =
    (SELECT n.snapshot_key FROM ingest_snapshot AS n
     WHERE n.provider_code = p.provider_code AND n.is_current = 1 ORDER BY n.slot_utc DESC LIMIT 1)
  LEFT JOIN dim_slot AS d ON d.slot_utc = s.slot_utc
  WHERE p.registered = 1
) AS newest;

-- Each registered provider's sums now. demand_in_bed: in another provider's bed, or in the wrong one.
CREATE VIEW v_provider_org_now AS
SELECT c.provider_code, c.provider_name, c.kind, c.state, c.slot_utc, c.local_date, c.local_time, c.snapshot_at, c.age_minutes,
  c.has_figures, c.snapshot_id, c.carries_demand, a.occupied + a.empty AS open, a.occupied, a.empty, a.available_now, a.cleaning,
  a.reserved, a.leave, a.closed, a.closed_infection, a.closed_staffing, a.closed_estates, a.closed_timetable, a.closed_companion,
  a.closed_other, a.escalation, a.ready_to_leave, a.los_7_plus, a.los_14_plus, a.los_21_plus, a.demand_not_in_bed, a.demand_in_bed,
  a.waits_12h
FROM v_current_snapshot AS c
LEFT JOIN agg_org_slot AS a ON a.snapshot_key = c.snapshot_key AND c.has_figures = 1;

-- One TOTAL row and one row a provider. In TOTAL: snapshot_at and age are those of the oldest figures in it; partial is 1
-- where a provider's figures are missing; providers_current counts fresh ones, providers_counted stale ones too; demand is
-- that of demand_providers_current providers only.
CREATE VIEW v_system_now AS
SELECT scope, provider_code, provider_name, state, occupied + empty AS open, occupied, empty, available_now, leave, closed,
  closed_infection, closed_staffing, closed_estates, closed_timetable, closed_companion, closed_other, escalation,
  demand_not_in_bed, demand_in_bed, waits_12h,
  CAST(round(100.0 * occupied / nullif(occupied + empty, 0), 1) AS DOUBLE PRECISION) AS occupancy_percent,
  CAST(round(100.0 * (occupied + leave) / nullif(occupied + empty, 0), 1) AS DOUBLE PRECISION) AS occupancy_percent_leave_as_occupied,
  snapshot_at, age_minutes, providers_current, providers_counted, providers_expected, partial, demand_providers_current,
  slot_utc, snapshot_id
FROM (
  SELECT 'TOTAL' AS scope, NULL AS provider_code, NULL AS provider_name, NULL AS state, sum(occupied) AS occupied, sum(empty) AS empty,
    sum(available_now) AS available_now, sum(leave) AS leave, sum(closed) AS closed, sum(closed_infection) AS closed_infection,
    sum(closed_staffing) AS closed_staffing, sum(closed_estates) AS closed_estates, sum(closed_timetable) AS closed_timetable,
    sum(closed_companion) AS closed_companion, sum(closed_other) AS closed_other, sum(escalation) AS escalation,
    sum(demand_not_in_bed) AS demand_not_in_bed, sum(demand_in_bed) AS demand_in_bed, sum(waits_12h) AS waits_12h,
    min(CASE WHEN has_figures = 1 THEN snapshot_at END) AS snapshot_at, max(CASE WHEN has_figures = 1 THEN age_minutes END) AS age_minutes,
    count(CASE WHEN state = 'current' THEN 1 END) AS providers_current, coalesce(sum(has_figures), 0) AS providers_counted,
    count(*) AS providers_expected, CASE WHEN coalesce(sum(has_figures), 0) < count(*) THEN 1 ELSE 0 END AS partial,
    count(CASE WHEN has_figures = 1 AND carries_demand = 1 THEN 1 END) AS demand_providers_current,
    NULL AS slot_utc, NULL AS snapshot_id
  FROM v_provider_org_now
  UNION ALL
  SELECT 'PROVIDER', provider_code, provider_name, state, occupied, empty, available_now, leave, closed, closed_infection,
    closed_staffing, closed_estates, closed_timetable, closed_companion, closed_other, escalation, demand_not_in_bed,
    demand_in_bed, waits_12h, snapshot_at, age_minutes, CASE WHEN state = 'current' THEN 1 ELSE 0 END, has_figures, 1, 1 - has_figures,
    CASE WHEN has_figures = 1 AND carries_demand = 1 THEN 1 ELSE 0 END, slot_utc, snapshot_id
  FROM v_provider_org_now
) AS rows_now;

-- Beds now by provider, bed group and ward class; providers without data have no rows here: see v_current_snapshot.
CREATE VIEW v_system_group_now AS
SELECT c.provider_code, w.bed_group, w.ward_class, sum(a.occupied) + sum(a.empty) AS open, sum(a.occupied) AS occupied,
  sum(a.empty) AS empty, sum(a.available_now) AS available_now, sum(a.leave) AS leave, sum(a.closed) AS closed,
  sum(a.closed_infection) AS closed_infection, sum(a.closed_staffing) AS closed_staffing, sum(a.closed_estates) AS closed_estates,
  sum(a.closed_timetable) AS closed_timetable, sum(a.closed_companion) AS closed_companion, sum(a.closed_other) AS closed_other,
  sum(a.escalation) AS escalation, c.snapshot_at, c.age_minutes, c.state
FROM v_current_snapshot AS c
JOIN agg_ward_slot AS a ON a.snapshot_key = c.snapshot_key
JOIN dim_ward AS w ON w.ward_key = a.ward_key
WHERE c.has_figures = 1
GROUP BY c.provider_code, w.bed_group, w.ward_class, c.snapshot_at, c.age_minutes, c.state;

-- Every slot of the last 28 days, TOTAL and by provider; a slot without a snapshot is a gap: NULLs, not zeros.
-- A TOTAL counts the snapshots of that very slot and does not carry older ones forward.
CREATE VIEW v_system_trend AS
WITH RECURSIVE slots (at) AS (
  SELECT unixepoch(now_utc) / 900 * 900 FROM v_clock
  UNION ALL
  SELECT at - 900 FROM slots WHERE at > (SELECT unixepoch(now_utc) / 900 * 900 - 28 * 86400 FROM v_clock)
),
cells AS (
  SELECT strftime('%Y-%m-%dT%H:%M:%SZ', slots.at, 'unixepoch') AS slot_utc, p.provider_code
  FROM slots
  CROSS JOIN dim_provider AS p
  LEFT JOIN feed AS f ON f.provider_code = p.provider_code
  WHERE p.registered = 1 AND (f.first_slot_utc IS NULL OR unixepoch(f.first_slot_utc) <= slots.at)
),
figures AS (
  SELECT cells.slot_utc, cells.provider_code, s.snapshot_key, a.occupied, a.empty, a.available_now, a.closed, a.escalation,
    a.demand_not_in_bed, a.demand_in_bed, a.waits_12h
  FROM cells
  LEFT JOIN ingest_snapshot AS s ON s.provider_code = cells.provider_code AND s.slot_utc = cells.slot_utc AND s.is_current = 1
  LEFT JOIN agg_org_slot AS a ON a.snapshot_key = s.snapshot_key
)
SELECT 'TOTAL' AS scope, NULL AS provider_code, slot_utc, sum(occupied) + sum(empty) AS open, sum(occupied) AS occupied,
  sum(empty) AS empty, sum(available_now) AS available_now, sum(closed) AS closed, sum(escalation) AS escalation,
  sum(demand_not_in_bed) AS demand_not_in_bed, sum(demand_in_bed) AS demand_in_bed, sum(waits_12h) AS waits_12h,
  count(snapshot_key) AS providers_counted, count(*) AS providers_expected,
  CASE WHEN count(snapshot_key) < count(*) THEN 1 ELSE 0 END AS partial
FROM figures
GROUP BY slot_utc
UNION ALL
SELECT 'PROVIDER', provider_code, slot_utc, occupied + empty, occupied, empty, available_now, closed, escalation, demand_not_in_bed,
  demand_in_bed, waits_12h, CASE WHEN snapshot_key IS NULL THEN 0 ELSE 1 END, 1, CASE WHEN snapshot_key IS NULL THEN 1 ELSE 0 END
FROM figures;

-- Beds ready now less patients who need one and are in none, by bed group; both over providers with figures. Demand
-- whose group is not stated is in UNKNOWN. net is NULL where no provider with figures tells of demand.
CREATE VIEW v_net_position AS
WITH figures AS (
  SELECT w.bed_group, a.available_now, 0 AS demand_not_in_bed
  FROM v_current_snapshot AS c JOIN agg_ward_slot AS a ON a.snapshot_key = c.snapshot_key JOIN dim_ward AS w ON w.ward_key = a.ward_key
  WHERE c.has_figures = 1
  UNION ALL
  SELECT d.for_bed_group, 0, d.quantity
  FROM v_current_snapshot AS c JOIN fact_demand_line AS d ON d.snapshot_key = c.snapshot_key
  WHERE c.has_figures = 1 AND d.in_bed_now = 0
)
SELECT figures.bed_group, g.meaning AS bed_group_meaning, sum(figures.available_now) AS available_now,
  CASE WHEN t.demand_providers_current > 0 THEN sum(figures.demand_not_in_bed) END AS demand_not_in_bed,
  CASE WHEN t.demand_providers_current > 0 THEN sum(figures.available_now) - sum(figures.demand_not_in_bed) END AS net,
  t.demand_providers_current, t.providers_current, t.providers_counted, t.providers_expected, t.partial, t.age_minutes
FROM figures
CROSS JOIN (SELECT * FROM v_system_now WHERE scope = 'TOTAL') AS t
LEFT JOIN dim_bed_group AS g ON g.bed_group = figures.bed_group
GROUP BY figures.bed_group, g.meaning, t.demand_providers_current, t.providers_current, t.providers_counted, t.providers_expected,
  t.partial, t.age_minutes;

-- Wards now. demand_for_bed_group is that of the provider's whole bed group, the same on each of its wards: not to be
-- added up; NULL where the feed tells of no demand.
CREATE VIEW v_provider_ward_now AS
SELECT c.provider_code, w.site_code, w.ward_code, coalesce(w.alias, w.name) AS ward_label, w.ward_type, w.ward_class, w.bed_group,
  w.bed_sex, w.min_age, w.max_age, w.registered_beds, w.state AS ward_state, sum(a.occupied) + sum(a.empty) AS open,
  sum(a.occupied) AS occupied, sum(a.empty) AS empty, sum(a.available_now) AS available_now, sum(a.cleaning) AS cleaning,
  sum(a.reserved) AS reserved, sum(a.leave) AS leave, sum(a.closed) AS closed, sum(a.closed_infection) AS closed_infection,
  sum(a.closed_staffing) AS closed_staffing, sum(a.closed_estates) AS closed_estates, sum(a.closed_timetable) AS closed_timetable,
  sum(a.closed_companion) AS closed_companion, sum(a.closed_other) AS closed_other, sum(a.escalation) AS escalation,
  sum(a.ready_to_leave) AS ready_to_leave, sum(a.los_7_plus) AS los_7_plus, sum(a.los_14_plus) AS los_14_plus,
  sum(a.los_21_plus) AS los_21_plus,
  CASE WHEN c.carries_demand = 1 THEN
    (SELECT coalesce(sum(d.quantity), 0) FROM fact_demand_line AS d
     WHERE d.snapshot_key = c.snapshot_key AND d.in_bed_now = 0 AND d.for_bed_group = w.bed_group) END AS demand_for_bed_group,
  c.slot_utc, c.snapshot_at, c.age_minutes, c.state
FROM v_current_snapshot AS c
JOIN agg_ward_slot AS a ON a.snapshot_key = c.snapshot_key
JOIN dim_ward AS w ON w.ward_key = a.ward_key
WHERE c.has_figures = 1
GROUP BY c.provider_code, c.snapshot_key, c.carries_demand, c.slot_utc, c.snapshot_at, c.age_minutes, c.state, w.ward_key;

-- Counts for every choice of the filters gender and age_band ('ALL': not filtered), by provider, ward type, ward class and
-- bed group. People count by their own gender and band. An empty bed counts as suitable for gender 1 where it is for
-- men or for anybody, for 2 likewise, for 9 and X where it is for anybody; for a band where the ward's ages overlap it,
-- and for AXX where the ward has no age limits. Suitable beds of different choices overlap: not to be added up.
-- The _unfiltered columns are to be shown beside them. Demand stands at what it asks for, with ward class UNKNOWN.
CREATE VIEW v_filter_cube AS
WITH thing AS (
  SELECT c.provider_code, w.ward_type, w.ward_class, w.bed_group, l.line_type,
    CASE WHEN l.empty_state = 'RDY' THEN 1 ELSE 0 END AS ready_now, 0 AS in_bed_now, l.gender, l.age_band,
    coalesce(l.bed_sex, w.bed_sex, '8') AS bed_sex, w.min_age, w.max_age,
    CAST(sum(l.quantity) AS INTEGER) AS quantity,
    c.carries_demand, c.snapshot_at, c.age_minutes, c.state
  FROM v_current_snapshot AS c
  JOIN fact_bed_line AS l ON l.snapshot_key = c.snapshot_key
  JOIN dim_ward AS w ON w.ward_key = l.ward_key
  WHERE c.has_figures = 1 AND l.line_type IN ('OCC', 'EMP')
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17
  UNION ALL
  SELECT c.provider_code, d.for_ward_type, 'UNKNOWN', d.for_bed_group, 'DEM', 0, d.in_bed_now, d.gender, d.age_band, NULL, NULL, NULL,
    CAST(sum(d.quantity) AS INTEGER), c.carries_demand, c.snapshot_at, c.age_minutes, c.state
  FROM v_current_snapshot AS c
  JOIN fact_demand_line AS d ON d.snapshot_key = c.snapshot_key
  WHERE c.has_figures = 1
  GROUP BY c.provider_code, d.for_ward_type, d.for_bed_group, d.in_bed_now, d.gender, d.age_band, c.carries_demand, c.snapshot_at,
    c.age_minutes, c.state
),
choice AS (
  SELECT g.gender, b.age_band, b.low_age, b.high_age
  FROM (SELECT gender FROM dim_gender UNION ALL SELECT 'ALL') AS g
  CROSS JOIN (SELECT age_band, low_age, high_age FROM dim_age_band UNION ALL SELECT 'ALL', NULL, NULL) AS b
),
matched AS (
  SELECT thing.*, choice.gender AS chosen_gender, choice.age_band AS chosen_band,
    (choice.gender = 'ALL' OR coalesce(thing.gender, 'X') = choice.gender)
      AND (choice.age_band = 'ALL' OR coalesce(thing.age_band, 'AXX') = choice.age_band) AS is_person,
    (choice.gender = 'ALL' OR thing.bed_sex = '8' OR thing.bed_sex = choice.gender)
      AND (choice.age_band = 'ALL' OR (coalesce(thing.min_age <= choice.high_age, thing.min_age IS NULL)
        AND coalesce(thing.max_age >= choice.low_age, thing.max_age IS NULL))) AS is_suitable
  FROM thing CROSS JOIN choice
)
SELECT provider_code, ward_type, ward_class, bed_group, chosen_gender AS gender, chosen_band AS age_band,
  sum(CASE WHEN line_type = 'OCC' AND is_person THEN quantity ELSE 0 END) AS occupied,
  sum(CASE WHEN line_type = 'EMP' AND is_suitable THEN quantity ELSE 0 END) AS suitable_empty,
  sum(CASE WHEN line_type = 'EMP' AND ready_now = 1 AND is_suitable THEN quantity ELSE 0 END) AS suitable_available_now,
  CASE WHEN carries_demand = 1 THEN
    sum(CASE WHEN line_type = 'DEM' AND in_bed_now = 0 AND is_person THEN quantity ELSE 0 END) END AS demand_not_in_bed,
  CASE WHEN carries_demand = 1 THEN
    sum(CASE WHEN line_type = 'DEM' AND in_bed_now = 1 AND is_person THEN quantity ELSE 0 END) END AS demand_in_bed,
  sum(CASE WHEN line_type = 'OCC' THEN quantity ELSE 0 END) AS occupied_unfiltered,
  sum(CASE WHEN line_type = 'EMP' THEN quantity ELSE 0 END) AS empty_unfiltered,
  sum(CASE WHEN line_type = 'EMP' AND ready_now = 1 THEN quantity ELSE 0 END) AS available_now_unfiltered,
  snapshot_at, age_minutes, state
FROM matched
GROUP BY provider_code, ward_type, ward_class, bed_group, chosen_gender, chosen_band, carries_demand, snapshot_at, age_minutes, state;

-- Wards over the last 28 days, current versions; a slot without a snapshot has no row.
CREATE VIEW v_ward_trend AS
SELECT s.provider_code, w.site_code, w.ward_code, coalesce(w.alias, w.name) AS ward_label, s.slot_utc, d.local_date, d.local_time,
  sum(a.occupied) + sum(a.empty) AS open, sum(a.occupied) AS occupied, sum(a.empty) AS empty, sum(a.available_now) AS available_now,
  sum(a.closed) AS closed, sum(a.escalation) AS escalation, sum(a.ready_to_leave) AS ready_to_leave
FROM v_clock
JOIN ingest_snapshot AS s ON s.slot_utc > strftime('%Y-%m-%dT%H:%M:%SZ', v_clock.now_utc, '-28 days') AND s.is_current = 1
JOIN dim_slot AS d ON d.slot_utc = s.slot_utc
JOIN agg_ward_slot AS a ON a.snapshot_key = s.snapshot_key
JOIN dim_ward AS w ON w.ward_key = a.ward_key
GROUP BY s.snapshot_key, s.provider_code, s.slot_utc, d.local_date, d.local_time, w.ward_key;

-- Care homes now: one row a home and type of bed. accepting: vacant and taking admissions. row_age_days counts from the
-- home's own last update, which may be far older than the file.
CREATE VIEW v_carehome_now AS
SELECT c.provider_code, w.site_code, coalesce(n.name, w.site_code) AS home_name, w.ward_code, w.ward_type,
  sum(f.quantity) AS capacity, coalesce(sum(f.quantity) FILTER (WHERE f.line_type = 'OCC'), 0) AS occupied,
  coalesce(sum(f.quantity) FILTER (WHERE f.empty_state = 'RSV'), 0) AS reserved,
  coalesce(sum(f.quantity) FILTER (WHERE f.empty_state = 'RDY'), 0) AS accepting,
  coalesce(sum(f.quantity) FILTER (WHERE f.line_type = 'CLO'), 0) AS closed,
  min(f.source_updated_at) AS source_updated_at,
  (unixepoch(v_clock.now_utc) - unixepoch(min(f.source_updated_at))) / 86400 AS row_age_days,
  c.snapshot_at, c.age_minutes, c.state
FROM v_clock
CROSS JOIN v_current_snapshot AS c
JOIN fact_bed_line AS f ON f.snapshot_key = c.snapshot_key
JOIN dim_ward AS w ON w.ward_key = f.ward_key
LEFT JOIN dim_site AS n ON n.provider_code = c.provider_code AND n.site_code = w.site_code
  AND n.valid_from <= c.local_date AND (n.valid_to IS NULL OR n.valid_to > c.local_date)
WHERE c.kind = 'care_homes' AND c.has_figures = 1
GROUP BY c.provider_code, w.ward_key, n.name, v_clock.now_utc, c.snapshot_at, c.age_minutes, c.state;

-- Each registered feed: its newest figures, its newest delivery, its newest rejection of the last 28 days, its last 24 hours.
CREATE VIEW v_feed_health AS
SELECT c.provider_code, c.provider_name, c.state, c.slot_utc AS newest_slot_utc, c.snapshot_at, c.age_minutes, c.mapping,
  f.received_at AS last_received_at, f.name AS last_file_name, f.state AS last_file_state,
  i.rule AS last_rejection_rule, i.message AS last_rejection, i.line AS last_rejection_line, i.column_name AS last_rejection_column,
  coalesce(g.on_time, 0) AS on_time_24h, coalesce(g.late, 0) AS late_24h, coalesce(g.missed, 0) AS missed_24h,
  coalesce(g.rejected, 0) AS rejected_24h,
  CAST(round(100.0 * g.on_time / nullif(g.on_time + g.late + g.missed + g.rejected, 0), 1) AS DOUBLE PRECISION) AS on_time_percent_24h,
  (SELECT count(*) FROM ingest_file AS q WHERE q.provider_code = c.provider_code AND q.state IN ('quarantined', 'sealed')) AS quarantined,
  (SELECT count(*) FROM pending_ward AS w WHERE w.provider_code = c.provider_code AND w.registered = 0) AS pending_wards
FROM v_current_snapshot AS c
LEFT JOIN ingest_file AS f ON f.delivery_id =
  (SELECT n.delivery_id FROM ingest_file AS n WHERE n.provider_code = c.provider_code
   ORDER BY n.received_at DESC, n.delivery_id DESC LIMIT 1)
LEFT JOIN ingest_issue AS i ON (i.delivery_id, i.issue_no) =
  (SELECT r.delivery_id, r.issue_no FROM ingest_file AS n CROSS JOIN ingest_issue AS r ON r.delivery_id = n.delivery_id
   WHERE n.provider_code = c.provider_code AND r.severity = 'file rejected'
     AND n.received_at > (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', now_utc, '-28 days') FROM v_clock)
   ORDER BY n.received_at DESC, n.delivery_id DESC, r.issue_no LIMIT 1)
LEFT JOIN (
  -- A superseded slot was filled: its first file's punctuality is no longer told apart, so it counts as on time.
  SELECT s.provider_code, count(*) FILTER (WHERE s.state IN ('on_time', 'superseded')) AS on_time,
    count(*) FILTER (WHERE s.state = 'late') AS late, count(*) FILTER (WHERE s.state = 'missed') AS missed,
    count(*) FILTER (WHERE s.state = 'rejected') AS rejected
  FROM v_clock JOIN feed_slot AS s ON s.slot_utc > strftime('%Y-%m-%dT%H:%M:%SZ', v_clock.now_utc, '-1 day')
  GROUP BY s.provider_code
) AS g ON g.provider_code = c.provider_code;

-- One row a registered provider and slot of the last 24 hours. state: as published; otherwise expected, or not expected
-- before the feed's first slot.
CREATE VIEW v_feed_grid AS
WITH RECURSIVE slots (at) AS (
  SELECT unixepoch(now_utc) / 900 * 900 FROM v_clock
  UNION ALL
  SELECT at - 900 FROM slots WHERE at > (SELECT unixepoch(now_utc) / 900 * 900 - 95 * 900 FROM v_clock)
),
cells AS (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', slots.at, 'unixepoch') AS slot_utc FROM slots)
SELECT p.provider_code, cells.slot_utc, d.local_date, d.local_time,
  coalesce(s.state, CASE WHEN cells.slot_utc < f.first_slot_utc THEN 'not expected' ELSE 'expected' END) AS state,
  n.version AS current_version, n.snapshot_id
FROM cells
CROSS JOIN dim_provider AS p
LEFT JOIN feed AS f ON f.provider_code = p.provider_code
LEFT JOIN feed_slot AS s ON s.provider_code = p.provider_code AND s.slot_utc = cells.slot_utc
LEFT JOIN ingest_snapshot AS n ON n.provider_code = p.provider_code AND n.slot_utc = cells.slot_utc AND n.is_current = 1
LEFT JOIN dim_slot AS d ON d.slot_utc = cells.slot_utc
WHERE p.registered = 1;

-- The last 28 days of each registered feed. Percentages of judged slots (on time) and of deliveries (accepted, warned).
-- freshness_p95_minutes: 95 of 100 accepted snapshots had arrived this long after the moment they show.
CREATE VIEW v_quality_28d AS
WITH since AS (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', now_utc, '-28 days') AS at FROM v_clock),
slots AS (
  SELECT s.provider_code, count(*) AS judged, count(*) FILTER (WHERE s.state IN ('on_time', 'superseded')) AS on_time,
    count(*) FILTER (WHERE s.state = 'missed') AS missed
  FROM since JOIN feed_slot AS s ON s.slot_utc > since.at
  WHERE s.state IN ('on_time', 'late', 'missed', 'rejected', 'superseded')
  GROUP BY s.provider_code
),
files AS (
  SELECT f.provider_code, count(*) AS deliveries, count(*) FILTER (WHERE f.state = 'loaded') AS loaded,
    count(*) FILTER (WHERE f.state = 'duplicate') AS duplicates,
    count(*) FILTER (WHERE f.state IN ('quarantined', 'sealed', 'discarded', 'handed_back')) AS rejected,
    sum(CASE WHEN EXISTS (SELECT 1 FROM ingest_issue AS i WHERE i.delivery_id = f.delivery_id AND i.severity = 'warning')
      THEN 1 ELSE 0 END) AS warned
  FROM since JOIN ingest_file AS f ON f.received_at > since.at
  WHERE f.state <> 'tested'
  GROUP BY f.provider_code
),
ranked AS (
  SELECT s.provider_code, unixepoch(f.received_at) - unixepoch(s.snapshot_at) AS seconds,
    row_number() OVER (PARTITION BY s.provider_code ORDER BY unixepoch(f.received_at) - unixepoch(s.snapshot_at)) AS place,
    count(*) OVER (PARTITION BY s.provider_code) AS places
  FROM since JOIN ingest_snapshot AS s ON s.slot_utc > since.at JOIN ingest_file AS f ON f.delivery_id = s.snapshot_id
),
fresh AS (
  SELECT provider_code, CAST(round(min(seconds) / 60.0, 1) AS DOUBLE PRECISION) AS minutes
  FROM ranked WHERE 100 * place >= 95 * places GROUP BY provider_code
)
SELECT p.provider_code, p.name AS provider_name, slots.judged AS slots_judged, slots.missed AS slots_missed,
  CAST(round(100.0 * slots.on_time / slots.judged, 1) AS DOUBLE PRECISION) AS on_time_percent,
  files.deliveries, files.loaded, files.rejected, files.duplicates,
  CAST(round(100.0 * files.loaded / nullif(files.loaded + files.rejected, 0), 1) AS DOUBLE PRECISION) AS accepted_percent,
  CAST(round(100.0 * files.warned / files.deliveries, 1) AS DOUBLE PRECISION) AS warned_percent, fresh.minutes AS freshness_p95_minutes
FROM dim_provider AS p
LEFT JOIN slots ON slots.provider_code = p.provider_code
LEFT JOIN files ON files.provider_code = p.provider_code
LEFT JOIN fresh ON fresh.provider_code = p.provider_code
WHERE p.registered = 1;

-- Daily figures at 00:00 and 08:00 local, an aid to returns and not a return. kh03_sector: where KH03 counts the beds of this
-- ward class (it leaves out critical care, residential care and well-baby cots); NULL: not counted there. A day without
-- a snapshot in that very slot has no row.
CREATE VIEW v_daily_census AS
SELECT c.provider_code, p.name AS provider_name, c.local_date, c.census, c.ward_class,
  CASE c.ward_class WHEN 'GA' THEN 'general and acute' WHEN 'COMM' THEN 'general and acute' WHEN 'MAT' THEN 'maternity'
    WHEN 'MI' THEN 'mental illness' WHEN 'LD' THEN 'learning disabilities' END AS kh03_sector,
  c.occupied + c.empty AS open, c.occupied, c.empty, c.available_now, c.leave, c.closed, c.escalation,
  c.occupied + c.empty - c.escalation AS core, c.los_7_plus, c.los_14_plus, c.los_21_plus,
  CAST(round(100.0 * c.occupied / nullif(c.occupied + c.empty, 0), 1) AS DOUBLE PRECISION) AS occupancy_percent
FROM census_daily AS c
JOIN dim_provider AS p ON p.provider_code = c.provider_code;

-- For a wider audience: whole providers, daily, no wards and no people's attributes. 1 to 7 is shown as *, other counts
-- are rounded to the nearest 5; 0 stays 0. All columns are text.
CREATE VIEW v_public_suppressed AS
SELECT provider_code, provider_name, local_date, census,
  CASE WHEN open BETWEEN 1 AND 7 THEN '*' ELSE CAST((open + 2) / 5 * 5 AS TEXT) END AS open,
  CASE WHEN occupied BETWEEN 1 AND 7 THEN '*' ELSE CAST((occupied + 2) / 5 * 5 AS TEXT) END AS occupied,
  CASE WHEN empty BETWEEN 1 AND 7 THEN '*' ELSE CAST((empty + 2) / 5 * 5 AS TEXT) END AS empty,
  CASE WHEN closed BETWEEN 1 AND 7 THEN '*' ELSE CAST((closed + 2) / 5 * 5 AS TEXT) END AS closed
FROM (
  SELECT provider_code, provider_name, local_date, census, sum(open) AS open, sum(occupied) AS occupied, sum(empty) AS empty,
    sum(closed) AS closed
  FROM v_daily_census GROUP BY provider_code, provider_name, local_date, census
) AS whole;
