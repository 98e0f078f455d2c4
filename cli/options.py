"""Command-line options made from the contract's dataclasses, so that defaults and help exist once."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypeVar

from ..core.contract import (
    LayerSource,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    SartoError,
    limits,
)
from ..core.matching import methods_with
from ..core.pipeline import known_scenes

T = TypeVar("T")

_FLAGS = {"directory": "--out", "check_share": "--check-share", "tolerance_px": "--tolerance"}


def add_dataclass(
    parser: argparse.ArgumentParser, title: str, kind: type[Any], skip: tuple[str, ...] = ()
) -> None:
    """Add an argument group with one option for each field that has a help text."""
    group = parser.add_argument_group(title)
    for f in dataclasses.fields(kind):
        if "help" not in f.metadata or f.name in skip:
            continue
        flag = _FLAGS.get(f.name, "--" + f.name.replace("_", "-"))
        text = f.metadata["help"].replace("%", "%%") + _facts(f.default, f.metadata)
        if isinstance(f.default, bool):
            group.add_argument(flag, dest=f.name, action="store_true", help=text)
            continue
        group.add_argument(
            flag,
            dest=f.name,
            type=type(f.default),
            default=f.default,
            choices=f.metadata["choices"] or None,
            metavar=None if f.metadata["choices"] else f.name.split("_")[-1].upper(),
            help=text,
        )
        if f.name == "scene":
            group.add_argument(
                "--list-scenes", action=ListScenes, help="Print the scenes that --scene knows, and stop."
            )


def _facts(default: Any, metadata: Mapping[str, Any]) -> str:
    """Default, limits and methods of an option in parentheses; "" where there is nothing to say."""
    facts = [] if default in ("", None, False) else [f"default: {default}"]
    facts += [limits(metadata)] if limits(metadata) else []
    heeding = methods_with(metadata["only_for"]) if metadata["only_for"] else ()
    if heeding:
        facts.append(f"only with --method {' or '.join(heeding)}")
    return f" ({'; '.join(facts)})" if facts else ""


class ListScenes(argparse.Action):
    """Prints the scenes at once, whatever else is given, as `--help` does."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        try:
            scenes = known_scenes()
        except SartoError as error:
            parser.exit(error.exit_code, f"sarto: {error.message}\n       {error.hint}\n")
        width = max(map(len, scenes))
        print("\n".join(f"{name:<{width}}  {title}" for name, title in scenes.items()))
        parser.exit()


def read_dataclass(args: argparse.Namespace, kind: type[T]) -> T:
    """Build the dataclass from parsed arguments; fields without an option keep their default."""
    names = {f.name for f in dataclasses.fields(kind)} & set(vars(args))  # type: ignore[arg-type]
    return kind(**{name: getattr(args, name) for name in names})


def add_layers(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The two input layers."""
    group = parser.add_argument_group("layers")
    bands = next(f for f in dataclasses.fields(LayerSource) if f.name == "bands").metadata["help"]
    for role, what in (("optical", "reference: it stays where it is"), ("sar", "moving: it is aligned")):
        group.add_argument(f"--{role}", required=required, metavar="RASTER", help=f"The {role} layer ({what}).")
        group.add_argument(f"--{role}-bands", default="auto", metavar="BANDS", help=f"{bands} (default: auto)")
        group.add_argument(f"--{role}-nodata", type=float, metavar="VALUE", help="Its NoData, if undeclared.")


def add_land_use_layer(parser: argparse.ArgumentParser) -> None:
    """The land-cover layer, which is optional."""
    group = parser.add_argument_group("land cover")
    metadata = RegisterJob.__dataclass_fields__["land_use_layer"].metadata
    text = metadata["help"].replace("%", "%%") + _facts(None, metadata)
    group.add_argument("--land-use-layer", metavar="RASTER", help=text)


def read_land_use_layer(args: argparse.Namespace) -> Optional[LayerSource]:
    """The land-cover layer, None where there is none."""
    return LayerSource(args.land_use_layer) if args.land_use_layer else None


def read_layer(args: argparse.Namespace, role: str) -> LayerSource:
    """The layer of a role, "optical" or "sar"."""
    values = vars(args)
    return LayerSource(values[role], bands=values[f"{role}_bands"], nodata=values[f"{role}_nodata"])


def changed_options(args: argparse.Namespace, but: tuple[str, ...]) -> list[str]:
    """The options, as they are typed, that differ from their defaults; those that store into `but` aside.

    args: from a parser that put itself into `args.parser`.
    """
    parser: argparse.ArgumentParser = args.parser
    return [
        action.option_strings[-1]
        for action in parser._actions  # argparse has no other way to them
        if action.option_strings
        and action.dest not in (*but, "help")
        and getattr(args, action.dest) != parser.get_default(action.dest)
    ]


OPTION_GROUPS: tuple[tuple[str, type[Any]], ...] = (
    ("matching", MatchOptions),
    ("transform", ModelOptions),
    ("pixel values", RadiometryOptions),
    ("results", OutputOptions),
)
