"""The hours for calling, held against a second, slower reading of the callee's wall clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.rules.opening import Closed, Open, local_time, opening
from campaign.rules.policy.policy import Policy
from campaign.rules.policy.presets import PRESETS, WORKING_DAYS
from campaign.rules.windows import EVERY_DAY, SEARCH_DAYS, DatedWindows, Hours, Window, holidays_of
from campaign.time_zones import is_time_zone

ZONES = (
    "America/New_York",
    "America/St_Johns",
    "Europe/London",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Amman",
    "Asia/Riyadh",
    "Asia/Kathmandu",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
QUARTER = timedelta(minutes=15)
TEN_TO_SIX = Hours((Window(600, 1080),), working_days=WORKING_DAYS)
NIGHT = Hours((Window(22 * 60, 26 * 60, EVERY_DAY),))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def in_zone(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def is_open(hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime) -> bool:
    return isinstance(opening(hours, zones, country, at), Open)


def next_opening(hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime) -> datetime | None:
    answer = opening(hours, zones, country, at)
    assert isinstance(answer, Closed)
    return answer.opens_at


# -- the second reading: the callee looks at the clock on the wall ---------------------------------------------------


def wall_says_open(hours: Hours, zone: str, country: str | None, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    today = local.date()
    if today in hours.closed_dates or any(not d.windows for d in hours.dated if d.first <= today <= d.last):
        return False
    yesterday = today - timedelta(days=1)
    return any(w.start <= minute < w.end for w in _beginning(hours, today, country)) or (
        yesterday not in hours.closed_dates
        and any(minute < w.end - 1440 for w in _beginning(hours, yesterday, country))
    )


def _beginning(hours: Hours, day: date, country: str | None) -> list[Window]:
    windows = hours.windows
    for exception in hours.dated:
        if exception.first <= day <= exception.last:
            windows = exception.windows
    working = dict(hours.working_days).get(country or "", frozenset(range(5)))
    return [w for w in windows if day.weekday() in (working if w.days is None else w.days)]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(st.integers(0, 95)) * 15
    length = draw(st.integers(1, 96)) * 15
    days = draw(st.none() | st.frozensets(st.integers(0, 6), min_size=1))
    return Window(start, start + length, days)


@st.composite
def hours_for(draw: st.DrawFn) -> Hours:
    spring = date(2026, 3, 20)
    dated = draw(st.integers(0, 20))
    return Hours(
        windows=tuple(draw(st.lists(windows(), min_size=1, max_size=3))),
        dated=(DatedWindows(spring, spring + timedelta(days=dated), tuple(draw(st.lists(windows(), max_size=2)))),)
        if dated
        else (),
        closed_dates=frozenset(draw(st.lists(st.dates(date(2026, 3, 15), date(2026, 4, 15)), max_size=5))),
        working_days=WORKING_DAYS,
    )


# Around the weeks in which Cairo, Amman's neighbours, London, New York and Adelaide change their clocks.
MOMENTS = st.integers(0, 60 * 24 * 4).map(lambda n: utc("2026-03-01") + n * QUARTER) | st.integers(0, 40 * 24 * 4).map(
    lambda n: utc("2026-09-25") + n * QUARTER
)
PLACES = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True).map(tuple)
COUNTRIES = st.sampled_from([None, "SA", "US"])


@given(hours_for(), PLACES, COUNTRIES, MOMENTS, st.integers(0, 899))
@settings(max_examples=300, deadline=None)
def test_open_means_open_on_the_wall_clock_of_every_candidate_zone(
    hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime, second: int
) -> None:
    at += timedelta(seconds=second)
    assert is_open(hours, zones, country, at) == all(wall_says_open(hours, zone, country, at) for zone in zones)


@given(hours_for(), PLACES, COUNTRIES, MOMENTS)
@settings(max_examples=150, deadline=None)
def test_the_next_opening_is_the_first_open_moment(
    hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime
) -> None:
    answer = opening(hours, zones, country, at)
    if isinstance(answer, Open):
        return
    # All of these windows, clocks and clock changes lie on quarter hours, so that looking once in each is exact.
    looked_at = (at + n * QUARTER for n in range(10 * 24 * 4))
    first = next((t for t in looked_at if all(wall_says_open(hours, zone, country, t) for zone in zones)), None)
    if first is not None:
        assert answer.opens_at == first
    elif answer.opens_at is not None:
        assert answer.opens_at >= at + timedelta(days=10)
        assert is_open(hours, zones, country, answer.opens_at)
        assert not is_open(hours, zones, country, answer.opens_at - timedelta(seconds=1))


# -- the edges of a window ------------------------------------------------------------------------------------------


def test_a_window_takes_in_its_first_moment_and_not_its_last() -> None:
    riyadh = ("Asia/Riyadh",)
    assert is_open(TEN_TO_SIX, riyadh, "SA", in_zone("2026-11-24T10:00", "Asia/Riyadh"))
    assert not is_open(TEN_TO_SIX, riyadh, "SA", in_zone("2026-11-24T09:59:59.999999", "Asia/Riyadh"))
    assert is_open(TEN_TO_SIX, riyadh, "SA", in_zone("2026-11-24T17:59:59.999999", "Asia/Riyadh"))
    assert not is_open(TEN_TO_SIX, riyadh, "SA", in_zone("2026-11-24T18:00", "Asia/Riyadh"))


def test_kathmandu_opens_at_a_quarter_past_four_utc() -> None:
    at = next_opening(TEN_TO_SIX, ("Asia/Kathmandu",), "NP", utc("2026-11-24T00:00"))
    assert at == utc("2026-11-24T04:15")


def test_adelaide_keeps_its_half_hour_and_its_summer_time() -> None:
    adelaide = ("Australia/Adelaide",)
    assert next_opening(TEN_TO_SIX, adelaide, "AU", utc("2026-07-01T12:00")) == utc("2026-07-02T00:30")
    assert next_opening(TEN_TO_SIX, adelaide, "AU", utc("2026-12-01T12:00")) == utc("2026-12-01T23:30")


def test_friday_is_closed_and_sunday_open_for_a_saudi_number_only() -> None:
    friday, sunday = in_zone("2026-11-27T12:00", "Asia/Riyadh"), in_zone("2026-11-29T12:00", "Asia/Riyadh")
    assert not is_open(TEN_TO_SIX, ("Asia/Riyadh",), "SA", friday)
    assert is_open(TEN_TO_SIX, ("Asia/Riyadh",), "SA", sunday)
    assert is_open(TEN_TO_SIX, ("Asia/Riyadh",), "AE", friday)
    assert not is_open(TEN_TO_SIX, ("Asia/Riyadh",), "AE", sunday)
    thursday_evening = in_zone("2026-11-26T18:00", "Asia/Riyadh")
    assert next_opening(TEN_TO_SIX, ("Asia/Riyadh",), "SA", thursday_evening) == in_zone(
        "2026-11-29T10:00", "Asia/Riyadh"
    )


@pytest.mark.parametrize("holidays", [False, True])
def test_the_working_days_of_a_country_hold_in_each_part_of_it(holidays: bool) -> None:
    sunday, friday = "2026-11-22T11:00", "2026-11-27T11:00"
    hours = replace(TEN_TO_SIX, holidays=holidays)
    for day, may in ((sunday, True), (friday, False)):
        assert is_open(hours, ("Asia/Riyadh",), "SA-01", in_zone(day, "Asia/Riyadh")) is may


@pytest.mark.parametrize("day", range(7))
def test_one_day_of_the_week_is_enough_for_calling(day: int) -> None:
    assert Hours((Window(600, 660, frozenset({day})),)).opens_in_a_week
    assert not Hours((Window(600, 660, frozenset({day})),), quiet=(Window(540, 720, EVERY_DAY),)).opens_in_a_week


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    london = ("Europe/London",)
    thursdays = Hours((Window(22 * 60, 26 * 60, frozenset({3})),))
    assert is_open(thursdays, london, "GB", utc("2026-11-26T23:00"))
    assert is_open(thursdays, london, "GB", utc("2026-11-27T01:59"))
    assert not is_open(thursdays, london, "GB", utc("2026-11-27T02:00"))
    assert not is_open(thursdays, london, "GB", utc("2026-11-26T01:00"))


def test_a_closed_date_closes_all_of_that_date_and_the_window_that_begins_on_it() -> None:
    hours = Hours((Window(22 * 60, 26 * 60, EVERY_DAY),), closed_dates=frozenset({date(2026, 12, 25)}))
    london = ("Europe/London",)
    assert is_open(hours, london, "GB", utc("2026-12-24T23:59"))
    assert not is_open(hours, london, "GB", utc("2026-12-25T00:00"))  # the tail of the window before
    assert not is_open(hours, london, "GB", utc("2026-12-25T23:00"))
    assert not is_open(hours, london, "GB", utc("2026-12-26T01:00"))  # the tail of the window that never began
    assert next_opening(hours, london, "GB", utc("2026-12-25T00:00")) == utc("2026-12-26T22:00")


def test_a_date_without_windows_is_closed_as_a_closed_date_is_also_after_midnight() -> None:
    christmas, nights, london = date(2026, 12, 24), (Window(18 * 60, 26 * 60, EVERY_DAY),), ("Europe/London",)
    closed = Hours(nights, closed_dates=frozenset({christmas}))
    for none in (DatedWindows(christmas, christmas, ()), DatedWindows(christmas, christmas, (), narrows=True)):
        hours = Hours(nights, dated=(none,))
        for hour in range(72):
            at = utc("2026-12-23T00:00") + timedelta(hours=hour)
            assert is_open(hours, london, "GB", at) is is_open(closed, london, "GB", at), at
        assert not is_open(hours, london, "GB", utc("2026-12-24T01:00"))
        assert next_opening(hours, london, "GB", utc("2026-12-24T01:00")) == utc("2026-12-25T18:00")
    # Windows that begin on other days of the week leave the night before to its own end.
    hours = Hours(nights, dated=(DatedWindows(christmas, christmas, (Window(600, 660, frozenset({0})),)),))
    assert is_open(hours, london, "GB", utc("2026-12-24T01:00"))


# -- nights in which clocks change ----------------------------------------------------------------------------------


def test_a_window_that_begins_in_the_hour_that_is_skipped_opens_when_the_clock_jumps() -> None:
    early = Hours((Window(90, 180, EVERY_DAY),))  # 01:30-03:00; London's clocks go from 01:00 to 02:00
    assert next_opening(early, ("Europe/London",), "GB", utc("2026-03-29T00:00")) == utc("2026-03-29T01:00")
    assert not is_open(early, ("Europe/London",), "GB", utc("2026-03-29T00:59:59"))
    assert is_open(early, ("Europe/London",), "GB", utc("2026-03-29T01:59:59"))
    assert not is_open(early, ("Europe/London",), "GB", utc("2026-03-29T02:00"))


def test_a_window_within_the_hour_that_comes_twice_opens_twice() -> None:
    short = Hours((Window(75, 105, EVERY_DAY),))  # 01:15-01:45; New York's 01:00-02:00 comes twice
    new_york = ("America/New_York",)
    assert next_opening(short, new_york, "US", utc("2026-11-01T05:00")) == utc("2026-11-01T05:15")
    assert next_opening(short, new_york, "US", utc("2026-11-01T05:45")) == utc("2026-11-01T06:15")
    assert next_opening(short, new_york, "US", utc("2026-11-01T06:45")) == utc("2026-11-02T06:15")


def test_the_morning_after_a_clock_change_opens_by_the_new_clock() -> None:
    any_day = Hours((Window(600, 1080, EVERY_DAY),))
    assert next_opening(any_day, ("Africa/Cairo",), "EG", utc("2026-04-23T20:00")) == utc("2026-04-24T07:00")
    assert next_opening(any_day, ("Africa/Cairo",), "EG", utc("2026-04-22T20:00")) == utc("2026-04-23T08:00")
    assert next_opening(NIGHT, ("Australia/Lord_Howe",), "AU", utc("2026-10-03T10:00")) == utc("2026-10-03T11:30")


# -- several zones, or none -----------------------------------------------------------------------------------------


def test_of_several_zones_the_last_to_open_decides() -> None:
    alaska = ("America/Anchorage", "America/Adak")
    at = next_opening(TEN_TO_SIX, alaska, "US", utc("2026-11-24T12:00"))
    assert at == in_zone("2026-11-24T10:00", "America/Adak")
    answer = opening(TEN_TO_SIX, alaska, "US", in_zone("2026-11-24T10:30", "America/Anchorage"))
    assert isinstance(answer, Closed)
    assert answer.reason == (
        "it is Tuesday 2026-11-24 09:30 in America/Adak, one of the 2 time zones in which this number may be: "
        "outside the hours for calling"
    )


def test_without_a_zone_it_is_never_a_time_for_calling_and_says_why() -> None:
    answer = opening(TEN_TO_SIX, (), "US", utc("2026-11-24T12:00"))
    assert answer == Closed(
        None, "no time zone is known for this number, so nobody can say what time it is there", True
    )


@pytest.mark.parametrize("name", ["Etc/Unknown", "Mars/Olympus_Mons", "", "../../etc/passwd", "America"])
def test_a_zone_that_nobody_knows_is_never_guessed(name: str) -> None:
    assert not is_time_zone(name)
    for zones in ((name,), ("Europe/London", name)):
        answer = opening(TEN_TO_SIX, zones, "GB", utc("2026-11-24T12:00"))
        assert answer == Closed(None, f"`{name}` is not a time zone that can be looked up", True)


def test_zones_that_are_never_open_together_are_said_to_be_the_reason() -> None:
    answer = opening(TEN_TO_SIX, ("Pacific/Honolulu", "America/New_York", "Europe/London"), "US", utc("2026-11-24"))
    assert isinstance(answer, Closed)
    assert answer.opens_at is None
    assert answer.zone_unknown
    assert "at no time are all of them within the hours" in answer.reason


def test_hours_that_never_open_say_so_after_a_bounded_search() -> None:
    shut = Hours((Window(600, 660),), dated=(DatedWindows(date(2026, 1, 1), date(2028, 1, 1), ()),))
    for zones in (("Europe/London",), ("Europe/London", "Europe/Paris")):
        answer = opening(shut, zones, "GB", utc("2026-11-24"))
        assert answer == Closed(None, f"no time for calling comes within the next {SEARCH_DAYS} days")
    assert next_opening(shut, ("Europe/London",), "GB", utc("2027-01-01")) == utc("2028-01-03T10:00")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="must be aware"):
        opening(TEN_TO_SIX, ("Europe/London",), "GB", datetime(2026, 11, 24))  # noqa: DTZ001 - that is the point


def test_no_restriction_at_all_needs_no_zone() -> None:
    assert is_open(Policy(preset="unrestricted").resolved().hours, (), None, utc("2026-12-25T03:00"))
    whole_week_but_holidays = Policy(preset="unrestricted", holidays="closed").resolved().hours
    assert not is_open(whole_week_but_holidays, (), None, utc("2026-11-24T03:00"))


def test_local_times_are_shown_with_their_zone() -> None:
    assert local_time(utc("2026-11-24T07:00"), ("Asia/Riyadh",)) == "Tuesday 2026-11-24 10:00 (Asia/Riyadh)"
    assert local_time(utc("2026-11-24T07:00"), ()) == "Tuesday 2026-11-24 07:00 (UTC)"


# -- holidays and Ramadan -------------------------------------------------------------------------------------------


def test_a_public_holiday_is_closed_in_the_numbers_own_country_only() -> None:
    hours = Policy(preset="fr").resolved().hours
    bastille_day = in_zone("2026-07-14T11:00", "Europe/Paris")
    answer = opening(hours, ("Europe/Paris",), "FR", bastille_day)
    assert isinstance(answer, Closed)
    assert "public holiday in FR" in answer.reason
    assert answer.opens_at == in_zone("2026-07-15T10:00", "Europe/Paris")
    assert is_open(hours, ("Europe/Brussels",), "BE", bastille_day)


def test_holidays_of_a_named_country_or_part_of_one_are_closed_for_everybody() -> None:
    hours = Policy(holiday_countries=["fr", "US-CA"]).resolved().hours
    assert not is_open(hours, ("Europe/London",), "GB", utc("2026-07-14T11:00"))
    assert not is_open(hours, ("Europe/London",), "GB", utc("2026-03-31T11:00"))  # Cesar Chavez Day
    assert is_open(hours, ("Europe/London",), "GB", utc("2026-07-15T11:00"))


def test_a_country_without_known_holidays_has_none() -> None:
    assert holidays_of("ZZ", 2026) == {}
    assert is_open(Policy(holidays="closed").resolved().hours, ("Europe/London",), "ZZ", utc("2026-11-24T11:00"))


def test_in_ramadan_saudi_numbers_are_not_called_before_noon() -> None:
    hours = Policy(preset="sa").resolved().hours
    riyadh = ("Asia/Riyadh",)
    assert not is_open(hours, riyadh, "SA", in_zone("2027-02-15T11:59", "Asia/Riyadh"))
    assert is_open(hours, riyadh, "SA", in_zone("2027-02-15T12:00", "Asia/Riyadh"))
    assert not is_open(hours, riyadh, "SA", in_zone("2027-02-15T18:00", "Asia/Riyadh"))
    assert is_open(hours, riyadh, "SA", in_zone("2027-03-15T10:00", "Asia/Riyadh"))


def test_ramadan_takes_away_from_ones_own_windows_and_never_adds() -> None:
    own = Policy(preset="sa", windows=[{"start": "09:00", "end": "14:00"}]).resolved().hours
    riyadh = ("Asia/Riyadh",)
    assert not is_open(own, riyadh, "SA", in_zone("2027-02-15T11:00", "Asia/Riyadh"))
    assert is_open(own, riyadh, "SA", in_zone("2027-02-15T13:00", "Asia/Riyadh"))
    assert not is_open(own, riyadh, "SA", in_zone("2027-02-15T15:00", "Asia/Riyadh"))


def test_ones_own_windows_on_dates_stand_in_for_the_presets() -> None:
    evening = {"days": ["every_day"], "start": "21:00", "end": "00:30"}
    policy = Policy(
        preset="sa", windows_on_dates=[{"first_day": "2027-02-08", "last_day": "2027-03-08", "windows": [evening]}]
    )
    hours, riyadh = policy.resolved().hours, ("Asia/Riyadh",)
    assert is_open(hours, riyadh, "SA", in_zone("2027-02-16T00:15", "Asia/Riyadh"))
    assert not is_open(hours, riyadh, "SA", in_zone("2027-02-15T13:00", "Asia/Riyadh"))
    assert is_open(hours, riyadh, "SA", in_zone("2027-03-15T10:00", "Asia/Riyadh"))


def test_the_dates_of_ramadan_take_in_the_estimates_with_a_day_on_both_sides() -> None:
    narrowed = PRESETS["sa"].dated
    for year in range(2026, 2037):
        eid = [day for day, name in holidays_of("SA", year).items() if "Eid al-Fitr" in name]
        before_eid = min(eid) - timedelta(days=1)
        # Ramadan has 29 or 30 days.
        for day in (min(eid), before_eid, before_eid - timedelta(days=28), before_eid - timedelta(days=29)):
            assert any(each.first <= day <= each.last for each in narrowed), day
    assert narrowed[-1].last == date.max
    hours = Policy(preset="sa").resolved().hours
    for on, may in (("2036-12-31", True), ("2037-01-01", False), ("2041-06-03", False)):
        assert is_open(hours, ("Asia/Riyadh",), "SA", in_zone(f"{on}T11:00", "Asia/Riyadh")) is may, on


def test_windows_worked_out_once_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.rules.windows.MAX_REMEMBERED", 50)
    hours = Hours((Window(600, 1080),))
    for week in range(200):
        opening(hours, ("Europe/London", "Europe/Paris"), "GB", utc("2026-01-01") + timedelta(weeks=week))
    assert len(hours._remembered) <= 50  # noqa: SLF001 - nothing else shows it
