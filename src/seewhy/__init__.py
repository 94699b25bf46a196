"""seewhy: what in this picture made the classifier say that?"""

from seewhy.core.access import Access
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.spec import Spec
from seewhy.core.view import View
from seewhy.registry import classifier
from seewhy.runs.explain import explain
from seewhy.runs.explanation import Explanation, load

__all__ = [
    "Access",
    "Budget",
    "Classifier",
    "ClassifierError",
    "Explanation",
    "Infill",
    "Queries",
    "RequestError",
    "Spec",
    "View",
    "classifier",
    "explain",
    "load",
]
