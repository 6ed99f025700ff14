"""`frictionless validate` with a schema of the same columns, from Python, so that its start is not counted."""

from pathlib import Path

from frictionless import Resource, Schema, system, validate
from measured import measured

WHEN = "%d/%m/%Y %H:%M"
CODE = {"required": True, "maxLength": 12}


def field(name, kind="string", **more):
    return {"name": name, "type": kind, **more}


SCHEMA = Schema.from_descriptor({
    "primaryKey": ["SITE", "WARD_CODE", "BAY", "BED"],
    "fields": [
        field("EXTRACT_DTTM", "datetime", format=WHEN, constraints={"required": True}),
        field("SITE", constraints=CODE),
        field("WARD_CODE", constraints=CODE),
        field("WARD_DESC"),
        field("BAY", constraints=CODE),
        field("BED", constraints=CODE),
        field("STATUS", constraints={"required": True, "enum": ["OCC", "VAC", "VAC-DIRTY", "CLS-INF", "CLS-STF"]}),
        field("SEX", constraints={"enum": ["M", "F", "I"]}),
        field("AGE", "integer", constraints={"minimum": 0, "maximum": 130}),
        field("SPEC", constraints={"pattern": "[0-9]{3}"}),
        field("LOC"),
        field("DTA_DTTM", "datetime", format=WHEN),
    ],
})


def check(path):
    with system.use_context(trusted=True):
        report = validate(Resource(path=str(Path(path).resolve()), schema=SCHEMA, format="csv", scheme="file"))
    return report.stats["errors"]


measured(check)
