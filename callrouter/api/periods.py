"""Filters by time: `StartTime=`, `StartTime<=` and `StartTime>=` (twilio-surface 5.4).

The comparison is part of the query's key: `StartTime>=2026-01-01` is the key `StartTime>`. All three include
what they name: `=` a UTC day or second, `>` that and later, `<` that and earlier. Twilio's libraries write the
day of an `=` as its midnight, so midnight means the day there.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.params import parameter

DAY = 86_400


def given_periods(
    columns: Mapping[str, ColumnElement[Any]], source: MultiDict[str, str]
) -> list[ColumnElement[bool]]:
    """Conditions for the parameters that the request has."""
    conditions: list[ColumnElement[bool]] = []
    for name, column in columns.items():
        table = [parameter(name + sign, sign, params.moments) for sign in ("", "<", ">")]
        for sign, (first, after) in params.given(table, source).items():
            if not sign and first % DAY == 0:
                after = first + DAY
            if sign != "<":
                conditions.append(column >= first)
            if sign != ">":
                conditions.append(column < after)
    return conditions
