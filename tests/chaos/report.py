"""What a campaign under chaos came to, in words and figures, for people."""

from collections import Counter

from tests.chaos.kill_loop import Outcome

MOST_SHOWN = 10


def shown(outcome: Outcome) -> str:
    """What happened, a line for each thing that somebody would ask."""
    plan, verdict = outcome.plan, outcome.verdict
    if verdict is None:
        return f"\n{plan.name}: not carried out"
    faults = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(outcome.faults.items()) if count)
    reasons = Counter(verdict.uncertain.values())
    lines = [
        ("customers", plan.customers),
        ("kills (SIGKILL)", f"{outcome.kills}, {outcome.kills_before_first_call} of them before the run's first ring"),
        ("runs begun", f"{outcome.runs}, {len(outcome.reports)} of them came to their end"),
        ("faults of Hamsa", faults or "none"),
        *(("lies of Hamsa", lies) for lies in outcome.lies),
        ("rings", verdict.rings),
        ("double rings", len(verdict.double_rings)),
        ("customers never called", len(verdict.never_called)),
        ("calls that Hamsa leaves hanging", len(verdict.hanging)),
        ("other customers without an end", len(verdict.without_end)),
        *([("jobs taken for another's", len(verdict.mistaken))] if plan.lies else []),
        ("uncertain that stayed", len(verdict.uncertain)),
        *((f"  {count} of them", reason) for reason, count in reasons.most_common(MOST_SHOWN)),
        ("seconds", round(outcome.seconds)),
        ("broken promises", len(outcome.problems)),
        *(("  ", problem) for problem in outcome.problems[:MOST_SHOWN]),
    ]
    width = max(len(name) for name, _ in lines)
    return f"\n{plan.name}\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in lines)
