"""The questions that the base could not answer, as a table for whoever writes its articles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from melancia.masking import mask
from melancia.mlops.figure_names import ALONE
from melancia.records import DriftReport
from melancia.store.export import write as write_table

_COLUMNS = ("grupo", "perguntas", "exemplo")


def name(report_id: str) -> str:
    """The file's name, in ``Settings.drift_dir``."""
    return f"{report_id}-lacunas.csv"


def write(report: DriftReport, folder: Path) -> str:
    """Write the list of ``report``, one example a line; the file's name. Raises InputError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(_rows(report), folder / name(report.id), "csv", _COLUMNS)
    return name(report.id)


def _rows(report: DriftReport) -> Iterator[dict[str, Any]]:
    for gap in report.gaps:
        for example in gap["examples"] or ("",):
            yield {
                "grupo": mask(str(gap["label"])) or ALONE,
                "perguntas": gap["count"],
                "exemplo": mask(str(example)),
            }
