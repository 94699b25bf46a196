"""seewhy: which parts of an image drive a classifier's prediction?"""

from importlib.metadata import version as _version

from seewhy.audit.rules import audit_rules
from seewhy.benchmark.run import compare
from seewhy.core.access import Access
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.spec import Spec
from seewhy.core.view import View
from seewhy.explaining.compare_infills import InfillComparison, compare_infills
from seewhy.explaining.explain import explain, explain_many
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.from_map import from_map
from seewhy.explaining.load import load
from seewhy.explaining.region import region
from seewhy.explaining.score import score
from seewhy.images.open import ImageLike
from seewhy.infills.external import inpainter
from seewhy.registry import ClassifierLike, classifier
from seewhy.registry.listing import infills, methods, metrics
from seewhy.results.benchmark import BenchmarkResult
from seewhy.results.scores import Score

__all__ = [
    "Access",
    "BenchmarkResult",
    "Budget",
    "Classifier",
    "ClassifierError",
    "ClassifierLike",
    "Explanation",
    "ImageLike",
    "Infill",
    "InfillComparison",
    "Queries",
    "RequestError",
    "Score",
    "Spec",
    "View",
    "audit_rules",
    "classifier",
    "compare",
    "compare_infills",
    "explain",
    "explain_many",
    "from_map",
    "infills",
    "inpainter",
    "load",
    "methods",
    "metrics",
    "region",
    "score",
]

__version__ = _version("seewhy")
