"""Data Docs: one site a city, a page for every table and run, with counts only.

Great Expectations words the checks; what its pages load from elsewhere, their scripts and their styles are taken out, and
one style sheet of this project is put in. So they look the same from a disk and under the policy of the pages in Airflow.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from citycheck.lake.files import replacing

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context import EphemeralDataContext

_RESULTS = ".results"
_LONG_SET = 40
_ROW_LEVEL = re.compile(r"^(partial_)?unexpected_(index_)?(list|counts|query|rows|index_column_names)$")
NAVIGATION = "<!-- citycheck -->"
"""Where whoever serves the pages may put links to others of its own."""
_STYLE = "static/citycheck.css"
_DROPPED = {"script", "style", "footer", "title", "link", "meta", "img"}
_VOID = {"link", "meta", "img", "input", "br", "hr"}
_KEPT = {"class", "id", "href", "type", "name", "checked", "scope", "colspan", "rowspan", "hidden"}
_HEADINGS = {"h4": "h1", "h5": "h2", "h6": "h3"}
_ICONS = {
    "fa-check-circle": '<span class="passed">✓ passed</span>',
    "fa-times": '<span class="failed">✗ failed</span>',
    "fa-exclamation-triangle": '<span class="warned">⚠ could not run</span>',
}


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
        for html in (data_docs / "validations").rglob("*.html"):
            _make_plain(html, data_docs)
        _write_index(data_docs)


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


class _Plain(HTMLParser):
    """A page of Great Expectations without what it loads, runs or styles; `out` is the rest, in its order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._skipped = ""
        self._depth = 0
        """Of elements named `_skipped` within one that is left out with all that it holds."""
        self._links: list[bool] = []
        """Whether each open link is kept."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if self._depth:
            self._depth += tag == self._skipped
        elif tag == "i":
            self.out += [_ICONS[name] for name in about.get("class", "").split() if name in _ICONS]
        elif self._is_left_out(tag, about):
            if tag not in _VOID:
                self._skipped, self._depth = tag, 1
        elif tag == "a":
            href = about.get("href", "")
            # The suites have no pages of their own, and nothing here leads elsewhere.
            self._links.append(not (":" in href or href.startswith("//") or "/expectations/" in href))
            if self._links[-1]:
                self._open(tag, attrs)
        else:
            self._open(_HEADINGS.get(tag, tag), attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._depth:
            self._depth -= tag == self._skipped
        elif tag == "a":
            if self._links and self._links.pop():
                self.out.append("</a>")
        elif tag != "i" and tag not in _VOID:
            self.out.append(f"</{_HEADINGS.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    @staticmethod
    def _is_left_out(tag: str, about: dict[str, str]) -> bool:
        """With it goes all that it holds: its bar with the logo, and what opened parts by a script. They stand open."""
        is_bar = tag == "nav" and "sticky-top" in about.get("class", "")
        return tag in _DROPPED or is_bar or (tag == "a" and about.get("data-toggle") == "collapse")

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = [
            name if value is None else f'{name}="{escape(value)}"' for name, value in attrs if name in _KEPT
        ]
        self.out.append(f"<{' '.join([tag, *kept])}>")


def plain(written: str, title: str, up: str) -> str:
    """A page of Great Expectations as one that loads nothing but the site's own style sheet; `up` is the way to the site."""
    parser = _Plain()
    parser.feed(written[written.index("<body") :])
    parser.close()
    body = "".join(parser.out).split(">", 1)[1].rsplit("</body>", 1)[0]
    # Their lines are indented for scripts; a browser shows one blank for all of that.
    body = re.sub(r"\n\s*\n", "\n", body).strip()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="UTF-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1.0">\n'
        f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="{up}/{_STYLE}">\n</head>\n<body>\n{NAVIGATION}\n'
        f'<nav class="crumbs" aria-label="Breadcrumb"><a href="{up}/index.html">数据检查 Data Docs</a> / {escape(title)}</nav>\n'
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _make_plain(html: Path, data_docs: Path) -> None:
    """Do it once: a page that was written before this is done may be one of an earlier citycheck."""
    written = html.read_text(encoding="utf-8")
    if NAVIGATION in written:
        return
    suite, run = html.relative_to(data_docs / "validations").parts[:2]
    with replacing(html) as temporary:
        up = os.path.relpath(data_docs, html.parent)
        temporary.write_text(plain(written, f"{suite} · {run}", up), encoding="utf-8")


def _write_index(data_docs: Path) -> None:
    """All pages, the last half-year and run first. Great Expectations' own is made by a script."""
    half_years: dict[str, list[dict[str, Any]]] = {}
    for result in (data_docs / _RESULTS).rglob("*.json"):
        page = data_docs / "validations" / result.relative_to(data_docs / _RESULTS).with_suffix(".html")
        if not page.is_file():
            continue
        written = json.loads(result.read_text(encoding="utf-8"))
        run, counts = written["meta"]["run_id"], written["statistics"]
        half_years.setdefault(run["run_name"].split("-")[0], []).append(
            {
                "success": written["success"],
                "suite": written["suite_name"],
                "name": run["run_name"],
                "time": run["run_time"][:16].replace("T", " "),
                "checks": counts["evaluated_expectations"],
                "failed": counts["unsuccessful_expectations"],
                "href": page.relative_to(data_docs).as_posix(),
            }
        )
    for runs in half_years.values():
        runs.sort(key=lambda run: (run["suite"], run["name"]))
        runs.sort(key=lambda run: str(run["time"]), reverse=True)
        runs.sort(key=lambda run: bool(run["success"]))  # what failed comes first
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    index = environment.get_template("data_docs.html.j2").render(
        half_years=dict(sorted(half_years.items(), reverse=True))
    )
    for path, text in (
        (data_docs / _STYLE, (here / "data_docs.css").read_text(encoding="utf-8")),
        (data_docs / "index.html", index),
    ):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


@contextmanager
def _taking_turns(data_docs: Path) -> Iterator[None]:
    with (data_docs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
