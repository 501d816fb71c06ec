"""The schema as the other parts name it."""

import re
from importlib.resources import files

from prunella_operator.telemetry import store
from prunella_operator.telemetry.store.schema import TIMED

SCRIPT = files(store).joinpath("schema.sql").read_text()


def test_the_tables_of_rows_by_time_are_those_that_are_partitioned():
    assert tuple(re.findall(r"TABLE IF NOT EXISTS telemetry_(\w+) \([^;]*?\) /\* BY TIME \*/;", SCRIPT)) == tuple(TIMED)


def test_every_table_has_a_comment():
    tables = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCRIPT)
    assert tables == re.findall(r"COMMENT ON TABLE (\w+)", SCRIPT)
