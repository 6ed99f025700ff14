-- The lake for DuckDB: the views of docs/warehouse.md, with the same names and columns. bedfeed puts this file into the lake.
--
--   duckdb -init duckdb.sql            in the lake's folder; or from anywhere, with SET VARIABLE lake = '/srv/lake'; before it
--
-- The tables show one moment of the lake: read this file again to see a newer one. In place of the numbers of a database a snapshot_key is
-- the snapshot's id and a ward_key says provider, site, ward and the first day that its description holds.

-- Of so many days, up to the newest that is there, lines and sums by ward are read: the views look back over 28. Fewer are quicker.
SET VARIABLE lake_days = coalesce(getvariable('lake_days'), 35);
SET VARIABLE lake = coalesce(getvariable('lake'), '.');
SET TimeZone = 'UTC';

-- The manifest with the highest number of each part holds.
SET VARIABLE lake_manifests = (SELECT list(file) FROM
  (SELECT max(file) AS file FROM glob(getvariable('lake') || '/manifest/*/*.json') GROUP BY regexp_replace(file, '[^/]*$', '')));

-- "Now" is the machine's clock; one row here stops it: INSERT INTO clock_override VALUES ('2018-12-03T10:10:00Z');
CREATE TEMP TABLE IF NOT EXISTS clock_override (now_utc TIMESTAMPTZ);
CREATE OR REPLACE TEMP MACRO lake_seconds(moment) AS CAST(epoch(moment) AS BIGINT);
