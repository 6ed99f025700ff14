//! What a provider's own people see of a PostgreSQL warehouse: views of the same names in a schema of their own, with their provider's rows
//! and the system's totals in them.
//!
//! Owns which views these are and what each lets through. A provider's people have no right on anything else, so what is forgotten here
//! is hidden and not shown. They are views with a barrier, and no policies on the tables: PostgreSQL refuses COPY into a table whose
//! policies hold for whoever copies, and totals need every provider's rows. Behind a barrier no condition of a query meets a row that the
//! view has not let through.

use std::fmt::Write as _;

/// The system's total and their own row.
const TOTAL_AND_OWN: &str = "v.scope = 'TOTAL' OR v.provider_code IN (SELECT a.provider_code FROM {provider}.v_access AS a)";
/// Their own rows alone.
const OWN: &str = "v.provider_code IN (SELECT a.provider_code FROM {provider}.v_access AS a)";
/// Nothing in it is one provider's.
const ALL: &str = "TRUE";

/// The views, and which rows of each are let through.
const VIEWS: [(&str, &str); 12] = [
    ("v_clock", ALL),
    ("v_current_snapshot", OWN),
    ("v_system_now", TOTAL_AND_OWN),
    ("v_system_group_now", OWN),
    ("v_system_trend", TOTAL_AND_OWN),
    ("v_net_position", ALL),
    ("v_provider_org_now", OWN),
    ("v_provider_ward_now", OWN),
    ("v_filter_cube", OWN),
    ("v_ward_trend", OWN),
    ("v_carehome_now", OWN),
    ("v_daily_census", OWN),
];

/// The providers that whoever asks is tied to.
///
/// By `current_user`, as `pg_has_role` takes it: what is given up with SET ROLE is given up here too, and a function with its owner's
/// rights shows its owner's provider, not its caller's. A tie of the role that all of them share would show one provider to all, and is none.
const ACCESS: &str = "CREATE VIEW {provider}.v_access WITH (security_barrier) AS
    SELECT DISTINCT a.provider_code FROM {schema}.access_provider AS a
    WHERE a.role_name::oid <> to_regrole('bedfeed_provider')::oid AND pg_has_role(a.role_name::oid, 'USAGE');\n";

const RIGHTS: &str = "GRANT USAGE ON SCHEMA {provider} TO bedfeed_provider;
    GRANT SELECT ON ALL TABLES IN SCHEMA {provider} TO bedfeed_provider;\n";

/// The name of the schema with these views, as it is quoted; `{schema}` stands for the one that the tables are in, as a text.
pub(super) const SCHEMA: &str = "SELECT quote_ident(CASE current_schema() WHEN 'public' THEN 'bedfeed_provider'
       ELSE left(current_schema(), 54) || '_provider' END)";

/// Takes the views away: they rest on others that are made anew.
pub(super) fn gone(provider: &str) -> String {
    let names = VIEWS.iter().map(|(name, _)| *name).chain(["v_access"]).map(|name| format!("{provider}.{name}"));
    format!("DROP VIEW IF EXISTS {};", names.collect::<Vec<_>>().join(", "))
}

/// Makes the views over those in `schema`, and gives the right to read them.
pub(super) fn made(schema: &str, provider: &str) -> String {
    let mut all = ACCESS.to_owned();
    for (name, which) in VIEWS {
        // Writing into a text cannot fail.
        writeln!(all, "CREATE VIEW {{provider}}.{name} WITH (security_barrier) AS SELECT v.* FROM {{schema}}.{name} AS v WHERE {which};")
            .ok();
    }
    all.push_str(RIGHTS);
    all.replace("{provider}", provider).replace("{schema}", schema)
}
