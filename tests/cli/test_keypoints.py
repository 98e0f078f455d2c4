"""`--keypoints` as a user meets it."""

from __future__ import annotations

import pytest
from sarto.cli.main import build_parser
from sarto.cli.options import read_dataclass
from sarto.core.contract import MatchOptions, OptionError, check_options
from sarto.core.matching.keypoints import KINDS

LAYERS = ["--optical", "a.tif", "--sar", "b.tif"]


@pytest.mark.parametrize("command", ["register", "match", "assess"])
@pytest.mark.parametrize("kind", ["auto", *KINDS])
def test_every_kind_can_be_chosen(command: str, kind: str) -> None:
    args = build_parser().parse_args([command, *LAYERS, "--keypoints", kind])
    options = read_dataclass(args, MatchOptions)
    check_options(options)
    assert options.keypoints == kind


def test_others_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["register", *LAYERS, "--keypoints", "harris"])
    assert stopped.value.code == 2
    assert "'pc-fast'" in capsys.readouterr().err
    with pytest.raises(OptionError, match="'keypoints' is 'harris'"):
        check_options(MatchOptions(keypoints="harris"))
