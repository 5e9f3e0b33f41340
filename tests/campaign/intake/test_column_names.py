"""Names of columns: what holds phone numbers, or may say who is not to be called, is seen in people's own words."""

import pytest

from campaign.intake.column_names import is_phone_column, may_be_phone_column, may_say_call, may_say_do_not_call


@pytest.mark.parametrize(
    "name",
    [
        *(
            "mobile",
            "Home Phone 2",
            "phones",
            "phone_numbers",
            "Phone (work)",
            "mobilePhone",
            "phone_e164",
            "TEL_NUMBER",
        ),
        *("TELF1", "Téléphone portable", "Handynummer", "Telefonnummer", "Teléfono", "телефон", "手机号", "전화번호"),
    ],
)
def test_a_column_of_nothing_but_numbers_is_known(name: str) -> None:
    assert is_phone_column(name)
    assert may_be_phone_column(name)


@pytest.mark.parametrize("name", ["PersonMobilePhone", "customer_phone", "رقم الجوال", "ContactPhone__c"])
def test_a_column_in_which_numbers_may_be_is_known(name: str) -> None:
    assert may_be_phone_column(name)


@pytest.mark.parametrize(
    "name",
    ["phone_verified_at", "phone_type", "phone_ext", "notes", "amount", "teller", "label", "excel", "reason", ""],
)
def test_other_columns_hold_no_numbers(name: str) -> None:
    assert not may_be_phone_column(name)


@pytest.mark.parametrize(
    "name",
    [
        *("OptOut__c", "phone_opt_out", "opt_out_date", "opted_out_at", "is_opted_out", "HasOptedOutOfCalls"),
        *("unsubscribed", "DND", "do_not_disturb", "blacklisted", "suppressed", "No Contact", "no_phone_calls"),
        *("never_call", "stop_calls", "dont_call_me", "wants_no_more_calls", "nicht anrufen", "Werbesperre"),
        *("ne pas appeler", "no llamar", "لا تتصل", "TPS", "email_and_phone_opt_out", "Do_Not_Call__c"),
    ],
)
def test_a_column_that_may_say_no_is_asked_about(name: str) -> None:
    assert may_say_do_not_call(name)


@pytest.mark.parametrize(
    "name", ["email_opt_out", "HasOptedOutOfEmail", "sms_opt_out", "calls", "last_call", "notes", "blocked", "option"]
)
def test_nobody_is_asked_about_columns_that_are_about_something_else(name: str) -> None:
    assert not may_say_do_not_call(name)
    assert not may_say_call(name)


@pytest.mark.parametrize("name", ["call_allowed", "OK to call", "tcpa_consent", "phone_consent", "PhoneOptIn"])
def test_a_column_that_may_say_yes_is_asked_about(name: str) -> None:
    assert may_say_call(name)
