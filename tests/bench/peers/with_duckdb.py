"""A like job in DuckDB, as a good engineer would write it: one pass to read and normalise into a table, and queries over it."""

import duckdb
from measured import measured

READ = """
CREATE TEMP TABLE beds AS SELECT * FROM read_csv(?, header = true, all_varchar = true, delim = ',', quote = '"', nullstr = '')
"""
WRONG = """
SELECT
  count(*) FILTER (try_strptime(EXTRACT_DTTM, '%d/%m/%Y %H:%M') IS NULL)
  + count(*) FILTER (DTA_DTTM IS NOT NULL AND try_strptime(DTA_DTTM, '%d/%m/%Y %H:%M') IS NULL)
  + count(DISTINCT EXTRACT_DTTM) - 1
  + count(*) FILTER (STATUS IS NULL OR STATUS NOT IN ('OCC', 'VAC', 'VAC-DIRTY', 'CLS-INF', 'CLS-STF'))
  + count(*) FILTER (SEX IS NOT NULL AND SEX NOT IN ('M', 'F', 'I'))
  + count(*) FILTER (SPEC IS NOT NULL AND NOT regexp_full_match(SPEC, '[0-9]{3}'))
  + count(*) FILTER (AGE IS NOT NULL AND coalesce(try_cast(AGE AS INTEGER) NOT BETWEEN 0 AND 130, true))
  + count(*) FILTER (SITE IS NULL OR WARD_CODE IS NULL OR BAY IS NULL OR BED IS NULL)
  + count(*) FILTER (length(SITE) > 12 OR length(WARD_CODE) > 12 OR length(BAY) > 12 OR length(BED) > 12)
  + count(*) FILTER ((STATUS = 'OCC') <> (SEX IS NOT NULL))
  + count(*) FILTER ((STATUS = 'OCC') <> (AGE IS NOT NULL))
FROM beds
"""
REPEATED = """
SELECT count(*) FROM (SELECT 1 FROM beds GROUP BY SITE, WARD_CODE, BAY, BED HAVING count(*) > 1)
"""
NORMALISED = """
CREATE TEMP TABLE lines AS SELECT
  SITE AS site_code, WARD_CODE AS ward_code, BAY || '-' || BED AS bed_ref,
  CASE STATUS WHEN 'OCC' THEN 'OCC' WHEN 'VAC' THEN 'EMP' WHEN 'VAC-DIRTY' THEN 'EMP' ELSE 'CLO' END AS line_type,
  CASE SEX WHEN 'M' THEN '1' WHEN 'F' THEN '2' WHEN 'I' THEN '9' END AS gender,
  'A' || lpad((least(try_cast(AGE AS INTEGER), 90) // 5 * 5)::VARCHAR, 2, '0') AS age_band,
  SPEC AS treatment_function
FROM beds
"""


def check(path):
    with duckdb.connect() as database:
        database.execute(READ, [path])
        wrong = database.execute(WRONG).fetchone()[0] + database.execute(REPEATED).fetchone()[0]
        database.execute(NORMALISED)
        return wrong


measured(check)
