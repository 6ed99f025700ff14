"""COPY by psycopg, as a script does that has rows in its hands: each is written on its own."""

import csv

import psycopg
from loaded import COLUMNS, loaded

COPY = f"COPY fact_bed_line ({', '.join(COLUMNS)}) FROM STDIN"


def load(connection, file, snapshot):
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(snapshot)
        with cursor.copy(COPY) as copy, file.open(newline="") as rows:
            for row in csv.reader(rows):
                copy.write_row([value or None for value in row])


loaded(psycopg.connect, load)
