"""What the report shows, with a classifier that the registry knows."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

import records
from seewhy.pages import report
from seewhy.results.record import Record
from seewhy.results.report_data import ReportData

CLASSIFIER = replace(records.CLASSIFIER, spec="efficientnet-lite0")

DataMaker = Callable[..., ReportData]


@pytest.fixture(autouse=True)
def _quick_overview(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a blank image where the overview is, which takes seconds to draw."""
    blank = io.BytesIO()
    Image.new("RGB", (30, 20)).save(blank, "PNG")
    monkeypatch.setattr(report, "overview_png", lambda _: blank.getvalue())


@pytest.fixture
def record() -> Record:
    """The record of a complete explanation, with a finding about the faithfulness check."""
    plain = records.record()
    findings = ("The highlighted region is necessary and sufficient.", "Map reliability: 0.93.")
    return replace(plain, classifier=CLASSIFIER, diagnostics=replace(plain.diagnostics, findings=findings))


@pytest.fixture
def counterfactual() -> Record:
    """The record of an explanation with two generated images."""
    return replace(records.counterfactual_record(), classifier=CLASSIFIER)


@pytest.fixture
def make_data(record: Record) -> DataMaker:
    """Build what the report shows; keyword arguments replace its parts."""

    def make(**parts: object) -> ReportData:
        return replace(records.report_data(of=record), **parts)  # type: ignore[arg-type]

    return make
