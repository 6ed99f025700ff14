dataset=BEDSTATE/1
provider_code=RMY
snapshot_at=2018-12-03T10:15:02+00:00
sequence_no=1715370
row_count=6
kind=FULL
