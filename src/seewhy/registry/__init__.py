"""What there is, by name: literal tables, one way to look up a row, and one to build it from a Spec.

Outside packages add rows through entry points; see `seewhy.plugin`.
"""

from seewhy.registry.build import DEFAULT_CLASSIFIER, DEFAULT_METHOD, ClassifierLike, classifier, infill
from seewhy.registry.classifiers import CLASSIFIERS
from seewhy.registry.cost import Cost, Run
from seewhy.registry.infills import INFILLS
from seewhy.registry.methods import METHODS
from seewhy.registry.metrics import METRICS
from seewhy.registry.rows import ClassifierRow, InfillRow, Method, Metric, Rule
from seewhy.registry.rules import RULES
from seewhy.registry.tables import Bound, Row, access_of, lookup, resolved, table

__all__ = [
    "CLASSIFIERS",
    "DEFAULT_CLASSIFIER",
    "DEFAULT_METHOD",
    "INFILLS",
    "METHODS",
    "METRICS",
    "RULES",
    "Bound",
    "ClassifierLike",
    "ClassifierRow",
    "Cost",
    "InfillRow",
    "Method",
    "Metric",
    "Row",
    "Rule",
    "Run",
    "access_of",
    "classifier",
    "infill",
    "lookup",
    "resolved",
    "table",
]
