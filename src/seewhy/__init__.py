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
from seewhy.runs.explain import explain
from seewhy.runs.explanation import Explanation, load

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
    "Spec",
    "View",
    "classifier",
    "compare_infills",
    "explain",
    "inpainter",
    "load",
]
