"""Data Docs: one site a city, a page for every table and run, with counts only; nothing calls home."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citycheck.lake.files import replacing

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context import EphemeralDataContext

_RESULTS = ".results"
_LONG_SET = 40
_ROW_LEVEL = re.compile(r"^(partial_)?unexpected_(index_)?(list|counts|query|rows|index_column_names)$")
_REMOTE_LOGO = re.compile(r"https://great-expectations-web-assets\.s3[^/\"']*/[\w-]+\.png(\?[^\"']*)?")
_FOOTER = re.compile(r"<footer.*?</footer>", re.DOTALL)


def context(data_docs: Path | None = None) -> EphemeralDataContext:
    """A Great Expectations context without usage statistics; with `data_docs` it can write the site there."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, ProgressBarsConfig

    def store(name: str, folder: Path | None = None) -> dict[str, Any]:
        backend: dict[str, Any] = {"class_name": "InMemoryStoreBackend"}
        if folder is not None:
            backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
        return {"class_name": name, "store_backend": backend}

    sites: dict[str, Any] = {}
    if data_docs is not None:
        sites["data_docs"] = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs)},
            "site_section_builders": {"expectations": "None", "profiling": "None"},
        }
    config = DataContextConfig(
        config_version=4.0,
        stores={
            "suites": store("ExpectationsStore"),
            "results": store("ValidationResultsStore", data_docs / _RESULTS if data_docs else None),
            "checkpoints": store("CheckpointStore"),
            "validation_definition_store": store("ValidationDefinitionStore"),
        },
        expectations_store_name="suites",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        data_docs_sites=sites,
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(project_config=config, mode="ephemeral")


def publish(
    data_docs: Path, results: list[ExpectationSuiteValidationResult], run_name: str, run_time: datetime
) -> None:
    """Add a page for each result to the site; a page of the same run (name and UTC time) is replaced.

    Gates of several feeds may publish at once: they take turns.
    """
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    data_docs = data_docs.resolve()
    data_docs.mkdir(parents=True, exist_ok=True)
    run = RunIdentifier(run_name=run_name, run_time=run_time.replace(tzinfo=run_time.tzinfo or UTC))
    with _taking_turns(data_docs):
        site = context(data_docs)
        pages = []
        for result in results:
            without_values(result)
            result.meta |= {"run_id": run, "validation_time": run.run_time}
            suite = ExpectationSuiteIdentifier(result.suite_name)
            page = ValidationResultIdentifier(suite, run, result.batch_id)
            site.validation_results_store.store_validation_results(
                suite_validation_result=result,
                suite_validation_result_identifier=page,
                expectation_suite_identifier=suite,
            )
            pages.append(page)
        site.build_data_docs(resource_identifiers=pages)
        folders = [data_docs / "validations" / Path(*r.suite_name.split(".")) / run_name for r in results]
        written = [path for folder in folders for path in folder.rglob("*.html")]
        for html in [data_docs / "index.html", *written]:
            _keep_to_itself(html, data_docs)


def without_values(result: ExpectationSuiteValidationResult) -> None:
    """Take out of a result whatever tells of single rows, and long lists of codes; counts stay."""
    result.meta = {key: value for key, value in result.meta.items() if key != "batch_markers"}
    for check in result.results:
        for key in [key for key in check.result if _ROW_LEVEL.match(key)]:
            del check.result[key]
        assert check.expectation_config is not None, "every result of a suite carries its expectation"
        kwargs = check.expectation_config.kwargs
        if len(kwargs.get("value_set") or ()) > _LONG_SET:
            kwargs["value_set"] = [f"{len(kwargs['value_set'])} known codes"]


def _keep_to_itself(html: Path, data_docs: Path) -> None:
    """Take the local logo: Great Expectations' own would tell its server the time and an id of the site."""
    images = os.path.relpath(data_docs / "static" / "images", html.parent)
    written = html.read_text(encoding="utf-8")
    quiet = _FOOTER.sub("", _REMOTE_LOGO.sub(f"{images}/logo-long.png", written))
    if quiet != written:
        with replacing(html) as temporary:
            temporary.write_text(quiet, encoding="utf-8")


@contextmanager
def _taking_turns(data_docs: Path) -> Iterator[None]:
    with (data_docs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
