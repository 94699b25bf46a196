"""Everything that a result depends on, in a table."""

from dataclasses import fields, replace

import records
from seewhy.core.attribution import Region
from seewhy.core.budget import Budget
from seewhy.results.diagnostics import AlternativeInfill, InfillCheck, SkippedInfill
from seewhy.results.recipe import recipe
from seewhy.results.record import Record


def _rows(record: Record) -> dict[str, list[tuple[str, str]]]:
    """Return the recipe by heading."""
    table = recipe(record)
    assert len({heading for heading, _ in table}) == len(table)
    return dict(table)


def test_settings_and_facts_have_a_row_each() -> None:
    """Numbers, words, yes and no."""
    rows = _rows(records.record())
    assert rows["Method"] == [
        ("", "pmi:window=8"),
        ("window", "8"),
        ("tied", "yes"),
        ("paper", "A. Author, Some Venue, 2020"),
    ]
    assert rows["Seed"] == [("", "3")]
    assert rows["Budget"] == [("", "no limit")]
    assert ("size", "80 × 60 pixels") in rows["Image"]
    assert ("access", "all probabilities") in rows["Classifier"]
    assert ("random", "no") in rows["In-fill"]
    assert rows["Versions"] == [("seewhy", "0.1.0"), ("torch", "2.9")]


def test_targets_have_their_extremes() -> None:
    """The value with its standard error where there is one, and where it is."""
    shown = dict(_rows(records.record())["Targets"])
    assert shown["espresso"] == (
        "class:7; p = 0.700; highest 2 ± 0.05 nats at row 6, column 2; lowest −1.5 ± 0.05 nats at row 9, column 12"
    )
    assert shown["espresso, not cup"].startswith("contrast:7/8; highest 2.2 nats at row 6")


def test_the_cost_of_every_check_is_named() -> None:
    """What a check did not cost is not named."""
    plain = records.record()
    assert dict(_rows(plain)["Cost"]) == {
        "explanation": "1,234 queries, 20 batches",
        "faithfulness check": "45 more queries",
        "time": "4.25 s",
        "stopped": "complete",
    }
    checked = replace(plain, diagnostics=replace(plain.diagnostics, infill_check=records.INFILL_CHECK))
    assert dict(_rows(checked)["Cost"])["in-fill check"] == "400 more queries"
    assert dict(_rows(records.counterfactual_record())["Cost"])["generated images"] == "2 more queries"


def test_limits_checks_and_traces_have_rows_where_there_are_any() -> None:
    """And no heading where there are none."""
    plain = records.record()
    assert not {"Reliability", "In-fill check", "Traces"} & set(_rows(plain))
    infills = InfillCheck(
        (AlternativeInfill("telea", None, {}, 400, 1.5),), (SkippedInfill("donor", "too large"),), 400, ()
    )
    diagnostics = replace(
        plain.diagnostics,
        expected_correlation={"class:7": 0.934, "class:8": None},
        infill_check=infills,
    )
    full = replace(plain, budget=Budget(queries=500), diagnostics=diagnostics, traces={"loss": (2.0, 0.5)})
    rows = _rows(full)
    assert rows["Budget"] == [("queries", "500")]
    assert rows["Reliability"] == [("espresso", "correlation 0.93, expected")]
    assert rows["In-fill check"] == [("telea", "400 queries, 1.5 s"), ("donor", "skipped: too large")]
    assert rows["Traces"] == [("loss", "2 values, first 2, last 0.5")]


def test_no_value_is_empty() -> None:
    """What is unknown has no row; every heading has rows."""
    bare = replace(records.record(), image=replace(records.record().image, source=None, notes=()))
    table = recipe(bare)
    assert all(rows and all(value for _, value in rows) for _, rows in table)
    assert [name for name, _ in dict(table)["Image"]] == ["", "size", "SHA-256"]
    assert len(fields(Record)) == 23  # a new field of the record belongs into the recipe, or on the page


def test_the_regions_of_a_search_are_counted() -> None:
    """How many, how many suffice, and their evidence; nothing for targets without a search."""
    plain = records.record()
    key = plain.targets[0].key
    regions = (Region(key, 4, 1.5, 0.4, 0.6, suffices=False), Region(key, 2, 0.5, 0.9, 0.1, suffices=True))
    rows = _rows(replace(plain, regions=regions))["Regions"]
    assert rows == [(plain.targets[0].label, "2 in order, 2 suffice, 2 nats together")]
