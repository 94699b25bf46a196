"""Everything that the author of a method, a metric, an in-fill, a classifier or a rule imports.

A package of your own adds rows to the tables by entry points in its ``pyproject.toml``. Each one names an entry and loads its
row::

    [project.entry-points."seewhy.methods"]
    corner = "my_package:CORNER"

=====================  ======================================================================================
group                  loads
=====================  ======================================================================================
seewhy.methods         a `Method`, for a function ``(probe, targets, *, settings) → Attribution``
seewhy.metrics         a `Metric`, for a function ``(probe, map, case, *, settings) → MetricResult``
seewhy.infills         an `InfillRow`, for a function ``(*, settings) → Infill``
seewhy.classifiers     a `ClassifierRow`, for a function ``(*, settings) → Classifier``
seewhy.rules           a `Rule`, for a function ``(image, strength, seed, *, settings) → image``
=====================  ======================================================================================

Settings are keyword-only and typed; the signature defines ``name:key=value``. An entry point cannot replace a built-in entry of
the same name.
"""

from seewhy.classifiers.answers import as_probabilities
from seewhy.classifiers.settings import digest
from seewhy.classifiers.views import make_view
from seewhy.core.access import Access
from seewhy.core.arrays import Image, Images, Keep, Probabilities, Seeds, compose
from seewhy.core.attribution import Attribution, GeneratedPixels, Map, SampledQueries, as_map
from seewhy.core.budget import Budget, Queries
from seewhy.core.classifier import Classifier, Differentiable, Open
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.features import RandomGrids, Windows
from seewhy.core.infill import Infill
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals, uniforms
from seewhy.core.spec import Spec
from seewhy.core.target import ClassEvidence, Contrast, Information, Target, WeightOfEvidence, weight_matrix
from seewhy.core.view import View
from seewhy.registry.cost import Cost, Run
from seewhy.registry.rows import ClassifierRow, InfillRow, Method, Metric, Rule

__all__ = [
    "Access",
    "Attribution",
    "Budget",
    "ClassEvidence",
    "Classifier",
    "ClassifierError",
    "ClassifierRow",
    "Contrast",
    "Cost",
    "Curve",
    "Differentiable",
    "GeneratedPixels",
    "Image",
    "Images",
    "Infill",
    "InfillRow",
    "Information",
    "Keep",
    "Map",
    "Method",
    "Metric",
    "MetricInput",
    "MetricResult",
    "Open",
    "Probabilities",
    "Probe",
    "Queries",
    "RandomGrids",
    "RequestError",
    "Rule",
    "Run",
    "SampledQueries",
    "Seeds",
    "Spec",
    "Target",
    "View",
    "WeightOfEvidence",
    "Windows",
    "as_map",
    "as_probabilities",
    "compose",
    "derive",
    "digest",
    "make_view",
    "normals",
    "uniforms",
    "weight_matrix",
]
