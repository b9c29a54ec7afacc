"""Workflow programs that are drawn instead of written: data, and the one workflow that reads it.

A program is nested lists (it travels as its run's input), at most ``DEPTH_MAX`` deep:

    ["sequence", ["work", 3], ["race", ["deadline", 1000, 2], ["try", ["risky", 0]]]]

The output tells every decision: who won a race, what was caught, what arrived.  A run always
ends by itself: payloads of its hooks come from its own steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simworld.campaign.drawing import Drawing
from simworld.engine import (
    FatalError,
    HookConflictError,
    Program,
    RetryableError,
    StepContext,
    StepFailedError,
    StreamRef,
    create_abort,
    create_hook,
    gather,
    get_writable,
    now_ms,
    race,
    random,
    set_attributes,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError, UsageError

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Node = list[Any]
"""A verb and its parts: numbers and further nodes."""

DEPTH_MAX = 4
SLEEPS_MS = (10, 1_000, 5_000)
DAY_MS = 86_400_000
TOKENS = 2
"""Hooks that a client may resume; two of one program may want one token."""


# --- drawing -------------------------------------------------------------------------------------

_LEAVES = (
    "work",
    "risky",
    "sleep",
    "hook",
    "deadline",
    "child",
    "clock",
    "random",
    "note",
    "attributes",
)
_BRANCHING = ("sequence", "try", "loop", "choose", "abort", *["gather", "race"] * 3)
_WITH_CLIENT = (*_LEAVES, *["listen"] * 5, "doze", "stream")
"""What a client may have a hand in, or look at, besides."""
_OF_CHILDREN = ("work", "risky", "sleep", "clock", "random")
"""What a child run does, one deep: nothing that anybody else has to help it with."""


def drawn_program(stream: Stream) -> Node:
    """A program; equal streams give equal programs."""
    return draw_program(Drawing(stream.below))


def programs() -> SearchStrategy[Node]:
    """The same programs as a Hypothesis strategy; they shrink towards a single step."""
    from hypothesis import strategies  # noqa: PLC0415  # for those who ask for a strategy only

    @strategies.composite
    def program(draw: DrawFn) -> Node:
        return draw_program(Drawing(lambda bound: draw(strategies.integers(0, bound - 1))))

    return program()


def draw_program(drawing: Drawing, *, with_client: bool = False) -> Node:
    """A program; ``with_client``: of what a client may have a hand in, too.

    It ends by itself all the same, whatever the client does.
    """
    leaves = _WITH_CLIENT if with_client else _LEAVES
    return ["sequence", *_several(drawing, leaves, DEPTH_MAX - 1, least=1, most=4)]


def _several(
    drawing: Drawing, leaves: tuple[str, ...], depth: int, *, least: int, most: int
) -> list[Node]:
    return drawing.several(lambda: _node(drawing, leaves, depth), least=least, most=most)


def _node(drawing: Drawing, leaves: tuple[str, ...], depth: int) -> Node:
    """A node that is at most ``depth`` deep."""
    return drawing.node(lambda: _drawn(drawing, leaves, depth))


def _drawn(pick: Drawing, leaves: tuple[str, ...], depth: int) -> Node:
    verbs = leaves if depth == 1 else leaves + _BRANCHING
    verb = verbs[pick(len(verbs))]
    match verb:
        case "work" | "risky":
            return [verb, pick(4)]
        case "sleep":
            return [verb, SLEEPS_MS[pick(len(SLEEPS_MS))]]
        case "doze" | "stream":
            return [verb, 1 + pick(2)]
        case "hook":
            return [verb, 1 + pick(3)]
        case "listen":
            return [verb, pick(TOKENS), SLEEPS_MS[pick(len(SLEEPS_MS))], 1 + pick(3)]
        case "deadline":
            return [verb, SLEEPS_MS[pick(len(SLEEPS_MS))], 1 + pick(3)]
        case "child":
            leaf = _OF_CHILDREN[pick(len(_OF_CHILDREN))]
            return [verb, [leaf, 1 + pick(3)] if leaf in ("work", "risky", "sleep") else [leaf]]
        case "try" | "abort":
            return [verb, _node(pick, leaves, depth - 1)]
        case "loop":
            return [verb, 1 + pick(3), _node(pick, leaves, depth - 1)]
        case "choose":
            by = ("clock", "random")[pick(2)]
            return [verb, by, _node(pick, leaves, depth - 1), _node(pick, leaves, depth - 1)]
        case "sequence" | "gather" | "race":
            return [verb, *_several(pick, leaves, depth - 1, least=2, most=3)]
        case _:
            return [verb]


# --- performing ----------------------------------------------------------------------------------


@step
async def work(ctx: StepContext, value: Any) -> Any:
    """Act visibly and give the value back."""
    await ctx.effect("work")
    return value


@step(max_retries=2)
async def risky(ctx: StepContext, number: int) -> int:
    """Fail for good (0), at the first attempt (1), or not at all."""
    if number == 0:
        raise FatalError("never")
    if number == 1 and ctx.attempt == 1:
        raise RetryableError("not yet", retry_after=10)
    await ctx.effect("risky")
    return number


@step
async def ring(ctx: StepContext, token: str, payload: int) -> None:
    """Send a payload to a hook, if it is still there."""
    try:
        await ctx.resume_hook(token, payload)
    except HookNotFoundError:
        return  # nobody waits any more: its token was another run's, or it has been disposed of


@step
async def put(ctx: StepContext, stream: StreamRef, number: int) -> int:
    """Write a chunk to a stream."""
    await ctx.get_writable(stream).write(b"%d" % number)
    return number


@step
async def shut(ctx: StepContext, stream: StreamRef) -> None:
    """Close a stream: a step of its own, since a body that is begun again may find it closed."""
    await ctx.get_writable(stream).close()


@step
async def child(ctx: StepContext, program: Node) -> Any:
    """Start another run and wait for its output."""
    return await ctx.await_run(await ctx.start_child(generated, program))


@workflow
async def generated(program: Node) -> Any:
    """Perform a drawn program; what nobody has caught is told, too."""
    return await _caught(program, "0")


GENERATED = Program.of(generated, work, risky, ring, child, put, shut)
"""Performs any drawn program: its run's one argument."""


async def _perform(node: Node, path: str) -> Any:
    """Perform a node; ``path`` is its place in the program, and in the rounds of its loops."""
    match node:
        case ["work", value]:
            return await work(value)
        case ["risky", number]:
            return await risky(number)
        case ["sleep", duration_ms]:
            await sleep(duration_ms)
            return "slept"
        case ["doze", days]:
            await sleep(days * DAY_MS + 1)
            return "woken"
        case ["stream", count]:
            stream = get_writable(f"told/{path}")
            told = [await put(stream, number) for number in range(count)]
            await shut(stream)
            return told
        case ["listen", token, duration_ms, count]:
            return await _from_client(token, duration_ms, count)
        case ["hook", count]:
            return await _payloads(path, count)
        case ["deadline", duration_ms, count]:
            return await _before_deadlines(duration_ms, count)
        case ["child", program]:
            return await child(program)
        case ["clock"]:
            return await work(now_ms())
        case ["random"]:
            return await work(int(random() * 1_000))
        case ["note"]:  # recorded some time, and nobody waits for that
            return set_attributes(noted=path).done
        case ["attributes"]:
            await set_attributes(at=path)
            return now_ms()
        case ["sequence", *nodes]:
            return [await _perform(part, f"{path}.{n}") for n, part in enumerate(nodes)]
        case ["try", body]:
            return await _caught(body, path)
        case ["loop", times, body]:
            return [await _perform(body, f"{path}.{n}") for n in range(times)]
        case ["gather", *nodes]:
            return await gather(*[_begun(part, f"{path}.{n}") for n, part in enumerate(nodes)])
        case ["race", *nodes]:
            parts = [_begun(part, f"{path}.{n}") for n, part in enumerate(nodes)]
            which, value = await race(*parts)
            return ["won", which, value]
        case ["choose", by, one, other]:
            taken = now_ms() % 2 if by == "clock" else int(random() * 2)
            return [by, taken, await _perform(other if taken else one, f"{path}.{taken}")]
        case ["abort", body]:
            controller = create_abort()
            value = await _perform(body, path)
            controller.abort(path)
            return await work(value)
    raise UsageError(f"{node!r} is no node of a generated program; draw one with drawn_program()")


def _begun(node: Node, path: str) -> Any:
    """What gather and race take: a handle where the node is a step or a sleep, else a coroutine."""
    match node:
        case ["work", value]:
            return work(value)
        case ["risky", number]:
            return risky(number)
        case ["sleep", duration_ms]:
            return sleep(duration_ms)
    return _perform(node, path)


async def _caught(node: Node, path: str) -> Any:
    try:
        return await _perform(node, path)
    except (StepFailedError, HookConflictError) as error:
        return ["caught", str(error), await work("rescue")]


async def _payloads(path: str, count: int) -> list[int]:
    """Payloads of a hook with a name of its own."""
    told: list[int] = []
    async with create_hook(f"hook/{path}", payload=int) as hook:
        for number in range(count):
            ring(hook.token, number)
        async for payload in hook:
            told.append(payload)
            if len(told) == count:
                break
    return told


def token_of(number: int) -> str:
    """The token of a hook that a client knows."""
    return f"client-{number}"


async def _from_client(token: int, duration_ms: int, count: int) -> list[Any]:
    """Payloads that a client sends before one deadline."""
    told: list[Any] = []
    async with create_hook(token_of(token)) as hook:
        deadline = sleep(duration_ms)
        while len(told) < count:
            which, value = await race(hook.next(), deadline)
            if which:
                break
            told.append(value)
    return told


async def _before_deadlines(duration_ms: int, count: int) -> list[Any]:
    """Payloads of a hook, each raced against a sleep; one that is late may win the next race."""
    told: list[Any] = []
    async with create_hook(payload=int) as hook:
        ring(hook.token, count)
        arriving = hook.next()
        for _ in range(count):
            which, value = await race(arriving, sleep(duration_ms))
            told.append("late" if which else value)
            if which == 0:
                arriving = hook.next()
    return told
