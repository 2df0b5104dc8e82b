"""The schema of records."""

from pydantic import TypeAdapter

from stemkit.tracks.record import RunRecord, TrackRecord


def test_every_field_of_every_record_has_a_sentence() -> None:
    schema = TypeAdapter(TrackRecord | RunRecord).json_schema(mode="serialization")
    records = schema["$defs"]
    assert {"TrackRecord", "RunRecord", "TagsRecord", "MarkerRecord"} <= records.keys()
    silent = [
        (name, field)
        for name, record in records.items()
        for field, described in record["properties"].items()
        if not described.get("description", "").endswith(".")
    ]
    assert not silent
