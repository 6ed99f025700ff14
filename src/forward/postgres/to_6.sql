-- Version 6 of the tables. {schema} stands for the schema that they are in.

-- Drops what a delivery leads, with all that is told of it; or, where the id is that of a snapshot that came of reading one again, that
-- alone. Gives how many snapshots went. A loader may run it, and has no other way to delete a snapshot.
CREATE OR REPLACE FUNCTION bedfeed_drop_delivery(lead TEXT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  keys BIGINT[] := ARRAY(SELECT s.snapshot_key FROM ingest_snapshot AS s
    WHERE s.snapshot_id = lead OR s.snapshot_id > lead || '/' AND s.snapshot_id < lead || '0');
  gone BIGINT;
BEGIN
  UPDATE ingest_snapshot SET superseded_by = NULL WHERE superseded_by = ANY (keys);
  DELETE FROM census_daily WHERE snapshot_key = ANY (keys);
  DELETE FROM fact_bed_line WHERE snapshot_key = ANY (keys);
  DELETE FROM fact_demand_line WHERE snapshot_key = ANY (keys);
  DELETE FROM agg_ward_slot WHERE snapshot_key = ANY (keys);
  DELETE FROM agg_org_slot WHERE snapshot_key = ANY (keys);
  DELETE FROM ingest_issue WHERE delivery_id = lead;
  DELETE FROM ingest_row_reject WHERE delivery_id = lead;
  DELETE FROM ingest_file WHERE delivery_id = lead;
  DELETE FROM ingest_snapshot WHERE snapshot_key = ANY (keys);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;
