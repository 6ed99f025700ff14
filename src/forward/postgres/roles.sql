-- Who may do what. Run whenever tables or views were made, for a view that is made anew has lost the rights that were given on it.
--
-- Roles belong to the whole server: another database may have made them already. Where the user may not make roles, somebody who may
-- makes the four by hand, and `bedfeed warehouse migrate` gives them their rights. Nobody logs in as one of them: grant it to who does.
--
-- {schema} stands for the schema that all this is made in, {provider} for the one with the views of providers' own people: where the user
-- may not make it, somebody who may does, and makes the user its owner. Without it there are no such views.

DO $$
DECLARE
  role TEXT;
BEGIN
  FOREACH role IN ARRAY ARRAY['bedfeed_loader', 'bedfeed_analyst', 'bedfeed_support', 'bedfeed_provider'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
      NULL;
    END;
  END LOOP;
  BEGIN
    CREATE SCHEMA IF NOT EXISTS {provider};
  EXCEPTION WHEN insufficient_privilege THEN
    NULL;
  END;
END $$;

-- These run with the rights of whoever made the tables.
REVOKE EXECUTE ON FUNCTION bedfeed_make_day(DATE), bedfeed_drop_day(DATE), bedfeed_drop_delivery(TEXT) FROM PUBLIC;

DO $$
BEGIN
  -- Loads, lets go of what retention says, and takes back what is no longer accepted. It changes no line of facts and no sum by ward,
  -- and makes no table.
  IF to_regrole('bedfeed_loader') IS NOT NULL THEN
    GRANT USAGE ON SCHEMA {schema} TO bedfeed_loader;
    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO bedfeed_loader;
    GRANT INSERT ON clock_override, dim_provider, dim_site, dim_ward, dim_ward_type, dim_ward_class, dim_bed_group, dim_slot,
      ref_mapping_version, ref_agreement, feed, feed_slot, ingest_file, ingest_snapshot, ingest_issue, ingest_row_reject, pending_ward,
      fact_bed_line, fact_demand_line, agg_ward_slot, agg_org_slot, census_daily TO bedfeed_loader;
    GRANT UPDATE ON dim_provider, dim_site, dim_ward, dim_ward_type, dim_ward_class, dim_bed_group, ref_mapping_version, ref_agreement,
      feed, feed_slot, ingest_file, pending_ward, agg_org_slot TO bedfeed_loader;
    GRANT UPDATE (is_current, superseded_by) ON ingest_snapshot TO bedfeed_loader;
    GRANT DELETE ON clock_override, dim_site, ingest_issue, ingest_row_reject, census_daily, fact_bed_line, fact_demand_line, agg_ward_slot
      TO bedfeed_loader;
    GRANT USAGE ON SEQUENCE snapshot_number TO bedfeed_loader;
    GRANT EXECUTE ON FUNCTION bedfeed_make_day(DATE), bedfeed_drop_day(DATE), bedfeed_drop_delivery(TEXT) TO bedfeed_loader;
  END IF;
  -- Figures, in the views alone.
  IF to_regrole('bedfeed_analyst') IS NOT NULL THEN
    GRANT USAGE ON SCHEMA {schema} TO bedfeed_analyst;
    GRANT SELECT ON v_clock, v_current_snapshot, v_system_now, v_system_group_now, v_system_trend, v_net_position, v_provider_org_now,
      v_provider_ward_now, v_filter_cube, v_ward_trend, v_carehome_now, v_daily_census, v_public_suppressed TO bedfeed_analyst;
  END IF;
  -- How feeds do and what became of files; no figures about beds.
  IF to_regrole('bedfeed_support') IS NOT NULL THEN
    GRANT USAGE ON SCHEMA {schema} TO bedfeed_support;
    GRANT SELECT ON v_clock, v_feed_health, v_feed_grid, v_quality_28d, dim_provider, feed, feed_slot, ingest_file, ingest_issue,
      ingest_row_reject, pending_ward TO bedfeed_support;
  END IF;
END $$;
