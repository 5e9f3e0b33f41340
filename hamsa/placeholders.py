"""Which values a text of a voice agent needs: its `{{placeholders}}`, read as Jinja2 reads them.

Promises never to render anything, and to demand a name only if every way through the text prints it. A name that is
only tested, that has a default, or that is printed only where a condition holds, may be missing. What a text sets
itself, or defines as a macro, is needed only where it is printed or called.
"""

import re
from collections.abc import Iterable, Sequence

from jinja2 import Environment, TemplateError, nodes

BUILT_IN_NAMES = frozenset(
    {"current_time", "current_date", "current_datetime", "current_timestamp", "current_day", "current_month"}
    | {"current_year", "current_weekday", "call_id", "call_type", "direction", "call_start_time", "user_number"}
    | {"user_number_area_code", "agent_number", "agent_name", "agent_id"}
)
"""Names that Hamsa fills itself, in every text of every agent. They are reserved."""

_LONGEST_TEXT = 200_000

# Texts are parsed and never rendered, so nothing is escaped; unknown filters and functions are no errors to the parser.
_JINJA = Environment(autoescape=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])

# One page of Hamsa's shows `{{#if name}}…{{/if}}`. What stands in such a section is used only where it is there, so any
# section reads as an `if`, whatever it tests.
_SECTION = re.compile(r"\{\{[-~]?\s*(?:([#^])[^{}]*|(/)[^{}]*|else\s+if\b([^{}]*)|(else|\^))\s*[-~]?\}\}")
_TRIPLE = re.compile(r"\{\{\{([^{}]*)\}\}\}")
_NOTHING = re.compile(r"\{\{[-~]?\s*(?:[!>@][^{}]*|[-~]?)\}\}")
_DASHED = re.compile(r"\{\{\s*([^\W\d]\w*(?:-[^\W\d]\w*)+)\s*(?:\||\}\})")
_TILDE = re.compile(r"(?<=\{\{)~|~(?=\}\})")

_NONE: frozenset[str] = frozenset()

_OF_JINJA = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs"})


class UnreadableText(ValueError):
    """A text is neither Jinja2 nor anything else that Hamsa's pages show. `str()` says why, in a clause."""


def required_names(text: str) -> frozenset[str]:
    """Return the names without a value for which the text would say nothing where it should say something.

    Of `{{ customer.name }}` it is `customer`. Names that Hamsa fills itself are left out.

    Args:
        text: A greeting, a preamble, or whatever else the agent says or is told.

    Raises:
        UnreadableText: It cannot be parsed, so nobody can tell.
    """
    if "{{" not in text and "{%" not in text:
        return frozenset()
    if len(text) > _LONGEST_TEXT:
        raise UnreadableText(f"it has more than {_LONGEST_TEXT} characters")
    if (dashed := _DASHED.search(text)) is not None:
        above = text.count("\n", 0, dashed.start())
        raise UnreadableText(f"line {above + 1}: `{dashed[1]}` is not a name to Jinja2, which reads a dash as minus")
    try:
        template = _JINJA.parse(_as_jinja(text))
        return _printed_by(template.body, dict.fromkeys(_OF_JINJA, _NONE)) - BUILT_IN_NAMES
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise UnreadableText(f"line {line}: {_clause(error)}" if line else _clause(error)) from None
    except RecursionError:
        raise UnreadableText("it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - whatever the parser stumbles over, the campaign does not
        raise UnreadableText(f"the parser fails with {type(error).__name__}") from None


def _clause(error: TemplateError) -> str:
    said = " ".join((error.message or type(error).__name__).split()).rstrip(".")
    return said if len(said) <= 120 else f"{said[:119]}…"


def _as_jinja(text: str) -> str:
    text = _TRIPLE.sub(r"{{\1}}", _NOTHING.sub("", text))
    return _TILDE.sub("-", _SECTION.sub(_section, text))


def _section(match: re.Match[str]) -> str:
    opens, closes, otherwise_if, _ = match.groups()
    if opens and match.group().strip("{}-~ ") != "^":
        return "{% if 1 %}"
    if closes:
        return "{% endif %}"
    return "{% elif 1 %}" if otherwise_if is not None else "{% else %}"


Known = dict[str, frozenset[str]]
"""Names that the text gives itself: what must have a value so that printing or calling each of them says something."""


def _printed_by(body: Iterable[nodes.Node], known: Known) -> frozenset[str]:
    """The names that a run of statements prints, whichever way it goes. What it sets itself is added to `known`."""
    return _union(_statement(node, known) for node in body)


def _statement(node: nodes.Node, known: Known) -> frozenset[str]:
    match node:
        case nodes.If():
            return _branches([node.body, *(each.body for each in node.elif_), node.else_], known)
        case nodes.For():
            return _loop(node, known)
        case nodes.FilterBlock():
            return _NONE if _defaults(node.filter) else _printed_by(node.body, dict(known))
        case nodes.With():
            values = [_expression(value, known) for value in node.values]
            inside = dict(known)
            for target, value in zip(node.targets, values, strict=True):
                inside |= dict.fromkeys(_names(target), value)
            return _printed_by(node.body, inside)
        case nodes.CallBlock():
            return _expression(node.call, known) | _printed_by(node.body, known | dict.fromkeys(_args(node), _NONE))
        case nodes.Expr():
            return _expression(node, known)
        case nodes.Assign() | nodes.AssignBlock() | nodes.Macro() | nodes.Import() | nodes.FromImport():
            _define(node, known)
            return _NONE
        case nodes.ExprStmt():
            return _NONE  # done, not printed
        case _:
            return _printed_by(node.iter_child_nodes(), known)


def _define(node: nodes.Node, known: Known) -> None:
    """Remember what gives names to things. What they hold is said only where they are printed, or called."""
    match node:
        case nodes.Assign():
            value = _expression(node.node, known)
            if isinstance(node.target, nodes.NSRef):
                known[node.target.name] = known.get(node.target.name, _NONE) | value
            known |= dict.fromkeys(_names(node.target), value)
        case nodes.AssignBlock():
            value = _NONE if _defaults(node.filter) else _printed_by(node.body, dict(known))
            known |= dict.fromkeys(_names(node.target), value)
        case nodes.Macro():
            body = _printed_by(node.body, known | dict.fromkeys(_args(node), _NONE))
            known[node.name] = _all(node.defaults, known) | body
        case nodes.Import():
            known[node.target] = _NONE
        case nodes.FromImport():
            known |= dict.fromkeys((name if isinstance(name, str) else name[1] for name in node.names), _NONE)


def _args(node: nodes.Macro | nodes.CallBlock) -> set[str]:
    return set().union(*map(_names, node.args))


def _branches(bodies: Sequence[Sequence[nodes.Node]], known: Known) -> frozenset[str]:
    """What every branch prints; a missing `else` is a branch that prints nothing."""
    insides = [dict(known) for _ in bodies]
    printed = [_printed_by(body, inside) for body, inside in zip(bodies, insides, strict=True)]
    # Set in one branch counts as set: `{% if not name %}{% set name = "you" %}{% endif %}` is how one writes a default.
    for name in set().union(*insides):
        known[name] = frozenset.intersection(*(inside.get(name, _NONE) for inside in insides))
    return frozenset.intersection(*printed)


def _loop(node: nodes.For, known: Known) -> frozenset[str]:
    over = _expression(node.iter, known)
    body = _printed_by(node.body, known | dict.fromkeys(_names(node.target), _NONE))
    functions = {id(call.node) for call in (node.iter, *node.iter.find_all(nodes.Call)) if isinstance(call, nodes.Call)}
    values = any(id(name) not in functions for name in node.iter.find_all(nodes.Name))
    # Over something that may be missing, or of which some is left out, it may go round not once.
    return over if node.test is not None or (values and not over) else over | body


def _expression(node: nodes.Node | None, known: Known) -> frozenset[str]:
    match node:
        case None | nodes.And() | nodes.Or() | nodes.Not() | nodes.Test():
            return _NONE  # tested, not printed
        case nodes.Name():
            return known.get(node.name, frozenset({node.name}))
        case nodes.Filter():
            if _defaults(node):
                return _NONE
            return _all([node.node, *node.args, *(each.value for each in node.kwargs)], known)
        case nodes.CondExpr():
            return _expression(node.expr1, known) & _expression(node.expr2, known)
        case nodes.Call():
            # The name of a function is no param; that of a macro stands for what the macro prints.
            if isinstance(node.node, nodes.Name):
                called = known.get(node.node.name, _NONE)
            else:
                called = _expression(node.node, known)
            return called | _all([*node.args, *(each.value for each in node.kwargs)], known)
        case _:
            return _all(node.iter_child_nodes(), known)


def _all(parts: Iterable[nodes.Node | None], known: Known) -> frozenset[str]:
    return _union(_expression(part, known) for part in parts)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return _NONE.union(*sets)


def _defaults(node: nodes.Node | None) -> bool:
    """Whether somewhere in a chain of filters there is a default."""
    while isinstance(node, nodes.Filter):
        if node.name in ("default", "d"):
            return True
        node = node.node
    return False


def _names(target: nodes.Node) -> set[str]:
    if isinstance(target, nodes.Name):
        return {target.name}
    return {name.name for name in target.find_all(nodes.Name)}
