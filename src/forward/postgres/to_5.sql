-- Version 5 of the tables.

-- A load puts down the snapshot's own row, and looks up every ward, in the very transaction that copies the lines, and holds the turn of
-- those that write all the while; nobody else may insert lines. To look up both keys again for each line took nearly half of a load's time.
ALTER TABLE fact_bed_line DROP CONSTRAINT fact_bed_line_snapshot_key_fkey, DROP CONSTRAINT fact_bed_line_ward_key_fkey;
ALTER TABLE fact_demand_line DROP CONSTRAINT fact_demand_line_snapshot_key_fkey, DROP CONSTRAINT fact_demand_line_ward_key_fkey;
