"""What the reference has to say, made from the code: one table for each block, group of settings, form and result."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prefect.blocks.core import Block
from prefect.flows import Flow
from pydantic import BaseModel

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.buckets import Bucket
from campaign.intake.recipients import ColumnMapping, CsvFile, SqlQuery
from campaign.reporting.call_result import CallResult
from campaign.reporting.report import CampaignReport
from flows.call_customer import call_customer
from flows.call_overdue_customers import call_overdue_customers
from flows.erase_person import erase_person
from flows.explain_customer import explain_customer
from flows.hold_campaign import hold_campaign
from flows.import_opt_outs import import_opt_outs
from flows.lift_opt_out import lift_opt_out
from flows.resume_campaign import resume_campaign
from flows.run_campaign import run_campaign
from flows.settle_calls import settle_calls
from hamsa import HamsaSettings
from tasks import create_call, wait_for_call
from tasks.settle_by_hand import SettledByHand

Rows = list[list[str]]

TITLES = {
    "VoiceAgent": "a Hamsa Voice Agent block",
    "HamsaCredentials": "a Hamsa Credentials block",
    "CallingPolicy": "a Calling Policy block",
    "CallLedger": "a Call Ledger block",
    "SqlQuery": "a [SQL query](#sql-query)",
    "CsvFile": "a [CSV file](#csv-file)",
    "ColumnMapping": "[columns](#columns)",
    "SettledByHand": "[what a person found out](#settle-one-attempt-by-hand)",
}
KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "object",
}
FORMATS = {"date": "date", "password": "secret text", "path": "path", "file-path": "path"}


def blocks_by_heading() -> dict[str, type[Block]]:
    """The blocks, by the headings under which they are described."""
    return {block.get_block_type_name(): block for block in (HamsaCredentials, VoiceAgent, CallLedger, CallingPolicy)}


def flows_by_heading() -> dict[str, Flow[..., Any]]:
    """The flows, by the headings under which they are described."""
    return {
        flow.name: flow
        for flow in (
            call_overdue_customers,
            call_customer,
            settle_calls,
            hold_campaign,
            resume_campaign,
            lift_opt_out,
            import_opt_outs,
            erase_person,
            explain_customer,
        )
    }


def forms_by_heading() -> dict[str, type[BaseModel]]:
    """The models that parameters are made of, by their headings."""
    return {
        "SQL query": SqlQuery,
        "CSV file": CsvFile,
        "Columns": ColumnMapping,
        "Settle one attempt by hand": SettledByHand,
    }


def functions_by_heading() -> dict[str, Callable[..., Any]]:
    """What people's own flows use, by heading."""
    return {"create_call": create_call.fn, "wait_for_call": wait_for_call.fn, "run_campaign": run_campaign}


def block_rows(block: type[Block]) -> Rows:
    """Field, kind, default, meaning."""
    return list(_rows(block.model_json_schema()))


def form_rows(form: type[BaseModel]) -> Rows:
    """Field, kind, default, meaning."""
    return list(_rows(form.model_json_schema()))


def parameter_rows(flow: Flow[..., Any]) -> Rows:
    """Parameter, kind, default, meaning."""
    schema = flow.parameters
    return list(_rows({"properties": schema.properties, "required": schema.required}))


def settings_rows() -> Rows:
    """Variable, kind, default, meaning."""
    return [[f"`HAMSA_{row[0].strip('`').upper()}`", *row[1:]] for row in _rows(HamsaSettings.model_json_schema())]


def argument_rows(function: Callable[..., Any]) -> Rows:
    """Argument and meaning, as the docstring says it."""
    said = _section(function, "Args")
    assert list(said) == list(inspect.signature(function).parameters), function
    return [[f"`{name}`", text] for name, text in said.items()]


def error_rows(function: Callable[..., Any]) -> Rows:
    """What it raises, and what that means, as the docstring says it."""
    return [
        [", ".join(f"`{each}`" for each in names.split(", ")), text]
        for names, text in _section(function, "Raises").items()
    ]


def result_rows() -> Rows:
    """Field and meaning of what `create_call` returns."""
    return [[f"`{name}`", str(field.description)] for name, field in CallResult.model_fields.items()]


def report_rows() -> Rows:
    """Field and meaning of what a campaign returns."""
    said = _section(CampaignReport, "Attributes")
    assert list(said) == list(CampaignReport.model_fields)
    return [[f"`{name}`", text] for name, text in said.items()]


def bucket_rows() -> Rows:
    """Bucket, group, words of the report."""
    return [[f"`{bucket.value}`", bucket.group, bucket.label] for bucket in Bucket]


def everything() -> dict[str, Rows]:
    """All of it, by heading."""
    return {
        "settings": settings_rows(),
        **{heading: block_rows(block) for heading, block in blocks_by_heading().items()},
        **{heading: parameter_rows(flow) for heading, flow in flows_by_heading().items()},
        **{heading: form_rows(form) for heading, form in forms_by_heading().items()},
        **{heading: argument_rows(function) for heading, function in functions_by_heading().items()},
        **{f"{heading} raises": error_rows(function) for heading, function in functions_by_heading().items()},
        "CallResult": result_rows(),
        "CampaignReport": report_rows(),
        "buckets": bucket_rows(),
    }


def _rows(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        if name in schema.get("required", ()):
            default = "required"
        else:
            default = "" if field.get("default") in (None, "", [], {}) else f"`{json.dumps(field['default'])}`"
            default = "" if isinstance(field.get("default"), dict) else default
        yield [f"`{name}`", _kind(field), default, " ".join(str(field.get("description", "")).split())]


def _kind(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        kinds = [_kind(choice) for choice in field["anyOf"] if choice.get("type") != "null"]
        # What JSON can say as a number or as a text is a number to whoever fills in the form.
        return " or ".join(kind for kind in kinds if kind != "text" or len(kinds) == 1)
    if "$ref" in field:
        return TITLES[field["$ref"].rpartition("/")[2]]
    if "allOf" in field:
        return _kind(field["allOf"][0])
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    kind = FORMATS.get(field.get("format", ""), KINDS[field["type"]])
    least, most = field.get("minimum"), field.get("maximum")
    if least is not None and most is not None:
        return f"{kind}, {least:g} to {most:,g}" if most < 1e6 else f"{kind}, {least:g} or more"
    if least is not None:
        return f"{kind}, {least:g} or more"
    return kind


def _section(documented: Any, title: str) -> dict[str, str]:
    """The entries of a section of a docstring: names and what is said of them."""
    text = inspect.getdoc(documented) or ""
    found = re.search(rf"^{title}:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    said: dict[str, list[str]] = {}
    for line in (found[1] if found else "").splitlines():
        entry = re.match(r"^    (\w[\w., ]*?): (.*)$", line)
        if entry:
            said[entry[1]] = [entry[2]]
        elif line.strip():
            said[next(reversed(said))].append(line.strip())
    return {name: " ".join(words) for name, words in said.items()}
