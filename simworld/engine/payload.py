"""The payload codec: what crosses the log is bytes (msgpack by msgspec).

Equal values have equal bytes (keys and fields are sorted, unordered sets refused), so hashes of
inputs may be compared (spec §7, I-16 and I-19).  What would not come back as it was is refused.

Plain values and references come back by themselves.  Objects of attrs and dataclasses, enums and
tuples are written as plain dicts, values and lists, and become themselves again where somebody
says their type: a parameter's annotation, a result's, a hook's ``payload``.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from simworld.engine.refs import AbortSignal, StreamRef
from simworld.errors import UsageError

_PLAIN = frozenset({int, str, bytes, float, bool, type(None)})
_SEQUENCES = (list, tuple)  # a union would be made anew at every check
_STREAM, _SIGNAL = 1, 2
"""Codes of the msgpack extension types; they are in logs, so they never change their meaning."""
FOUND_MAX = 80
"""Characters of a wrong value that an error message shows."""


def _to_ext(value: object) -> msgspec.msgpack.Ext:
    """What the encoder asks for everything it does not know itself."""
    if type(value) is StreamRef:
        return msgspec.msgpack.Ext(_STREAM, _encoder.encode([value.run_id, value.name]))
    if type(value) is AbortSignal:
        return msgspec.msgpack.Ext(
            _SIGNAL, _encoder.encode([value.stream, value.aborted, value.reason])
        )
    what = f"a value of type {type(value).__name__}"
    if isinstance(value, Awaitable):
        raise UsageError(f"{what} cannot be a payload; did you forget to await it?")
    raise _refused(what)


def _from_ext(code: int, data: memoryview) -> object:
    inside = _decoder.decode(data)
    if code == _STREAM:
        return StreamRef(*inside)
    if code == _SIGNAL:
        stream, aborted, reason = inside
        return AbortSignal(stream, aborted=aborted, reason=reason)
    raise UsageError(
        f"these bytes hold a reference of kind {code}, which this simworld does not know; the log "
        "was written by a newer one"
    )


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_ext, order="sorted")
_decoder = msgspec.msgpack.Decoder(ext_hook=_from_ext)


# --- what may be a payload -----------------------------------------------------------------------


def _check(value: object) -> None:
    """``UsageError`` for what has no order, or would come back as something else."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return
    if isinstance(value, _SEQUENCES):
        for each in value:
            if type(each) not in _PLAIN:
                _check(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if type(key) is not str:
                raise _refused(f"a dict with a key of type {type(key).__name__}")
            if type(each) not in _PLAIN:
                _check(each)
    elif isinstance(value, enum.Enum):
        if type(value.value) not in (str, int):
            raise _refused(f"an enum value that is neither text nor a whole number ({value})")
    elif _fields(kind) is not None:
        _check_typed(value, kind)
    else:
        _check_sets(value)
        if kind not in (StreamRef, AbortSignal):
            back = _decoder.decode(_encoder.encode(value))
            if type(back) is not kind or back != value:
                raise _refused(f"a value of type {kind.__name__}")


def _check_typed(value: object, kind: Any) -> None:
    """Field for field: what the class does not promise would not come back."""
    _check_sets(value)
    try:
        back = msgspec.convert(_decoder.decode(_encoder.encode(value)), kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(
            f"this {kind.__name__} cannot be a payload, because it would not come back: {error}; "
            "give every field a value of the type it is annotated with"
        ) from error
    if kind.__eq__ is not object.__eq__ and back != value:
        raise UsageError(
            f"{_shown(value)} cannot be a payload, because it would come back as {_shown(back)}; "
            "annotate every field with the very type it holds"
        )


def _check_sets(value: object) -> None:
    """No sets, however deep."""
    if isinstance(value, (set, frozenset)):
        raise UsageError("a set has no order and cannot be a payload; use a sorted list")
    kind: Any = type(value)
    inside: Iterable[object] = ()
    if isinstance(value, _SEQUENCES):
        inside = value
    elif isinstance(value, dict):
        inside = value.values()
    elif fields := _fields(kind):
        inside = [getattr(value, name) for name in fields]
    for each in inside:
        if type(each) not in _PLAIN:
            _check_sets(each)


@functools.lru_cache(maxsize=4_096)
def _fields(kind: Any) -> tuple[str, ...] | None:
    """The fields of an attrs or dataclass; None for other classes."""
    if hasattr(kind, "__attrs_attrs__"):
        names = tuple([field.name for field in kind.__attrs_attrs__])
    elif dataclasses.is_dataclass(kind):
        names = tuple([field.name for field in dataclasses.fields(kind)])
    else:
        return None
    for name in names:
        if name.startswith("_"):
            raise UsageError(
                f"class {kind.__qualname__} cannot be a payload: its private field {name} would "
                "get lost; take away the underscore"
            )
    return names


def _refused(what: str) -> UsageError:
    return UsageError(
        f"{what} cannot be a payload; use None, bool, numbers, text, bytes, lists, dicts with text "
        "as keys, attrs or dataclasses, enums, datetimes with a time zone, streams, abort signals"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= FOUND_MAX else f"{text[: FOUND_MAX - 1]}…"


# --- there and back ------------------------------------------------------------------------------


def encode(value: object, *, plain: bool = False) -> bytes:
    """The value's bytes; ``UsageError`` for what cannot be stored (an open file, a set …).

    ``plain``: whoever asks knows that it holds nothing that would not come back as it was.
    """
    try:
        if not plain:
            _check(value)
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"this value cannot be a payload: {error}") from error


def decode(data: bytes) -> Any:
    """The value again, plain: tuples come back as lists, objects as dicts."""
    return _decoder.decode(data)


def encode_error(error: BaseException, *, kind: str) -> bytes:
    """An error as bytes; ``kind`` says why it is final: fatal, exhausted, interrupted, error."""
    text = error_text(error).encode("utf-8", "backslashreplace").decode()
    return _encoder.encode({"kind": kind, "message": text, "name": type(error).__name__})


def error_text(error: BaseException) -> str:
    """``str(error)``, or why there is none: an author's own ``__str__`` may fail."""
    try:
        return str(error)
    except Exception as broken:
        return f"(its __str__ raises {type(broken).__name__})"


def decode_error(data: bytes) -> dict[str, str]:
    """The fields ``kind``, ``message`` and ``name`` of an encoded error."""
    fields: dict[str, str] = _decoder.decode(data)
    return fields


# --- typed again ---------------------------------------------------------------------------------


def hydrate(data: bytes, annotation: object) -> Any:
    """The value as the annotation has it; plain for None, ``Any`` and all that is plain anyway."""
    value = _decoder.decode(data)
    if annotation is None or not _is_typed(annotation):
        return value
    return _converted(value, annotation, "this payload")


def hydrate_args(
    function: Callable[..., Any], data: bytes, skip: int
) -> tuple[list[Any], dict[str, Any]]:
    """Encoded ``[args, kwargs]`` as ``function`` takes them behind its first ``skip`` parameters.

    ``UsageError`` where they do not fit; it names function, parameter, expected and found.
    """
    args, kwargs = _decoder.decode(data)
    plan = _plan(function, skip)
    if plan is not None:
        for index, value in enumerate(args):
            name, hint = plan.positional[index] if index < len(plan.positional) else plan.rest
            if hint is not None:
                args[index] = _converted(value, hint, f"{name!r} of {function.__qualname__}()")
        for name, value in kwargs.items():
            hint = plan.named.get(name, plan.others)
            if hint is not None:
                kwargs[name] = _converted(value, hint, f"{name!r} of {function.__qualname__}()")
    return args, kwargs


def _converted(value: object, hint: object, what: str) -> Any:
    if isinstance(hint, _Unresolved):
        if not isinstance(value, dict):
            return value  # whatever it is called, it is no object of a class
        raise UsageError(
            f"{what} is annotated with {hint.text}, which cannot be looked up ({hint.reason}); "
            "define or import that class at the top of its module"
        )
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise UsageError(f"{what} takes {_name(hint)}, not {_shown(value)}: {error}") from error
    except TypeError as error:
        raise UsageError(
            f"{what} is annotated with {_name(hint)}, which payloads cannot be turned into: {error}"
        ) from error


def _name(hint: object) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)


class _Unresolved(NamedTuple):
    """An annotation that names something nobody can find."""

    text: str
    reason: str


class _Plan(NamedTuple):
    """Which arguments of a function become typed, and into what; None: it stays plain."""

    positional: tuple[tuple[str, object], ...]
    rest: tuple[str, object]
    named: Mapping[str, object]
    others: object


@functools.lru_cache(maxsize=4_096)
def _plan(function: Callable[..., Any], skip: int) -> _Plan | None:
    """How to hydrate a call; None where every argument stays plain."""
    hints = _typed_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    if not any(each.name in hints for each in parameters):
        return None
    of_kind: dict[Any, list[tuple[str, object]]] = {}
    for each in parameters:
        of_kind.setdefault(each.kind, []).append((each.name, hints.get(each.name)))
    by_place = of_kind.get(inspect.Parameter.POSITIONAL_ONLY, [])
    either = of_kind.get(inspect.Parameter.POSITIONAL_OR_KEYWORD, [])
    by_name = of_kind.get(inspect.Parameter.KEYWORD_ONLY, [])
    (rest,) = of_kind.get(inspect.Parameter.VAR_POSITIONAL, [("", None)])
    ((_, others),) = of_kind.get(inspect.Parameter.VAR_KEYWORD, [("", None)])
    return _Plan((*by_place, *either), rest, dict([*either, *by_name]), others)


@functools.lru_cache(maxsize=4_096)
def result_hint(function: Callable[..., Any]) -> object:
    """What ``hydrate`` turns a result of ``function`` into; None where it stays plain."""
    return _typed_hints(function).get("return")


def _typed_hints(function: Callable[..., Any]) -> dict[str, object]:
    """Parameter or ``return`` → its annotation, for those that are typed."""
    hints: dict[str, object] = {}
    for name, annotation in inspect.get_annotations(function).items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hint = typing.get_type_hints(alone, function.__globals__)[name]
        except Exception as error:  # an annotation is the author's text: anything may happen
            hints[name] = _Unresolved(str(annotation), str(error))
            continue
        if _is_typed(hint):
            hints[name] = hint
    return hints


@functools.lru_cache(maxsize=4_096)
def _is_typed(hint: Any) -> bool:
    """Whether a plain value becomes something else under this annotation."""
    if isinstance(hint, _Unresolved):
        return True
    origin: Any = typing.get_origin(hint)
    kind = origin or hint
    if origin is typing.Literal:
        return False
    if _fields(kind) is not None or typing.is_typeddict(kind):
        return True
    if inspect.isclass(kind) and issubclass(kind, enum.Enum | tuple | msgspec.Struct):
        return True
    return any(_is_typed(each) for each in typing.get_args(hint) if isinstance(each, Hashable))
