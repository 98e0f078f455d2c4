"""The summary of a bench as a table: Markdown for the file, aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .summary import GroupSummary, Share

_HEADS = (
    "group", "pairs", "CMR@1", "CMR@3", "CMR@5", "RMSE med", "mean", "AUC@10", "SR", "NCM", "NCM SR",
    "RMSE SR", "trusted", "wrongly", "good trusted", "err/stated", "cons<1", "cons<3", "failed", "s/pair", "p95",
    "MB",
)  # fmt: skip

LEGEND = (
    "CMR@τ: % of pairs with dense-grid RMSE below τ px. RMSE: px, capped at 20, failures counted as 20. AUC@10: "
    "area under the cumulative error curve to 10 px, %. SR: % of pairs with at least 10 correct matches (tie "
    "points within 3 px of truth). NCM: correct matches, mean over all pairs; NCM SR: mean over those of SR, "
    "without the failures, as in PromptMID's paper; RMSE SR: root mean square error of a pair's correct "
    "matches, px, mean over the same pairs. trusted: % of all pairs; wrongly: % of all pairs trusted although "
    "more than 5 px off, or with nothing in common; good trusted: % of the pairs within 3 px that are trusted. "
    "err/stated: RMSE over that of the method's own check points, median over trusted pairs. "
    "cons<τ: % of pairs whose results under two warps differ by less than τ px. failed: pairs on which the "
    "method broke down. s/pair: median seconds, p95 their 95th percentile. MB: peak memory."
)


def table_rows(summaries: dict[str, GroupSummary]) -> list[list[str]]:
    """Head and one row per group; "–" where a figure has no meaning."""
    return [list(_HEADS), *(_row(name, s) for name, s in summaries.items())]


def _row(name: str, s: GroupSummary) -> list[str]:
    cmr, consistency = s.cmr or {}, s.consistency or {}
    return [
        name,
        str(s.pairs),
        *(_percent(cmr.get(t)) for t in ("1", "3", "5")),
        _number(s.rmse_median, 2),
        _number(s.rmse_mean, 2),
        _number(None if s.auc10 is None else 100 * s.auc10, 1),
        _percent(s.success),
        _number(s.ncm_mean, 0),
        _number(s.ncm_of_success, 0),
        _number(s.match_rmse, 2),
        _percent(s.trusted),
        _percent(s.wrongly_trusted),
        _percent(s.trusted_of_good),
        _number(s.error_over_stated, 2),
        _percent(consistency.get("1")),
        _percent(consistency.get("3")),
        str(s.failed),
        _number(s.seconds_median, 2),
        _number(s.seconds_p95, 2),
        _number(s.peak_mb, 0),
    ]


def _percent(value: Share | None) -> str:
    return "–" if value is None else f"{100 * value.value:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with blanks: the first to the left, all others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table. left: so many columns are aligned to the left, all others to the right."""
    head, *body = rows
    rule = [*(["---"] * left), *(["---:"] * (len(head) - left))]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in (head, rule, *body))


def intervals(summaries: dict[str, GroupSummary]) -> list[list[str]]:
    """The 95 % intervals of the shares that targets are set for."""
    rows = [["group", "CMR@1", "CMR@3", "CMR@5", "wrongly trusted", "good trusted", "cons<1", "cons<3"]]
    for name, s in summaries.items():
        cmr, consistency = s.cmr or {}, s.consistency or {}
        shares = [*(cmr.get(t) for t in ("1", "3", "5")), s.wrongly_trusted, s.trusted_of_good]
        shares += [consistency.get("1"), consistency.get("3")]
        rows.append([name, *(_interval(v) for v in shares)])
    return rows


def _interval(value: Share | None) -> str:
    return "–" if value is None else f"{100 * value.low:.1f}–{100 * value.high:.1f}"


def markdown_page(
    title: str, facts: dict[str, Any], summaries: dict[str, GroupSummary], notes: Sequence[str]
) -> str:
    """The whole of `summary.md`."""
    parts = [f"# {title}", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    parts += [as_markdown(table_rows(summaries)), LEGEND]
    parts += ["95 % intervals (Wilson), %:", as_markdown(intervals(summaries))]
    parts += list(notes)
    return "\n\n".join(parts) + "\n"
