"""Documented, typed and limited fields of nested dataclasses.

What `apex_tf.config` is made of: a field carries its documentation and limits
in its metadata, and checks, JSON and error messages come from there.
"""

import copy
import dataclasses
import difflib
import math
import re
from typing import (
  Any,
  Callable,
  Dict,
  Iterator,
  List,
  Mapping,
  Tuple,
  Type,
  TypeVar,
)

_ConfigT = TypeVar('_ConfigT')

# A function by its module's dotted name and its own, as in "my_task:make".
_FUNCTION = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*')


def setting(default: Any, doc: str, may_change: bool = False,
            **limits: Any) -> Any:
  """A documented dataclass field.

  Args:
    default: the default value; its type is the field's type.
    doc: what the field means, its unit, and where the default comes from.
    may_change: whether a run may be resumed with another value.
    **limits: `minimum`, `maximum` (inclusive), `above`, `below` (exclusive),
      `choices`, `or_function=True` where "module:function" is allowed besides
      the choices, and `infinite=True` where infinity is allowed.

  Returns:
    A `dataclasses.field` that holds the documentation and limits as metadata.
  """
  return dataclasses.field(
      default=default,
      metadata={'doc': doc, 'limits': limits, 'may_change': may_change})


def leaves(
    config: Any,
    prefix: str = '') -> Iterator[Tuple[str, Any, 'dataclasses.Field[Any]']]:
  """Yields (dotted path, value, field) of every leaf."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      yield from leaves(value, f'{prefix}{field.name}.')
    else:
      yield f'{prefix}{field.name}', value, field


def error(path: str, value: Any, allowed: str) -> ValueError:
  """The error of a field by its dotted path, or of a flag."""
  return ValueError(f'{path} is {value!r}, but must be {allowed}')


def _check_type(path: str, value: Any, default: Any) -> None:
  if isinstance(default, tuple):
    fine = isinstance(value, tuple) and value and all(
        type(v) is type(default[0]) for v in value)
    kind = f'a tuple of at least one {type(default[0]).__name__}'
  else:
    fine = type(value) is type(default)
    kind = f'of type {type(default).__name__}'
    if isinstance(default, float) and type(value) is int:
      kind += f', such as {value}.0'
  if not fine:
    raise error(path, value, kind)


def _check_limits(path: str, value: Any, limits: Mapping[str, Any]) -> None:
  """Checks one value against the limits of `setting`."""
  if 'choices' in limits and value not in limits['choices']:
    allowed = f'one of {", ".join(limits["choices"])}'
    if not limits.get('or_function', False):
      raise error(path, value, allowed)
    if not _FUNCTION.fullmatch(value):
      raise error(path, value, f'{allowed}, or module:function')
  if isinstance(value, float):
    if math.isnan(value) or (math.isinf(value) and
                             not limits.get('infinite', False)):
      raise error(path, value, 'a finite number')
  if 'minimum' in limits and value < limits['minimum']:
    raise error(path, value, f'at least {limits["minimum"]}')
  if 'maximum' in limits and value > limits['maximum']:
    raise error(path, value, f'at most {limits["maximum"]}')
  if 'above' in limits and value <= limits['above']:
    raise error(path, value, f'greater than {limits["above"]}')
  if 'below' in limits and value >= limits['below']:
    raise error(path, value, f'less than {limits["below"]}')


def _map_leaves(tree: Mapping[str, Any],
                function: Callable[[Any], Any]) -> Dict[str, Any]:
  return {
      key: _map_leaves(value, function)
      if isinstance(value, dict) else function(value)
      for key, value in tree.items()
  }


def _encode(value: Any) -> Any:
  return str(value) if isinstance(value, float) and math.isinf(value) else value


def check(config: Any) -> None:
  """Checks the type and the limits of every field.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  for path, value, field in leaves(config):
    _check_type(path, value, field.default)
    for number in value if isinstance(value, tuple) else (value,):
      _check_limits(path, number, field.metadata['limits'])


def all_differences(config: Any, other: Any
                   ) -> Iterator[Tuple[str, Any, Any]]:
  """Yields (dotted path, value, other value) of every field that differs."""
  for (path, value, _), (_, other_value, _) in zip(
      leaves(config), leaves(other)):
    if value != other_value:
      yield path, value, other_value


def differences(config: Any, other: Any) -> Iterator[Tuple[str, Any, Any]]:
  """Of `all_differences`, those of what may not change."""
  may_change = {path: field.metadata['may_change']
                for path, _, field in leaves(config)}
  for path, value, other_value in all_differences(config, other):
    if not may_change[path]:
      yield path, value, other_value


def disagreements(config: Any, other: Any) -> Iterator[Tuple[str, Any, Any]]:
  """Yields (dotted path, value, other value) of what two processes of one run
  need to have in common: all that may not change, and who the actors are."""
  fixed = {path for path, _, _ in differences(config, other)}
  for path, value, other_value in all_differences(config, other):
    if path in fixed or path.startswith('actor.'):
      yield path, value, other_value


def as_flags(config: Any, preset: Any) -> List[str]:
  """The overrides that make a configuration of a preset's.

  Returns:
    Flags such as "--config.agent.n_step=5".
  """
  return [f'--config.{path}={value}'
          for path, value, _ in all_differences(config, preset)]


def to_mapping(config: Any) -> Dict[str, Any]:
  """Nested dicts for strict JSON; infinity is the string "inf"."""
  return _map_leaves(dataclasses.asdict(config), _encode)


def from_mapping(cls: Type[_ConfigT], data: Any,
                 unknown: Callable[[str], str],
                 prefix: str = '') -> _ConfigT:
  """The inverse of `to_mapping`; what is not in `data` keeps its default.

  Args:
    cls: the dataclass.
    data: as JSON gives it.
    unknown: the message for the dotted path of a field that does not exist.
    prefix: of the dotted paths.

  Raises:
    ValueError: a field that does not exist, or a wrong type, by name.
  """
  if not isinstance(data, dict):
    raise error(prefix.rstrip('.') or 'config', data, 'a JSON object')
  result = cls()
  for key, value in data.items():
    path = f'{prefix}{key}'
    if key not in {f.name for f in dataclasses.fields(result)}:  # type: ignore[arg-type]
      raise ValueError(unknown(path))
    default = getattr(result, key)
    if dataclasses.is_dataclass(default):
      value = from_mapping(type(default), value, unknown, f'{path}.')
    elif isinstance(default, tuple) and isinstance(value, list):
      value = tuple(value)
    elif isinstance(default, float) and value in ('inf', '-inf'):
      value = float(value)
    elif isinstance(default, float) and type(value) is int:
      value = float(value)
    if not dataclasses.is_dataclass(default):
      _check_type(path, value, default)
    setattr(result, key, value)
  return result


def limits(config: Any, path: str) -> Mapping[str, Any]:
  """Those of a field, see `setting`.

  Raises:
    KeyError: there is no such field.
  """
  return {name: field.metadata['limits']
          for name, _, field in leaves(config)}[path]


def replace(config: _ConfigT, values: Mapping[str, Any]) -> _ConfigT:
  """A copy with other values.

  Args:
    config: with sections.
    values: of fields by dotted path, which exist; not checked.
  """
  copied = copy.deepcopy(config)
  for path, value in values.items():
    section, field = path.split('.')
    setattr(getattr(copied, section), field, value)
  return copied


def describe(config: Any) -> List[Tuple[str, Any, str]]:
  """(dotted path, value, documentation) of every field."""
  return [(path, value, field.metadata['doc'])
          for path, value, field in leaves(config)]


def unknown_field_message(config: Any, path: str) -> str:
  """One line for a field that does not exist, with the nearest that does."""
  known = [name for name, _, _ in leaves(config)]
  close = difflib.get_close_matches(path, known, n=1)
  hint = f'; did you mean {close[0]}?' if close else ''
  sections = ', '.join(field.name for field in dataclasses.fields(config))
  return (f'{path} is not a field of the configuration{hint} (sections: '
          f'{sections})')
