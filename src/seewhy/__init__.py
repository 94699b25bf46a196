"""seewhy: what in this picture made the classifier say that?"""

from seewhy.core.access import Access
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.spec import Spec
from seewhy.core.view import View
from seewhy.infills.external import inpainter
from seewhy.registry import classifier
from seewhy.runs.compare import compare_infills
from seewhy.runs.comparison import Comparison
from seewhy.runs.contest import Standings, compare
from seewhy.runs.explain import explain
from seewhy.runs.explanation import Explanation, load
from seewhy.runs.region import region
from seewhy.runs.rule_test import rule_error
from seewhy.runs.score import Score, score

__all__ = [
    "Access",
    "Budget",
    "Classifier",
    "ClassifierError",
    "Comparison",
    "Explanation",
    "Infill",
    "Queries",
    "RequestError",
    "Score",
    "Spec",
    "Standings",
    "View",
    "classifier",
    "compare",
    "compare_infills",
    "explain",
    "inpainter",
    "load",
    "region",
    "rule_error",
    "score",
]
