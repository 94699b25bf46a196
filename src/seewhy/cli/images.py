"""Work on image after image: what is finished is on disk before the next begins."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import DONE, INTERRUPTED, SOME_FAILED, WRONG
from seewhy.cli.progress import Watch, bars, messages, show, warn
from seewhy.core.errors import RequestError
from seewhy.explaining.compare_infills import InfillComparison
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.request import Request
from seewhy.images.levels import Window
from seewhy.results.folder import publish

R = TypeVar("R", Explanation, InfillComparison)
Work = Callable[[Viewed, PreparedClassifier, Watch], R]

_HIDDEN = {"schema_version", "sampled", "versions"}
"""Keys of a record that the JSON on stdout leaves out."""


def work_through(
    folders: Mapping[Path, Path],
    request: Request,
    work: Work[R],
    readable: Callable[[R, Path], Sequence[Table | str]],
    *,
    together: Sequence[Request] | None = None,
    max_megapixels: float,
    window: Window | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Carry out work on each image, and return the exit status; an image that fails is listed at the end.

    ``folders`` tells where the result of an image is written (folder → image). The classifier is prepared for the request on the
    first image, once the requests that are carried out ``together`` are checked. ``readable`` returns a result, which is now in its folder, as tables and sentences.
    """
    failures: list[str] = []
    prepared: PreparedClassifier | None = None
    for folder, path in folders.items():
        try:
            viewed = open_viewed(request.classifier, path, max_megapixels=max_megapixels, window=window)
            log = no_log if quiet else messages.print
            if prepared is None:
                prepared = prepare_classifier(request, viewed.image, log, together=together)
                warn(prepared.validation.warnings)
            with bars(quiet=quiet) as watch:
                result = work(viewed, prepared, watch)
            publish(result.save, folder)
        except RequestError as problem:
            failures.append(f"{path}: {problem}")
        except KeyboardInterrupt:
            done = list(folders).index(folder) - len(failures)
            messages.print(f"interrupted: {done} of {len(folders)} images done, in {folder.parent}")
            return INTERRUPTED
        else:
            warn(text for text in result.record.warnings if text not in prepared.validation.warnings)
            facts = {key: value for key, value in result.to_json().items() if key not in _HIDDEN}
            show({**facts, "folder": str(folder)}, *readable(result, folder), as_json=as_json, quiet=quiet)
    warn(failures, "error")
    return DONE if not failures else SOME_FAILED if len(failures) < len(folders) else WRONG
