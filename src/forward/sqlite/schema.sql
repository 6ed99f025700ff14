-- The warehouse, version 1. Tables are ours to change; analysts read the v_ views.
--
-- Times are RFC 3339 in UTC to the second, as in 2018-12-03T10:15:00Z: text order is time order, and SQLite's date
-- functions read them. Local days are 2018-12-03. Flags are 0 and 1. Unknown is NULL and never zero.

CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;

-- Empty in use: the views then read the machine's clock. One row stops the clock for tests; opening the warehouse removes it.
CREATE TABLE clock_override (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  now_utc TEXT NOT NULL
) STRICT;

-- Reference -----------------------------------------------------------------------------------------------------------

-- registered: expected to send, so counted in "n of m providers".
CREATE TABLE dim_provider (
  provider_code TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('acute', 'mental_health', 'community', 'care_homes', 'unknown')),
  registered INTEGER NOT NULL CHECK (registered IN (0, 1))
) STRICT;

CREATE TABLE dim_site (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  site_code TEXT NOT NULL,
  name TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_to TEXT,
  PRIMARY KEY (provider_code, site_code, valid_from)
) STRICT, WITHOUT ROWID;

-- valid_from: first local day ('0001-01-01': always); valid_to: first local day it no longer holds (NULL: open-ended).
-- pending: seen in a file, not registered yet, of type, class and group UNKNOWN; withdrawn: no longer in the reference data.
CREATE TABLE dim_ward (
  ward_key INTEGER PRIMARY KEY,
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  site_code TEXT NOT NULL,
  ward_code TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT,
  ward_type TEXT NOT NULL,
  ward_class TEXT NOT NULL,
  bed_group TEXT NOT NULL,
  bed_sex TEXT NOT NULL,
  min_age INTEGER,
  max_age INTEGER,
  treatment_function TEXT,
  registered_beds INTEGER,
  bed_base TEXT,
  valid_from TEXT NOT NULL,
  valid_to TEXT,
  state TEXT NOT NULL CHECK (state IN ('registered', 'pending', 'withdrawn')),
  UNIQUE (provider_code, site_code, ward_code, valid_from)
) STRICT;

CREATE TABLE dim_ward_type (ward_type TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dim_ward_class (ward_class TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dim_bed_group (bed_group TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dim_gender (gender TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dim_demand_source (demand_source TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- Youngest and oldest age of a band in years; NULL in AXX, the band of an age that is not known.
CREATE TABLE dim_age_band (
  age_band TEXT PRIMARY KEY,
  meaning TEXT NOT NULL,
  low_age INTEGER,
  high_age INTEGER
) STRICT, WITHOUT ROWID;

-- One row a slot, filled a local day at a time: 92, 96 or 100. fold: 1 in the second pass of the repeated hour in October.
-- winter: November to March. bank_holiday: NULL, not known here; fill it from a calendar of your own.
CREATE TABLE dim_slot (
  slot_utc TEXT PRIMARY KEY,
  local_date TEXT NOT NULL,
  local_time TEXT NOT NULL,
  local_hour INTEGER NOT NULL,
  fold INTEGER NOT NULL CHECK (fold IN (0, 1)),
  slot_of_day INTEGER NOT NULL,
  is_0800 INTEGER NOT NULL CHECK (is_0800 IN (0, 1)),
  is_midnight INTEGER NOT NULL CHECK (is_midnight IN (0, 1)),
  winter INTEGER NOT NULL CHECK (winter IN (0, 1)),
  bank_holiday INTEGER CHECK (bank_holiday IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE ref_mapping_version (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  version TEXT NOT NULL,
  mapping_hash TEXT NOT NULL,
  author TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_to TEXT,
  PRIMARY KEY (provider_code, version, mapping_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE ref_agreement (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  reference TEXT NOT NULL,
  starts TEXT NOT NULL,
  ends TEXT,
  PRIMARY KEY (provider_code, reference)
) STRICT, WITHOUT ROWID;

-- Control -------------------------------------------------------------------------------------------------------------

-- What is expected of a provider's feed; limits in seconds.
CREATE TABLE feed (
  provider_code TEXT PRIMARY KEY REFERENCES dim_provider,
  first_slot_utc TEXT,
  due_after_s INTEGER NOT NULL,
  stale_after_s INTEGER NOT NULL,
  no_data_after_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_slot (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  slot_utc TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('expected', 'on_time', 'late', 'missed', 'rejected', 'superseded', 'planned', 'paused')),
  PRIMARY KEY (provider_code, slot_utc)
) STRICT, WITHOUT ROWID;

-- Every delivery, loaded or not.
CREATE TABLE ingest_file (
  delivery_id TEXT PRIMARY KEY,
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  key_owner TEXT NOT NULL,
  received_at TEXT NOT NULL,
  state TEXT NOT NULL,
  mapping TEXT,
  snapshot_id TEXT,
  rows_read INTEGER,
  rows_rejected INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX ingest_file_by_provider ON ingest_file (provider_code, received_at);
CREATE INDEX ingest_file_quarantined ON ingest_file (provider_code) WHERE state IN ('quarantined', 'sealed');

-- The load ledger: a snapshot is here exactly once, in the same transaction as its facts (P2).
-- snapshot_id is the id of the delivery that leads it, with a stroke and the version where that was read again later; snapshot_key is its short form inside this database only.
CREATE TABLE ingest_snapshot (
  snapshot_key INTEGER PRIMARY KEY,
  snapshot_id TEXT NOT NULL UNIQUE,
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  slot_utc TEXT NOT NULL REFERENCES dim_slot,
  version INTEGER NOT NULL CHECK (version > 0),
  snapshot_at TEXT NOT NULL,
  sequence INTEGER,
  content_hash TEXT NOT NULL,
  mapping TEXT NOT NULL,
  mapping_hash TEXT NOT NULL,
  carries_beds INTEGER NOT NULL CHECK (carries_beds IN (0, 1)),
  carries_demand INTEGER NOT NULL CHECK (carries_demand IN (0, 1)),
  lines INTEGER NOT NULL,
  rows_read INTEGER NOT NULL,
  rows_rejected INTEGER NOT NULL,
  occupied INTEGER NOT NULL,
  empty INTEGER NOT NULL,
  available_now INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  demand INTEGER NOT NULL,
  demand_not_in_bed INTEGER NOT NULL,
  assessed_at TEXT NOT NULL,
  is_current INTEGER NOT NULL DEFAULT 0 CHECK (is_current IN (0, 1)),
  superseded_by INTEGER REFERENCES ingest_snapshot,
  -- How snapshot_at was found in what the files say; NULL for what was loaded before this was kept.
  time_rule TEXT,
  -- Its place among the slot's equal versions, where that is not its version's number: an old file that was put right late.
  place INTEGER,
  UNIQUE (provider_code, slot_utc, version)
) STRICT;
CREATE UNIQUE INDEX ingest_snapshot_current ON ingest_snapshot (provider_code, slot_utc) WHERE is_current = 1;
CREATE INDEX ingest_snapshot_by_slot ON ingest_snapshot (slot_utc);

-- occurrences: 1 for a finding kept word for word; the rest of its kind are counted in one row without a place.
CREATE TABLE ingest_issue (
  delivery_id TEXT NOT NULL REFERENCES ingest_file,
  issue_no INTEGER NOT NULL,
  rule TEXT NOT NULL,
  severity TEXT NOT NULL,
  part TEXT,
  line INTEGER,
  column_name TEXT,
  occurrences INTEGER NOT NULL,
  message TEXT,
  PRIMARY KEY (delivery_id, issue_no)
) STRICT, WITHOUT ROWID;

-- The place of each rejected row that was kept word for word. Never a value.
CREATE TABLE ingest_row_reject (
  delivery_id TEXT NOT NULL REFERENCES ingest_file,
  reject_no INTEGER NOT NULL,
  part TEXT,
  line INTEGER NOT NULL,
  rule TEXT NOT NULL,
  column_name TEXT,
  PRIMARY KEY (delivery_id, reject_no)
) STRICT, WITHOUT ROWID;

-- Wards that files name and the reference data does not.
CREATE TABLE pending_ward (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  site_code TEXT NOT NULL,
  ward_code TEXT NOT NULL,
  first_slot_utc TEXT NOT NULL,
  last_slot_utc TEXT NOT NULL,
  registered INTEGER NOT NULL DEFAULT 0 CHECK (registered IN (0, 1)),
  PRIMARY KEY (provider_code, site_code, ward_code)
) STRICT, WITHOUT ROWID;

-- Facts: one set a snapshot, every version kept --------------------------------------------------------------------------

CREATE TABLE fact_bed_line (
  snapshot_key INTEGER NOT NULL REFERENCES ingest_snapshot,
  line_no INTEGER NOT NULL,
  ward_key INTEGER NOT NULL REFERENCES dim_ward,
  line_type TEXT NOT NULL CHECK (line_type IN ('OCC', 'EMP', 'CLO')),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  bay_code TEXT,
  bed_ref TEXT,
  bed_status TEXT,
  empty_state TEXT,
  closed_reason TEXT,
  bed_base TEXT,
  bed_sex TEXT,
  side_room INTEGER CHECK (side_room IN (0, 1)),
  care_level TEXT,
  treatment_function TEXT,
  gender TEXT,
  age_band TEXT,
  ready TEXT,
  edd_band TEXT,
  los_band TEXT,
  source_updated_at TEXT,
  PRIMARY KEY (snapshot_key, line_no)
) STRICT, WITHOUT ROWID;

-- for_bed_group and for_ward_type: what demand_for says, where the reference data knows the code; otherwise UNKNOWN.
-- wait_minutes: from wait_from to snapshot_at.
CREATE TABLE fact_demand_line (
  snapshot_key INTEGER NOT NULL REFERENCES ingest_snapshot,
  line_no INTEGER NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  site_code TEXT NOT NULL,
  ward_key INTEGER REFERENCES dim_ward,
  demand_source TEXT,
  demand_for TEXT,
  for_bed_group TEXT NOT NULL,
  for_ward_type TEXT NOT NULL,
  in_bed_now INTEGER CHECK (in_bed_now IN (0, 1)),
  wait_minutes INTEGER,
  wait_band TEXT,
  gender TEXT,
  age_band TEXT,
  source_updated_at TEXT,
  PRIMARY KEY (snapshot_key, line_no)
) STRICT, WITHOUT ROWID;

-- Sums a ward, gender and age band ('-': no person, as in an empty bed). They outlive the lines.
-- leave: of the empty, held for a patient on leave. escalation: of the open, in the escalation base.
-- ready_to_leave, los_…_plus: of the occupied; days of stay, each group holding the ones above it.
CREATE TABLE agg_ward_slot (
  snapshot_key INTEGER NOT NULL REFERENCES ingest_snapshot,
  ward_key INTEGER NOT NULL REFERENCES dim_ward,
  gender TEXT NOT NULL,
  age_band TEXT NOT NULL,
  occupied INTEGER NOT NULL,
  empty INTEGER NOT NULL,
  available_now INTEGER NOT NULL,
  cleaning INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  leave INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  closed_infection INTEGER NOT NULL,
  closed_staffing INTEGER NOT NULL,
  closed_estates INTEGER NOT NULL,
  closed_timetable INTEGER NOT NULL,
  closed_companion INTEGER NOT NULL,
  closed_other INTEGER NOT NULL,
  escalation INTEGER NOT NULL,
  ready_to_leave INTEGER NOT NULL,
  los_7_plus INTEGER NOT NULL,
  los_14_plus INTEGER NOT NULL,
  los_21_plus INTEGER NOT NULL,
  PRIMARY KEY (snapshot_key, ward_key, gender, age_band)
) STRICT, WITHOUT ROWID;

-- One row a snapshot. Bed figures are NULL where the feed tells of no beds, demand figures where it tells of no demand.
-- waits_12h: of those not in a bed, the ones that wait 12 hours or more.
CREATE TABLE agg_org_slot (
  snapshot_key INTEGER PRIMARY KEY REFERENCES ingest_snapshot,
  occupied INTEGER,
  empty INTEGER,
  available_now INTEGER,
  cleaning INTEGER,
  reserved INTEGER,
  leave INTEGER,
  closed INTEGER,
  closed_infection INTEGER,
  closed_staffing INTEGER,
  closed_estates INTEGER,
  closed_timetable INTEGER,
  closed_companion INTEGER,
  closed_other INTEGER,
  escalation INTEGER,
  ready_to_leave INTEGER,
  los_7_plus INTEGER,
  los_14_plus INTEGER,
  los_21_plus INTEGER,
  demand INTEGER,
  demand_not_in_bed INTEGER,
  demand_in_bed INTEGER,
  waits_12h INTEGER
) STRICT;

-- The current snapshot of the 00:00 and 08:00 local slots, kept for years. local_date is the day that the instant lies in:
-- 00:00 on the 4th is the midnight that ends the 3rd.
CREATE TABLE census_daily (
  provider_code TEXT NOT NULL REFERENCES dim_provider,
  local_date TEXT NOT NULL,
  census TEXT NOT NULL CHECK (census IN ('00:00', '08:00')),
  ward_class TEXT NOT NULL,
  snapshot_key INTEGER NOT NULL REFERENCES ingest_snapshot,
  occupied INTEGER NOT NULL,
  empty INTEGER NOT NULL,
  available_now INTEGER NOT NULL,
  leave INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  escalation INTEGER NOT NULL,
  los_7_plus INTEGER NOT NULL,
  los_14_plus INTEGER NOT NULL,
  los_21_plus INTEGER NOT NULL,
  PRIMARY KEY (provider_code, local_date, census, ward_class)
) STRICT, WITHOUT ROWID;
