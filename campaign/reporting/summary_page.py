"""The page that says how a run went: what people said, how the calls went, who was not called and why.

Promises that somebody who never saw such a page knows after ten seconds, and that it shows nobody's own words.
"""

from collections.abc import Iterable, Mapping

from campaign.attempts import AttemptState
from campaign.buckets import Bucket
from campaign.reporting.outcome_counts import NumberCounts, OutcomeCounts
from campaign.reporting.record_tables import state_in_words
from campaign.reporting.report import WITHOUT_END, CampaignReport
from campaign.wording import counted, in_markdown, number, span

BAR_WIDTH = 20
"""Characters of the bar that stands for all of a table."""

_HOW_TO_SETTLE = (
    "Where it is uncertain whether the phone rang, nobody is called again until that is known. Later runs and "
    "`settle-calls` go on looking. Whoever asked the customer, or saw Hamsa's dashboard, says *rang* or *did not ring* "
    "in the form of `settle-calls`, under *Settle one attempt by hand*."
)

_EIGHTHS = " ▏▎▍▌▋▊▉"


def summary_page(report: CampaignReport, links: Mapping[str, str] | None = None) -> str:
    """The Markdown page of a run.

    Args:
        links: Titles and addresses of the record tables.
    """
    lines = [f"# {in_markdown(report.campaign)}{' (dry run)' if report.dry_run else ''}", "", f"**{report.headline}**"]
    if report.failed:
        lines += ["", "> Fix this, then run again; it resumes where it stopped."]
    for note in report.notes:
        lines += ["", f"> {in_markdown(note)}"]
    sections = (_said, _calls, _without_end, _not_called, _earlier)
    for section in (*(write(report) for write in sections), _records(links or {})):
        if section:
            lines += ["", *section]
    return "\n".join([*lines, ""])


def bar(count: float, total: float) -> str:
    """A bar as long as `count` is of `total`, to an eighth of a character; empty for nothing."""
    eighths = round(8 * BAR_WIDTH * min(count / total, 1.0)) if total > 0 else 0
    if count > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _said(report: CampaignReport) -> list[str]:
    rows: list[str] = []
    in_words: list[str] = []
    for name, field in report.outcomes.items():
        question = in_markdown(name.replace("_", " "))
        answers = list(_answers(field))
        for place, (answer, count) in enumerate(answers):
            first = f"**{question}**" if place == 0 else ""
            rows.append(f"| {first} | {answer} | {count:,} | {bar(count, report.heard)} |")
        if field.in_words:
            in_words.append(f"{question} ({field.in_words:,})")
    if not rows and not in_words:
        return []
    lines = [f"## What people said in {counted(report.heard, 'conversation')}", ""]
    if rows:
        lines += ["| | answer | conversations | |", "| :--- | :--- | ---: | :--- |", *rows, ""]
    if in_words:
        lines += [f"In words, to be read in the records below: {', '.join(in_words)}.", ""]
    return lines[:-1]


def _answers(field: OutcomeCounts) -> Iterable[tuple[str, int]]:
    for choice, count in field.choices.items():
        yield in_markdown(choice), count
    if field.other_choices:
        yield "other answers", field.other_choices
    if field.numbers is not None:
        yield _number_words(field.numbers), field.numbers.count
    if field.earliest is not None:
        days = f"{field.earliest}" if field.earliest == field.latest else f"{field.earliest} to {field.latest}"
        yield days, field.dates


def _number_words(found: NumberCounts) -> str:
    if found.count == 1:
        return number(found.sum)
    spread = f"{number(found.lowest)} to {number(found.highest)}"
    return f"sum {number(found.sum)}, median {number(found.median)}, {spread}"


def _calls(report: CampaignReport) -> list[str]:
    ends = [(bucket, count) for bucket, count in report.buckets.items() if bucket.group == "called" and count]
    if not ends and not report.calls:
        return []
    talked = report.buckets.get(Bucket.COMPLETED, 0) + report.buckets.get(Bucket.FORWARDED, 0)
    each = f"{report.cost / talked:.2f}" if talked else "-"
    took = span((report.ended_at - report.started_at).total_seconds())
    lines = ["## Calls", ""]
    if ends:
        called = sum(count for _, count in ends)
        lines += ["| | customers | |", "| :--- | ---: | :--- |"]
        lines += [f"| {bucket.label} | {count:,} | {bar(count, called)} |" for bucket, count in ends]
        lines += [""]
    return [
        *lines,
        "| calls made | minutes talked | cost | cost per conversation | run took |",
        "| ---: | ---: | ---: | ---: | ---: |",
        f"| {report.calls:,} | {report.minutes:,.1f} | {report.cost:,.2f} | {each} | {took} |",
    ]


def _without_end(report: CampaignReport) -> list[str]:
    buckets = {bucket: count for bucket, count in report.buckets.items() if bucket in WITHOUT_END and count}
    if not buckets:
        return []
    lines = _reasons(report, buckets, f"{sum(buckets.values()):,} whose call has no known end, and why")
    if Bucket.UNCERTAIN in buckets:
        lines += ["", _HOW_TO_SETTLE]
    return lines


def _not_called(report: CampaignReport) -> list[str]:
    buckets: dict[Bucket, int] = {
        bucket: count
        for bucket, count in report.buckets.items()
        if bucket.group != "called" and bucket is not Bucket.WOULD_CALL and count
    }
    return _reasons(report, buckets, f"{sum(buckets.values()):,} not called, and why") if buckets else []


def _reasons(report: CampaignReport, buckets: Mapping[Bucket, int], title: str) -> list[str]:
    total = sum(buckets.values())
    lines = [f"## {title}", "", "| | customers | | why |", "| :--- | ---: | :--- | :--- |"]
    # Whoever is still to be called comes first, then the most frequent.
    for bucket in sorted(buckets, key=lambda each: (each.group != "later", -buckets[each])):
        reasons = report.reasons.get(bucket) or {"": buckets[bucket]}
        for place, (reason, count) in enumerate(reasons.items()):
            first = f"**{bucket.label}**" if place == 0 else ""
            lines.append(f"| {first} | {count:,} | {bar(count, total)} | {_why(bucket, reason)} |")
    return lines


def _why(bucket: Bucket, reason: str) -> str:
    return "" if reason in (bucket.label, bucket.value.replace("_", " ")) else in_markdown(reason)


def _earlier(report: CampaignReport) -> list[str]:
    if not report.followed:
        return []
    ends = [f"{count:,} {state_in_words(AttemptState(state))}" for state, count in report.followed.items()]
    return ["## Calls of earlier runs", "", f"Followed or settled by this run: {', '.join(ends)}."]


def _records(links: Mapping[str, str]) -> list[str]:
    return ["## Records", "", *(f"- [{title}]({address})" for title, address in links.items())] if links else []
