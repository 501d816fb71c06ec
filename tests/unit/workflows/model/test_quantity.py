"""Kubernetes quantities are read exactly and written in their shortest form."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.model.quantity import format_bytes, parse_bytes, parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("64Mi", 67108864, id="binary suffix"),
        pytest.param("1.5Gi", 1610612736, id="fraction of a binary suffix"),
        pytest.param("128974848", 128974848, id="plain bytes"),
        pytest.param("129e6", 129000000, id="scientific notation"),
        pytest.param("1E3", 1000, id="capital E followed by digits is an exponent"),
        pytest.param("1E", 10**18, id="capital E alone is exa"),
        pytest.param("129M", 129000000, id="decimal suffix"),
        pytest.param("1k", 1000, id="kilo is a small k"),
        pytest.param("128974848000m", 128974848, id="thousandths of a byte"),
        pytest.param("1m", 1, id="a part of a byte is rounded up"),
        pytest.param("1e-3", 1, id="a negative exponent is rounded up"),
        pytest.param(".5Ki", 512, id="no digit before the point"),
        pytest.param("5.Ki", 5120, id="no digit after the point"),
        pytest.param(" 64Mi ", 67108864, id="spaces around are ignored"),
        pytest.param("0", 0, id="zero"),
    ],
)
def test_reads_bytes(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "Mi", "64mi", "64MiB", "1 Gi", "64K", "abc", "1e", "--1", "1e99999999999"])
def test_refuses_what_is_no_quantity(text):
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        parse_bytes(text)


def test_millicores_stay_exact():
    assert parse_quantity("250m") == Decimal("0.25")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(67108864, "64Mi", id="whole mebibytes"),
        pytest.param(1536 << 20, "1536Mi", id="no fraction of a larger unit"),
        pytest.param(2 << 30, "2Gi", id="the largest unit that is exact"),
        pytest.param(1000, "1000", id="bytes when nothing is exact"),
        pytest.param(0, "0", id="zero has no unit"),
    ],
)
def test_writes_the_shortest_exact_form(number, expected):
    assert format_bytes(number) == expected


@given(st.integers(min_value=0, max_value=1 << 62))
def test_what_is_written_is_read_back(number):
    assert parse_bytes(format_bytes(number)) == number


@given(st.integers(min_value=0, max_value=1 << 40), st.sampled_from(["", "Ki", "Mi", "k", "M", "m"]))
def test_what_is_read_and_written_stands_for_the_same(number, suffix):
    read = parse_bytes(f"{number}{suffix}")
    assert parse_bytes(format_bytes(read)) == read
