"""The interactions in a trace: one for each time that a user said something and was answered.

What a user said, and what they saw, stands in the outermost spans with both: an agent, a chain, or
else the calls of models themselves. What else happened is a step on the way. The outcome depends
only on which spans there are, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from phospho_server.otlp import dialects
from phospho_server.otlp.dialects import own
from phospho_server.otlp.messages import ASSISTANT, SYSTEM, USER, last_text, role_of, said
from phospho_server.otlp.said import AGENT, CHAIN, LLM, OTHER, RETRIEVAL, TOOL, Said, Told
from phospho_server.otlp.wire import Span

# Parents of parents: deeper ones are a circle, or nothing that anybody looks at.
_MAX_LEVELS = 200

_STEPS = frozenset({LLM, TOOL, RETRIEVAL, AGENT, OTHER})

# Of these one within another is the same thing told twice, by two instrumentations or two layers.
_TOLD_ONCE = frozenset({LLM, RETRIEVAL, OTHER})


@dataclass(frozen=True)
class Turn:
    """A time that a user said something and was answered.

    Args:
        question: What the user said.
        answer: What they saw; None where there was no answer.
        anchors: The spans that carry both; the last one tells the answer.
        steps: The spans on the way, in the order in which they began.
        said: What all spans of it tell, the innermost of the anchors' first.
    """

    question: str
    answer: str | None
    anchors: Sequence[Told]
    steps: Sequence[Told]
    said: Said


@dataclass
class _Node:
    told: Told
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)

    @property
    def said(self) -> Said:
        return self.told.said


def read_turns(spans: Sequence[Span]) -> list[Turn]:
    """Return the turns of a trace, in the order of time.

    Args:
        spans: All that is known of it, each once, in any order.
    """
    ordered = sorted(spans, key=lambda span: (span.started_at_ns, span.span_id))
    nodes = _grow([dialects.read(span) for span in ordered])
    tops = [node for node in nodes if node.parent is None]
    anchors = [anchor for node in tops for anchor in _find_anchors(node)]
    anchors.sort(key=_began)
    if any(anchor.said.is_whole for anchor in anchors):
        anchors = [anchor for anchor in anchors if anchor.said.is_whole]
    groups = _group(anchors)
    steps = _share_steps(nodes, groups)
    shared = _propagated(nodes)
    return [
        _make_turn(group, its_steps, shared) for group, its_steps in zip(groups, steps, strict=True)
    ]


def _began(node: _Node) -> tuple[int, str]:
    return node.told.span.started_at_ns, node.told.span.span_id


def _grow(told: Sequence[Told]) -> list[_Node]:
    """Put spans below their parents; those in a circle have none."""
    nodes = {each.span.span_id: _Node(each) for each in told}
    for node in nodes.values():
        parent = nodes.get(node.told.span.parent_id or "")
        if parent is not None and not _is_within(parent, node):
            node.parent = parent
            parent.children.append(node)
    return list(nodes.values())


def _is_within(node: _Node, other: _Node) -> bool:
    """Tell whether a node is another one, or below it, or too deep to tell."""
    above: _Node | None = node
    for _ in range(_MAX_LEVELS):
        if above is None:
            return False
        if above is other:
            return True
        above = above.parent
    return True


def _find_anchors(node: _Node) -> Iterator[_Node]:
    """Yield the outermost spans at or below a node that carry what a user said."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if here.said.kind in {TOOL, RETRIEVAL, OTHER}:
            continue
        if _is_anchor(here):
            yield here
        else:
            waiting.extend(here.children)


def _is_anchor(node: _Node) -> bool:
    told = node.said
    if told.kind is None or not told.question:
        return False
    if told.kind == LLM:
        return True
    # What asks no model is no conversation, such as a chain that cuts documents into pieces.
    if told.kind == CHAIN and not any(each.said.kind in {LLM, AGENT} for each in _below(node)):
        return False
    return bool(told.answer or told.error or _answer_below(node))


def _answer_below(node: _Node) -> str:
    """Return what the last model below a node answered in words."""
    answers = [
        (each.told.span.ended_at_ns, each.told.span.span_id, each.said.answer)
        for each in _below(node)
        if each.said.kind == LLM and each.said.answer
    ]
    return max(answers)[2] if answers else ""


def _below(node: _Node) -> Iterator[_Node]:
    waiting = list(node.children)
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(here.children)


def _group(anchors: Sequence[_Node]) -> list[list[_Node]]:
    """Put those together that answer the same thing a user said."""
    groups: list[list[_Node]] = []
    for anchor in anchors:
        if groups and _goes_on(groups[-1], anchor):
            groups[-1].append(anchor)
        else:
            groups.append([anchor])
    return groups


def _goes_on(group: Sequence[_Node], anchor: _Node) -> bool:
    before, now = group[-1].said, anchor.said
    ids = {each.said.task_id for each in (*group, anchor)} - {None}
    if len(ids) > 1:
        return False
    if ids and before.task_id == now.task_id:
        return True
    if before.question == now.question:
        return not (before.is_whole and _repeats(now, before))
    # Of two agents each answers a user. A model may be asked several things on the way to one
    # answer; it is another turn where the user goes on from what was answered before.
    return not now.is_whole and not _repeats(now, before)


def _repeats(now: Said, before: Said) -> bool:
    """Tell whether a call was given what was said before as history."""
    history = now.messages_in[:-1]
    asked = before.question
    answered = {said(each) for each in history if role_of(each) in ASSISTANT}
    if before.answer and before.answer in answered:
        return True
    users = [said(each) for each in now.messages_in if role_of(each) in USER]
    return asked in users[:-1] and last_text(now.messages_in, USER) != asked


def _share_steps(nodes: Sequence[_Node], groups: Sequence[Sequence[_Node]]) -> list[list[_Node]]:
    """Return the steps of each group: what is below its anchors, and what came on the way."""
    steps: list[list[_Node]] = [[] for _ in groups]
    owners = {id(anchor): place for place, group in enumerate(groups) for anchor in group}
    ends = [max(anchor.told.span.ended_at_ns for anchor in group) for group in groups]
    for node in nodes:
        if not groups or not _is_step(node):
            continue
        place = _owner(node, owners)
        if place is None:
            began = node.told.span.started_at_ns
            later = (place for place, end in enumerate(ends) if began <= end)
            place = next(later, len(groups) - 1)
        steps[place].append(node)
    for place, group in enumerate(groups):
        # A call that is all there is needs no steps to tell of it.
        if len(group) == 1 and steps[place] == [group[0]]:
            steps[place] = []
    return steps


def _is_step(node: _Node) -> bool:
    """Tell whether a span is a step: not the whole, and no second account of the same call."""
    kind = node.said.kind
    if kind not in _STEPS or (node.parent is None and node.said.is_whole):
        return False
    if kind == LLM and not _tells(node.said):
        return False
    above = node.parent
    for _ in range(_MAX_LEVELS):
        if above is None:
            return True
        if kind in _TOLD_ONCE and above.said.kind == kind:
            return False
        above = above.parent
    return True


def _tells(call: Said) -> bool:
    """Tell whether a call of a model says anything; some prepare one and say they are one."""
    return bool(call.messages_in or call.messages_out or call.usage or call.error or call.output)


def _owner(node: _Node, owners: Mapping[int, int]) -> int | None:
    here: _Node | None = node
    for _ in range(_MAX_LEVELS):
        if here is None:
            return None
        if id(here) in owners:
            return owners[id(here)]
        here = here.parent
    return None


def _propagated(nodes: Sequence[_Node]) -> Said:
    """Return the ids that one span has for all of its trace."""
    shared = Said()
    for node in nodes:
        if node.said.propagates:
            shared = shared.filled(_ids_of(node.said))
    return shared


def _explicit(nodes: Sequence[_Node]) -> Said:
    """Return the ids that the app gave by phospho's names: an instrumentation may make up its own.

    Args:
        nodes: The innermost first.
    """
    found = Said()
    for node in nodes:
        found = found.filled(_ids_of(own.read(node.told.span)))
    return found


def _ids_of(told: Said) -> Said:
    return Said(
        session=told.session,
        user=told.user,
        version=told.version,
        task_id=told.task_id,
        metadata=told.metadata,
    )


def _make_turn(group: Sequence[_Node], steps: Sequence[_Node], shared: Said) -> Turn:
    answering = [anchor for anchor in group if anchor.said.answer]
    last = answering[-1] if answering else group[-1]
    whole = last.said
    answer = whole.answer or _answer_below(last) or None
    calls = [node for node in steps if node.said.kind == LLM] or [
        anchor for anchor in group if anchor.said.kind == LLM
    ]
    told = _explicit([*reversed(group), *_above(last)]).filled(whole)
    told = replace(told, kind=whole.kind, error=None if answer else _error_of(group, steps))
    told = replace(told, usage=_sum(calls) or whole.usage, model=_last_model(calls) or whole.model)
    for node in (*reversed(group), *_above(last), *reversed(steps)):
        told = told.filled(_ids_of(node.said))
        told = told.filled(Said(provider=node.said.provider, facts=node.said.facts))
    told = told.filled(_system_of(calls)).filled(shared)
    return Turn(
        question=last.said.question,
        answer=answer,
        anchors=[node.told for node in group],
        steps=[node.told for node in steps if node not in group or node.said.kind == LLM],
        said=told,
    )


def _error_of(group: Sequence[_Node], steps: Sequence[_Node]) -> Mapping[str, str] | None:
    errors = [node.said.error for node in (*group, *steps) if node.said.error]
    return errors[-1] if errors else None


def _above(node: _Node) -> Iterator[_Node]:
    here = node.parent
    for _ in range(_MAX_LEVELS):
        if here is None:
            return
        yield here
        here = here.parent


def _sum(calls: Sequence[_Node]) -> dict[str, int]:
    total: dict[str, int] = {}
    for node in calls:
        for name, count in node.said.usage.items():
            total[name] = total.get(name, 0) + count
    # A total that some calls tell, and others do not, is none.
    if any("total_tokens" not in node.said.usage for node in calls if node.said.usage):
        total.pop("total_tokens", None)
    return total


def _last_model(calls: Sequence[_Node]) -> str | None:
    models = [node.said.model for node in calls if node.said.model]
    return models[-1] if models else None


def _system_of(calls: Sequence[_Node]) -> Said:
    for node in reversed(calls):
        if text := last_text(node.said.messages_in, SYSTEM):
            return Said(facts={"system_prompt": text})
    return Said()
