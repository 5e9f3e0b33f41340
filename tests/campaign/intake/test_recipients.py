"""Recipients and sources: a person's words in a form become what the campaign works with, and mistakes are named."""

from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from campaign.intake.numbers import ParsedNumber, parse_number
from campaign.intake.recipients import (
    ColumnMapping,
    Columns,
    CsvFile,
    Recipient,
    Source,
    SourceError,
    SqlQuery,
    check_connectors,
)


def number(raw: str = "+12125550100") -> ParsedNumber:
    found = parse_number(raw)
    assert isinstance(found, ParsedNumber)
    return found


def test_a_time_zone_in_the_row_wins_over_those_of_the_number() -> None:
    recipient = Recipient.at(number("+16465550159"), recipient_id="7", timezone="Australia/Sydney")
    assert recipient.zones == ("Australia/Sydney",)
    assert recipient.country == "US"


def test_without_a_time_zone_every_zone_of_the_number_counts() -> None:
    assert len(Recipient.at(number("+61491570156"), recipient_id="7").zones) == 8


def test_a_recipient_is_shown_without_phone_and_params() -> None:
    shown = repr(Recipient.at(number(), recipient_id="7", params={"name": "Jad Khoury"}))
    assert "555" not in shown
    assert "Jad" not in shown


def test_a_recipient_survives_the_way_to_another_process() -> None:
    recipient = Recipient.at(number(), recipient_id="7", params={"amount": "120.50"}, row=3)
    assert Recipient.model_validate_json(recipient.model_dump_json()) == recipient


@pytest.mark.parametrize("phone", ["2125550100", "+1 212 555 0100", "+0125550100", "+1212555010012345"])
def test_only_e164_makes_a_recipient(phone: str) -> None:
    with pytest.raises(ValidationError):
        Recipient(id="7", phone=phone, zones=(), country=None)


def test_a_source_is_known_by_its_fields() -> None:
    source: TypeAdapter[Source] = TypeAdapter(Source)
    assert isinstance(source.validate_python({"connector": "warehouse", "query": "SELECT 1"}), SqlQuery)
    assert isinstance(source.validate_python({"path": "overdue.csv", "default_region": "us"}), CsvFile)


def test_a_field_that_no_source_knows_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="conector"):
        SqlQuery.model_validate({"conector": "warehouse", "query": "SELECT 1"})


@pytest.mark.parametrize(("given", "code"), [("us", "US"), (" GB ", "GB"), ("", None), (None, None)])
def test_the_default_region_is_a_country_code_or_empty(given: str | None, code: str | None) -> None:
    assert CsvFile(path=Path("overdue.csv"), default_region=given).default_region == code


def test_a_default_region_that_is_no_country_is_refused() -> None:
    with pytest.raises(ValidationError, match="two-letter country code"):
        CsvFile(path=Path("overdue.csv"), default_region="United States")


def test_the_phone_cannot_be_the_id_because_ids_are_shown() -> None:
    with pytest.raises(ValidationError, match="shown in reports"):
        ColumnMapping(id="Phone")


@pytest.mark.parametrize("model", [Recipient, ColumnMapping, SqlQuery, CsvFile])
def test_every_field_has_a_help_text(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert (field.description or "").endswith("."), name


def test_columns_are_found_by_their_usual_names() -> None:
    columns = Columns.of(["customer_id", "phone", "region", "timezone", "name", "amount"], ColumnMapping())
    assert (columns.id, columns.phone, columns.region) == ("customer_id", "phone", "region")
    assert columns.do_not_call == ()
    assert columns.params == {"name": "name", "amount": "amount"}


def test_id_wins_over_customer_id_which_is_then_a_param() -> None:
    columns = Columns.of(["customer_id", "id", "phone"], ColumnMapping())
    assert columns.id == "id"
    assert set(columns.params) == {"customer_id"}


def test_columns_are_found_in_any_case_but_keep_their_names() -> None:
    columns = Columns.of([" ID", "PHONE", "Name ", ""], ColumnMapping())
    assert (columns.id, columns.phone, columns.params) == (" ID", "PHONE", {"Name ": "Name"})


def test_a_mapping_renames_columns() -> None:
    mapping = ColumnMapping(id="account", phone="mobile", amount="balance")
    columns = Columns.of(["id", "account", "mobile", "phone", "balance"], mapping)
    assert (columns.id, columns.phone, columns.amount) == ("account", "mobile", "balance")
    assert set(columns.params) == {"id", "phone", "balance"}
    assert mapping.named() == {"id": "account", "phone": "mobile", "amount": "balance"}


def test_what_a_form_sends_for_empty_fields_names_nothing() -> None:
    form = ColumnMapping.model_validate({**ColumnMapping().model_dump(), "id": "", "phone": None, "region": " "})
    assert form == ColumnMapping()
    assert form.named() == {}
    source = {"connector": "warehouse", "query": "SELECT 1", "parameters": None, "columns": None, "default_region": ""}
    assert SqlQuery.model_validate(source) == SqlQuery(connector="warehouse", query="SELECT 1")


def test_an_empty_query_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="query"):
        SqlQuery.model_validate({"connector": "warehouse", "query": ""})


def test_a_policy_may_name_the_connectors_that_a_run_uses() -> None:
    sales, other = (SqlQuery(connector=name, query="SELECT 1") for name in ("sales", "other"))
    check_connectors([], sales, other, None, CsvFile(path=Path("a.csv")))
    check_connectors(["sales"], sales, None, [{"id": 1}])
    with pytest.raises(SourceError, match=r"does not let a run use the connector block other, but only sales \("):
        check_connectors(["sales"], sales, None, other)
