-- Version 4 of the tables.

-- Which logins are a provider's own. Filled by the tables' owner, by hand.
--
-- role_name: a login, or a role that logins are members of, by its number in the server: a name that nobody has is refused, and whoever
-- gets the name of one that was dropped is tied to nothing.
CREATE TABLE access_provider (
  role_name REGROLE NOT NULL,
  provider_code TEXT COLLATE "C" NOT NULL REFERENCES dim_provider,
  PRIMARY KEY (role_name, provider_code)
);

-- Sums are made by one statement out of rows whose keys were checked just before it; to look up each key again took longer than to add up.
ALTER TABLE agg_ward_slot DROP CONSTRAINT agg_ward_slot_snapshot_key_fkey, DROP CONSTRAINT agg_ward_slot_ward_key_fkey;
