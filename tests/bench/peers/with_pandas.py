"""A like job in pandas, as a good engineer would write it: few different texts a column, so categories; code lists and types are
looked at once for each category; a frame of normalised columns comes out."""

import pandas
from measured import measured

COLUMNS = ["EXTRACT_DTTM", "SITE", "WARD_CODE", "WARD_DESC", "BAY", "BED", "STATUS", "SEX", "AGE", "SPEC", "LOC", "DTA_DTTM"]
LINE_TYPE = {"OCC": "OCC", "VAC": "EMP", "VAC-DIRTY": "EMP", "CLS-INF": "CLO", "CLS-STF": "CLO"}
GENDER = {"M": "1", "F": "2", "I": "9", "": None}
WHEN = "%d/%m/%Y %H:%M"


def check(path):
    # Read as texts: read as categories at once, 01 would become the number 1.
    frame = pandas.read_csv(path, dtype=str, keep_default_na=False).astype("category")
    if list(frame.columns) != COLUMNS:
        return 1
    wrong = 0

    def refused(name, fits):
        """Rows whose text does not fit; each different text is asked once."""
        column = frame[name]
        bad = [text for text in column.cat.categories if not fits(text)]
        return int(column.isin(bad).sum()) if bad else 0

    def parsed(text):
        return not pandas.isna(pandas.to_datetime(text, format=WHEN, errors="coerce"))

    occupied = frame.STATUS == "OCC"
    wrong += refused("EXTRACT_DTTM", parsed) + refused("DTA_DTTM", lambda text: text == "" or parsed(text))
    wrong += frame.EXTRACT_DTTM.nunique() - 1
    wrong += refused("STATUS", LINE_TYPE.__contains__) + refused("SEX", GENDER.__contains__)
    wrong += refused("SPEC", lambda text: text == "" or (len(text) == 3 and text.isdigit()))
    wrong += refused("AGE", lambda text: text == "" or (text.isdigit() and int(text) <= 130))
    for name in ("SITE", "WARD_CODE", "BAY", "BED", "STATUS"):
        wrong += refused(name, lambda text: 0 < len(text) <= 12)
    for name in ("SEX", "AGE"):
        wrong += int((occupied & (frame[name] == "")).sum()) + int((~occupied & (frame[name] != "")).sum())
    wrong += int(frame.duplicated(["SITE", "WARD_CODE", "BAY", "BED"]).sum())

    age = pandas.to_numeric(frame.AGE.cat.categories.to_series(), errors="coerce")
    band = ((age.clip(upper=90) // 5) * 5).map(lambda lower: None if pandas.isna(lower) else f"A{int(lower):02}")
    normalised = pandas.DataFrame({
        "site_code": frame.SITE,
        "ward_code": frame.WARD_CODE,
        "bed_ref": frame.BAY.astype(str) + "-" + frame.BED.astype(str),
        "line_type": frame.STATUS.map(LINE_TYPE),
        "gender": frame.SEX.map(GENDER),
        "age_band": frame.AGE.map(band.to_dict()),
        "treatment_function": frame.SPEC,
    })
    return wrong + int(len(normalised) != len(frame))


measured(check)
