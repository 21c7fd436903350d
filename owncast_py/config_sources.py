"""Gathers the settings: command line over environment over file over default.

Owns where a value came from, so that a faulty one is refused with its line, flag or variable, the value and what
would be right. The model with the limits is `owncast_py.config`. Files are YAML 1.1 mappings, one document,
without duplicate keys, anchors or aliases.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from owncast_py.config import Config
from owncast_py.errors import ConfigError
from owncast_py.setting_groups import VARIANTS_AUTO, VARIANTS_LIST, Variant

SettingPath = tuple[str | int, ...]

DEFAULT_FILE = Path("config.yaml")
ENV_PREFIX = "OWNCAST_"
NO_SETTINGS = ("OWNCAST_CHAT_TOKEN", "OWNCAST_TEST_")
"""Variables, or beginnings of them, under that prefix which are for others: the terminal's chat, and the tests."""
MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 16
"""How deeply a file may nest; the settings need 4."""
MAX_SHOWN = 80
"""How much of a faulty value a sentence repeats, in characters."""
SECRET_NAMES = frozenset({"stream_key", "admin_password", "database_url", "secret"})
DEMANDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list",
    "model_type": "must hold settings of its own, written 'name: value'",
    "too_short": "must have at least one item",
    "too_long": "must have fewer items",
    "path_type": "must be a path; put it in quotes",
    "ip_any_network": "must be a network, such as 10.0.0.0/8",
}
"""What pydantic's kinds of fault ask for, in the words of someone who edits a file."""
TEXT_SETTINGS: frozenset[SettingPath] = frozenset(
    {
        *((n,) for n in ("name", "title", "summary", *SECRET_NAMES)),
        ("chat", "welcome_message"),
        *(("storage", "s3", n) for n in ("region", "bucket", "access_key", "secret", "path_prefix")),
    }
)


@dataclass(slots=True)
class _Source:
    """One place that settings come from: its values, and what to call the place of each."""

    values: dict[str, object] = field(default_factory=dict)
    places: dict[SettingPath, str] = field(default_factory=dict)


def load(config_file: Path | None, flags: Mapping[str, object]) -> Config:
    """The configuration from all sources.

    `config_file` is the file asked for, or None for `config.yaml` in the working directory if there is one.
    `flags` maps top-level setting names to what the command line gave; absent names were not given.
    Raises `ConfigError` with a sentence for every unknown name and bad value.
    """
    faults: list[str] = []
    file = _read_file(config_file, faults)
    environment = _read_environment(faults)
    command_line = _Source(dict(flags), {(name,): f"--{name.replace('_', '-')}" for name in flags})
    sources = (command_line, environment, file)
    merged: dict[str, object] = {}
    for source in reversed(sources):
        merged = _merge(merged, source.values)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        # A list with a bad item is reported again as one that lacks an item.
        blamed = {path[:length] for path in (fault["loc"] for fault in found) for length in range(len(path))}
        faults += [_explain(fault, sources) for fault in found if fault["loc"] not in blamed]
        raise ConfigError(faults) from None
    if faults:
        raise ConfigError(faults)
    config.insist(_merge(environment.values, command_line.values))
    return config


def setting_paths(model: type[BaseModel] = Config, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every setting, such as `("stream", "codec")`; a variant's own fields are not settings."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from setting_paths(annotation, (*prefix, name))
        else:
            yield (*prefix, name)


def environment_name(path: tuple[str, ...]) -> str:
    """The environment variable of a setting: `("stream", "codec")` is `OWNCAST_STREAM__CODEC`."""
    return ENV_PREFIX + "__".join(path).upper()


def _read_environment(faults: list[str]) -> _Source:
    names = {environment_name(path): path for path in setting_paths()}
    source = _Source()
    for variable in sorted(os.environ):
        if variable.upper().startswith(ENV_PREFIX) and not variable.upper().startswith(NO_SETTINGS):
            path = names.get(variable.upper())
            if path is None:
                faults.append(f"{variable} in the environment is not a setting.{_nearest(variable.upper(), names)}")
            elif os.environ[variable]:
                source.places[path] = f"{variable} in the environment"
    reader = EnvSettingsSource(Config)
    reader.env_vars = {name: value for name, value in reader.env_vars.items() if name.upper() in names}
    source.values = reader()
    return source


def _read_file(config_file: Path | None, faults: list[str]) -> _Source:
    path = config_file or DEFAULT_FILE
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if config_file is None:
            return _Source()
        raise ConfigError([f"The configuration file {path} does not exist; create it or leave out --config."]) from None
    except OSError as error:
        raise ConfigError([f"The configuration file {path} cannot be read: {error.strerror}."]) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError([f"The configuration file {path} is over {MAX_FILE_BYTES} bytes long; is it the right one?"])
    try:
        return _parse(content.decode("utf-8-sig"), path, faults)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path} is not UTF-8 text: {error.reason} at byte {error.start}."]) from error
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError([f"{path}{line} is not valid YAML: {error.problem or error.context}."]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([f"{path} is not valid YAML: {error}."]) from error


def _parse(text: str, path: Path, faults: list[str]) -> _Source:
    # An alias may point at what contains it, which no setting needs and no walk survives.
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError([f"{path} line {line} uses the alias *{event.anchor}; write the value out instead."])
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        source = _Source()
        if isinstance(root, yaml.MappingNode):
            source.values = _mapping(loader, root, (), path, source.places, faults)
        elif root is not None:
            faults.append(f"{path} line {root.start_mark.line + 1} must be a setting, written 'name: value'.")
        return source
    finally:
        loader.dispose()


def _mapping(
    loader: yaml.SafeLoader,
    node: yaml.MappingNode,
    at: SettingPath,
    path: Path,
    places: dict[SettingPath, str],
    faults: list[str],
) -> dict[str, object]:
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        place = f"{path} line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            faults.append(f"{place}: a setting's name must be a plain word.")
            continue
        name = str(key_node.value)
        if name in values:
            faults.append(f"{place}: {_dotted((*at, name))} is already set above; keep one of the two.")
            continue
        places[(*at, name)] = place
        values[name] = _value(loader, value_node, (*at, name), path, places, faults)
    return values


def _value(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    at: SettingPath,
    path: Path,
    places: dict[SettingPath, str],
    faults: list[str],
) -> object:
    if len(at) > MAX_DEPTH:
        raise ConfigError([f"{path} line {node.start_mark.line + 1} is nested deeper than {MAX_DEPTH} levels."])
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, at, path, places, faults)
    if isinstance(node, yaml.SequenceNode):
        items: list[object] = []
        for index, item in enumerate(node.value):
            places[(*at, index)] = f"{path} line {item.start_mark.line + 1}"
            items.append(_value(loader, item, (*at, index), path, places, faults))
        return items
    value: object = loader.construct_object(node)
    # Names, titles and keys that look like numbers (stream_key: 123456) are still text to the person who wrote them.
    return str(node.value) if at in TEXT_SETTINGS and value is not None else value


def _merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _explain(fault: ErrorDetails, sources: Sequence[_Source]) -> str:
    path: SettingPath = tuple(part for part in fault["loc"] if part not in (VARIANTS_AUTO, VARIANTS_LIST))
    place = _place(path, sources)
    subject = f"{place}: {_dotted(path)}" if place else _dotted(path)
    if fault["type"] == "extra_forbidden":
        return f"{subject} is not a setting.{_nearest(str(path[-1]), _siblings(path))}"
    demand = DEMANDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    limits = _limits(path)
    if limits and fault["type"] in ("less_than_equal", "greater_than_equal"):
        demand = f"must be between {limits[0]:g} and {limits[1]:g}"
    # A secret is never repeated, nor is the input of a sentence of ours that already says what is wrong with it.
    hidden = SECRET_NAMES.intersection(path) or not demand.startswith("must")
    value = "" if hidden else f" is {_shown(fault['input'])}, but"
    return f"{subject}{value} {demand.rstrip('.')}."


def _place(path: SettingPath, sources: Sequence[_Source]) -> str:
    """Where the value stands that a fault is about: the source that wins, its nearest known ancestor."""
    for length in range(len(path), 0, -1):
        for source in sources:
            if place := source.places.get(path[:length]):
                return place
    return ""


def _model_at(path: SettingPath) -> type[BaseModel] | None:
    """The model that holds the last name of `path`."""
    model: type[BaseModel] = Config
    for part in path[:-1]:
        if part == "variants" or isinstance(part, int):
            model = Variant
            continue
        info = model.model_fields.get(part)
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            return None
        model = info.annotation
    return model


def _siblings(path: SettingPath) -> list[str]:
    model = _model_at(path)
    return list(model.model_fields) if model else []


def _limits(path: SettingPath) -> tuple[float, float] | None:
    model = _model_at(path)
    name = path[-1]
    if model is Variant:
        name = next((field for field, info in Variant.model_fields.items() if name in (field, info.alias)), name)
    info = model.model_fields.get(str(name)) if model else None
    least = next((rule.ge for rule in info.metadata if isinstance(rule, Ge)), None) if info else None
    most = next((rule.le for rule in info.metadata if isinstance(rule, Le)), None) if info else None
    return (least, most) if isinstance(least, int | float) and isinstance(most, int | float) else None


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {found[0]}?" if found else " docs/configuration.md lists them all."


def _dotted(path: SettingPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _shown(value: object) -> str:
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "…"
