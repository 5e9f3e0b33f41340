"""Of a text exactly those names are demanded that it prints whichever way it goes."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamsa.placeholders import BUILT_IN_NAMES, UnreadableText, required_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hello.", ""),
        ("Hello {{name}}, you owe {{ amount }}.", "name amount"),
        ("{{name}} {{ اسم }} {{agentName}}", "name اسم agentName"),
        # whitespace control, comments, raw text
        ("{{- name -}} {%- if vip -%} {{tier}} {%- endif -%}", "name"),
        ("{# {{a}} #}{% raw %}{{b}}{% endraw %}{{c}}", "c"),
        # filters, defaults
        ("{{ name | upper | truncate(length) }}", "name length"),
        ("{{ name | default('you') }} {{ amount | d(balance) | round }}", ""),
        ("{{ name | title | default('you', true) }}", ""),
        ("{{ name or nickname }} {{ a if a else 'x' }} {{ b if c else b }}", "b"),
        ("{% filter upper %}{{name}}{% endfilter %}{% filter default('x') %}{{other}}{% endfilter %}", "name"),
        ("{{ amount | money }} {{ money(price) }} {{ name.upper() }}", "amount price name"),
        # conditions
        ("{% if language == 'ar' %}Arabic{% endif %}{% if amount > 100 %}Much{% endif %}", ""),
        ("{% if name %}Hello {{name}}{% else %}Hello {{company}}{% endif %}", ""),
        ("{% if a %}{{name}}{% elif b %}{{name}} {{b}}{% else %}{{name}}{% endif %}", "name"),
        ("{% if a %}{{name}}{% elif b %}{{name}}{% endif %}", ""),
        ("{% if a %}{% if b %}{{name}}{% else %}{{name}}{{x}}{% endif %}{% else %}{{name}}{% endif %}", "name"),
        ("{% if direction == 'outbound' %}{{call_type}}{% endif %}{{ x is defined }}", ""),
        # names of its own
        ("{% set greeting = 'Hi' %}{{greeting}} {% set who = name %}{{who}}", "name"),
        ("{% set name = name | default('you') %}{{name}}", ""),
        ("{% if not name %}{% set name = 'you' %}{% endif %}Hello {{name}}", ""),
        ("{{name}}{% set name = 'late' %}", "name"),
        ("{% set block %}{{name}}{% endset %}{{block}}", "name"),
        ("{% with a = name %}{{a}}{{z}}{% endwith %}{{a}}", "name z a"),
        ("{% macro owes(x, y=z) %}{{x}}{{y}}{% endmacro %}{{ owes(amount) }}", "amount z"),
        # … whose values are needed only where they are printed
        ("{% set owed = amount %}{% if amount %}{{owed}}{% endif %}", ""),
        ("{% set owed = amount + fee %}{{ owed | round }}", "amount fee"),
        ("{% set a, b = x, y %}{{a}}", "x y"),
        ("{% set hello %}Hi {{name}}{% endset %}{% if name %}{{hello}}{% endif %}", ""),
        ("{% if vip %}{% set who = title %}{% else %}{% set who = name %}{% endif %}{{who}}", ""),
        ("{% if vip %}{% set who = name %}{% else %}{% set who = name ~ title %}{% endif %}{{who}}", "name"),
        ("{% with a = name %}{% if name %}{{a}}{% endif %}{% endwith %}", ""),
        (
            "{% macro owes() %}{{amount}} {{currency}}{% endmacro %}{% if amount %}{{ owes() }}{% endif %}{{name}}",
            "name",
        ),
        ("{% macro owes() %}{{amount}}{% endmacro %}{{ owes() }}", "amount"),
        ("{% macro a() %}{{x}}{% endmacro %}{% macro b() %}{{ a() }}{{ b() }}{% endmacro %}{{ b() | trim }}", "x"),
        ("{% set ns = namespace(sum=0) %}{% set ns.sum = ns.sum + amount %}{{ ns.sum }}", "amount"),
        (
            "{% set ns = namespace(n=0) %}{% for d in debts %}{% set ns.n = ns.n + d.n %}{% endfor %}{{ns.n}}",
            "debts",
        ),
        ("{% set all = [] %}{% do all.append(name) %}{{ all | join }}{{ first - second }}{{ a-1 }}", "first second a"),
        # loops
        ("{% for item in items %}{{loop.index}} {{item.title}} {{currency}}{% endfor %}", "items currency"),
        ("{% for item in items %}{{item}}{% else %}{{nothing}}{% endfor %}", "items"),
        ("{% for item in items or [] %}{{item}}{{name}}{% endfor %}", ""),
        ("{% for item in items if item.open %}{{item}}{{name}}{% endfor %}", "items"),
        ("{% for n in range(3) %}{{n}}{{name}}{% endfor %}", "name"),
        # dotted names
        ("{{customer.name}} {{customer['id']}} {{rows[0]}} {{a[b]}}", "customer rows a b"),
        # what Hamsa fills itself
        (" ".join(f"{{{{{name}}}}}" for name in sorted(BUILT_IN_NAMES)), ""),
        ("{{agentName}} {{Agent_Name}} {{callId}} {{current_hour}}", "agentName Agent_Name callId current_hour"),
        ("{{current_date.year}} {{user_number | upper}}", ""),
        # the other form on Hamsa's pages
        ("{{#if due_date}}Due {{due_date}}.{{/if}} {{name}}", "name"),
        ("{{#if a}}Hi {{name}}{{else}}Dear {{name}} {{title}}{{/if}}", "name"),
        ("{{#if a}}{{name}}{{else if b}}{{name}}{{ else }}{{name}}{{/if}}", "name"),
        ("{{~#if (eq a 'b')~}}{{x}}{{~/if~}}{{~name~}}{{{amount}}}", "name amount"),
        ("{{#unless a}}{{x}}{{/unless}}{{#each items}}{{title}}{{@index}}{{/each}}{{#a}}{{a}}{{/a}}{{^b}}no{{/b}}", ""),
        ("{{! a comment }}{{> part}}{{}}{{ }}", ""),
    ],
)
def test_a_name_is_demanded_if_every_way_through_the_text_prints_it(text: str, names: str) -> None:
    assert required_names(text) == set(names.split())


DOCUMENTED = """
    current_time current_date current_datetime current_timestamp current_day current_month current_year current_weekday
    call_id call_type direction call_start_time user_number user_number_area_code agent_number agent_name agent_id
"""


def test_seventeen_names_are_hamsas_own() -> None:
    assert set(DOCUMENTED.split()) == BUILT_IN_NAMES
    assert len(BUILT_IN_NAMES) == 17


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Hello {{name}}\nfrom {{first name}}", r"^line 2: expected token"),
        ("{{ name }", "^line 1: unexpected"),
        ("{% if a %}{{name}}", "^line 1: .*endif"),
        ("{% unknown %}", "unknown tag"),
        ("{{name | default: 'x'}}", "^line 1"),
        ("{/if} {{/if}}", "endif"),
        ("Hi\n{{ first-name | title }}", "^line 2: `first-name` is not a name to Jinja2"),
        ("{{" + "(" * 3000 + "a" + ")" * 3000 + "}}", "nested too deeply"),
        ("{{name}}" * 30_000, "more than 200000 characters"),
    ],
    ids=["name of two words", "brace", "no end", "tag", "liquid", "no beginning", "dash", "deep", "long"],
)
def test_what_cannot_be_parsed_says_where_and_why(text: str, says: str) -> None:
    with pytest.raises(UnreadableText, match=says):
        required_names(text)


_PIECES = st.sampled_from(
    [
        *"{}%#-~/|'\"()[].,=:!^@>&\\\x00 \n\u202e\ud800",
        *[
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "if",
            "else",
            "for",
            "in",
            "set",
            "endif",
            "name",
            "default",
            "raw",
            "endraw",
            "macro",
            "1",
            "/if",
            "#if",
        ],
    ]
)


@given(st.lists(_PIECES, max_size=40).map("".join))
@example("{% set loop.x = 1 %}{{loop}}")
@example("{% set ns.a, b = 1, 2 %}{% import 'x' as y %}{% from 'x' import a, b as c with context %}{{b}}")
@example("{% call(x) f(y) %}{{x}}{% endcall %}{% block b %}{{c}}{% endblock %}{% extends 'e' %}{% include d %}")
@example("{% do a %}{% for a in b recursive %}{% break %}{% endfor %}{% autoescape c %}{{d}}{% endautoescape %}")
def test_no_text_whatever_raises_anything_else(text: str) -> None:
    with suppress(UnreadableText):
        assert not required_names(text) & BUILT_IN_NAMES
