"""pandas: read_csv and to_sql, with SQLAlchemy and psycopg beneath."""

import pandas
import sqlalchemy
from loaded import COLUMNS, loaded

NUMBERS = {"snapshot_key": "int64", "line_no": "int64", "ward_key": "int64", "quantity": "int64", "side_room": "Int64"}
TYPES = {column: NUMBERS.get(column, "str") for column in COLUMNS}


def load(engine, file, snapshot):
    frame = pandas.read_csv(file, header=None, names=COLUMNS, dtype=TYPES)
    with engine.begin() as connection:
        connection.exec_driver_sql(snapshot)
        # Columns with nothing in them have no type that to_sql could send.
        frame.dropna(axis="columns", how="all").to_sql("fact_bed_line", connection, if_exists="append", index=False)


def connect(where):
    engine = sqlalchemy.create_engine(where.replace("postgresql://", "postgresql+psycopg://"))
    engine.connect().close()
    return engine


loaded(connect, load)
